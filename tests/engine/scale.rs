//! Services of several containers.

use crate::support::{Sandbox, wait_for};

const STACK: &str = "\
services:
  db:
    image: IMAGES/db:1
  web:
    image: IMAGES/web:1
    deploy:
      replicas: 3
";

fn scaled() -> Option<Sandbox> {
    let sandbox = Sandbox::open()?;
    for image in ["db:1", "web:1", "web:2"] {
        sandbox.publish(image);
    }
    sandbox.commit(&[("compose.yaml", STACK)], "Three of web");
    sandbox.plan_then_sync(0);
    assert_eq!(sandbox.inspect("web").len(), 3);
    sandbox.settled();
    Some(sandbox)
}

fn all_run(sandbox: &Sandbox, version: &str) {
    let replicas = sandbox.inspect("web");
    assert_eq!(replicas.len(), 3, "{replicas:#?}");
    for one in replicas {
        assert_eq!(one["State"]["Status"], "running");
        let label = one["Config"]["Labels"]["version"].as_str().expect("a version");
        assert!(label.starts_with(version), "{label} instead of {version}");
    }
}

#[test]
fn a_new_image_reaches_every_replica() {
    let Some(sandbox) = scaled() else { return };
    let before = sandbox.ids();
    sandbox.commit(&[("compose.yaml", &STACK.replace("web:1", "web:2"))], "web 2");
    sandbox.plan_then_sync(0).did(
        "
        db   none      settled
        web  recreate  image
    ",
    );
    sandbox.only_changed(&before, &["web"]);
    all_run(&sandbox, "web:2 ");
    sandbox.settled();
}

#[test]
fn one_stale_replica_is_seen_and_replaced() {
    let Some(sandbox) = scaled() else { return };
    let old = sandbox.fill(STACK);
    sandbox.write("old.yaml", &old);
    sandbox.commit(&[("compose.yaml", &STACK.replace("web:1", "web:2"))], "web 2");
    sandbox.plan_then_sync(0);
    let before = sandbox.ids();
    // By hand, replica 2 goes back to the old image.
    sandbox.docker(["rm", "-f", &sandbox.fill("SANDBOX-web-2")]);
    let up = ["-f", "../old.yaml", "up", "-d", "--no-recreate", "--no-deps", "web"];
    sandbox.compose(["-p", &sandbox.id].into_iter().chain(up));
    let good = before["web"].iter().filter(|id| sandbox.ids()["web"].contains(id)).count();
    assert_eq!(good, 2, "the story needs two good replicas");

    sandbox.plan_then_sync(0).did(
        "
        db   none      settled
        web  recreate  image
    ",
    );
    all_run(&sandbox, "web:2 ");
    let kept = before["web"].iter().filter(|id| sandbox.ids()["web"].contains(id)).count();
    assert_eq!(kept, 2, "the good replicas must not be touched");
    assert_eq!(before["db"], sandbox.ids()["db"]);
    sandbox.settled();
}

#[test]
fn a_lost_replica_is_made_again() {
    let Some(sandbox) = scaled() else { return };
    let before = sandbox.ids();
    sandbox.docker(["rm", "-f", &sandbox.fill("SANDBOX-web-2")]);
    sandbox.plan_then_sync(0).did(
        "
        db   none   settled
        web  start  missing
    ",
    );
    all_run(&sandbox, "web:1 ");
    let kept = before["web"].iter().filter(|id| sandbox.ids()["web"].contains(id)).count();
    assert_eq!(kept, 2, "the replicas that ran must not be touched");
    sandbox.settled();
}

#[test]
fn one_more_container_is_not_to_blame_for_what_the_first_did_before() {
    let Some(sandbox) = Sandbox::open() else { return };
    sandbox.publish("web:1");
    let stack = |replicas: u8| {
        format!(
            "services:\n  web:\n    image: IMAGES/web:1\n    restart: always\n    \
             deploy: {{replicas: {replicas}}}\n"
        )
    };
    sandbox.commit(&[("compose.yaml", &stack(1))], "One");
    sandbox.config(serde_json::json!([{
        "name": "app", "compose_files": ["compose.yaml"], "verify": { "soak": "1s" },
    }]));
    sandbox.plan_then_sync(0);
    let first = sandbox.ids()["web"][0].clone();
    sandbox.docker(["exec", "-d", &first, "sh", "-c", "kill -TERM 1"]);
    wait_for("a restart", 60, || (sandbox.the("web")["RestartCount"] == 1).then_some(()));
    sandbox.come_up(&["web"]);
    sandbox.commit(&[("compose.yaml", &stack(2))], "Two");
    sandbox.plan_then_sync(0).did("web start missing").result("app", "changed");
    assert!(sandbox.ids()["web"].contains(&first));
    sandbox.settled();
}
