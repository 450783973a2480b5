//! Which commit is in force: for the scripts of a change, for a person, and on the disk.

use std::fs;

use serde_json::json;

use crate::support::{Sandbox, wait_for};
use crate::{THREE, three_running};

fn level(level: &str) -> String {
    format!("{THREE}    environment: {{LEVEL: {level}}}\n")
}

/// The commit that `status` has.
fn in_force(sandbox: &Sandbox) -> String {
    let status = sandbox.renew(["status", "--json"]).json();
    status["services"][0]["commit"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_target_that_was_not_reached_is_not_the_commit_in_force() {
    let Some(sandbox) = three_running() else { return };
    let first = in_force(&sandbox);
    let config = json!([{
        "name": "app", "compose_files": ["compose.yaml"], "pre_script": "pre.sh",
    }]);
    sandbox.config(config);
    let root = sandbox.root().display().to_string();
    let asks = format!("#!/bin/sh\necho $RENEW_PREVIOUS_COMMIT >>{root}/asked\nexit 1\n");
    sandbox.commit(&[("compose.yaml", &level("no")), ("pre.sh", &asks)], "Refused");
    for _ in 0..3 {
        sandbox.plan_then_sync(3);
        assert_eq!(in_force(&sandbox), first);
    }
    let asked = fs::read_to_string(sandbox.root().join("asked")).expect("it was asked");
    assert_eq!(asked.lines().collect::<Vec<_>>(), [&first, &first, &first]);

    let agrees = "#!/bin/sh\n";
    let good = sandbox.commit(&[("compose.yaml", &level("two")), ("pre.sh", agrees)], "Good");
    sandbox.plan_then_sync(0);
    assert_eq!(in_force(&sandbox), good);
    let bad =
        level("bad").replace("    environment", "    command: [sh, -c, exit 9]\n    environment");
    sandbox.commit(&[("compose.yaml", &bad)], "Bad");
    sandbox.plan_then_sync(2).result("app", "rolled_back");
    assert_eq!(in_force(&sandbox), good);
    sandbox.docker(["rm", "-f", &sandbox.ids()["web"][0]]);
    sandbox.plan_then_sync(2).result("app", "quarantined");
    assert_eq!(in_force(&sandbox), good, "it was only healed");

    sandbox.commit(&[("compose.yaml", &level("three"))], "The next");
    sandbox.plan_then_sync(0);
    let said = sandbox.renew(["rollback", "app"]).expect(0).stdout;
    assert!(said.contains(&good[..12]), "{said}");
    assert_eq!(in_force(&sandbox), good);
    let compose = fs::read_to_string(sandbox.host.join("compose.yaml")).expect("the file");
    assert_eq!(compose, sandbox.fill(&level("two")), "what is on the disk is what runs");
}

#[test]
fn who_was_told_by_a_signal_is_told_of_a_rollback() {
    let Some(sandbox) = Sandbox::open() else { return };
    sandbox.publish("web:1");
    let stack = "services:\n  web:\n    image: IMAGES/web:1\n    stop_grace_period: 0s\n    \
                 volumes: [\"./conf:/conf:ro\"]\n    command:\n      - /bin/sh\n      - -c\n      \
                 - \"tell() { read line </conf/a; echo has $$line; }; trap tell USR1; tell; \
                 while :; do sleep 0.1; done\"\n";
    sandbox.config(json!([{
        "name": "app", "compose_files": ["compose.yaml"], "files_action": "signal:USR1",
    }]));
    sandbox.commit(&[("compose.yaml", stack), ("conf/a", "one\n")], "One");
    sandbox.plan_then_sync(0);
    sandbox.commit(&[("conf/a", "two\n")], "Two");
    sandbox.plan_then_sync(0).did("web signal files");
    let last = || {
        let logs = sandbox.docker(["logs", &sandbox.ids()["web"][0]]);
        logs.lines().last().unwrap_or_default().to_owned()
    };
    wait_for("the signal", 20, || (last() == "has two").then_some(()));
    let before = sandbox.ids();
    sandbox.renew(["rollback", "app"]).expect(0);
    wait_for("the process to have the first file", 20, || (last() == "has one").then_some(()));
    sandbox.only_changed(&before, &["web"]);
    let before = sandbox.ids();
    sandbox.renew(["sync"]).expect(0);
    sandbox.only_changed(&before, &[]);
    // Nothing is done to a service that is paused, and that is said.
    sandbox.renew(["pause", "app"]).expect(0);
    let said = sandbox.renew(["retry", "app"]).expect(0).stdout;
    assert!(said.contains("app is paused: nothing is done until `renew resume app`"), "{said}");
    sandbox.only_changed(&before, &[]);
}

#[test]
fn what_was_removed_comes_back_with_the_release_before() {
    let Some(sandbox) = three_running() else { return };
    sandbox.config(json!([
        { "name": "app", "compose_files": ["compose.yaml"], "remove_orphans": true },
    ]));
    sandbox.commit(&[("compose.yaml", &level("two"))], "Level two");
    sandbox.plan_then_sync(0);
    let before = sandbox.ids();
    let without = level("two").replace("  cache:\n    image: IMAGES/cache:1\n", "");
    sandbox.commit(&[("compose.yaml", &without)], "No cache");
    sandbox.plan_then_sync(0).did("cache remove orphan\n db none settled\n web none settled");
    sandbox.settled();
    sandbox.renew(["rollback", "app"]).expect(0);
    sandbox.runs(&["cache", "db", "web"]);
    sandbox.only_changed(&before, &["cache"]);
    assert!(sandbox.has_env("web", "LEVEL=two"));
}
