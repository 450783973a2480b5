//! Images move: by a tag in git, behind a tag in the registry, by digest.

use crate::support::Sandbox;
use crate::{THREE, three_running};

#[test]
fn a_new_tag_in_git_recreates_that_service_only() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    sandbox.publish("web:2");
    sandbox.commit(&[("compose.yaml", &THREE.replace("web:1", "web:2"))], "web 2");
    let run = sandbox.plan_then_sync(0);
    run.did(
        "
        cache  none      settled
        db     none      settled
        web    recreate  image
    ",
    );
    run.result("app", "changed");
    sandbox.only_changed(&before, &["web"]);
    sandbox.runs(&["cache", "db", "web"]);
    assert!(sandbox.version("web").starts_with("web:2 "));
    sandbox.settled();
}

#[test]
fn a_tag_that_moved_in_the_registry_recreates_that_service_only() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    let old = sandbox.version("db");
    sandbox.publish("db:1");
    sandbox.plan_then_sync(0).did(
        "
        cache  none      settled
        db     recreate  image
        web    none      settled
    ",
    );
    sandbox.only_changed(&before, &["db"]);
    assert_ne!(sandbox.version("db"), old);
    sandbox.settled();
}

#[test]
fn a_new_image_for_another_platform_is_none_for_this_host() {
    let Some(sandbox) = Sandbox::open() else { return };
    let stack = "services:\n  web:\n    image: IMAGES/web:1\n";
    sandbox.publish_for_two("web:1", "one", "one");
    sandbox.commit(&[("compose.yaml", stack)], "web");
    sandbox.plan_then_sync(0).did("web start missing");
    sandbox.settled();
    let before = sandbox.ids();
    sandbox.publish_for_two("web:1", "one", "two");
    sandbox.plan_then_sync(0).did("web none settled").result("app", "ok");
    sandbox.only_changed(&before, &[]);
    sandbox.settled();
    sandbox.publish_for_two("web:1", "two", "two");
    sandbox.plan_then_sync(0).did("web recreate image");
    assert_eq!(sandbox.version("web"), "two");
    sandbox.settled();
}

#[test]
fn a_moved_tag_does_not_count_where_only_local_images_do() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    sandbox.publish("db:1");
    sandbox.config(serde_json::json!([
        { "name": "app", "compose_files": ["compose.yaml"], "image_check": "local" },
    ]));
    sandbox.plan_then_sync(0);
    sandbox.only_changed(&before, &[]);
    // Somebody pulls by hand: now the local tag means another image.
    sandbox.docker(["pull", "-q", &sandbox.fill("IMAGES/db:1")]);
    sandbox.plan_then_sync(0).did(
        "
        cache  none      settled
        db     recreate  image
        web    none      settled
    ",
    );
    sandbox.only_changed(&before, &["db"]);
    sandbox.settled();
}

#[test]
fn a_digest_is_followed_and_its_tag_is_not() {
    let Some(sandbox) = Sandbox::open() else { return };
    sandbox.publish("db:1");
    let stack = |image: &str| {
        format!("services:\n  db:\n    image: IMAGES/db:1\n  web:\n    image: {image}\n")
    };
    let first = sandbox.publish("web:1");
    sandbox.commit(&[("compose.yaml", &stack(&first))], "web by digest");
    sandbox.plan_then_sync(0).did(
        "
        db   start  missing
        web  start  missing
    ",
    );
    sandbox.settled();
    let before = sandbox.ids();
    let second = sandbox.publish("web:1");
    sandbox.settled();
    sandbox.commit(&[("compose.yaml", &stack(&second))], "web by another digest");
    sandbox.plan_then_sync(0).did(
        "
        db   none      settled
        web  recreate  image
    ",
    );
    sandbox.only_changed(&before, &["web"]);
    sandbox.settled();
}

#[test]
fn a_way_back_in_git_is_a_way_back_on_the_host() {
    let Some(sandbox) = three_running() else { return };
    let (before, old) = (sandbox.ids(), sandbox.version("web"));
    sandbox.publish("web:2");
    sandbox.commit(&[("compose.yaml", &THREE.replace("web:1", "web:2"))], "web 2");
    sandbox.plan_then_sync(0);
    sandbox.commit(&[("compose.yaml", THREE)], "web 1 again");
    sandbox.plan_then_sync(0).did(
        "
        cache  none      settled
        db     none      settled
        web    recreate  image
    ",
    );
    assert_eq!(sandbox.version("web"), old);
    sandbox.only_changed(&before, &["web"]);
    sandbox.settled();
}
