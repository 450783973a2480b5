//! What speaks against a change, what does not, and what goes back with it.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::thread;

use serde_json::json;

use crate::support::{Sandbox, wait_for};

const PAIR: &str = "\
services:
  db:
    image: IMAGES/db:1
  web:
    image: IMAGES/web:1
    environment: {LEVEL: one}
    command: [\"/bin/sh\", \"-c\", \"MAIN\"]
    networks: [back]
networks: {back: {}}
";
const RUN: &str = "while :; do sleep 1; done";

fn pair(main: &str) -> String {
    PAIR.replace("MAIN", main)
}

fn running(stack: &str, more: &serde_json::Value) -> Option<Sandbox> {
    let sandbox = Sandbox::open()?;
    for image in ["db:1", "web:1"] {
        sandbox.publish(image);
    }
    let mut service = json!({ "name": "app", "compose_files": ["compose.yaml"] });
    for (key, value) in more.as_object().into_iter().flatten() {
        service[key] = value.clone();
    }
    sandbox.config(json!([service]));
    sandbox.commit(&[("compose.yaml", stack)], "Good");
    sandbox.plan_then_sync(0);
    sandbox.settled();
    Some(sandbox)
}

/// A health endpoint of this host: it says 500 while `web` runs at level two.
fn own_endpoint(id: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    let name = format!("{id}-web-1");
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0_u8; 2048]);
            let mut seen = Command::new("docker");
            let seen = seen.args(["inspect", "-f", "{{.Config.Env}}", &name]).output();
            let seen = seen.expect("docker");
            let bad = String::from_utf8_lossy(&seen.stdout).contains("LEVEL=two");
            let code = if bad { 500 } else { 200 };
            let head = format!("HTTP/1.1 {code} X\r\nContent-Length: 0\r\n\r\n");
            let _ = stream.write_all(head.as_bytes());
        }
    });
    format!("http://{address}/health")
}

#[test]
fn an_address_that_answered_and_falls_silent_speaks_against_the_change() {
    let Some(sandbox) = Sandbox::open() else { return };
    for image in ["db:1", "web:1"] {
        sandbox.publish(image);
    }
    let url = own_endpoint(&sandbox.id);
    sandbox.config(json!([{
        "name": "app", "compose_files": ["compose.yaml"],
        "health": { "local_url": url }, "verify": { "timeout": "8s" },
    }]));
    sandbox.commit(&[("compose.yaml", &pair(RUN))], "Good");
    sandbox.plan_then_sync(0);
    let was = sandbox.essence("web");
    // An address that answers is remembered by the first change after it.
    sandbox.commit(&[("compose.yaml", &pair("while :; do sleep 2; done"))], "Still good");
    sandbox.plan_then_sync(0);
    assert_ne!(sandbox.essence("web"), was);
    let was = sandbox.essence("web");
    let bad = pair("while :; do sleep 2; done").replace("LEVEL: one", "LEVEL: two");
    sandbox.commit(&[("compose.yaml", &bad)], "It says 500");
    let run = sandbox.renew(["sync", "--json"]).expect(2).json();
    assert_eq!(run["services"][0]["error"]["reason"], "local_url");
    assert_eq!(run["services"][0]["result"], "rolled_back");
    assert_eq!(sandbox.essence("web"), was);
}

#[test]
fn a_slow_starter_is_left_alone_and_undone_once_it_turns_unhealthy() {
    let Some(sandbox) = running(&pair(RUN), &json!({ "verify": { "timeout": "3s" } })) else {
        return;
    };
    let was = sandbox.essence("web");
    let slow = format!("{}\n", pair(RUN)).replace(
        "    networks: [back]\n",
        "    networks: [back]\n    healthcheck: {test: [\"CMD\", \"sh\", \"-c\", \"[ -e /ok ]\"], \
         interval: 5s, retries: 1, timeout: 30s, start_period: 25s}\n",
    );
    sandbox.commit(&[("compose.yaml", &slow)], "It takes its time");
    // Longer than the test wants to wait: the health check says how long it may take.
    let run = sandbox.renew(["sync", "--json"]);
    let result = run.json()["services"][0]["result"].clone();
    match result.as_str() {
        Some("unverified") => {
            wait_for("it to be unhealthy", 120, || {
                (sandbox.the("web")["State"]["Health"]["Status"] == "unhealthy").then_some(())
            });
            sandbox.renew(["sync"]).expect(2);
        }
        _ => assert_eq!(result, "rolled_back", "{run}"),
    }
    assert_eq!(sandbox.essence("web"), was);
    sandbox.plan_then_sync(2).result("app", "quarantined");
}

#[test]
fn a_heal_that_does_not_succeed_undoes_nothing() {
    let main = "[ ! -e /shared/down ] || exit 3; while :; do sleep 1; done";
    let shared = |sandbox: &Sandbox| sandbox.root().join("shared");
    let Some(sandbox) = Sandbox::open() else { return };
    std::fs::create_dir(shared(&sandbox)).expect("a folder");
    for image in ["db:1", "web:1"] {
        sandbox.publish(image);
    }
    let mount = format!("    volumes: [\"{}:/shared\"]\n    networks", shared(&sandbox).display());
    let stack = pair(main).replace("    networks", &mount);
    sandbox.config(json!([{ "name": "app", "compose_files": ["compose.yaml"] }]));
    sandbox.commit(&[("compose.yaml", &stack)], "Good");
    sandbox.plan_then_sync(0);
    sandbox.commit(&[("compose.yaml", &stack.replace("LEVEL: one", "LEVEL: two"))], "Better");
    sandbox.plan_then_sync(0);
    // What web needs is down, and so is web.
    std::fs::write(shared(&sandbox).join("down"), "").expect("a file");
    sandbox.docker(["rm", "-f", &sandbox.ids()["web"][0]]);
    let run = sandbox.renew(["sync", "--json"]).expect(2).json();
    assert_eq!(run["services"][0]["result"], "failed");
    assert!(sandbox.has_env("web", "LEVEL=two"), "it is not undone");
    std::fs::remove_file(shared(&sandbox).join("down")).expect("no file");
    sandbox.renew(["sync"]).expect(0);
    sandbox.runs(&["db", "web"]);
    assert!(sandbox.has_env("web", "LEVEL=two"));
    sandbox.settled();
}

#[test]
fn what_the_bad_commit_dropped_comes_back_and_what_it_added_goes() {
    let Some(sandbox) = running(&pair(RUN), &json!({ "remove_orphans": true })) else { return };
    let was = ["db", "web"].map(|name| sandbox.essence(name));
    let bad = pair("exit 3")
        .replace("  db:\n    image: IMAGES/db:1\n", "  new:\n    image: IMAGES/db:1\n")
        .replace("networks: [back]", "networks: [front]")
        .replace("{back: {}}", "{front: {}}");
    sandbox.commit(&[("compose.yaml", &bad)], "Another network, without db, with new, and bad");
    let run = sandbox.renew(["sync", "--json"]).expect(2);
    assert_eq!(run.json()["services"][0]["result"], "rolled_back", "{run}");
    assert_eq!(["db", "web"].map(|name| sandbox.essence(name)), was, "{run}");
    sandbox.runs(&["db", "web"]);
    let after = sandbox.ids();
    sandbox.renew(["sync"]).expect(2);
    sandbox.only_changed(&after, &[]);
    sandbox.commit(&[("compose.yaml", &pair("while :; do sleep 3; done"))], "Good again");
    sandbox.plan_then_sync(0);
    sandbox.settled();
}

#[test]
fn a_server_that_ends_well_is_no_migration_and_is_undone() {
    let lasting = |main: &str| pair(main).replace("networks: [back]", "ports: ['127.0.0.1::80']");
    let Some(sandbox) = running(&lasting(RUN), &json!({})) else { return };
    let was = sandbox.essence("web");
    sandbox.commit(&[("compose.yaml", &lasting("exit 0"))], "It prints its usage");
    sandbox.plan_then_sync(2).result("app", "rolled_back");
    sandbox.runs(&["db", "web"]);
    assert_eq!(sandbox.essence("web"), was);
}

#[test]
fn what_came_with_a_migration_stays_also_when_it_turns_bad_soon_after() {
    let stack = |level: &str, main: &str| {
        let web = pair(main).replace("networks: [back]", "ports: ['127.0.0.1::80']");
        let init = format!(
            "  init:\n    image: IMAGES/db:1\n    command: [\"/bin/sh\", \"-c\", \"echo {level}\"]\n"
        );
        let needs = "    depends_on: {init: {condition: service_completed_successfully}}\n";
        web.replace("networks: {back: {}}", &format!("{needs}{init}networks: {{back: {{}}}}"))
    };
    let Some(sandbox) = running(&stack("1", RUN), &json!({})) else { return };
    let soon = "echo two; sleep 4; exit 3";
    sandbox.commit(&[("compose.yaml", &stack("2", soon))], "Another, and a web that ends soon");
    sandbox.plan_then_sync(0).result("app", "changed");
    let new = sandbox.ids()["web"].clone();
    wait_for("web to end", 30, || {
        (sandbox.the("web")["State"]["Status"] == "exited").then_some(())
    });
    sandbox.plan_then_sync(0).did("db none settled\n init none completed\n web start stopped");
    assert_eq!(sandbox.ids()["web"], new);
}
