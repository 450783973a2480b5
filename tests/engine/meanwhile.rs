//! What was so when a run began and is not so any more once it comes to act on it.

use serde_json::json;

use crate::support::{Endpoint, Front, Sandbox, Turn};
use crate::{THREE, three_running};

#[test]
fn a_peer_that_goes_down_during_a_pull_keeps_what_runs_running() {
    let Some(sandbox) = Sandbox::open() else { return };
    let peer = Endpoint::at("127.0.0.2");
    let going = peer.clone();
    let front = Front::tcp(&sandbox.registry_address(), move |line, _| {
        if line.starts_with("GET") && line.contains("/blobs/") {
            going.says(500);
        }
        Turn::Pass
    });
    let stack = |tag: &str| {
        let image = format!("{}/SANDBOX/web:{tag}", front.address);
        format!("services:\n  web:\n    image: {image}\n    restart: always\n")
    };
    sandbox.publish("web:1");
    sandbox.publish("web:2");
    sandbox.commit(&[("compose.yaml", &stack("1"))], "web");
    sandbox.plan_then_sync(0);
    let before = sandbox.ids();
    sandbox.config(json!([{
        "name": "app", "compose_files": ["compose.yaml"], "health": { "peer_urls": [peer.url()] },
    }]));
    sandbox.commit(&[("compose.yaml", &stack("2"))], "Another web");
    peer.says(200);
    let run = sandbox.renew(["sync", "--json"]).expect(3).json();
    assert_eq!(run["services"][0]["gate"], "refused");
    sandbox.only_changed(&before, &[]);
    sandbox.runs(&["web"]);
    peer.says(200);
    sandbox.plan_then_sync(0).did("web recreate image");
    sandbox.only_changed(&before, &["web"]);
}

#[test]
fn an_own_address_that_was_silent_already_says_nothing_about_a_change() {
    let Some(sandbox) = three_running() else { return };
    let own = Endpoint::at("127.0.0.1");
    sandbox.config(json!([{
        "name": "app", "compose_files": ["compose.yaml"],
        "health": { "local_url": own.url(), "timeout": "1s" },
        "verify": { "timeout": "2s" },
    }]));
    let with = |level: &str| format!("{THREE}    environment: {{LEVEL: {level}}}\n");
    for (says, level, code) in [(200, "one", 0), (500, "two", 0), (200, "three", 0)] {
        own.says(says);
        sandbox.commit(&[("compose.yaml", &with(level))], level);
        sandbox.plan_then_sync(code).result("app", "changed");
        assert!(sandbox.has_env("web", &format!("LEVEL={level}")), "{level}");
    }
}
