//! A target that cannot be made now: what is in force is kept up instead where it is down, and what has
//! no part in it goes on.

use serde_json::json;

use crate::support::{Sandbox, free_address, wait_for};
use crate::{THREE, three_running};

const QUIET: &str = "    environment: {LEVEL: quiet}\n";

/// The stack with this definition of `web`.
fn web(image: &str, more: &str) -> String {
    THREE.replace("    image: IMAGES/web:1\n", &format!("    image: IMAGES/{image}\n{more}"))
}

#[test]
fn what_is_down_comes_back_as_it_was_while_its_target_cannot_be_made() {
    let Some(sandbox) = three_running() else { return };
    sandbox.commit(&[("compose.yaml", &web("web:1", QUIET))], "Quiet");
    sandbox.plan_then_sync(0);
    let address = free_address();
    let held = std::net::TcpListener::bind(address).expect("a port");
    let loud = "    environment: {LEVEL: loud}\n";
    let targets = [
        (2, "image_not_found", web("no-such:1", loud)),
        (1, "unset_variable", web("web:1", "    environment: {LEVEL: \"loud ${NOPE}\"}\n")),
        (2, "port_taken", web("web:1", &format!("{loud}    ports: ['{address}:80']\n"))),
    ];
    for (code, reason, stack) in &targets {
        sandbox.commit(&[("compose.yaml", stack)], reason);
        let before = sandbox.ids();
        let synced = |how: &str| {
            let run = sandbox.renew(["sync", "--json"]).expect(*code).json();
            assert_eq!(run["services"][0]["error"]["reason"], *reason, "{how}: {run:#}");
            assert_eq!(run["services"][0]["result"], "failed", "{how}: {run:#}");
            let actions = run["services"][0]["actions"].as_array().expect("actions");
            let web = actions.iter().find(|one| one["compose_service"] == "web");
            web.expect("web").clone()
        };
        synced("it runs");
        sandbox.only_changed(&before, &[]);
        sandbox.docker(["kill", &before["web"][0]]);
        let action = synced("it stands still");
        assert_eq!((&action["action"], &action["reason"]), (&"start".into(), &"stopped".into()));
        assert!(
            action["detail"].to_string().contains("deferred until it can be made: "),
            "{action}"
        );
        sandbox.only_changed(&before, &[]);
        sandbox.runs(&["web"]);
        sandbox.docker(["rm", "-f", &before["web"][0]]);
        let action = synced("it is gone");
        assert_eq!((&action["action"], &action["reason"]), (&"start".into(), &"missing".into()));
        sandbox.only_changed(&before, &["web"]);
        sandbox.runs(&["web"]);
        assert!(sandbox.has_env("web", "LEVEL=quiet"), "as it was");
    }
    // What the plan can know it says.
    sandbox.docker(["kill", &sandbox.ids()["web"][0]]);
    sandbox.plan_then_sync(2).did("cache none settled\n db none settled\n web start stopped");
    drop(held);
    sandbox.plan_then_sync(0).did("cache none settled\n db none settled\n web recreate config");
    assert!(sandbox.has_env("web", "LEVEL=loud"));
    sandbox.settled();
}

#[test]
fn a_variable_that_is_not_set_disturbs_no_other_stack() {
    let Some(sandbox) = Sandbox::open() else { return };
    for image in ["web:1", "db:1", "db:2"] {
        sandbox.publish(image);
    }
    let one = "services:\n  one:\n    image: IMAGES/web:1\n    environment: {A: first}\n";
    let two = |tag: &str| format!("services:\n  two:\n    image: IMAGES/db:{tag}\n");
    sandbox.config(json!([{
        "name": "app", "compose_files": ["SANDBOX-a/compose.yaml", "SANDBOX-b/compose.yaml"],
    }]));
    let push = |one: &str, two: &str| {
        let files = [("SANDBOX-a/compose.yaml", one), ("SANDBOX-b/compose.yaml", two)];
        sandbox.commit(&files, "Both")
    };
    push(one, &two("1"));
    sandbox.plan_then_sync(0);
    push(&one.replace("first", "second"), &two("1"));
    sandbox.plan_then_sync(0);
    let before = sandbox.ids();
    push(&one.replace("first", "\"${NOPE}\""), &two("2"));
    let run = sandbox.plan_then_sync(1);
    run.did("one recreate config\n two recreate image");
    assert_eq!(run.trouble().reason, "unset_variable");
    sandbox.only_changed(&before, &["two"]);
    assert!(sandbox.version("two").starts_with("db:2 "), "pulled, and made");
    // Nor is it in the way of a person who goes back.
    sandbox.renew(["rollback", "app"]).expect(0);
    sandbox.runs(&["one", "two"]);
    assert!(sandbox.version("two").starts_with("db:1 "));
}

/// `db` is healthy as long as there is something in the file `well`, and `web` needs it so.
const NEEDY: &str = "\
services:
  db:
    image: IMAGES/db:1
    restart: always
    command: [\"/bin/sh\", \"-c\", \"echo yes >/well; while :; do sleep 1; done\"]
    stop_grace_period: 0s
    healthcheck: {test: [\"CMD-SHELL\", \"[ -s /well ]\"], interval: 1s, retries: 1}
  web:
    image: IMAGES/web:1
    depends_on: {db: {condition: service_healthy}}
";

#[test]
fn nothing_is_stopped_before_what_it_depends_on_is_good() {
    let Some(sandbox) = Sandbox::open() else { return };
    for image in ["web:1", "db:1"] {
        sandbox.publish(image);
    }
    sandbox.commit(&[("compose.yaml", NEEDY)], "A stack");
    sandbox.plan_then_sync(0);
    let before = sandbox.ids();
    let louder = |stack: &str| stack.replace("IMAGES/web:1", "IMAGES/web:1\n    labels: [loud]");
    let db = before["db"][0].clone();
    sandbox.docker(["exec", &db, "sh", "-c", ": >/well"]);
    wait_for("an unhealthy db", 60, || {
        (sandbox.the("db")["State"]["Health"]["Status"] == "unhealthy").then_some(())
    });
    sandbox.commit(&[("compose.yaml", &louder(NEEDY))], "A label");
    let run = sandbox.plan_then_sync(2);
    assert_eq!(run.trouble().reason, "not_reached");
    sandbox.only_changed(&before, &[]);
    sandbox.docker(["exec", &db, "sh", "-c", "echo yes >/well"]);
    wait_for("a healthy db", 60, || {
        (sandbox.the("db")["State"]["Health"]["Status"] == "healthy").then_some(())
    });
    sandbox.plan_then_sync(0).did("db none settled\n web recreate config");

    // One that is down and cannot be made is no ground to stand on either.
    let address = free_address();
    let port = format!("    ports: ['{address}:80']\n    healthcheck");
    let published = louder(NEEDY).replace("    healthcheck", &port);
    sandbox.commit(&[("compose.yaml", &published)], "A port");
    sandbox.plan_then_sync(0);
    let before = sandbox.ids();
    sandbox.docker(["rm", "-f", &before["db"][0]]);
    let held = std::net::TcpListener::bind(address).expect("a port");
    sandbox.commit(&[("compose.yaml", &published.replace("loud", "louder"))], "A label");
    let run = sandbox.plan_then_sync(2);
    assert_eq!(run.trouble().reason, "port_taken");
    sandbox.only_changed(&before, &["db"]);
    drop(held);
    sandbox.plan_then_sync(0).did("db start missing\n web recreate config");
    sandbox.settled();
}

#[test]
fn what_is_down_is_started_whatever_keeps_git_from_going_on() {
    let Some(sandbox) = three_running() else { return };
    let config = |repo: serde_json::Value| {
        let services = json!([{ "name": "app", "compose_files": ["compose.yaml"] }]);
        let config = json!({ "repo": repo, "state_dir": "state", "services": services });
        sandbox.write("renew.json", &config.to_string());
    };
    let heals = |reason: &str| {
        let before = sandbox.ids();
        sandbox.docker(["kill", &before["web"][0]]);
        let run = sandbox.plan_then_sync(1);
        run.did("cache none settled\n db none settled\n web start stopped");
        assert_eq!(run.trouble().reason, reason);
        sandbox.only_changed(&before, &[]);
    };
    // A key that is not there.
    config(json!({ "dir": sandbox.id, "ssh_key_file": "no-such-key" }));
    heals("git_credentials");
    // Somebody's merge that is not through.
    config(json!({ "dir": sandbox.id }));
    let git = |args: &[&str]| sandbox.git(&sandbox.host, args);
    let blob = git(&["rev-parse", "HEAD:compose.yaml"]);
    let sides: String =
        (1..4).map(|side| format!("100644 {blob} {side}\tcompose.yaml\n")).collect();
    sandbox.write("sides", &sides);
    let sides = sandbox.root().join("sides");
    git(&["rm", "-q", "--cached", "compose.yaml"]);
    let conflict = format!("git update-index --index-info <{}", sides.display());
    git(&["-c", &format!("alias.conflict=!{conflict}"), "conflict"]);
    heals("unmerged");
    git(&["reset", "-q", "--hard"]);
    sandbox.settled();
}

#[test]
fn a_migration_that_cannot_be_made_is_not_run_as_it_was() {
    let Some(sandbox) = Sandbox::open() else { return };
    for image in ["web:1", "db:1"] {
        sandbox.publish(image);
    }
    let root = sandbox.root().display();
    let stack = |level: &str, more: &str| {
        format!(
            "services:\n  migrate:\n    image: IMAGES/db:1\n    command: [sh, -c, \"echo {level} \
             >>/out/ran\"]\n    volumes: [\"{root}/out:/out\"]\n{more}  web:\n    image: \
             IMAGES/web:1\n    labels: [{level}]\n    depends_on: {{migrate: {{condition: \
             service_completed_successfully}}}}\n"
        )
    };
    std::fs::create_dir(sandbox.root().join("out")).expect("a folder");
    let ran = || std::fs::read_to_string(sandbox.root().join("out/ran")).expect("it ran");
    sandbox.commit(&[("compose.yaml", &stack("one", ""))], "One");
    sandbox.plan_then_sync(0);
    let before = sandbox.ids();
    let lost = "    networks: [lost]\n";
    let outside = "networks:\n  lost: {external: true, name: SANDBOX-lost}\n";
    let unset = "    environment: {A: \"${NOPE}\"}\n";
    for (code, text) in [(2, stack("two", lost) + outside), (1, stack("two", unset))] {
        sandbox.commit(&[("compose.yaml", &text)], "Two");
        for _ in 0..2 {
            sandbox.plan_then_sync(code).did("migrate recreate config\n web recreate config");
            sandbox.only_changed(&before, &[]);
            assert_eq!(ran(), "one\n");
        }
    }
    sandbox.commit(&[("compose.yaml", &stack("two", ""))], "Two");
    sandbox.plan_then_sync(0);
    assert_eq!(ran(), "one\ntwo\n");
    sandbox.settled();
}
