//! Services come, go and change their name.

use serde_json::json;

use crate::support::free_address;
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
fn what_is_renamed_takes_its_port_along_and_stays_until_its_successor_can_be_made() {
    let Some(sandbox) = three_running() else { return };
    sandbox.config(json!([
        { "name": "app", "compose_files": ["compose.yaml"], "remove_orphans": true },
    ]));
    let port = free_address();
    let stack = |name: &str, image: &str| {
        let web = format!("  {name}:\n    image: IMAGES/{image}\n    ports: ['{port}:80']\n");
        THREE.replace("  web:\n    image: IMAGES/web:1\n", &web)
    };
    sandbox.commit(&[("compose.yaml", &stack("web", "web:1"))], "A port");
    sandbox.plan_then_sync(0);
    let before = sandbox.ids();
    sandbox.commit(&[("compose.yaml", &stack("front", "web:2"))], "web is front");
    sandbox.renew(["sync"]).expect(2);
    sandbox.only_changed(&before, &[]);
    sandbox.runs(&["cache", "db", "web"]);
    sandbox.publish("web:2");
    sandbox.plan_then_sync(0).did(
        "
        cache  none    settled
        db     none    settled
        front  start   missing
        web    remove  orphan
    ",
    );
    sandbox.only_changed(&before, &["front", "web"]);
    sandbox.runs(&["cache", "db", "front"]);
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

#[test]
fn a_profile_that_is_switched_off_leaves_what_runs() {
    let Some(sandbox) = three_running() else { return };
    let four = format!("{THREE}  debug:\n    image: IMAGES/cache:1\n    profiles: [debug]\n");
    sandbox.commit(&[("compose.yaml", &four)], "A debugger");
    let service = |profiles: &[&str]| {
        json!([{
            "name": "app", "compose_files": ["compose.yaml"], "remove_orphans": true,
            "profiles": profiles,
        }])
    };
    sandbox.config(service(&["debug"]));
    sandbox.plan_then_sync(0);
    sandbox.runs(&["cache", "db", "debug", "web"]);
    let before = sandbox.ids();
    sandbox.config(service(&[]));
    sandbox.plan_then_sync(0).did(
        "
        cache  none  settled
        db     none  settled
        web    none  settled
    ",
    );
    sandbox.only_changed(&before, &[]);
    sandbox.runs(&["debug"]);
    sandbox.settled();
}

#[test]
fn a_service_of_other_hosts_is_not_in_the_pass() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    let other = "name: SANDBOX-other\nservices:\n  other:\n    image: IMAGES/db:1\n";
    sandbox.commit(&[("other/compose.yaml", other)], "Of other hosts");
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").expect("a host name");
    let host = host.trim();
    let service = |hosts: &[&str]| {
        json!([
            { "name": "app", "compose_files": ["compose.yaml"], "hosts": [host] },
            { "name": "other", "compose_files": ["other/compose.yaml"], "hosts": hosts },
        ])
    };
    sandbox.config(service(&["not-*", "nor-this-?"]));
    let run = sandbox.plan_then_sync(0);
    assert_eq!(run.sync.services.len(), 1, "it is not told of either");
    sandbox.only_changed(&before, &[]);
    sandbox.settled();
    let glob = format!("{}*", host.get(..1).unwrap_or_default().to_uppercase());
    sandbox.config(service(&["not-*", &glob]));
    let run = sandbox.plan_then_sync(0);
    run.result("app", "ok").result("other", "changed");
    sandbox.settled();
}
