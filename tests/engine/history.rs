//! What renew remembers of its runs for people: what was done, how long it took something down, and
//! since when it fails.

use serde_json::{Value, json};

use crate::support::{Sandbox, wait_for};
use crate::{THREE, three_running};

fn entries(sandbox: &Sandbox) -> Vec<Value> {
    let history = sandbox.renew(["history", "--json"]).expect(0).json();
    history["services"][0]["entries"].as_array().cloned().expect("a list")
}

fn stored(sandbox: &Sandbox) -> Value {
    let text = std::fs::read(sandbox.state().join("history/app.json")).expect("a history");
    serde_json::from_slice(&text).expect("JSON")
}

#[test]
fn a_change_is_told_with_its_author_its_images_and_its_downtime() {
    let Some(sandbox) = three_running() else { return };
    let first = sandbox.git(&sandbox.host, &["rev-parse", "HEAD"]);
    sandbox.publish("web:2");
    let commit = sandbox
        .commit(&[("compose.yaml", &THREE.replace("web:1", "web:2"))], "A newer web\n\nMore.");
    let old = sandbox.the("web")["Image"].clone();
    sandbox.plan_then_sync(0);
    sandbox.writes_nothing(|| sandbox.settled());

    let entries = entries(&sandbox);
    let [start, change] = &entries[..] else { panic!("two runs did something: {entries:#?}") };
    assert_eq!((&start["id"], &start["from"]), (&Value::from(1), &Value::Null));
    assert_eq!(start["actions"].as_array().map(Vec::len), Some(3));
    assert_eq!(start["actions"][0]["down_ms"], Value::Null, "nothing was there before");
    let expected = [
        ("id", Value::from(2)),
        ("times", Value::from(1)),
        ("commit", commit.clone().into()),
        ("from", first.into()),
        ("author", "Ada".into()),
        ("subject", "A newer web".into()),
        ("trigger", "sync".into()),
        ("result", "changed".into()),
        ("gate", "unasked".into()),
        ("error", Value::Null),
    ];
    for (key, value) in expected {
        assert_eq!(change[key], value, "{key}");
    }
    let [done] = &change["actions"].as_array().expect("a list")[..] else { panic!("{change:#}") };
    assert_eq!((&done["compose_service"], &done["action"]), (&"web".into(), &"recreate".into()));
    let image = &done["image"];
    assert_eq!(image["before"], sandbox.fill("IMAGES/web:1"));
    assert_eq!(image["declared"], sandbox.fill("IMAGES/web:2"));
    assert_eq!((&image["running"], &image["now"]), (&old, &sandbox.the("web")["Image"]));
    let down_ms = done["down_ms"].as_u64().expect("a time");
    assert!((1..60_000).contains(&down_ms), "{down_ms}");

    let text = sandbox.renew(["history"]).expect(0);
    assert!(text.stdout.lines().all(|line| line.chars().count() <= 80), "{text}");
    let flat: String = text.stdout.split_whitespace().collect();
    assert!(flat.contains("recreateweb:") && flat.contains(&commit[..12]), "{text}");
}

#[test]
fn what_is_healed_is_told_with_the_time_that_it_was_down() {
    let Some(sandbox) = three_running() else { return };
    sandbox.docker(["kill", &sandbox.ids()["db"][0]]);
    sandbox.plan_then_sync(0);
    let newest = entries(&sandbox).pop().expect("an entry");
    let [done] = &newest["actions"].as_array().expect("a list")[..] else { panic!("{newest:#}") };
    assert_eq!((&done["reason"], &newest["result"]), (&"stopped".into(), &"changed".into()));
    let down_ms = done["down_ms"].as_u64().expect("a time");
    assert!((1..60_000).contains(&down_ms), "{down_ms}");
}

#[test]
fn failing_in_the_same_way_writes_nothing_and_its_end_is_told() {
    let Some(sandbox) = three_running() else { return };
    sandbox.commit(&[("compose.yaml", &THREE.replace("web:1", "web:9"))], "No such image");
    sandbox.plan_then_sync(2);
    let failing = stored(&sandbox);
    assert_eq!(failing["last"]["result"], "failed");
    assert_eq!(failing["last"]["error"]["reason"], "image_not_found");
    // The second time in a row: it is written down until when that image is not asked for.
    sandbox.renew(["sync"]).expect(2);
    sandbox.writes_nothing(|| drop(sandbox.renew(["sync"]).expect(2)));
    assert_eq!(stored(&sandbox)["last"], failing["last"], "and stands as it stood");
    // It has another cause now.
    sandbox.later();
    sandbox.registry_down();
    sandbox.renew(["sync"]).expect(2);
    let other = stored(&sandbox);
    assert_ne!(other["last"]["error"]["reason"], "image_not_found");
    assert_ne!(other["last"]["since"], failing["last"]["since"]);
    sandbox.registry_up();

    sandbox.commit(&[("compose.yaml", THREE)], "Back");
    sandbox.plan_then_sync(0);
    let good = stored(&sandbox);
    assert_eq!(good["last"]["result"], "ok");
    assert_eq!(good["last_failure"]["since"], other["last"]["since"]);
    assert_eq!(good["last_failure"]["until"], good["last"]["since"]);
    sandbox.writes_nothing(|| sandbox.settled());

    // The same for what no service is to blame for.
    sandbox.remote_down();
    sandbox.renew(["sync"]).expect(1);
    let troubles = std::fs::read_to_string(sandbox.state().join("troubles.json")).expect("a file");
    assert!(troubles.contains("git_fetch"), "{troubles}");
    sandbox.writes_nothing(|| drop(sandbox.renew(["sync"]).expect(1)));
}

#[test]
fn what_was_not_renew_is_told_apart_from_what_was() {
    let Some(sandbox) = three_running() else { return };
    // Soon after a change an end would be held against it.
    let verify = json!({ "timeout": "20s", "probation": "0s" });
    let app = json!({ "name": "app", "compose_files": ["compose.yaml"], "verify": verify });
    sandbox.config(json!([app]));
    let stack = THREE.replace("web:1", "web:1\n    environment: {LEVEL: debug}");
    let commit = sandbox.commit(&[("compose.yaml", &stack)], "Louder");
    sandbox.plan_then_sync(0);
    let why = sandbox.renew(["why", "app"]).expect(0);
    let told = format!("commit {} by Ada: Louder", &commit[..12]);
    for part in ["app: ok since ", "Last change: ", &told, "recreate web (config), down for "] {
        assert!(why.stdout.contains(part), "{part}\n{why}");
    }
    assert!(why.stdout.contains("changed: environment") && !why.stdout.contains("debug"), "{why}");
    assert!(!why.stdout.contains("Not renew"), "{why}");
    assert!(why.stdout.lines().all(|line| line.chars().count() <= 80), "{why}");

    let ids = sandbox.ids();
    sandbox.docker(["kill", &ids["web"][0]]);
    sandbox.docker(["stop", "-t", "1", &ids["cache"][0]]);
    sandbox.docker(["rm", "-f", &ids["db"][0]]);
    let before = sandbox.snapshot();
    let why = sandbox.renew(["why", "app"]).expect(0);
    for part in [
        "Not renew: web: exit 137 (",
        "Not renew: cache: stopped by a person or a program (",
        "Not renew: db: its container is gone",
    ] {
        assert!(why.stdout.contains(part), "{part}\n{why}");
    }
    let status = sandbox.renew(["status"]).expect(0);
    assert!(status.stdout.contains("Nothing needs a human."), "{status}");
    assert!(status.stdout.lines().all(|line| line.chars().count() <= 80), "{status}");
    let changed = before.difference(&sandbox.snapshot());
    assert!(changed.is_empty(), "they look and change nothing\n{changed}");

    sandbox.plan_then_sync(0);
    let why = sandbox.renew(["why", "app"]).expect(0);
    assert!(
        why.stdout.contains("start web (stopped)") && !why.stdout.contains("Not renew"),
        "{why}"
    );
    let seen = sandbox.renew(["status", "--json"]).expect(0).json()["services"][0].clone();
    assert_eq!((&seen["state"], &seen["commit"]), (&"ok".into(), &commit.into()), "{seen:#}");
    assert_eq!((&seen["last_change"]["id"], &seen["release"]), (&2.into(), &2.into()), "{seen:#}");
    let images = seen["images"].as_array().expect("a list");
    assert_eq!(images[2]["declared"], sandbox.fill("IMAGES/web:1"));
    assert_eq!(images[2]["running"], sandbox.the("web")["Image"]);
}

#[test]
fn what_was_undone_is_told_with_what_waits_and_the_way_out() {
    let Some(sandbox) = three_running() else { return };
    let bad = THREE.replace("web:1", "web:1\n    command: [sh, -c, exit 3]");
    let commit = sandbox.commit(&[("compose.yaml", &bad)], "A bad web");
    sandbox.plan_then_sync(2).result("app", "rolled_back");
    let newest = entries(&sandbox).pop().expect("an entry");
    assert_eq!((&newest["result"], &newest["commit"]), (&"rolled_back".into(), &commit.into()));
    assert_eq!(newest["id"], 1, "the release in force is the first one again");
    let failed = &newest["quarantined"][0];
    assert_eq!((&failed["compose_service"], &failed["with"]), (&"web".into(), &Value::Null));
    let why = sandbox.renew(["why", "app"]).expect(0);
    assert!(why.stdout.contains("web is quarantined") && why.stdout.contains("exit"), "{why}");
    assert!(!why.stdout.contains("Not renew"), "{why}");

    sandbox.renew(["sync"]).expect(2);
    sandbox.writes_nothing(|| drop(sandbox.renew(["sync"]).expect(2)));
    let status = sandbox.renew(["status", "--json"]).expect(0).json();
    let app = &status["services"][0];
    assert_eq!((&app["state"], &app["release"]), (&"quarantined".into(), &1.into()));
    let waits = &app["waits"][0];
    assert_eq!(
        (&waits["compose_service"], &waits["reason"]),
        (&"web".into(), &"quarantined".into())
    );
    let human = &status["needs_human"][0];
    assert!(human["resolution"].as_str().is_some_and(|way| way.contains("`renew retry app`")));
    assert!(human["message"].as_str().is_some_and(|text| text.contains("web")), "{human}");

    // A person goes back by hand, and that is told as well.
    sandbox.commit(&[("compose.yaml", &THREE.replace("db:1", "db:1\n    hostname: d"))], "Good");
    sandbox.plan_then_sync(0);
    sandbox.renew(["rollback", "app"]).expect(0);
    let status = sandbox.renew(["status", "--json"]).expect(0).json();
    let app = &status["services"][0];
    assert_eq!((&app["state"], &app["held"]["release"]), (&"held".into(), &1.into()), "{app:#}");
    let human = &status["needs_human"][0];
    assert_eq!(
        (&human["reason"], &human["message"]),
        (&"held".into(), &"held on release 1".into())
    );
    let why = sandbox.renew(["why", "app"]).expect(0);
    assert!(why.stdout.contains("app: held on release 1 since"), "{why}");
    sandbox.renew(["retry", "app"]).expect(0);
    let status = sandbox.renew(["status"]).expect(0);
    assert!(status.stdout.contains("Nothing needs a human."), "{status}");
}

#[test]
fn want_of_memory_is_told() {
    let Some(sandbox) = Sandbox::open() else { return };
    sandbox.publish("web:1");
    // Less than 10 MB and some engines cannot even start it: runc itself is counted.
    let hungry = "services:\n  web:\n    image: IMAGES/web:1\n    mem_limit: 32m\n    memswap_limit: 32m\n    \
                  command: [/bin/sh, -c, \"until [ -e /go ]; do sleep 0.2; done; x=a; while :; do x=$$x$$x; done\"]\n";
    sandbox.commit(&[("compose.yaml", hungry)], "Hungry");
    sandbox.plan_then_sync(0);
    sandbox.docker(["exec", &sandbox.ids()["web"][0], "sh", "-c", "echo > /go"]);
    wait_for("the kernel to end it", 60, || {
        (sandbox.the("web")["State"]["Status"] == "exited").then_some(())
    });
    if sandbox.the("web")["State"]["OOMKilled"] != true {
        // Where docker cannot limit memory, something else ended it.
        return;
    }
    let why = sandbox.renew(["why", "app"]).expect(0);
    assert!(why.stdout.contains("Not renew: web: exit 137, OOM ("), "{why}");
}
