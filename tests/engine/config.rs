//! Definitions change without their image, or only seem to.

use crate::{THREE, three_running};

const DB: &str = "  db:\n    image: IMAGES/db:1\n";

#[test]
fn another_environment_recreates_that_service_only() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    let louder = THREE.replace(DB, &format!("{DB}    environment: {{LEVEL: debug}}\n"));
    sandbox.commit(&[("compose.yaml", &louder)], "db says more");
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

#[test]
fn a_comment_and_a_readme_change_nothing_but_the_tree() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    let commented = format!("# reviewed\n{THREE}");
    sandbox.commit(&[("compose.yaml", &commented), ("README", "Reviewed.\n")], "Review");
    let run = sandbox.plan_then_sync(0);
    run.did(
        "
        cache  none  settled
        db     none  settled
        web    none  settled
    ",
    );
    run.result("app", "ok");
    sandbox.only_changed(&before, &[]);
    for (file, content) in [("README", "Reviewed.\n"), ("compose.yaml", &sandbox.fill(&commented))]
    {
        let found = std::fs::read_to_string(sandbox.host.join(file)).expect("a file");
        assert_eq!(found, content, "the host's {file} must follow");
    }
    sandbox.settled();
}

#[test]
fn a_definition_that_does_not_count_is_left_alone() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    sandbox.config(serde_json::json!([
        { "name": "app", "compose_files": ["compose.yaml"], "recreate_on": ["image"] },
    ]));
    let louder = THREE.replace(DB, &format!("{DB}    environment: {{LEVEL: debug}}\n"));
    sandbox.commit(&[("compose.yaml", &louder)], "db says more");
    sandbox.plan_then_sync(0);
    sandbox.only_changed(&before, &[]);
    sandbox.settled();
}

#[test]
fn an_environment_file_in_the_repository_is_part_of_the_definition() {
    let Some(sandbox) = three_running() else { return };
    let with_file = THREE.replace(DB, &format!("{DB}    env_file: db.env\n"));
    sandbox.commit(&[("compose.yaml", &with_file), ("db.env", "LEVEL=info\n")], "db.env");
    sandbox.plan_then_sync(0);
    let before = sandbox.ids();
    sandbox.commit(&[("db.env", "LEVEL=debug\n")], "db says more");
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

#[test]
fn a_container_changed_by_hand_is_put_right() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    let louder = THREE.replace(DB, &format!("{DB}    environment: {{LEVEL: debug}}\n"));
    sandbox.write("by-hand.yaml", &sandbox.fill(&louder));
    sandbox.compose(["-p", &sandbox.id, "-f", "../by-hand.yaml", "up", "-d", "--no-deps", "db"]);
    assert!(sandbox.has_env("db", "LEVEL=debug"));
    sandbox.plan_then_sync(0).did(
        "
        cache  none      settled
        db     recreate  config
        web    none      settled
    ",
    );
    assert!(!sandbox.has_env("db", "LEVEL=debug"));
    sandbox.only_changed(&before, &["db"]);
    sandbox.settled();
}
