//! Scripts around a change: one that may object before anything stops, one that cleans up.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::support::{Sandbox, wait_for};
use crate::{THREE, three_running};

/// Objects until the file `agree` is there.
const PRE: &str = "\
#!/bin/sh
echo \"$RENEW_SCRIPT\" >>ROOT/ran
[ -e ROOT/agree ] && exit 0
echo '2 sessions are open for mackerel-9'
echo \"the password is swordfish-7\" >&2
exit 3
";

fn with_scripts(sandbox: &Sandbox, more: serde_json::Value) {
    let mut service = json!({ "name": "app", "compose_files": ["compose.yaml"] });
    for (key, value) in more.as_object().expect("an object") {
        service[key] = value.clone();
    }
    sandbox.config(json!([service]));
}

/// Pushes files in which `ROOT` is the folder of the sandbox.
fn push(sandbox: &Sandbox, files: &[(&str, &str)], message: &str) -> String {
    let root = sandbox.root().to_string_lossy().into_owned();
    let filled: Vec<(&str, String)> =
        files.iter().map(|(path, text)| (*path, text.replace("ROOT", &root))).collect();
    let files: Vec<(&str, &str)> = filled.iter().map(|(p, text)| (*p, text.as_str())).collect();
    sandbox.commit(&files, message)
}

fn read(sandbox: &Sandbox, name: &str) -> String {
    fs::read_to_string(sandbox.root().join(name)).unwrap_or_default()
}

fn web(tag: &str) -> String {
    THREE.replace("web:1", &format!("web:{tag}"))
}

#[test]
fn an_objection_keeps_what_runs_and_starts_go_on() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    sandbox.publish("web:2");
    sandbox.write("app.env", "PASSWORD=swordfish-7\n");
    // Compose reads it by itself; it may have come into a label, where no environment has it.
    fs::write(sandbox.host.join(".env"), "TOKEN=mackerel-9\n").expect("a file");
    with_scripts(&sandbox, json!({ "pre_script": "hooks/pre.sh", "env_file": "app.env" }));
    push(&sandbox, &[("hooks/pre.sh", PRE), ("compose.yaml", &web("2"))], "Another web");
    sandbox.docker(["kill", &before["db"][0]]);
    let run = sandbox.plan_then_sync(3);
    run.did(
        "
        cache  none      settled
        db     start     stopped
        web    recreate  image
    ",
    );
    run.result("app", "refused");
    sandbox.only_changed(&before, &[]);
    sandbox.runs(&["cache", "db", "web"]);
    assert_eq!(read(&sandbox, "ran"), "pre_script\n", "a plan does not run it");
    let compose = fs::read_to_string(sandbox.host.join("compose.yaml")).expect("a file");
    assert!(compose.contains("web:1"), "the files do not move: {compose}");

    let refused = sandbox.renew(["sync", "--json"]).expect(3).json();
    let error = &refused["services"][0]["error"];
    assert_eq!(error["reason"], "pre_script");
    let said = error["message"].as_str().unwrap_or_default();
    for part in
        ["hooks/pre.sh", "exited with code 3", "2 sessions are open for ***; the password is ***"]
    {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    for secret in ["swordfish-7", "mackerel-9"] {
        assert!(!refused.to_string().contains(secret), "{refused}");
    }

    sandbox.write("agree", "");
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
    assert_eq!(read(&sandbox, "ran").lines().count(), 3, "once a run");
    sandbox.settled();
    assert_eq!(read(&sandbox, "ran").lines().count(), 3, "not when nothing stops");
}

#[test]
fn scripts_come_from_the_commit_and_know_what_it_is_about() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    let first = sandbox.git(&sandbox.host, &["rev-parse", "HEAD"]);
    sandbox.publish("web:2");
    let scripts = json!({ "pre_script": "hooks/pre.sh", "clean_script": "hooks/clean.sh" });
    with_scripts(&sandbox, scripts);
    let lib = "say() { echo \"$RENEW_SCRIPT $*\" >>ROOT/said; }\n";
    let pre = "#!/bin/sh
        set -e
        . \"$(dirname \"$0\")/lib.sh\"
        say at $(pwd) from $RENEW_PREVIOUS_COMMIT to $RENEW_COMMIT
        say $RENEW_SERVICE: $RENEW_ACTIONS$RENEW_RESULT
        say $(docker ps --quiet --no-trunc --filter id=CONTAINER) $(id -u) $(stat -c %a \"$0\")
        read -r line && say $line
        say $(\"$(dirname \"$0\")/tool\")
        say home ${HOME:+is set}, user ${USER:-is not}\n";
    let pre = pre.replace("CONTAINER", &before["web"][0]);
    // Standard input is closed, so that nothing waits for a person: the `read` fails.
    let pre = pre.replace("read -r line && say $line\n", "read -r line && say $line || :\n");
    let clean = "#!/bin/sh
        . \"$(dirname \"$0\")/lib.sh\"
        say $RENEW_RESULT: $RENEW_ACTIONS
        echo not all of it; exit 1\n";
    let files = [
        ("hooks/lib.sh", lib),
        ("hooks/pre.sh", pre.as_str()),
        ("hooks/clean.sh", clean),
        ("compose.yaml", &web("2")),
    ];
    let tool = sandbox.root().join("author/hooks/tool");
    fs::create_dir(tool.parent().expect("a parent")).expect("a folder");
    fs::write(&tool, "#!/bin/sh\necho a tool beside it\n").expect("a file");
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).expect("a mode");
    let second = push(&sandbox, &files, "Another web");
    // What lies in the tree under the same name is not what is run.
    fs::create_dir(sandbox.host.join("hooks")).expect("a folder");
    fs::write(sandbox.host.join("hooks/other"), "").expect("a file");

    let output = sandbox.renew(["sync"]).expect(0);
    sandbox.only_changed(&before, &["web"]);
    let uid = rustix::process::getuid().as_raw();
    let expected = format!(
        "pre_script at {host} from {first} to {second}\n\
         pre_script app: recreate {id} web image\n\
         pre_script {container} {uid} 700\n\
         pre_script a tool beside it\n\
         pre_script home is set, user is not\n\
         clean_script changed: recreate {id} web image\n",
        host = sandbox.host.display(),
        id = sandbox.id,
        container = before["web"][0],
    );
    assert_eq!(read(&sandbox, "said"), expected);
    let warned = "clean_script hooks/clean.sh of commit";
    assert!(output.stderr.contains(warned) && output.stderr.contains("not all of it"), "{output}");
    sandbox.settled();
    assert_eq!(read(&sandbox, "said"), expected, "neither runs when nothing is done");

    // A mere start stops nothing: there is nothing to object to, but something was changed.
    sandbox.docker(["kill", &sandbox.ids()["db"][0]]);
    sandbox.renew(["sync"]).expect(0);
    let more = format!("clean_script changed: start {} db stopped\n", sandbox.id);
    assert_eq!(read(&sandbox, "said"), expected + &more);
}

#[test]
fn a_script_that_cannot_be_run_stops_nothing() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    sandbox.publish("web:2");
    with_scripts(&sandbox, json!({ "pre_script": "hooks/pre.sh", "clean_script": "hooks/no.sh" }));
    sandbox.commit(&[("compose.yaml", &web("2"))], "Another web");
    let cases = [
        (None, "script_missing", "is not there"),
        (Some("exit 0\n"), "script_unusable", "does not begin with `#!`"),
        (Some("#!/no/such/shell\n"), "script_unusable", "no program as its first line names"),
    ];
    for (content, reason, words) in cases {
        if let Some(content) = content {
            sandbox.commit(&[("hooks/pre.sh", content)], "A script");
        }
        sandbox.plan_then_sync(1).result("app", "failed");
        let failed = sandbox.renew(["sync", "--json"]).expect(1).json();
        let error = &failed["services"][0]["error"];
        assert_eq!(error["reason"], reason);
        let said = error["message"].as_str().unwrap_or_default();
        assert!(said.contains("hooks/pre.sh") && said.contains(words), "{said}");
        sandbox.only_changed(&before, &[]);
    }
    let missing = sandbox.renew(["plan", "--json"]).json();
    assert_eq!(missing["services"][0]["error"], serde_json::Value::Null, "that shell may come");

    // A missing clean_script is only a warning.
    sandbox.commit(&[("hooks/pre.sh", "#!/bin/sh\n")], "A good script");
    let output = sandbox.renew(["sync"]).expect(0);
    assert!(output.stderr.contains("hooks/no.sh") && output.stderr.contains("not there"));
    sandbox.only_changed(&before, &["web"]);
    sandbox.settled();
}

#[test]
fn a_script_that_hangs_is_ended_and_counts_as_an_objection() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    sandbox.publish("web:2");
    let timeouts = json!({ "script": "1s" });
    with_scripts(&sandbox, json!({ "pre_script": "hooks/pre.sh", "timeouts": timeouts }));
    let pre = "#!/bin/sh\necho $$ >ROOT/pid\necho waiting for sessions\nsleep 100 & wait\n";
    push(&sandbox, &[("hooks/pre.sh", pre), ("compose.yaml", &web("2"))], "Another web");
    let refused = sandbox.renew(["sync", "--json"]).expect(3).json();
    let said = refused["services"][0]["error"]["message"].as_str().unwrap_or_default();
    assert!(said.contains("within 1 s") && said.contains("waiting for sessions"), "{said}");
    assert_eq!(refused["services"][0]["result"], "refused");
    ended(&sandbox);
    sandbox.only_changed(&before, &[]);
    sandbox.runs(&["cache", "db", "web"]);
}

/// Fails unless the script that wrote its process id, and all of its group, are gone.
fn ended(sandbox: &Sandbox) {
    let pid: i32 = read(sandbox, "pid").trim().parse().expect("a process id");
    let group = rustix::process::Pid::from_raw(pid).expect("not 0");
    wait_for("the end of the script", 30, || {
        rustix::process::test_kill_process_group(group).is_err().then_some(())
    });
}

#[test]
fn a_run_told_to_end_while_its_script_runs_stops_nothing() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    sandbox.publish("web:2");
    with_scripts(&sandbox, json!({ "pre_script": "hooks/pre.sh" }));
    let pre = "#!/bin/sh\necho $$ >ROOT/pid\nsleep 100 & wait\n";
    push(&sandbox, &[("hooks/pre.sh", pre), ("compose.yaml", &web("2"))], "Another web");
    let begun = |sandbox: &Sandbox| {
        wait_for("the script", 60, || (read(sandbox, "pid").ends_with('\n')).then_some(()));
    };
    let sync = sandbox.start_renew(["sync"]);
    begun(&sandbox);
    sync.terminate();
    sync.finish().expect(143);
    ended(&sandbox);
    sandbox.only_changed(&before, &[]);

    // Killed, it leaves the script behind: the next run ends it before it does anything.
    sandbox.write("pid", "");
    let sync = sandbox.start_renew(["sync"]);
    begun(&sandbox);
    sync.kill_alone();
    push(&sandbox, &[("hooks/pre.sh", "#!/bin/sh\n")], "A quick script");
    sandbox.renew(["sync"]).expect(0);
    ended(&sandbox);
    sandbox.only_changed(&before, &["web"]);
    sandbox.settled();
}
