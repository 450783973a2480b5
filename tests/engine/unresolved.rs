//! A target that cannot be resolved: what was resolved last stands in for it, and may never have been
//! in force. So nothing of that comes into force, and what is in force is kept up.

use std::fs;

use serde_json::json;

use crate::support::Sandbox;

const ONE: &str =
    "services:\n  one:\n    image: IMAGES/web:1\n    volumes: [\"./conf:/conf:ro\"]\n";
const TWO: &str =
    "services:\n  two:\n    image: IMAGES/web:1\n    environment: {TOKEN: \"${TOKEN:-}\"}\n";
const BROKEN: &str = "services:\n  two:\n    imagine: all the people\n";
const OBJECTS: &str = "#!/bin/sh\nexit 1\n";

/// Two stacks of one service are running, with an env file, and a script agrees.
fn running() -> Option<Sandbox> {
    let sandbox = Sandbox::open()?;
    sandbox.publish("web:1");
    sandbox.write("app.env", "TOKEN=first\n");
    sandbox.config(json!([{
        "name": "app",
        "compose_files": ["SANDBOX-a/compose.yaml", "SANDBOX-b/compose.yaml"],
        "env_file": "app.env",
        "pre_script": "pre.sh",
    }]));
    push(&sandbox, ONE, TWO, "1", "#!/bin/sh\n");
    sandbox.plan_then_sync(0);
    sandbox.settled();
    Some(sandbox)
}

fn push(sandbox: &Sandbox, one: &str, two: &str, conf: &str, script: &str) {
    sandbox.commit(
        &[
            ("SANDBOX-a/compose.yaml", one),
            ("SANDBOX-a/conf/a", conf),
            ("SANDBOX-b/compose.yaml", two),
            ("pre.sh", script),
        ],
        conf,
    );
}

fn louder(stack: &str) -> String {
    stack.replace("image: IMAGES/web:1", "image: IMAGES/web:1\n    labels: {level: loud}")
}

fn on_disk(sandbox: &Sandbox) -> String {
    let path = sandbox.host.join(sandbox.fill("SANDBOX-a/conf/a"));
    fs::read_to_string(path).expect("the file")
}

#[test]
fn one_broken_stack_keeps_the_others_of_its_service_as_they_are() {
    let Some(sandbox) = running() else { return };
    let before = sandbox.ids();
    push(&sandbox, &louder(ONE), BROKEN, "2", "#!/bin/sh\n");
    for _ in 0..2 {
        let run = sandbox.plan_then_sync(1);
        run.result("app", "failed").did("one none deferred\n two none settled");
        assert_eq!(run.trouble().reason, "compose_config");
        sandbox.only_changed(&before, &[]);
        assert_eq!(on_disk(&sandbox), "1", "files and containers change together");
    }
    sandbox.docker(["rm", "-f", &before["one"][0]]);
    sandbox.plan_then_sync(1).did("one start missing\n two none settled");
    assert_ne!(sandbox.the("one")["Config"]["Labels"]["level"], "loud", "as it was");
    push(&sandbox, &louder(ONE), TWO, "2", "#!/bin/sh\n");
    sandbox.plan_then_sync(0).did("one recreate config\n two none settled");
    assert_eq!(sandbox.the("one")["Config"]["Labels"]["level"], "loud");
    assert_eq!(on_disk(&sandbox), "2");
    sandbox.settled();
}

#[test]
fn what_was_refused_does_not_come_with_a_target_that_does_not_resolve() {
    let Some(sandbox) = running() else { return };
    let before = sandbox.ids();
    push(&sandbox, &louder(ONE), &louder(TWO), "2", OBJECTS);
    sandbox.plan_then_sync(3).result("app", "refused");
    push(&sandbox, &louder(ONE), BROKEN, "3", "#!/bin/sh\n");
    sandbox.plan_then_sync(1).did("one none deferred\n two none deferred");
    sandbox.only_changed(&before, &[]);
    assert_eq!(on_disk(&sandbox), "1");
    sandbox.docker(["kill", &before["two"][0]]);
    sandbox.plan_then_sync(1).did("one none deferred\n two start stopped");
    sandbox.only_changed(&before, &[]);
}

#[test]
fn what_was_refused_does_not_come_with_an_env_file_that_is_away() {
    let Some(sandbox) = running() else { return };
    let before = sandbox.ids();
    push(&sandbox, &louder(ONE), &louder(TWO), "2", OBJECTS);
    sandbox.plan_then_sync(3).result("app", "refused");
    push(&sandbox, &louder(ONE), &louder(TWO), "3", "#!/bin/sh\n");
    fs::remove_file(sandbox.root().join("app.env")).expect("a file");
    sandbox.plan_then_sync(1).did("one none deferred\n two none deferred");
    sandbox.only_changed(&before, &[]);
    sandbox.write("app.env", "TOKEN=first\n");
    sandbox.plan_then_sync(0).did("one recreate config\n two recreate config");
    sandbox.settled();
}

#[test]
fn a_stack_that_took_the_place_of_another_is_not_taken_for_it() {
    let Some(sandbox) = running() else { return };
    let before = sandbox.ids();
    push(&sandbox, ONE, BROKEN, "1", "#!/bin/sh\n");
    sandbox.config(json!([{
        "name": "app", "compose_files": ["SANDBOX-b/compose.yaml"], "env_file": "app.env",
    }]));
    sandbox.docker(["kill", &before["two"][0]]);
    sandbox.plan_then_sync(1).did("two start stopped");
    push(&sandbox, ONE, &louder(TWO), "1", "#!/bin/sh\n");
    sandbox.plan_then_sync(0).did("two recreate config");
    sandbox.settled();
}
