//! The world is not as it should be: no remote, no registry, no engine.

use crate::{THREE, three_running};

#[test]
fn a_host_without_its_remote_still_heals() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    sandbox.remote_down();
    sandbox.docker(["rm", "-f", &before["web"][0]]);
    sandbox.plan_then_sync(1).did(
        "
        cache  none   settled
        db     none   settled
        web    start  missing
    ",
    );
    sandbox.runs(&["cache", "db", "web"]);
    sandbox.only_changed(&before, &["web"]);
}

#[test]
fn a_registry_that_does_not_answer_is_no_drift() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    sandbox.registry_down();
    sandbox.renew(["sync"]).expect(0);
    sandbox.only_changed(&before, &[]);
    sandbox.registry_up();
    sandbox.settled();
}

#[test]
fn an_image_that_is_not_there_stops_nothing() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    sandbox.commit(&[("compose.yaml", &THREE.replace("web:1", "web:none"))], "A bad tag");
    sandbox.plan_then_sync(2).result("app", "failed");
    sandbox.only_changed(&before, &[]);
    sandbox.runs(&["cache", "db", "web"]);
    sandbox.commit(&[("compose.yaml", THREE)], "The old tag again");
    sandbox.plan_then_sync(0).result("app", "ok");
    sandbox.only_changed(&before, &[]);
    sandbox.settled();
}

#[test]
fn an_engine_that_does_not_answer_is_said() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    let nowhere = format!("unix://{}", sandbox.root().join("no.sock").display());
    let output = sandbox.renew_with(["sync"], &[("DOCKER_HOST", &nowhere)]).expect(2);
    assert!(output.stderr.contains("no.sock"), "which engine was asked must be said\n{output}");
    sandbox.only_changed(&before, &[]);
    sandbox.settled();
}

#[test]
fn an_untracked_file_in_the_way_stops_the_move_but_not_the_healing() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    let stray = format!("{}/notes", sandbox.fill("SANDBOX"));
    sandbox.write(&stray, "somebody's own words\n");
    sandbox.commit(
        &[("compose.yaml", &THREE.replace("web:1", "web:2")), ("notes", "other words\n")],
        "Notes, and another web",
    );
    sandbox.docker(["kill", &before["db"][0]]);
    let run = sandbox.plan_then_sync(1);
    run.did(
        "
        cache  none   settled
        db     start  stopped
        web    none   settled
    ",
    );
    sandbox.only_changed(&before, &[]);
    let kept = std::fs::read_to_string(sandbox.root().join(&stray)).expect("the file");
    assert_eq!(kept, "somebody's own words\n");
    std::fs::remove_file(sandbox.root().join(&stray)).expect("to remove it");
    sandbox.publish("web:2");
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
fn local_edits_are_saved_before_git_takes_the_file_back() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    let host = sandbox.root().join(sandbox.fill("SANDBOX"));
    let edited = sandbox.fill(THREE).replace("cache:1", "cache:9");
    std::fs::write(host.join("compose.yaml"), edited).expect("an edit");
    sandbox.plan_then_sync(0);
    sandbox.only_changed(&before, &[]);
    let refs = sandbox.git(&host, &["for-each-ref", "--format=%(refname)", "refs/renew/saved"]);
    let saved = sandbox.git(&host, &["show", &format!("{}:compose.yaml", refs.trim())]);
    assert!(saved.contains("cache:9"), "{saved}");
    assert_eq!(sandbox.git(&host, &["status", "--porcelain"]), "");
    sandbox.settled();
}
