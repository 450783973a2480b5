//! SIGKILL in the middle of a change: renew alone, or together with everything it started.

use crate::support::{Sandbox, wait_for};

/// A stack whose `web` takes its full three seconds to stop, so that there is a middle to hit.
pub const SLOW: &str = "\
services:
  db:
    image: IMAGES/db:1
  web:
    image: IMAGES/web:1
    command: [\"/bin/sh\", \"-c\", \"trap '' TERM; while :; do sleep 1; done\"]
    stop_grace_period: 3s
";

/// A sandbox in which renew runs [`SLOW`]; `web:2` is in the registry.
pub fn slow_running() -> Option<Sandbox> {
    let sandbox = Sandbox::open()?;
    for image in ["db:1", "web:1", "web:2"] {
        sandbox.publish(image);
    }
    sandbox.commit(&[("compose.yaml", SLOW)], "A slow web");
    sandbox.plan_then_sync(0);
    sandbox.settled();
    Some(sandbox)
}

/// One sync must be enough to reach the new version, with nothing left of the interrupted one.
fn heals(sandbox: &Sandbox, db: &[String]) {
    sandbox.renew(["sync"]).expect(0);
    sandbox.runs(&["db", "web"]);
    assert!(sandbox.version("web").starts_with("web:2 "));
    assert_eq!(sandbox.ids()["db"], db, "db has no part in this");
    sandbox.settled();
}

#[test]
fn a_sync_killed_with_its_children_is_taken_up_again() {
    let Some(sandbox) = slow_running() else { return };
    let db = sandbox.ids()["db"].clone();
    sandbox.commit(&[("compose.yaml", &SLOW.replace("web:1", "web:2"))], "web 2");
    sandbox.forget_started();
    let sync = sandbox.start_renew(["sync"]);
    sandbox.wait_for_recreate("web");
    let groups: Vec<i32> = sandbox.started().iter().map(|one| one.pid).collect();
    sync.kill_with(&groups);
    heals(&sandbox, &db);
}

#[test]
fn a_sync_killed_alone_is_taken_up_again() {
    let Some(sandbox) = slow_running() else { return };
    let db = sandbox.ids()["db"].clone();
    sandbox.commit(&[("compose.yaml", &SLOW.replace("web:1", "web:2"))], "web 2");
    let sync = sandbox.start_renew(["sync"]);
    sandbox.wait_for_recreate("web");
    sync.kill_alone();
    heals(&sandbox, &db);
}

#[test]
fn a_sync_killed_as_compose_begins_is_taken_up_again() {
    let Some(sandbox) = slow_running() else { return };
    let db = sandbox.ids()["db"].clone();
    sandbox.commit(&[("compose.yaml", &SLOW.replace("web:1", "web:2"))], "web 2");
    sandbox.forget_started();
    let sync = sandbox.start_renew(["sync"]);
    let up = wait_for("compose up", 30, || {
        sandbox.started().into_iter().find(|one| one.line.contains(" up "))
    });
    sync.kill_with(&[up.pid]);
    heals(&sandbox, &db);
}

#[test]
fn a_sync_told_to_end_says_so_and_leaves_a_running_service() {
    let Some(sandbox) = slow_running() else { return };
    let db = sandbox.ids()["db"].clone();
    sandbox.commit(&[("compose.yaml", &SLOW.replace("web:1", "web:2"))], "web 2");
    let sync = sandbox.start_renew(["sync"]);
    sandbox.wait_for_recreate("web");
    sync.terminate();
    sync.finish().expect(143);
    heals(&sandbox, &db);
}
