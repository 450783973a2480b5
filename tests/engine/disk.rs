//! No pull when docker's disk would be too full after it; everything else goes on.

use serde_json::json;

use crate::support::Sandbox;
use crate::{THREE, three_running};

fn with_floor(sandbox: &Sandbox, floor: &str) {
    sandbox.config(json!([{ "name": "app", "compose_files": ["compose.yaml"] }]));
    let path = sandbox.root().join("renew.json");
    let text = std::fs::read_to_string(path).expect("a config");
    let floor = format!("{{\"disk_floor\":\"{floor}\",");
    sandbox.write("renew.json", &text.replacen('{', &floor, 1));
}

/// What the engine's disk has free, in bytes.
fn free(sandbox: &Sandbox) -> u64 {
    let root = sandbox.docker(["info", "--format", "{{.DockerRootDir}}"]);
    let stat = rustix::fs::statvfs(root.as_str()).expect("docker's folder on this host");
    stat.f_bavail * stat.f_frsize
}

#[test]
fn nothing_is_pulled_below_the_floor_and_starts_go_on() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    sandbox.publish("web:2");
    sandbox.commit(&[("compose.yaml", &THREE.replace("web:1", "web:2"))], "Another web");
    sandbox.docker(["kill", &before["db"][0]]);
    with_floor(&sandbox, "9000TiB");
    let planned = sandbox.renew(["plan", "--json"]).expect(0).json();
    assert_eq!(planned["services"][0]["error"]["reason"], "disk_low");
    let run = sandbox.plan_then_sync(2);
    run.did(
        "
        cache  none      settled
        db     start     stopped
        web    recreate  image
    ",
    );
    run.result("app", "failed");
    sandbox.runs(&["cache", "db", "web"]);
    sandbox.only_changed(&before, &[]);
    let image = sandbox.fill("IMAGES/web:2");
    let there = sandbox.docker(["images", "-q", &image]);
    assert!(there.is_empty(), "{image} was pulled: {there}");
    let refused = sandbox.renew(["sync", "--json"]).expect(2).json();
    let error = &refused["services"][0]["error"];
    assert_eq!(error["reason"], "disk_low");
    let said = error["message"].as_str().unwrap_or_default();
    let root = sandbox.docker(["info", "--format", "{{.DockerRootDir}}"]);
    for part in [image.as_str(), root.as_str(), "free", "disk_floor is"] {
        assert!(said.contains(part), "{part} is not in {said}");
    }

    // 0 switches it off; and with room enough nobody notices it.
    with_floor(&sandbox, "0");
    sandbox.plan_then_sync(0).result("app", "changed");
    sandbox.only_changed(&before, &["web"]);
    sandbox.settled();
    with_floor(&sandbox, "9000TiB");
    sandbox.settled();
}

#[test]
fn what_a_pull_would_bring_counts_and_layers_that_are_here_do_not() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    let huge = 20 << 40;
    sandbox.publish_swollen("web:2", 0, huge);
    sandbox.publish_swollen("web:3", 1, huge);
    let free = free(&sandbox);
    // Room for whatever else happens on this machine meanwhile, and by far not for 20 TiB.
    with_floor(&sandbox, &(free - (free / 2).min(16 << 30)).to_string());
    sandbox.commit(&[("compose.yaml", &THREE.replace("web:1", "web:3"))], "A large web");
    sandbox.plan_then_sync(2).result("app", "failed");
    let refused = sandbox.renew(["sync", "--json"]).expect(2).json();
    let error = &refused["services"][0]["error"];
    let said = error["message"].as_str().unwrap_or_default();
    assert!(said.contains("the pull would bring 21.9 TB"), "{said}");
    sandbox.only_changed(&before, &[]);

    sandbox.commit(&[("compose.yaml", &THREE.replace("web:1", "web:2"))], "A web not so large");
    sandbox.plan_then_sync(0).result("app", "changed");
    sandbox.only_changed(&before, &["web"]);
    sandbox.settled();
}
