//! Images that renew pulled and nobody needs any more go away; all others stay.

use serde_json::json;

use crate::support::Sandbox;
use crate::{THREE, three_running};

/// What was published as these names and is still on this host, in order: `web:1 push 3`, ….
fn here(sandbox: &Sandbox, name: &str) -> Vec<String> {
    let filter = format!("label=renew-test-sandbox={}", sandbox.id);
    let ids = sandbox.docker(["images", "-aq", "--no-trunc", "--filter", &filter]);
    let mut versions = Vec::new();
    for id in ids.split_whitespace() {
        let version = "{{index .Config.Labels \"version\"}}";
        versions.push(sandbox.docker(["image", "inspect", "--format", version, id]));
    }
    versions.retain(|version| version.starts_with(name));
    versions.sort();
    versions.dedup();
    versions
}

/// A stack that follows `web:1`, which moves, and names each `db` by itself.
fn stack(db: u32) -> String {
    THREE.replace("db:1", &format!("db:{db}"))
}

#[test]
fn the_image_in_force_and_the_one_before_stay() {
    let Some(sandbox) = three_running() else { return };
    for version in 2..=4 {
        sandbox.publish("web:1");
        sandbox.publish(&format!("db:{version}"));
        sandbox.commit(&[("compose.yaml", &stack(version))], "Another db");
        sandbox.plan_then_sync(0).did(
            "
            cache  none      settled
            db     recreate  image
            web    recreate  image
        ",
        );
        sandbox.settled();
    }
    assert_eq!(here(&sandbox, "web"), ["web:1 push 6", "web:1 push 8"]);
    assert_eq!(here(&sandbox, "db"), ["db:3 push 7", "db:4 push 9"]);
    assert_eq!(here(&sandbox, "cache"), ["cache:1 push 1"]);
    // The one before runs again when git says so, without its registry.
    sandbox.commit(&[("compose.yaml", &stack(3))], "Back");
    sandbox.registry_down();
    sandbox.renew(["sync"]).expect(0);
    assert_eq!(sandbox.version("db"), "db:3 push 7");
    assert_eq!(here(&sandbox, "db"), ["db:3 push 7", "db:4 push 9"]);
    // A settled run writes nothing and removes nothing.
    let before = sandbox.snapshot();
    sandbox.renew(["sync"]).expect(0);
    assert_eq!(before.difference(&sandbox.snapshot()), "");
}

#[test]
fn what_others_use_name_or_brought_stays() {
    let Some(sandbox) = Sandbox::open() else { return };
    for image in ["cache:1", "db:1", "web:1"] {
        sandbox.publish(image);
    }
    // Here before renew.
    sandbox.docker(["pull", "-q", &sandbox.fill("IMAGES/db:1")]);
    sandbox.commit(&[("compose.yaml", &stack(1))], "Three services");
    sandbox.plan_then_sync(0);
    // Somebody else's container, never started, and somebody else's name.
    let web = sandbox.docker(["inspect", "--format", "{{.Image}}", &sandbox.ids()["web"][0]]);
    sandbox.docker(["create", "--name", &sandbox.fill("SANDBOX-other"), &web]);
    let (cache, backup) = (sandbox.fill("IMAGES/cache:1"), sandbox.fill("SANDBOX-backup:1"));
    sandbox.docker(["tag", &cache, &backup]);
    for version in 2..=4 {
        for name in ["cache", "web"] {
            sandbox.publish(&format!("{name}:1"));
        }
        sandbox.publish(&format!("db:{version}"));
        sandbox.commit(&[("compose.yaml", &stack(version))], "Another db");
        sandbox.plan_then_sync(0);
    }
    sandbox.settled();
    assert_eq!(here(&sandbox, "db"), ["db:1 push 2", "db:3 push 9", "db:4 push 12"]);
    assert_eq!(here(&sandbox, "web"), ["web:1 push 11", "web:1 push 3", "web:1 push 8"]);
    assert_eq!(here(&sandbox, "cache"), ["cache:1 push 1", "cache:1 push 10", "cache:1 push 7"]);
    let names = "{{range .RepoTags}}{{.}} {{end}}";
    assert_eq!(sandbox.docker(["image", "inspect", "--format", names, &backup]), backup);
}

#[test]
fn images_do_not_pile_up_while_a_change_is_refused() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    let objects = "#!/bin/sh\nexit 1\n";
    sandbox.commit(&[("pre.sh", objects)], "Not now");
    let app = json!({ "name": "app", "compose_files": ["compose.yaml"], "pre_script": "pre.sh" });
    sandbox.config(json!([app]));
    for _ in 0..3 {
        sandbox.publish("web:1");
        sandbox.plan_then_sync(3).result("app", "refused");
    }
    sandbox.only_changed(&before, &[]);
    assert_eq!(here(&sandbox, "web"), ["web:1 push 3", "web:1 push 6"]);
    sandbox.commit(&[("pre.sh", "#!/bin/sh\n")], "Now");
    sandbox.plan_then_sync(0).result("app", "changed");
    assert_eq!(here(&sandbox, "web"), ["web:1 push 3", "web:1 push 6"]);
    assert_eq!(sandbox.version("web"), "web:1 push 6");
    sandbox.settled();

    // What peers refuse is not even pulled.
    let health = json!({ "peer_urls": ["http://127.0.0.2:1/"], "timeout": "1s" });
    let app = json!({ "name": "app", "compose_files": ["compose.yaml"], "health": health });
    sandbox.config(json!([app]));
    for _ in 0..3 {
        sandbox.publish("web:1");
        sandbox.plan_then_sync(3).result("app", "refused");
    }
    assert_eq!(here(&sandbox, "web"), ["web:1 push 3", "web:1 push 6"]);
}

#[test]
fn nothing_is_removed_where_images_are_to_stay() {
    let Some(sandbox) = three_running() else { return };
    let app = json!({ "name": "app", "compose_files": ["compose.yaml"] });
    for (key, value, left) in [
        ("prune_images", json!(false), &["web:1 push 3", "web:1 push 4", "web:1 push 5"][..]),
        // What came meanwhile is not taken down as ours, and stays.
        ("keep_releases", json!(1), &["web:1 push 4", "web:1 push 5", "web:1 push 7"]),
    ] {
        let mut app = app.clone();
        app[key] = value;
        sandbox.config(json!([app]));
        for _ in 0..2 {
            sandbox.publish("web:1");
            sandbox.plan_then_sync(0).result("app", "changed");
        }
        assert_eq!(here(&sandbox, "web"), left, "{key}");
    }
}
