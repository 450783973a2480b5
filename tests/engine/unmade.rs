//! A target that cannot be made now: what is in force is kept up instead where it is down, and what has
//! no part in it goes on.

use serde_json::json;

use crate::support::{Sandbox, free_address};
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
