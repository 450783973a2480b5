//! The control socket of a running daemon: asked by hand, by `renew status`, by a second daemon, and
//! after the first was killed.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::{Running, Sandbox, wait_for};
use crate::three_pushed;

/// One service that is due in months.
fn seldom(sandbox: &Sandbox) {
    let config = json!({
        "repo": { "dir": "SANDBOX" }, "state_dir": "state",
        "defaults": { "verify": { "soak": "0s", "timeout": "20s" } },
        "services": [{ "name": "app", "compose_files": ["compose.yaml"], "schedule": "@yearly" }],
    });
    sandbox.write("renew.json", &sandbox.fill(&config.to_string()));
}

fn socket(sandbox: &Sandbox) -> PathBuf {
    sandbox.root().join("state/renew.sock")
}

/// The status line and the document that one request is answered with.
fn ask(sandbox: &Sandbox, request: &str) -> (String, Value) {
    let mut stream = UnixStream::connect(socket(sandbox)).expect("a daemon that listens");
    write!(stream, "{request} HTTP/1.1\r\nHost: renew\r\n\r\n").expect("to ask");
    let mut said = String::new();
    stream.read_to_string(&mut said).expect("an answer");
    let (head, body) = said.split_once("\r\n\r\n").expect("a head");
    let line = head.lines().next().expect("a status line").to_owned();
    (line, serde_json::from_str(body).unwrap_or_else(|cause| panic!("{cause}: {said}")))
}

fn daemon(sandbox: &Sandbox) -> Running {
    let daemon = sandbox.start_renew(["run"]);
    wait_for("the socket", 30, || UnixStream::connect(socket(sandbox)).ok());
    daemon
}

/// What the daemon says of its service.
fn app(sandbox: &Sandbox) -> Value {
    let (line, status) = ask(sandbox, "GET /status");
    assert_eq!(line, "HTTP/1.1 200 OK");
    status["daemon"]["services"][0].clone()
}

#[test]
fn a_run_is_asked_for_and_its_outcome_is_told() {
    let Some(sandbox) = three_pushed() else { return };
    seldom(&sandbox);
    let daemon = daemon(&sandbox);
    let (line, health) = ask(&sandbox, "GET /health");
    assert_eq!((line.as_str(), &health["ok"]), ("HTTP/1.1 200 OK", &json!(true)), "{health}");
    assert_eq!(app(&sandbox)["running"], Value::Null);

    let (line, accepted) = ask(&sandbox, "POST /services/app/sync");
    assert_eq!(line, "HTTP/1.1 202 Accepted", "{accepted}");
    let shown = sandbox.renew(["status"]).expect(0).stdout;
    assert!(shown.contains("The daemon runs (renew "), "{shown}");
    let of_run = || {
        let app = app(&sandbox);
        (app["last"]["run"] == accepted["run"]).then(|| app["last"]["result"].clone())
    };
    assert_eq!(wait_for("the end of the run", 90, of_run), "changed");
    sandbox.runs(&["cache", "db", "web"]);
    let history = sandbox.renew(["history", "--json"]).expect(0).json();
    assert_eq!(history["services"][0]["entries"][0]["trigger"], "request", "{history:#}");

    let (line, refused) = ask(&sandbox, "POST /services/ap/sync");
    assert_eq!(line, "HTTP/1.1 404 Not Found");
    assert_eq!(refused["errors"][0]["resolution"], "did you mean `app`?", "{refused}");
    assert_eq!(ask(&sandbox, "POST /everything").0, "HTTP/1.1 404 Not Found");

    let (_, next) = ask(&sandbox, "POST /services/app/sync");
    assert_ne!(next["run"], accepted["run"]);
    wait_for("the second run", 90, || (app(&sandbox)["last"]["run"] == next["run"]).then_some(()));
    assert_eq!(app(&sandbox)["last"]["result"], "ok");
    daemon.terminate();
    daemon.finish().expect(0);
    assert!(!socket(&sandbox).exists());
    let status = sandbox.renew(["status", "--json"]).expect(0).json();
    assert_eq!(status["daemon"], Value::Null);
    assert_eq!(status["services"][0]["state"], "ok");
}

#[test]
fn a_configuration_is_loaded_when_it_is_asked_for_and_a_bad_one_is_told() {
    let Some(sandbox) = three_pushed() else { return };
    seldom(&sandbox);
    let text = std::fs::read_to_string(sandbox.root().join("renew.json")).expect("a file");
    let good = text.replacen('{', "{\"log_format\":\"json\",", 1);
    sandbox.write("renew.json", &good);
    let daemon = daemon(&sandbox);
    sandbox.write("renew.json", &good.replace("compose_files", "compose_flies"));
    let (line, refused) = ask(&sandbox, "POST /reload");
    assert_eq!(line, "HTTP/1.1 422 Unprocessable Content");
    let told = refused["errors"][0]["message"].as_str().expect("a message");
    assert!(told.contains("compose_files"), "{told}");
    let since = |sandbox: &Sandbox| {
        ask(sandbox, "GET /status").1["daemon"]["config"]["rejected_since"].clone()
    };
    assert!(since(&sandbox).is_string());
    let elsewhere = good.replace("\"state_dir\":\"state\"", "\"state_dir\":\"elsewhere\"");
    assert_ne!(elsewhere, good);
    sandbox.write("renew.json", &elsewhere);
    assert_eq!(ask(&sandbox, "POST /reload"), ("HTTP/1.1 200 OK".into(), json!({ "services": 1 })));
    assert_eq!(since(&sandbox), Value::Null);
    assert!(!sandbox.root().join("elsewhere").exists(), "that needs a restart");
    daemon.terminate();
    let said = daemon.finish().expect(0).stderr;
    assert!(said.contains("state_dir is") && said.contains("needs a restart"), "{said}");
    for line in said.lines() {
        let told: Value = serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}"));
        let keys: Vec<&String> = told.as_object().expect("an object").keys().collect();
        assert_eq!(keys, ["level", "msg", "ts"], "{line}");
    }
}

#[test]
fn a_second_daemon_takes_nothing_from_the_first_and_all_from_a_dead_one() {
    let Some(sandbox) = three_pushed() else { return };
    seldom(&sandbox);
    let first = daemon(&sandbox);
    let second = sandbox.renew(["run"]).expect(1);
    assert!(second.stderr.contains("another renew listens on"), "{second}");
    assert_eq!(ask(&sandbox, "GET /health").0, "HTTP/1.1 200 OK");
    first.kill_alone();
    assert!(socket(&sandbox).exists(), "it is stale");
    assert_eq!(sandbox.renew(["status", "--json"]).expect(0).json()["daemon"], Value::Null);
    let third = daemon(&sandbox);
    assert_eq!(ask(&sandbox, "GET /health").0, "HTTP/1.1 200 OK");
    third.terminate();
    let said = third.finish().expect(0).stderr;
    assert!(said.contains("of a daemon that is gone: replaced"), "{said}");
}
