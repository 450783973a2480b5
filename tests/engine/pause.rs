//! Services that a person paused: really nothing is done to them, and then it is made up for.

use serde_json::json;

use crate::support::wait_for;
use crate::{THREE, three_pushed, three_running};

#[test]
fn a_paused_service_stays_dead_and_resume_heals_it() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    let paused = sandbox.renew(["pause", "app", "--reason", "a new\u{1b} disk"]).expect(0);
    assert!(
        paused.stdout.contains("app: paused until it is resumed: a new\\u{1b} disk"),
        "{paused}"
    );
    sandbox.docker(["rm", "-f", &before["web"][0]]);
    sandbox.docker(["kill", &before["db"][0]]);
    sandbox.publish("web:2");
    let next = THREE.replace("web:1", "web:2").replace("cache:1", "cache:1\n    hostname: other");
    sandbox.commit(&[("compose.yaml", &next), ("notes", "free\n")], "More");
    let file = sandbox.host.join("compose.yaml");
    let tree = std::fs::read_to_string(&file).expect("a file");

    let run = sandbox.plan_then_sync(0);
    run.did(
        "
        cache  none  paused
        db     none  paused
        web    none  paused
    ",
    );
    run.result("app", "paused");
    let plan = sandbox.renew(["plan"]).expect(0);
    assert!(
        plan.stdout.contains("note: app is paused until it is resumed: a new\\u{1b}"),
        "{plan}"
    );
    assert!(plan.stdout.contains("`renew resume app`"), "{plan}");
    sandbox.settled();
    assert_eq!(sandbox.ids().get("web"), None, "nothing comes back");
    assert!(sandbox.the("db")["State"]["Status"] == "exited", "nothing is started");
    assert_eq!(std::fs::read_to_string(&file).expect("a file"), tree, "its files stay");
    assert!(sandbox.host.join("notes").exists(), "and the branch is followed");

    sandbox.renew(["resume", "app"]).expect(0);
    sandbox.plan_then_sync(0).did(
        "
        cache  recreate  config
        db     start     stopped
        web    start     missing
    ",
    );
    sandbox.runs(&["cache", "db", "web"]);
    sandbox.settled();
}

#[test]
fn a_pause_ends_by_itself_and_leaves_nothing_behind() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    sandbox.renew(["pause", "--all", "--for", "2s"]).expect(0);
    sandbox.docker(["kill", &before["db"][0]]);
    let file = sandbox.state().join("paused/app.json");
    assert!(file.exists());
    wait_for("the pause to end", 60, || {
        let plan = sandbox.renew(["plan", "--json"]).json();
        (plan["services"][0]["actions"][0]["reason"] != "paused").then_some(())
    });
    assert!(file.exists(), "a plan changes nothing");
    sandbox.plan_then_sync(0).did(
        "
        cache  none   settled
        db     start  stopped
        web    none   settled
    ",
    );
    assert!(!file.exists(), "what is over is swept");
    sandbox.settled();
}

#[test]
fn one_that_never_ran_can_be_paused_and_others_go_on() {
    let Some(sandbox) = three_pushed() else { return };
    let files = [("other/compose.yaml", "name: SANDBOX-o\nservices: {o: {image: IMAGES/web:1}}\n")];
    sandbox.commit(&files, "Another one");
    sandbox.config(json!([
        { "name": "app", "compose_files": ["compose.yaml"] },
        { "name": "other", "compose_files": ["other/compose.yaml"] },
    ]));
    sandbox.renew(["pause", "app", "--for", "1h"]).expect(0);
    let run = sandbox.plan_then_sync(0);
    run.did("o start missing");
    run.result("app", "paused").result("other", "changed");
    sandbox.settled();
}
