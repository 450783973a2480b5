//! Services come, go and change their name.

use serde_json::json;

use crate::{THREE, three_running};

const DB: &str = "  db:\n    image: IMAGES/db:1\n";

#[test]
fn an_added_service_is_started() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    let four = format!("{THREE}  queue:\n    image: IMAGES/cache:1\n");
    sandbox.commit(&[("compose.yaml", &four)], "A queue");
    sandbox.plan_then_sync(0).did(
        "
        cache  none   settled
        db     none   settled
        queue  start  missing
        web    none   settled
    ",
    );
    sandbox.only_changed(&before, &["queue"]);
    sandbox.runs(&["cache", "db", "queue", "web"]);
    sandbox.settled();
}

#[test]
fn a_service_that_left_is_reported_and_kept() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    sandbox.commit(&[("compose.yaml", &THREE.replace(DB, ""))], "No db");
    sandbox.plan_then_sync(0).did(
        "
        cache  none  settled
        db     none  orphan
        web    none  settled
    ",
    );
    sandbox.only_changed(&before, &[]);
    sandbox.runs(&["cache", "db", "web"]);
    sandbox.settled();
}

#[test]
fn a_service_that_left_is_removed_where_that_is_wanted() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    sandbox.config(json!([
        { "name": "app", "compose_files": ["compose.yaml"], "remove_orphans": true },
    ]));
    sandbox.commit(&[("compose.yaml", &THREE.replace(DB, ""))], "No db");
    sandbox.plan_then_sync(0).did(
        "
        cache  none    settled
        db     remove  orphan
        web    none    settled
    ",
    );
    assert!(sandbox.inspect("db").is_empty());
    sandbox.only_changed(&before, &["db"]);
    sandbox.settled();
}

#[test]
fn a_renamed_service_is_one_that_left_and_one_that_came() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    sandbox.config(json!([
        { "name": "app", "compose_files": ["compose.yaml"], "remove_orphans": true },
    ]));
    sandbox.commit(&[("compose.yaml", &THREE.replace("  db:", "  store:"))], "db is store");
    sandbox.plan_then_sync(0).did(
        "
        cache  none    settled
        db     remove  orphan
        store  start   missing
        web    none    settled
    ",
    );
    sandbox.only_changed(&before, &["db", "store"]);
    sandbox.runs(&["cache", "store", "web"]);
    sandbox.settled();
}

#[test]
fn a_service_of_an_inactive_profile_is_neither_started_nor_removed() {
    let Some(sandbox) = three_running() else { return };
    let four = format!("{THREE}  debug:\n    image: IMAGES/cache:1\n    profiles: [debug]\n");
    sandbox.commit(&[("compose.yaml", &four)], "A debugger");
    sandbox.config(json!([
        { "name": "app", "compose_files": ["compose.yaml"], "remove_orphans": true },
    ]));
    sandbox.plan_then_sync(0);
    assert!(sandbox.inspect("debug").is_empty());
    sandbox.compose(["--profile", "debug", "up", "-d", "--no-deps", "debug"]);
    let before = sandbox.ids();
    sandbox.plan_then_sync(0);
    sandbox.only_changed(&before, &[]);
    sandbox.runs(&["debug"]);
}

#[test]
fn a_service_of_an_active_profile_is_started() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    let four = format!("{THREE}  debug:\n    image: IMAGES/cache:1\n    profiles: [debug]\n");
    sandbox.commit(&[("compose.yaml", &four)], "A debugger");
    sandbox.config(json!([
        { "name": "app", "compose_files": ["compose.yaml"], "profiles": ["debug"] },
    ]));
    sandbox.plan_then_sync(0).did(
        "
        cache  none   settled
        db     none   settled
        debug  start  missing
        web    none   settled
    ",
    );
    sandbox.only_changed(&before, &["debug"]);
    sandbox.settled();
}
