//! Several files, several stacks, several services of the config, and what renew cannot build.

use serde_json::json;

use crate::support::Sandbox;
use crate::{THREE, three_pushed};

const ONE: &str = "services:\n  one:\n    image: IMAGES/web:1\n";
const TWO: &str = "services:\n  two:\n    image: IMAGES/db:1\n";

#[test]
fn files_of_one_directory_are_merged_in_order() {
    let Some(sandbox) = three_pushed() else { return };
    let over = "services:\n  db:\n    environment: {LEVEL: SAID}\n";
    sandbox.commit(&[("compose.prod.yaml", &over.replace("SAID", "info"))], "For production");
    sandbox.config(json!([
        { "name": "app", "compose_files": ["compose.yaml", "compose.prod.yaml"] },
    ]));
    sandbox.plan_then_sync(0);
    assert!(sandbox.has_env("db", "LEVEL=info"));
    sandbox.settled();
    let before = sandbox.ids();
    sandbox.commit(&[("compose.prod.yaml", &over.replace("SAID", "debug"))], "Say more");
    sandbox.plan_then_sync(0).did(
        "
        cache  none      settled
        db     recreate  config
        web    none      settled
    ",
    );
    sandbox.only_changed(&before, &["db"]);
    assert!(sandbox.has_env("db", "LEVEL=debug"));
    sandbox.settled();
}

/// Publishes two images and commits two stacks in two directories.
fn two_stacks() -> Option<Sandbox> {
    let sandbox = Sandbox::open()?;
    for image in ["web:1", "web:2", "db:1"] {
        sandbox.publish(image);
    }
    sandbox
        .commit(&[("SANDBOX-a/compose.yaml", ONE), ("SANDBOX-b/compose.yaml", TWO)], "Two stacks");
    Some(sandbox)
}

#[test]
fn files_of_two_directories_are_two_stacks() {
    let Some(sandbox) = two_stacks() else { return };
    sandbox.config(json!([{
        "name": "app",
        "compose_files": ["SANDBOX-a/compose.yaml", "SANDBOX-b/compose.yaml"],
    }]));
    let run = sandbox.plan_then_sync(0);
    run.did(
        "
        one  start  missing
        two  start  missing
    ",
    );
    let projects: Vec<&str> =
        run.sync.services[0].actions.iter().map(|one| one.project.as_str()).collect();
    assert_eq!(projects, [sandbox.fill("SANDBOX-a"), sandbox.fill("SANDBOX-b")]);
    sandbox.runs(&["one", "two"]);
    let before = sandbox.ids();
    sandbox.commit(&[("SANDBOX-a/compose.yaml", &ONE.replace("web:1", "web:2"))], "web 2");
    sandbox.plan_then_sync(0).did(
        "
        one  recreate  image
        two  none      settled
    ",
    );
    sandbox.only_changed(&before, &["one"]);
    sandbox.settled();
}

fn two_services(sandbox: &Sandbox) {
    sandbox.config(json!([
        { "name": "one", "compose_files": ["SANDBOX-a/compose.yaml"] },
        { "name": "two", "compose_files": ["SANDBOX-b/compose.yaml"] },
    ]));
}

#[test]
fn a_service_that_fails_does_not_stop_the_other() {
    let Some(sandbox) = two_stacks() else { return };
    two_services(&sandbox);
    sandbox.plan_then_sync(0);
    sandbox.settled();
    let before = sandbox.ids();
    sandbox.publish("db:2");
    sandbox.commit(
        &[
            ("SANDBOX-a/compose.yaml", &ONE.replace("web:1", "web:no-such-tag")),
            ("SANDBOX-b/compose.yaml", &TWO.replace("db:1", "db:2")),
        ],
        "A bad tag and a good one",
    );
    let run = sandbox.plan_then_sync(2);
    run.result("one", "failed").result("two", "changed");
    sandbox.only_changed(&before, &["two"]);
    sandbox.runs(&["one", "two"]);
    assert!(sandbox.version("two").starts_with("db:2 "));
    // The next push mends it.
    sandbox.commit(&[("SANDBOX-a/compose.yaml", &ONE.replace("web:1", "web:2"))], "A good tag");
    sandbox.plan_then_sync(0).result("one", "changed").result("two", "ok");
    assert!(sandbox.version("one").starts_with("web:2 "));
    sandbox.settled();
}

#[test]
fn a_file_that_does_not_resolve_does_not_stop_the_other() {
    let Some(sandbox) = two_stacks() else { return };
    two_services(&sandbox);
    sandbox.plan_then_sync(0);
    let before = sandbox.ids();
    sandbox.publish("db:2");
    sandbox.commit(
        &[
            ("SANDBOX-a/compose.yaml", "services:\n  one:\n    imagine: all the people\n"),
            ("SANDBOX-b/compose.yaml", &TWO.replace("db:1", "db:2")),
        ],
        "A broken file and a good one",
    );
    let run = sandbox.plan_then_sync(1);
    run.result("one", "failed").result("two", "changed");
    sandbox.only_changed(&before, &["two"]);
}

#[test]
fn a_service_that_must_be_built_is_named_and_does_not_stop_the_others() {
    let Some(sandbox) = three_pushed() else { return };
    let built = format!("{THREE}  site:\n    build: .\n");
    sandbox.commit(&[("compose.yaml", &built), ("Dockerfile", "FROM scratch\n")], "A site");
    sandbox.plan_then_sync(0).did(
        "
        cache  start  missing
        db     start  missing
        site   none   needs_build
        web    start  missing
    ",
    );
    sandbox.runs(&["cache", "db", "web"]);
    assert!(sandbox.inspect("site").is_empty());
    let before = sandbox.ids();
    sandbox.renew(["sync"]).expect(0);
    sandbox.only_changed(&before, &[]);
}

#[test]
fn a_folder_of_a_larger_repository_is_the_place_of_everything_named() {
    let Some(sandbox) = Sandbox::open() else { return };
    for image in ["web:1", "web:2", "db:1"] {
        sandbox.publish(image);
    }
    let mounting = format!("{ONE}    volumes: [\"./conf:/conf:ro\"]\n");
    sandbox.commit(
        &[
            ("infra/host1/SANDBOX/compose.yaml", &mounting),
            ("infra/host1/SANDBOX/conf/a", "1"),
            ("infra/host1/check.sh", "#!/bin/sh\necho \"$PWD\" >>SANDBOX-asked\n"),
            ("SANDBOX/compose.yaml", TWO),
        ],
        "One folder a host",
    );
    sandbox.host_pull();
    let config = json!({
        "repo": { "dir": format!("{}/infra/host1", sandbox.id) },
        "state_dir": "state",
        "services": [{
            "name": "app",
            "compose_files": [format!("{}/compose.yaml", sandbox.id)],
            "pre_script": "check.sh",
        }],
    });
    sandbox.write("renew.json", &config.to_string());
    sandbox.plan_then_sync(0).did("one  start  missing");
    sandbox.settled();
    sandbox.commit(&[("infra/host1/SANDBOX/conf/a", "2")], "Other content");
    sandbox.plan_then_sync(0).did("one  recreate  files");
    let folder = sandbox.host.join("infra/host1");
    let asked = std::fs::read_to_string(folder.join(format!("{}-asked", sandbox.id)));
    assert_eq!(asked.expect("the script ran").trim(), folder.display().to_string());
    sandbox.settled();
}
