//! Beginnings: nothing runs yet, or everything was started by hand.

use crate::support::Sandbox;
use crate::{THREE, three_pushed};

#[test]
fn a_first_sync_starts_everything() {
    let Some(sandbox) = three_pushed() else { return };
    let run = sandbox.plan_then_sync(0);
    run.did(
        "
        cache  start  missing
        db     start  missing
        web    start  missing
    ",
    );
    run.result("app", "changed");
    sandbox.runs(&["cache", "db", "web"]);
    sandbox.settled();
}

#[test]
fn a_tree_that_is_not_there_is_cloned_first() {
    let Some(sandbox) = three_pushed() else { return };
    let host = sandbox.root().join(sandbox.fill("SANDBOX"));
    std::fs::remove_dir_all(&host).expect("to remove the checkout");
    let config = serde_json::json!({
        "repo": { "dir": "SANDBOX", "url": sandbox.root().join("remote.git") },
        "defaults": { "verify": { "timeout": "20s" } },
        "services": [{ "name": "app", "compose_files": ["compose.yaml"] }],
    });
    sandbox.write("renew.json", &sandbox.fill(&config.to_string()));
    let planned = sandbox.renew(["plan"]).expect(1);
    assert!(planned.stderr.contains("`renew sync` clones it"), "{planned}");
    assert!(!host.exists(), "a plan made {}", host.display());
    sandbox.renew(["sync"]).expect(0);
    sandbox.runs(&["cache", "db", "web"]);
    assert_eq!(sandbox.git(&host, &["status", "--porcelain"]), "");
    sandbox.settled();
}

#[test]
fn a_stack_started_by_hand_is_taken_over_without_a_touch() {
    let Some(sandbox) = three_pushed() else { return };
    sandbox.host_pull();
    sandbox.compose(["up", "-d"]);
    let before = sandbox.ids();
    let run = sandbox.plan_then_sync(0);
    run.did(
        "
        cache  none  adopted
        db     none  adopted
        web    none  adopted
    ",
    );
    run.result("app", "ok");
    sandbox.only_changed(&before, &[]);
    sandbox.settled();
}

#[test]
fn a_taken_over_stack_follows_git_from_then_on() {
    let Some(sandbox) = three_pushed() else { return };
    sandbox.host_pull();
    sandbox.compose(["up", "-d"]);
    sandbox.plan_then_sync(0);
    let before = sandbox.ids();
    sandbox.publish("db:2");
    sandbox.commit(&[("compose.yaml", &THREE.replace("db:1", "db:2"))], "db 2");
    sandbox.plan_then_sync(0).did(
        "
        cache  none      settled
        db     recreate  image
        web    none      settled
    ",
    );
    sandbox.only_changed(&before, &["db"]);
    sandbox.settled();
}

#[test]
fn a_first_sync_of_an_old_stack_acts_on_images_only() {
    let Some(sandbox) = three_pushed() else { return };
    sandbox.host_pull();
    sandbox.compose(["up", "-d"]);
    let before = sandbox.ids();
    sandbox.publish("web:2");
    let newer = THREE
        .replace("web:1", "web:2")
        .replace("IMAGES/db:1\n", "IMAGES/db:1\n    environment: {LEVEL: debug}\n");
    sandbox.commit(&[("compose.yaml", &newer)], "web 2, and db says more");
    sandbox.plan_then_sync(0).did(
        "
        cache  none      adopted
        db     none      adopted
        web    recreate  image
    ",
    );
    sandbox.only_changed(&before, &["web"]);
    sandbox.settled();
}

#[test]
fn a_sync_from_a_clean_slate_needs_no_state() {
    let Some(sandbox) = crate::three_running() else { return };
    let before = sandbox.ids();
    std::fs::remove_dir_all(sandbox.state()).expect("a state to lose");
    sandbox.plan_then_sync(0).did(
        "
        cache  none  adopted
        db     none  adopted
        web    none  adopted
    ",
    );
    sandbox.only_changed(&before, &[]);
    sandbox.settled();
}

#[test]
fn one_of_two_services_can_be_named() {
    let Some(sandbox) = Sandbox::open() else { return };
    sandbox.publish("web:1");
    let stack = "services:\n  one:\n    image: IMAGES/web:1\n";
    let other = stack.replace("one", "two");
    sandbox.commit(
        &[("SANDBOX-one/compose.yaml", stack), ("SANDBOX-two/compose.yaml", &other)],
        "Two stacks",
    );
    sandbox.config(serde_json::json!([
        { "name": "one", "compose_files": ["SANDBOX-one/compose.yaml"] },
        { "name": "two", "compose_files": ["SANDBOX-two/compose.yaml"] },
    ]));
    sandbox.renew(["sync", "--service", "two"]).expect(0);
    sandbox.runs(&["two"]);
    assert!(sandbox.inspect("one").is_empty());
    sandbox.renew(["sync", "--service", "three"]).expect(1);
}
