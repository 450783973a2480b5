//! What a person reads when something is wrong with engine, compose or the compose files, each for
//! real: the message names the thing and the way out, and nothing that runs is touched.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::{Sandbox, run};
use crate::{THREE, three_pushed, three_running};

/// Runs renew with nothing in the folders where compose plugins are installed, so that only
/// `DOCKER_CONFIG` can have one.
fn without_installed_plugins(sandbox: &Sandbox) -> crate::support::Output {
    let script = "for dir in /usr/local/lib /usr/local/libexec /usr/lib /usr/libexec; do \
                  [ ! -d $dir/docker/cli-plugins ] || mount -t tmpfs none $dir/docker/cli-plugins; \
                  done; exec \"$@\"";
    let mut hidden = std::process::Command::new("unshare");
    hidden.args(["-m", "sh", "-ec", script, "sh"]);
    let renew = sandbox.renew_command(&["sync"], &[]);
    hidden.arg(renew.get_program()).args(renew.get_args()).current_dir(sandbox.root()).env_clear();
    hidden.envs(renew.get_envs().filter_map(|(name, value)| Some((name, value?))));
    run(hidden)
}

fn plugin(sandbox: &Sandbox) -> std::path::PathBuf {
    sandbox.root().join("docker/cli-plugins/docker-compose")
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
}

#[test]
fn an_engine_that_is_not_running() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    let socket = sandbox.root().join("no.sock").display().to_string();
    let nowhere = format!("unix://{socket}");
    sandbox.complains(2, &[("DOCKER_HOST", &nowhere)]).says(
        "engine_not_running",
        &[&socket, "DOCKER_HOST"],
        "systemctl start docker",
    );
    // The configuration comes before the environment, and is named.
    let config = fs::read_to_string(sandbox.root().join("renew.json")).expect("the config");
    let mut changed: serde_json::Value = serde_json::from_str(&config).expect("JSON");
    changed["docker"] = serde_json::json!({ "host": nowhere });
    sandbox.write("renew.json", &changed.to_string());
    sandbox.complains(2, &[]).says("engine_not_running", &[&socket, "docker.host"], "docker.host");
    sandbox.write("renew.json", &config);
    sandbox.complains(2, &[("DOCKER_HOST", "tcp://127.0.0.1:1")]).says(
        "docker_host",
        &["tcp://127.0.0.1:1", "DOCKER_HOST"],
        "unix:///var/run/docker.sock",
    );
    sandbox.only_changed(&before, &[]);
    sandbox.settled();
}

#[test]
fn a_socket_that_we_may_not_use() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    let owner = |who: &str| {
        let mut chown = std::process::Command::new("chown");
        chown.args(["-R", who]).arg(sandbox.root());
        run(chown).expect(0);
    };
    owner("nobody");
    let mut renew = std::process::Command::new("setpriv");
    renew.args(["--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]);
    let plain = sandbox.renew_command(&["sync"], &[]);
    renew.arg(plain.get_program()).args(plain.get_args()).current_dir(sandbox.root()).env_clear();
    renew.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = run(renew).expect(2);
    owner("root");
    for part in ["docker.sock", "no permission", "group docker"] {
        assert!(output.stderr.contains(part), "{part} must be said\n{output}");
    }
    // The files have another change time now, so compose is asked once more.
    sandbox.renew(["sync"]).expect(0);
    sandbox.only_changed(&before, &[]);
    sandbox.settled();
}

#[test]
fn compose_is_missing_or_is_something_else() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    let (plugin, kept) = (plugin(&sandbox), sandbox.root().join("kept"));
    let words = |output: crate::support::Output, parts: &[&str]| {
        let flat = output.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in parts {
            assert!(flat.contains(part), "{part} must be said\n{output}");
        }
    };
    let place = plugin.display().to_string();

    chmod(&plugin, 0o644);
    words(without_installed_plugins(&sandbox).expect(2), &[&place, "not executable", "chmod +x"]);
    fs::rename(&plugin, &kept).expect("to move it");
    let folder = plugin.parent().expect("a folder").display().to_string();
    words(
        without_installed_plugins(&sandbox).expect(2),
        &["no docker compose plugin", &folder, "/usr/libexec/docker/cli-plugins", "apt install"],
    );
    sandbox.commit(
        &[
            ("notes", "so that compose is asked\n"),
            ("compose.yaml", &THREE.replace("web:1", "web:9")),
        ],
        "Ask",
    );
    for (script, reason, parts) in [
        ("#!/bin/sh\necho 1.29.2\n", "compose_too_old", ["1.29.2", "version 2"]),
        ("#!/bin/sh\necho hello\n", "compose_too_old", [&place, "is not docker compose"]),
        ("#!/nonexistent/sh\n", "compose_missing", [&place, "cannot be run"]),
    ] {
        fs::write(&plugin, script).expect("a plugin");
        chmod(&plugin, 0o755);
        sandbox.complains(2, &[]).says(reason, &parts, "docker-compose-plugin");
    }
    fs::rename(&kept, &plugin).expect("to move it back");
    chmod(&plugin, 0o755);
    sandbox.only_changed(&before, &[]);
    sandbox.commit(&[("compose.yaml", THREE)], "As it was");
    sandbox.renew(["sync"]).expect(0);
    sandbox.only_changed(&before, &[]);
    sandbox.settled();
}

#[test]
fn a_broken_compose_file_in_composes_own_words() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    sandbox.commit(&[("compose.yaml", "services:\n  web:\n  image: x\n   b: 1\n")], "Not YAML");
    let real = sandbox.host.join("compose.yaml").display().to_string();
    sandbox.complains(1, &[]).says("compose_config", &[&real, "line 4"], "mend the compose file");
    sandbox.commit(&[("compose.yaml", &THREE.replace("image: IMAGES/db:1", "imgae: x"))], "A typo");
    sandbox.complains(1, &[]).says("compose_config", &[&real, "services.db", "imgae"], "mend");
    sandbox.only_changed(&before, &[]);
    sandbox.commit(&[("compose.yaml", THREE)], "As it was");
    sandbox.renew(["sync"]).expect(0);
    sandbox.only_changed(&before, &[]);
    sandbox.settled();
}

#[test]
fn an_env_file_that_is_not_there() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    let outside = sandbox.root().join("web.env").display().to_string();
    let inside = sandbox.host.join("no.env").display().to_string();
    for (name, path) in [(outside.as_str(), &outside), ("./no.env", &inside)] {
        let stack = format!("{THREE}    env_file: {name}\n");
        sandbox.commit(&[("compose.yaml", &stack)], "An env file");
        let way = format!("make {path} on this host");
        sandbox.complains(1, &[]).says("compose_env_file", &[path], &way);
    }
    sandbox.only_changed(&before, &[]);
    fs::write(&inside, "LEVEL=high\n").expect("an env file");
    sandbox.plan_then_sync(0);
    sandbox.only_changed(&before, &["web"]);
    sandbox.settled();
}

#[test]
fn a_variable_that_nothing_sets() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    let stack = format!("{THREE}    environment:\n      PASSWORD: ${{DB_PASSWORD}}\n");
    sandbox.commit(&[("compose.yaml", &stack)], "A password");
    sandbox.complains(1, &[]).says("unset_variable", &["DB_PASSWORD"], ".env");
    sandbox.only_changed(&before, &[]);
    fs::write(sandbox.host.join(".env"), "DB_PASSWORD=hunter2\n").expect("an env file");
    sandbox.plan_then_sync(0);
    sandbox.only_changed(&before, &["web"]);
    sandbox.settled();
}

#[test]
fn a_variable_that_nothing_sets_keeps_down_nothing_that_ran_without_it() {
    let Some(sandbox) = three_pushed() else { return };
    let stack = format!("{THREE}    environment:\n      PASSWORD: ${{DB_PASSWORD}}\n");
    sandbox.commit(&[("compose.yaml", &stack)], "A password");
    sandbox.host_pull();
    sandbox.compose(["up", "-d"]);
    let adopted = sandbox.renew(["sync"]).expect(0);
    assert!(adopted.stdout.contains("nothing sets DB_PASSWORD"), "{adopted}");
    let before = sandbox.ids();
    sandbox.docker(["rm", "-f", &before["web"][0]]);
    sandbox.plan_then_sync(0);
    sandbox.only_changed(&before, &["web"]);
    sandbox.runs(&["cache", "db", "web"]);
}

#[test]
fn an_image_that_is_none_keeps_nothing_else_down() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    let stack = THREE.replace("IMAGES/web:1", "IMAGES/Web@1");
    sandbox.commit(&[("compose.yaml", &stack)], "A name that is none");
    sandbox.docker(["kill", &before["db"][0]]);
    sandbox.plan_then_sync(1).trouble().says("image_reference", &["Web@1"], "compose file");
    sandbox.only_changed(&before, &[]);
    sandbox.runs(&["cache", "db", "web"]);
}
