//! Containers that should run and do not.

use crate::three_running;

#[test]
fn a_stopped_container_is_started_again() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    sandbox.docker(["stop", &before["db"][0]]);
    let run = sandbox.plan_then_sync(0);
    run.did(
        "
        cache  none   settled
        db     start  stopped
        web    none   settled
    ",
    );
    run.result("app", "changed");
    sandbox.only_changed(&before, &[]);
    sandbox.runs(&["cache", "db", "web"]);
    sandbox.settled();
}

#[test]
fn a_killed_container_is_started_again() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    sandbox.docker(["kill", &before["web"][0]]);
    sandbox.plan_then_sync(0).did(
        "
        cache  none   settled
        db     none   settled
        web    start  stopped
    ",
    );
    sandbox.only_changed(&before, &[]);
    sandbox.runs(&["cache", "db", "web"]);
    sandbox.settled();
}

#[test]
fn a_removed_container_is_made_again() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    sandbox.docker(["rm", "-f", &before["web"][0]]);
    sandbox.plan_then_sync(0).did(
        "
        cache  none   settled
        db     none   settled
        web    start  missing
    ",
    );
    sandbox.only_changed(&before, &["web"]);
    sandbox.runs(&["cache", "db", "web"]);
    sandbox.settled();
}

#[test]
fn a_removed_network_comes_back_with_its_stack() {
    let Some(sandbox) = three_running() else { return };
    sandbox.compose(["down"]);
    assert!(sandbox.ids().is_empty());
    sandbox.plan_then_sync(0).did(
        "
        cache  start  missing
        db     start  missing
        web    start  missing
    ",
    );
    sandbox.runs(&["cache", "db", "web"]);
    sandbox.settled();
}

#[test]
fn healing_needs_no_registry() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    sandbox.registry_down();
    sandbox.docker(["rm", "-f", &before["db"][0]]);
    sandbox.plan_then_sync(0);
    sandbox.runs(&["cache", "db", "web"]);
    sandbox.only_changed(&before, &["db"]);
}
