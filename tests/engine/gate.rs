//! Peers that must be healthy before a running container stops.

use serde_json::json;

use crate::support::{Endpoint, Sandbox};
use crate::{THREE, three_running};

fn with_health(sandbox: &Sandbox, health: serde_json::Value) {
    sandbox.config(json!([{ "name": "app", "compose_files": ["compose.yaml"], "health": health }]));
}

fn web(tag: &str) -> String {
    THREE.replace("web:1", &format!("web:{tag}"))
}

#[test]
fn too_few_healthy_peers_keep_what_runs_running_and_starts_go_on() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    let peer = Endpoint::at("127.0.0.2");
    with_health(&sandbox, json!({ "peer_urls": [peer.url(), "http://localhost:1/"] }));
    peer.says(500);
    sandbox.publish("web:2");
    sandbox.commit(&[("compose.yaml", &web("2"))], "Another web");
    sandbox.docker(["kill", &before["db"][0]]);
    let run = sandbox.plan_then_sync(3);
    run.did(
        "
        cache  none   settled
        db     start  stopped
        web    none   refused
    ",
    );
    run.result("app", "refused");
    sandbox.only_changed(&before, &[]);
    let refused = sandbox.renew(["sync", "--json"]).expect(3).json();
    assert_eq!(refused["services"][0]["gate"], "refused");
    let detail = refused["services"][0]["actions"][2]["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("0 of 1") && detail.contains("500"), "{detail}");

    peer.says(204);
    sandbox.plan_then_sync(0).did(
        "
        cache  none      settled
        db     none      settled
        web    recreate  image
    ",
    );
    sandbox.only_changed(&before, &["web"]);
    sandbox.settled();
}

#[test]
fn a_service_that_is_down_here_needs_no_peers() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    let (peer, own) = (Endpoint::at("127.0.0.2"), Endpoint::at("127.0.0.1"));
    let health = json!({ "peer_urls": [peer.url()], "local_url": own.url(), "timeout": "1s" });
    with_health(&sandbox, health);
    for tag in ["2", "3"] {
        sandbox.publish(&format!("web:{tag}"));
    }
    // It never answered: that proves nothing, and the peers decide.
    own.says(0);
    peer.says(500);
    sandbox.commit(&[("compose.yaml", &web("2"))], "Another web");
    sandbox.renew(["sync"]).expect(3);
    sandbox.only_changed(&before, &[]);
    // It answers, which is remembered; then it does not.
    own.says(200);
    sandbox.renew(["sync"]).expect(3);
    own.says(0);
    let bypassed = sandbox.renew(["sync", "--json"]).expect(0).json();
    assert_eq!(bypassed["services"][0]["gate"], "bypassed");
    sandbox.only_changed(&before, &["web"]);
    sandbox.settled();
}

#[test]
fn dependents_stay_with_a_refused_parent_and_a_cut_off_one_needs_no_peers() {
    let Some(sandbox) = Sandbox::open() else { return };
    for image in ["x:1", "x:2", "web:1"] {
        sandbox.publish(image);
    }
    let stack = "services:\n  x:\n    image: IMAGES/x:1\n    restart: always\n  net:\n    image: \
                 IMAGES/web:1\n    restart: always\n    network_mode: service:x\n  other:\n    \
                 image: IMAGES/x:1\n    restart: always\n";
    sandbox.commit(&[("compose.yaml", stack)], "x, and who shares its network");
    sandbox.plan_then_sync(0);
    let before = sandbox.ids();
    let peer = Endpoint::at("127.0.0.2");
    peer.says(500);
    with_health(&sandbox, json!({ "peer_urls": [peer.url()] }));
    sandbox.commit(&[("compose.yaml", &stack.replace("x:1", "x:2"))], "x 2");
    sandbox.plan_then_sync(3).did(
        "
        net    none  refused
        other  none  refused
        x      none  refused
    ",
    );
    sandbox.only_changed(&before, &[]);
    sandbox.runs(&["net", "x"]);
    // What lost its network gets it back, while the change of another is still refused.
    sandbox.docker(["restart", &before["x"][0]]);
    let other = stack.replace("other:\n    image: IMAGES/x:1", "other:\n    image: IMAGES/x:2");
    sandbox.commit(&[("compose.yaml", &other)], "x 1 again");
    sandbox.plan_then_sync(3).did(
        "
        net    start  dependent
        other  none   refused
        x      none   settled
    ",
    );
    sandbox.only_changed(&before, &[]);
    sandbox.commit(&[("compose.yaml", stack)], "All as before");
    sandbox.plan_then_sync(0);
    sandbox.only_changed(&before, &[]);
    sandbox.settled();
}
