//! Change windows: outside, changes wait and what is in force is kept up.

use serde_json::{Value, json};

use crate::support::Sandbox;
use crate::{THREE, three_running};

/// Windows as of UTC: renew runs with `TZ=UTC` here. One is open all week but for the hour that a
/// day has in two days' time; the other is open only then. No story takes that long.
fn window(open: bool) -> Value {
    let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
    let seconds = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let today = seconds.map_or(0, |since| since.as_secs() / 86_400 + 4) as usize % 7;
    let name = |from_today: usize| days[(today + from_today) % 7];
    match open {
        true => json!([format!("{}-{} 00:00-24:00", name(6), name(1))]),
        false => json!([format!("{} 02:00-03:00", name(3))]),
    }
}

fn app(sandbox: &Sandbox, open: bool, more: &Value) {
    let mut service =
        json!({ "name": "app", "compose_files": ["compose.yaml"], "windows": window(open) });
    for (key, value) in more.as_object().into_iter().flatten() {
        service[key] = value.clone();
    }
    sandbox.config(json!([service]));
}

fn details(sandbox: &Sandbox) -> String {
    let plan = sandbox.renew(["plan", "--json"]).json();
    let actions = plan["services"][0]["actions"].as_array().cloned().unwrap_or_default();
    actions.iter().filter_map(|a| a["detail"].as_str()).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_change_waits_for_its_window() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    app(&sandbox, false, &json!({}));
    sandbox.settled();
    sandbox.publish("web:2");
    sandbox.publish("cache:1");
    let next = THREE.replace("web:1", "web:2")
        + "    environment: { LEVEL: \"2\" }\n  extra:\n    image: IMAGES/db:1\n";
    sandbox.commit(&[("compose.yaml", &next)], "Much is new");
    let run = sandbox.plan_then_sync(0);
    run.did(
        "
        cache  none  deferred
        db     none  settled
        extra  none  deferred
        web    none  deferred
    ",
    );
    run.result("app", "deferred");
    sandbox.only_changed(&before, &[]);
    let said = details(&sandbox);
    for words in ["until 2", "02:00 +00:00; wanted: recreate (image)", "wanted: start (missing)"] {
        assert!(said.contains(words), "{words} is not in\n{said}");
    }
    let compose = std::fs::read_to_string(sandbox.host.join("compose.yaml")).unwrap_or_default();
    assert!(compose.contains("web:1"), "its files wait too");
    let here = sandbox.docker(["images", "-q", &sandbox.fill("IMAGES/web:2")]);
    assert!(here.is_empty(), "nothing is pulled");
    sandbox.settled();

    app(&sandbox, true, &json!({}));
    sandbox.plan_then_sync(0).did(
        "
        cache  recreate  image
        db     none      settled
        extra  start     missing
        web    recreate  image
    ",
    );
    sandbox.only_changed(&before, &["cache", "extra", "web"]);
    sandbox.settled();
}

#[test]
fn what_is_in_force_is_healed_as_it_was() {
    let Some(sandbox) = three_running() else { return };
    let old = sandbox.version("web");
    let before = sandbox.ids();
    app(&sandbox, false, &json!({}));
    sandbox.publish("web:2");
    sandbox.publish("db:1");
    let next = THREE
        .replace("web:1", "web:2\n    environment: { LEVEL: \"2\" }")
        .replace("cache:1", "db:1");
    sandbox.commit(&[("compose.yaml", &next)], "Much is new");
    sandbox.docker(["rm", "-f", &before["web"][0]]);
    sandbox.docker(["stop", "-t", "0", &before["db"][0]]);
    let run = sandbox.plan_then_sync(0);
    run.did(
        "
        cache  none   deferred
        db     start  stopped
        web    start  missing
    ",
    );
    run.result("app", "deferred");
    sandbox.only_changed(&before, &["web"]);
    sandbox.runs(&["cache", "db", "web"]);
    assert_eq!(sandbox.version("web"), old);
    let web = sandbox.ids()["web"][0].clone();
    let env = sandbox.docker(["inspect", "-f", "{{.Config.Env}}", &web]);
    assert!(!env.contains("LEVEL"), "{env}");
    sandbox.plan_then_sync(0).did(
        "
        cache  none  deferred
        db     none  deferred
        web    none  deferred
    ",
    );
    sandbox.settled();
    let healed = sandbox.ids();
    app(&sandbox, true, &json!({}));
    sandbox.plan_then_sync(0).did(
        "
        cache  recreate  image
        db     recreate  image
        web    recreate  image
    ",
    );
    sandbox.only_changed(&healed, &["cache", "db", "web"]);
    let web = sandbox.ids()["web"][0].clone();
    assert!(sandbox.docker(["inspect", "-f", "{{.Config.Env}}", &web]).contains("LEVEL=2"));
    sandbox.settled();
}

#[test]
fn mounted_files_wait_for_the_window_too() {
    let Some(sandbox) = Sandbox::open() else { return };
    sandbox.publish("web:1");
    let stack = "services:\n  web:\n    image: IMAGES/web:1\n    volumes: [\"./site:/etc/site\"]\n";
    sandbox.commit(&[("compose.yaml", stack), ("site/colour", "red\n")], "A site");
    // On a host where nothing is in force yet there is nothing to disturb.
    app(&sandbox, false, &json!({ "files_action": "signal:HUP" }));
    sandbox.plan_then_sync(0).did("web start missing");
    sandbox.settled();
    let before = sandbox.ids();
    sandbox.commit(&[("site/colour", "blue\n"), ("README", "Free.\n")], "Blue");
    sandbox.plan_then_sync(0).did("web none deferred").result("app", "deferred");
    let seen = || sandbox.docker(["exec", &sandbox.ids()["web"][0], "cat", "/etc/site/colour"]);
    assert_eq!(seen(), "red");
    sandbox.settled();
    sandbox.docker(["rm", "-f", &before["web"][0]]);
    sandbox.plan_then_sync(0).did("web start missing");
    assert_eq!(seen(), "red", "it comes back as it was");
    sandbox.settled();
    app(&sandbox, true, &json!({}));
    sandbox.plan_then_sync(0).did("web recreate files");
    assert_eq!(seen(), "blue");
    sandbox.settled();
}

#[test]
fn without_a_time_zone_no_window_is_open() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    app(&sandbox, true, &json!({}));
    sandbox.publish("web:1");
    sandbox.docker(["stop", "-t", "0", &before["db"][0]]);
    let run = sandbox.renew_with(["sync", "--json"], &[("TZ", "Nowhere/Land")]).expect(1).json();
    assert_eq!(run["services"][0]["error"]["reason"], "time_zone");
    sandbox.only_changed(&before, &[]);
    sandbox.runs(&["cache", "db", "web"]);
    sandbox.plan_then_sync(0);
    sandbox.only_changed(&before, &["web"]);
    sandbox.settled();
}

#[test]
fn what_lost_its_network_gets_it_back_while_the_change_of_its_parent_waits() {
    let Some(sandbox) = Sandbox::open() else { return };
    for image in ["x:1", "x:2", "web:1"] {
        sandbox.publish(image);
    }
    let stack = "services:\n  x:\n    image: IMAGES/x:1\n    restart: always\n  net:\n    image: \
                 IMAGES/web:1\n    restart: always\n    network_mode: service:x\n";
    sandbox.commit(&[("compose.yaml", stack)], "x, and who shares its network");
    sandbox.plan_then_sync(0);
    sandbox.settled();
    app(&sandbox, false, &json!({}));
    let before = sandbox.ids();
    sandbox.commit(&[("compose.yaml", &stack.replace("x:1", "x:2"))], "x 2");
    sandbox.plan_then_sync(0).did(
        "
        net  none  deferred
        x    none  deferred
    ",
    );
    sandbox.docker(["restart", &before["x"][0]]);
    sandbox.plan_then_sync(0).did(
        "
        net  start  dependent
        x    none   deferred
    ",
    );
    sandbox.only_changed(&before, &[]);
    app(&sandbox, true, &json!({}));
    sandbox.plan_then_sync(0).did(
        "
        net  recreate  dependent
        x    recreate  image
    ",
    );
    sandbox.only_changed(&before, &["net", "x"]);
    sandbox.settled();
}

#[test]
fn what_is_accepted_waits_for_its_window() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    app(&sandbox, false, &json!({}));
    let next = format!("{THREE}networks:\n  default:\n    internal: true\n");
    sandbox.commit(&[("compose.yaml", &next)], "Nobody outside");
    sandbox.plan_then_sync(3).did(
        "
        cache  none  refused
        db     none  refused
        web    none  refused
    ",
    );
    sandbox.renew(["accept", "app"]).expect(0);
    sandbox.docker(["rm", "-f", &before["web"][0]]);
    sandbox.plan_then_sync(0).did(
        "
        cache  none   deferred
        db     none   deferred
        web    start  missing
    ",
    );
    sandbox.only_changed(&before, &["web"]);
    sandbox.settled();
    app(&sandbox, true, &json!({}));
    sandbox.plan_then_sync(0).did(
        "
        cache  recreate  config
        db     recreate  config
        web    recreate  config
    ",
    );
    sandbox.settled();
}

#[test]
fn what_fails_to_be_healed_outside_a_window_condemns_nothing() {
    let Some(sandbox) = Sandbox::open() else { return };
    for image in ["web:1", "web:2"] {
        sandbox.publish(image);
    }
    let data = sandbox.root().join("data");
    let lets = |run: bool| match run {
        true => std::fs::write(data.join("go"), "").expect("a file"),
        false => std::fs::remove_file(data.join("go")).expect("the file"),
    };
    std::fs::create_dir(&data).expect("a folder");
    lets(true);
    let stack = |tag: &str| {
        format!(
            "services:\n  web:\n    image: IMAGES/web:{tag}\n    ports: ['127.0.0.1::80']\n    \
             volumes: ['{}:/data']\n    command: [sh, -c, 'cat /data/go && sleep 1000']\n",
            data.display()
        )
    };
    sandbox.commit(&[("compose.yaml", &stack("1"))], "web");
    sandbox.plan_then_sync(0);
    app(&sandbox, false, &json!({}));
    sandbox.commit(&[("compose.yaml", &stack("2"))], "Another web");
    lets(false);
    let first = sandbox.ids()["web"][0].clone();
    sandbox.docker(["rm", "-f", &first]);
    sandbox.renew(["sync"]).expect(2);
    lets(true);
    sandbox.renew(["sync"]).expect(0);
    sandbox.runs(&["web"]);
    app(&sandbox, true, &json!({}));
    sandbox.plan_then_sync(0).did("web recreate image");
    sandbox.settled();
}

#[test]
fn what_leaves_is_kept_up_until_its_window_and_comes_back_if_its_successor_is_bad() {
    let Some(sandbox) = three_running() else { return };
    let orphans = json!({ "remove_orphans": true });
    app(&sandbox, false, &orphans);
    let renamed = THREE.replace("  web:", "  front:")
        + "    command: [sh, -c, 'exit 2']\n    restart: unless-stopped\n";
    sandbox.commit(&[("compose.yaml", &renamed)], "web is front");
    sandbox.plan_then_sync(0).result("app", "deferred");
    let web = sandbox.ids()["web"][0].clone();
    sandbox.docker(["rm", "-f", &web]);
    sandbox.renew(["sync"]).expect(0);
    sandbox.runs(&["cache", "db", "web"]);
    app(&sandbox, true, &orphans);
    sandbox.renew(["sync"]).expect(2);
    sandbox.runs(&["cache", "db", "web"]);
    assert!(sandbox.inspect("front").is_empty());
}
