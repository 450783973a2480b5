//! What a run writes down and says: proof of what it did before it was killed, nothing on disk when
//! nothing changed, and never a secret.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use serde_json::json;

use crate::support::{Sandbox, wait_for};
use crate::{THREE, three_pushed, three_running};

/// A stack whose `web` takes a while to become healthy, so that a kill can hit the verification.
const SLOW: &str = "\
services:
  db:
    image: IMAGES/db:1
  web:
    image: IMAGES/web:1
    depends_on: [db]
    command: [\"/bin/sh\", \"-c\", \"sleep 3; echo > /ok; sleep 100000\"]
    healthcheck: {test: [CMD, cat, /ok], interval: 1s, timeout: 1s, retries: 20}
    volumes: [\"./web.conf:/web.conf:ro\"]
    environment: {LEVEL: info}
";

fn slow() -> Option<Sandbox> {
    let sandbox = Sandbox::open()?;
    sandbox.publish("db:1");
    sandbox.publish("web:1");
    sandbox.commit(&[("compose.yaml", SLOW), ("web.conf", "red\n")], "A slow web");
    sandbox.plan_then_sync(0);
    sandbox.settled();
    Some(sandbox)
}

#[test]
fn a_sync_killed_after_the_change_does_not_change_it_again() {
    let Some(sandbox) = slow() else { return };
    let before = sandbox.ids();
    let louder = SLOW.replace("info", "debug");
    sandbox.commit(&[("compose.yaml", &louder), ("web.conf", "blue\n")], "Blue, and louder");
    let sync = sandbox.start_renew(["sync"]);
    wait_for("the new container to run", 60, || {
        let found = sandbox.inspect("web");
        let new = found.iter().find(|one| one["Id"] != before["web"][0].as_str())?;
        (found.len() == 1 && new["State"]["Status"] == "running").then_some(())
    });
    sync.kill_alone();
    let after = sandbox.ids();
    let run = sandbox.plan_then_sync(0);
    run.did(
        "
        db   none  settled
        web  none  settled
    ",
    );
    sandbox.only_changed(&after, &[]);
    assert_eq!(sandbox.the("web")["State"]["Health"]["Status"], "healthy", "it was waited for");
    sandbox.settled();
}

#[test]
fn what_was_brought_in_step_by_hand_is_not_made_anew() {
    let Some(sandbox) = slow() else { return };
    sandbox.commit(&[("compose.yaml", &SLOW.replace("info", "debug"))], "Louder");
    sandbox.host_pull();
    sandbox.compose(["up", "-d", "web"]);
    let before = sandbox.ids();
    sandbox.plan_then_sync(0);
    sandbox.only_changed(&before, &[]);
    sandbox.settled();
    // And without its dependencies, which compose 2.26 gives another label.
    sandbox.commit(&[("compose.yaml", &SLOW.replace("info", "warn"))], "Quieter");
    sandbox.host_pull();
    sandbox.compose(["up", "-d", "--no-deps", "web"]);
    let before = sandbox.ids();
    sandbox.plan_then_sync(0);
    sandbox.only_changed(&before, &[]);
    sandbox.settled();
    // What is really otherwise is put right.
    sandbox.write("other.yaml", &sandbox.fill(&SLOW.replace("info", "mine")));
    let dir = sandbox.host.display().to_string();
    let up = ["--project-directory", &dir, "-f", "../other.yaml", "-p", &sandbox.id, "up", "-d"];
    sandbox.compose(up.into_iter().chain(["--no-deps", "web"]));
    sandbox.plan_then_sync(0).did(
        "
        db   none      settled
        web  recreate  config
    ",
    );
    assert!(sandbox.has_env("web", "LEVEL=warn"));
}

#[test]
fn without_a_place_to_write_nothing_is_changed_but_what_stopped_is_started() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    sandbox.docker(["kill", &before["db"][0]]);
    sandbox.publish("web:1");
    // A folder in which nobody can make a file, not even root.
    let services = sandbox.state().join("services");
    let aside = sandbox.state().join("aside");
    fs::rename(&services, &aside).expect("to move the records");
    symlink("/proc/self/task", &services).expect("a link");
    let output = sandbox.renew(["sync"]).expect(1);
    assert!(output.stderr.contains("state"), "{output}");
    sandbox.only_changed(&before, &[]);
    sandbox.runs(&["cache", "db", "web"]);
    fs::remove_file(&services).expect("to remove the link");
    fs::rename(&aside, &services).expect("to bring the records back");
    sandbox.plan_then_sync(0);
    sandbox.only_changed(&before, &["web"]);
}

#[test]
fn a_settled_sync_writes_nothing_and_starts_two_gits() {
    let Some(sandbox) = three_running() else { return };
    let log = sandbox.root().join("git.log");
    let wrapper = sandbox.root().join("bin/git");
    let real = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .map(|dir| dir.join("git"))
        .find(|path| path.is_file())
        .expect("git");
    let text =
        format!("#!/bin/sh\necho \"$*\" >>'{}'\nexec '{}' \"$@\"\n", log.display(), real.display());
    fs::write(&wrapper, text).expect("a wrapper");
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).expect("a mode");
    sandbox.writes_nothing(|| sandbox.settled());
    let gits = fs::read_to_string(&log).expect("a log");
    assert_eq!(gits.lines().count(), 2, "{gits}");
}

#[test]
fn an_env_file_outside_the_repository_is_noticed_when_it_changes() {
    let Some(sandbox) = three_pushed() else { return };
    let outside = sandbox.root().join("app.env").display().to_string();
    let stack = format!("{THREE}    env_file: [{outside}, ./keys/prod/web.env]\n");
    sandbox.commit(&[("compose.yaml", &stack)], "Settings beside the repository");
    let deep = sandbox.host.join("keys/prod");
    fs::create_dir_all(&deep).expect("a folder");
    fs::write(deep.join("web.env"), "DEEP=1\n").expect("a file");
    sandbox.write("app.env", "FAR=1\n");
    sandbox.renew(["sync"]).expect(0);
    sandbox.settled();
    for (place, setting) in [(outside.into(), "FAR=2"), (deep.join("web.env"), "DEEP=2")] {
        let before = sandbox.ids();
        fs::write(&place, setting).expect("a file");
        sandbox.plan_then_sync(0);
        sandbox.only_changed(&before, &["web"]);
        assert!(sandbox.has_env("web", setting), "{setting}");
        sandbox.settled();
    }
}

#[test]
fn a_half_made_container_is_not_taken_for_what_is_declared_later() {
    let Some(sandbox) = three_running() else { return };
    sandbox.rolls_forward();
    let with = |level: &str| format!("{THREE}    environment: {{LEVEL: {level}}}\n");
    // Nothing can tell before that the image has no such program.
    let bad = format!("{}    command: [\"/no/such/program\"]\n", with("info"));
    sandbox.commit(&[("compose.yaml", &bad)], "A program that is not there");
    sandbox.plan_then_sync(2).result("app", "failed");
    assert_eq!(sandbox.the("web")["State"]["Status"], "created", "the story needs one");
    sandbox.commit(&[("compose.yaml", &with("debug"))], "Its own program, and louder");
    sandbox.plan_then_sync(0);
    sandbox.runs(&["web"]);
    assert!(sandbox.has_env("web", "LEVEL=debug"));
    sandbox.settled();
}

const SECRET: &str = "hunter2-correct-horse";

#[test]
fn no_secret_is_ever_said() {
    let Some(sandbox) = three_pushed() else { return };
    sandbox.config(json!([
        { "name": "app", "compose_files": ["compose.yaml"], "env_file": "secret.env" },
    ]));
    let good = format!("{THREE}    environment: {{TOKEN: \"${{TOKEN}}\", KEY: \"${{KEY}}\"}}\n");
    let said = |sandbox: &Sandbox, what: &str, code: i32| {
        sandbox.forget_started();
        for command in ["plan", "sync"] {
            let output = sandbox.renew_with([command, "--json"], &[("RUST_LOG", "trace")]);
            assert!(output.code == code || command == "plan", "{what}: {output}");
            let all = format!("{}{}{:?}", output.stdout, output.stderr, sandbox.started());
            assert!(!all.contains(SECRET), "{what}: {output}");
        }
    };
    sandbox.write("secret.env", &format!("TOKEN={SECRET}\n"));
    fs::write(sandbox.host.join(".env"), format!("KEY={SECRET}\n")).expect("a file");
    sandbox.commit(&[("compose.yaml", &good)], "Secrets");
    said(&sandbox, "a start", 0);
    let shown = format!("{good}    labels: {{a: b}}\n");
    sandbox.commit(&[("compose.yaml", &shown)], "Secrets, and a label");
    said(&sandbox, "a change", 0);
    for (what, line) in [
        ("a port", "    ports: [\"${TOKEN}:80\"]\n"),
        ("a size", "    mem_limit: \"${TOKEN}\"\n"),
        ("a bool", "    privileged: \"${KEY}\"\n"),
    ] {
        sandbox.commit(&[("compose.yaml", &format!("{good}{line}"))], what);
        said(&sandbox, what, 1);
    }
    let bad = format!("{good}    command: [\"/{SECRET}\"]\n").replace(SECRET, "${TOKEN}");
    sandbox.commit(&[("compose.yaml", &bad)], "A command that is not there");
    said(&sandbox, "a command", 2);
    sandbox.write("secret.env", &format!("TOKEN=\"{SECRET}\n"));
    said(&sandbox, "an open quote", 1);
    let told = fs::read_to_string(sandbox.state().join("history/app.json")).expect("a history");
    assert!(told.contains("\"entries\"") && !told.contains(SECRET), "{told}");
    for folder in ["models", "cache", "services", "history"] {
        for entry in fs::read_dir(sandbox.state().join(folder)).expect("a folder").flatten() {
            let mode = entry.metadata().expect("a file").permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{}", entry.path().display());
        }
        let about = fs::metadata(sandbox.state().join(folder)).expect("a folder");
        assert_eq!(about.permissions().mode() & 0o777, 0o700, "{folder}");
    }
}
