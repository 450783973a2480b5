//! The rig proves itself: what the stories lean on works without renew, and nothing is left over.

use std::fs;
use std::process::Command;

use crate::support::{Sandbox, wait_for};
use crate::{THREE, three_pushed};

#[test]
fn a_stack_started_by_hand_runs_what_was_pushed() {
    let Some(sandbox) = three_pushed() else { return };
    sandbox.host_pull();
    sandbox.compose(["up", "-d"]);
    sandbox.runs(&["cache", "db", "web"]);
    assert_eq!(sandbox.version("web"), "web:1 push 3");
    let before = sandbox.ids();
    sandbox.compose(["up", "-d", "--force-recreate", "--no-deps", "web"]);
    sandbox.only_changed(&before, &["web"]);
    sandbox.publish("web:1");
    assert_eq!(sandbox.version("web"), "web:1 push 3", "a push must not reach the host by itself");
    sandbox.compose(["pull", "-q", "web"]);
    sandbox.compose(["up", "-d"]);
    assert_eq!(sandbox.version("web"), "web:1 push 4");
}

#[test]
fn a_registry_that_came_back_still_has_its_images() {
    let Some(sandbox) = three_pushed() else { return };
    sandbox.registry_down();
    let image = sandbox.fill("IMAGES/web:1");
    let mut pull = Command::new("docker");
    pull.args(["pull", "-q", &image]);
    assert!(!pull.output().expect("docker").status.success());
    sandbox.registry_up();
    assert!(pull.output().expect("docker").status.success());
}

#[test]
fn containers_obey_when_told_to_stop() {
    let Some(sandbox) = three_pushed() else { return };
    sandbox.host_pull();
    sandbox.compose(["up", "-d", "web"]);
    wait_for("the main process to listen", 60, || {
        (sandbox.docker(["logs", &sandbox.ids()["web"][0]]) == "ready").then_some(())
    });
    sandbox.compose(["stop", "web"]);
    // One that does not hear TERM is killed in the end, and that is 137.
    assert_eq!(sandbox.the("web")["State"]["ExitCode"], 0);
}

#[test]
fn a_snapshot_sees_every_kind_of_change() {
    let Some(sandbox) = three_pushed() else { return };
    let start = sandbox.snapshot();
    assert_eq!(start.difference(&sandbox.snapshot()), "");
    fs::create_dir(sandbox.state()).expect("a folder");
    fs::write(sandbox.state().join("state.json"), "{}").expect("a file");
    let difference = start.difference(&sandbox.snapshot());
    assert!(difference.contains("+ state/: "), "{difference}");
    assert!(difference.contains("+ state/state.json: "), "{difference}");
    let start = sandbox.snapshot();
    sandbox.git(&sandbox.host, &["fetch", "-q"]);
    assert!(start.difference(&sandbox.snapshot()).contains("tree/.git/"));
    sandbox.host_pull();
    let start = sandbox.snapshot();
    sandbox.compose(["up", "-d", "web"]);
    let difference = start.difference(&sandbox.snapshot());
    for kind in ["+ container ", "+ image ", "+ network "] {
        assert!(difference.contains(kind), "{kind} is not in\n{difference}");
    }
    let start = sandbox.snapshot();
    sandbox.compose(["restart", "web"]);
    assert!(start.difference(&sandbox.snapshot()).starts_with("~ container "));
}

#[test]
fn the_wrappers_write_down_what_is_started_and_pass_it_on() {
    let Some(sandbox) = Sandbox::open() else { return };
    let plugin = sandbox.root().join("docker/cli-plugins/docker-compose");
    let output = Command::new(plugin).args(["version", "--short"]).output().expect("compose");
    assert!(String::from_utf8_lossy(&output.stdout).contains('.'));
    let docker = Command::new(sandbox.root().join("bin/docker")).arg("--version").output();
    assert!(docker.expect("docker").status.success());
    let lines: Vec<String> = sandbox.started().into_iter().map(|one| one.line).collect();
    assert_eq!(lines, ["compose version --short", "docker --version"]);
    sandbox.forget_started();
    assert!(sandbox.started().is_empty());
}

#[test]
fn a_dropped_sandbox_leaves_nothing() {
    let Some(sandbox) = three_pushed() else { return };
    let with_volume = format!("{THREE}    volumes: [\"data:/data\"]\nvolumes:\n  data:\n");
    sandbox.commit(&[("compose.yaml", &with_volume)], "Keep data");
    sandbox.host_pull();
    sandbox.compose(["up", "-d"]);
    // A superseded image without a tag, and a container that compose does not know.
    sandbox.publish("web:1");
    sandbox.compose(["pull", "-q", "web"]);
    let image = sandbox.fill("IMAGES/web:1");
    sandbox.docker(["create", &image]);
    let (id, root) = (sandbox.id.clone(), sandbox.root().to_owned());
    drop(sandbox);

    assert!(!root.exists());
    let asked = [
        &["ps", "-a", "--format", "{{.Names}} {{.Image}} {{.Labels}}"][..],
        &["images", "-a", "--format", "{{.Repository}}"],
        &["network", "ls", "--format", "{{.Name}}"],
        &["volume", "ls", "--format", "{{.Name}}"],
    ];
    for args in asked {
        let output = Command::new("docker").args(args).output().expect("docker");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(!text.contains(&id), "docker {args:?} still shows {id}:\n{text}");
    }
    wait_for("the registry to end", 30, || {
        let mut lines = fs::read_dir("/proc")
            .expect("processes")
            .flatten()
            .filter_map(|entry| fs::read_to_string(entry.path().join("cmdline")).ok());
        let root = root.display().to_string();
        (!lines.any(|line| line.contains(&root))).then_some(())
    });
}
