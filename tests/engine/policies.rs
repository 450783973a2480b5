//! What the operator allows: what a changed file leads to, what is started again, what is only
//! looked at.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Sandbox, wait_for};
use crate::{THREE, three_pushed, three_running};

/// A service that says on HUP what its files hold, and one that HUP kills.
const READERS: &str = r#"
services:
  reader:
    image: IMAGES/web:1
    restart: unless-stopped
    command:
      - sh
      - -c
      - |
        trap 'exit 0' TERM
        trap 'echo heard; cat /etc/site/*; cat /etc/one 2>/dev/null' HUP
        echo ready
        while :; do sleep 100000 & wait $$!; done
    volumes:
      - ./site:/etc/site:ro
  plain:
    image: IMAGES/web:1
    restart: "no"
    volumes:
      - ./other:/etc/other:ro
"#;

fn service(more: &Value) -> Value {
    let mut service = json!({ "name": "app", "compose_files": ["compose.yaml"] });
    for (key, value) in more.as_object().into_iter().flatten() {
        service[key] = value.clone();
    }
    json!([service])
}

fn readers(more: &Value) -> Option<Sandbox> {
    let sandbox = Sandbox::open()?;
    sandbox.publish("web:1");
    let files = [
        ("compose.yaml", READERS),
        ("site/colour", "red\n"),
        ("other/colour", "red\n"),
        ("one.conf", "first\n"),
    ];
    sandbox.commit(&files, "Readers of files");
    sandbox.config(service(more));
    sandbox.plan_then_sync(0);
    sandbox.settled();
    Some(sandbox)
}

fn logs(sandbox: &Sandbox, compose_service: &str) -> String {
    sandbox.docker(["logs", &sandbox.ids()[compose_service][0]])
}

/// Waits for the end of what a container says: its log is written a moment after it spoke.
#[track_caller]
fn says(sandbox: &Sandbox, compose_service: &str, end: &str) -> String {
    let mut said = String::new();
    for _ in 0..600 {
        said = logs(sandbox, compose_service);
        if said.ends_with(end) {
            return said;
        }
        thread::sleep(Duration::from_millis(100));
    }
    panic!("{end:?} is not the end of {said:?}\n{:#}", sandbox.the(compose_service)["State"]);
}

fn detail(sandbox: &Sandbox, compose_service: &str) -> String {
    let plan = sandbox.renew(["plan", "--json"]).json();
    let actions = plan["services"][0]["actions"].as_array().cloned().unwrap_or_default();
    let found = actions.iter().find(|action| action["compose_service"] == compose_service);
    found.and_then(|action| action["detail"].as_str()).unwrap_or_default().to_owned()
}

#[test]
fn a_signal_tells_what_runs_of_its_new_files() {
    let Some(sandbox) = readers(&json!({ "files_action": "signal:HUP" })) else { return };
    let before = sandbox.ids();
    sandbox.commit(&[("site/colour", "blue\n")], "Blue");
    let run = sandbox.plan_then_sync(0);
    run.did(
        "
        plain   none    settled
        reader  signal  files
    ",
    );
    run.result("app", "changed");
    sandbox.only_changed(&before, &[]);
    let said = says(&sandbox, "reader", "heard\nblue");
    sandbox.settled();
    assert_eq!(logs(&sandbox, "reader"), said, "it is told once");

    // The engine still restarts it, and that it ended once is not the next signal's doing.
    let reader = &before["reader"][0];
    sandbox.docker(["exec", "-d", reader, "sh", "-c", "kill -TERM 1"]);
    says(&sandbox, "reader", "blue\nready");
    // The only file of the folder gets another name: the folder is still the one that is mounted.
    let author = sandbox.root().join("author");
    sandbox.git(&author, &["mv", "site/colour", "site/color"]);
    sandbox.commit(&[], "American");
    sandbox.plan_then_sync(0).did(
        "
        plain   none    settled
        reader  signal  files
    ",
    );
    says(&sandbox, "reader", "blue\nready\nheard\nblue");
    sandbox.only_changed(&before, &[]);
    sandbox.settled();
}

#[test]
fn a_stopped_container_is_started_and_sees_its_new_files() {
    let Some(sandbox) = readers(&json!({ "files_action": "signal:HUP" })) else { return };
    let before = sandbox.ids();
    sandbox.docker(["stop", &before["reader"][0]]);
    sandbox.commit(&[("site/colour", "blue\n")], "Blue");
    sandbox.plan_then_sync(0).did(
        "
        plain   none   settled
        reader  start  stopped
    ",
    );
    sandbox.only_changed(&before, &[]);
    assert_eq!(sandbox.docker(["exec", &before["reader"][0], "cat", "/etc/site/colour"]), "blue");
    assert!(!logs(&sandbox, "reader").contains("heard"));
    sandbox.settled();
}

#[test]
fn whom_the_signal_kills_has_failed_and_is_started_with_its_files() {
    let Some(sandbox) = readers(&json!({ "files_action": "signal:QUIT", "on_failure": "keep" }))
    else {
        return;
    };
    // As the first process of its container a shell hears only what it traps: give it a trap.
    let dies = READERS.replace(
        "    restart: \"no\"\n",
        "    restart: \"no\"\n    ports: [\"127.0.0.1::80\"]\n    command: [sh, -c, \"trap 'exit 3' QUIT; echo ready; sleep 100000 & wait\"]\n",
    );
    sandbox.commit(&[("compose.yaml", &dies)], "It dies of it");
    sandbox.plan_then_sync(0);
    sandbox.commit(&[("other/colour", "blue\n")], "Blue");
    let run = sandbox.plan_then_sync(2);
    run.did(
        "
        plain   signal  files
        reader  none    settled
    ",
    );
    run.result("app", "failed");
    sandbox.plan_then_sync(0).did(
        "
        plain   start  stopped
        reader  none   settled
    ",
    );
    sandbox.settled();
}

#[test]
fn a_file_that_is_mounted_by_itself_needs_a_new_container() {
    let Some(sandbox) = readers(&json!({ "files_action": "signal:HUP" })) else { return };
    let one = READERS.replace(
        "      - ./site:/etc/site:ro\n",
        "      - ./site:/etc/site:ro\n      - ./one.conf:/etc/one:ro\n",
    );
    sandbox.commit(&[("compose.yaml", &one)], "One file");
    sandbox.plan_then_sync(0);
    sandbox.settled();
    let before = sandbox.ids();
    sandbox.commit(&[("one.conf", "second\n")], "The file changes");
    assert!(detail(&sandbox, "reader").contains("one.conf is mounted as a single file"));
    sandbox.plan_then_sync(0).did(
        "
        plain   none      settled
        reader  recreate  files
    ",
    );
    sandbox.only_changed(&before, &["reader"]);
    let reader = sandbox.ids()["reader"][0].clone();
    assert_eq!(sandbox.docker(["exec", &reader, "cat", "/etc/one"]), "second");
    sandbox.settled();
}

#[test]
fn files_may_change_without_a_word_and_another_image_still_counts() {
    let more = json!({
        "files_action": "signal:HUP", "per_service": { "reader": { "files_action": "none" } },
    });
    let Some(sandbox) = readers(&more) else { return };
    let before = sandbox.ids();
    sandbox.commit(&[("site/colour", "blue\n")], "Blue");
    let run = sandbox.plan_then_sync(0);
    run.did(
        "
        plain   none  settled
        reader  none  files
    ",
    );
    run.result("app", "ok");
    sandbox.only_changed(&before, &[]);
    assert_eq!(sandbox.docker(["exec", &before["reader"][0], "cat", "/etc/site/colour"]), "blue");
    assert!(!logs(&sandbox, "reader").contains("heard"));
    sandbox.settled();

    sandbox.publish("web:1");
    sandbox.commit(&[("site/colour", "green\n"), ("other/colour", "green\n")], "Green");
    sandbox.plan_then_sync(0).did(
        "
        plain   recreate  image
        reader  recreate  image
    ",
    );
    sandbox.settled();
}

#[test]
fn what_a_person_stopped_or_removed_stays_so_and_a_crash_is_healed() {
    let Some(sandbox) = three_pushed() else { return };
    sandbox.config(service(&json!({ "heal": "crashed" })));
    sandbox.plan_then_sync(0);
    sandbox.settled();
    let before = sandbox.ids();
    sandbox.docker(["stop", &before["db"][0]]);
    sandbox.docker(["kill", &before["web"][0]]);
    let run = sandbox.plan_then_sync(0);
    run.did(
        "
        cache  none   settled
        db     none   stopped
        web    start  stopped
    ",
    );
    run.result("app", "changed");
    let said = detail(&sandbox, "db");
    assert!(said.contains("stopped by a person, left alone: heal is crashed"), "{said}");
    sandbox.only_changed(&before, &[]);
    sandbox.runs(&["cache", "web"]);
    sandbox.settled();

    // Not even another image starts it.
    sandbox.publish("db:1");
    sandbox.docker(["rm", "-f", &before["cache"][0]]);
    let run = sandbox.plan_then_sync(0);
    run.did(
        "
        cache  none  missing
        db     none  stopped
        web    none  settled
    ",
    );
    run.result("app", "ok");
    sandbox.runs(&["web"]);
    // Whoever starts it again hands it back.
    sandbox.docker(["start", &before["db"][0]]);
    sandbox.plan_then_sync(0).did(
        "
        cache  none      missing
        db     recreate  image
        web    none      settled
    ",
    );
    sandbox.settled();
}

/// The engine behind a socket that tells of no event: as after its restart, or 256 events later.
fn forgetful_engine(sandbox: &Sandbox) -> String {
    let host = std::env::var("DOCKER_HOST").unwrap_or_default();
    let real = host.strip_prefix("unix://").unwrap_or("/var/run/docker.sock").to_owned();
    let path = sandbox.root().join("forgetful.sock");
    let listener = UnixListener::bind(&path).expect("a socket");
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let engine = UnixStream::connect(&real).expect("the engine");
            thread::spawn(move || forward(client, engine));
        }
    });
    format!("unix://{}", path.display())
}

fn forward(mut client: UnixStream, mut engine: UnixStream) {
    let (mut back, mut answers) =
        (client.try_clone().expect("a socket"), engine.try_clone().expect("a socket"));
    thread::spawn(move || {
        let _ = std::io::copy(&mut answers, &mut back);
        let _ = back.shutdown(Shutdown::Both);
    });
    let mut chunk = [0_u8; 16 * 1024];
    while let Ok(n @ 1..) = client.read(&mut chunk) {
        let asked = String::from_utf8_lossy(&chunk[..n]).contains("/events?");
        let sent = match asked {
            true => client.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
            false => engine.write_all(&chunk[..n]),
        };
        if sent.is_err() {
            break;
        }
    }
    let _ = engine.shutdown(Shutdown::Both);
}

#[test]
fn what_a_person_stopped_is_remembered_when_the_engine_forgot() {
    let Some(sandbox) = three_pushed() else { return };
    let lasting = THREE.replace("db:1\n", "db:1\n    restart: unless-stopped\n");
    let lasting = lasting.replace("web:1\n", "web:1\n    restart: unless-stopped\n");
    sandbox.commit(&[("compose.yaml", &lasting)], "They are to last");
    sandbox.config(service(&json!({ "heal": "crashed" })));
    sandbox.plan_then_sync(0);
    let before = sandbox.ids();
    let forgetful = forgetful_engine(&sandbox);
    let sync = || {
        let env = [("DOCKER_HOST", forgetful.as_str())];
        let done = sandbox.renew_with(["sync", "--json"], &env).expect(0).json();
        done["services"][0]["result"].as_str().unwrap_or_default().to_owned()
    };
    sandbox.docker(["stop", &before["db"][0]]);
    sandbox.renew(["sync"]).expect(0);
    assert_eq!(sync(), "ok", "it was seen while the engine still knew");
    sandbox.runs(&["cache", "web"]);
    // Nobody saw this one: it counts as crashed.
    sandbox.docker(["stop", &before["web"][0]]);
    assert_eq!(sync(), "changed");
    sandbox.runs(&["cache", "web"]);
    // It is remembered of this stop, and not of the container.
    sandbox.docker(["start", &before["db"][0]]);
    sandbox.renew(["sync"]).expect(0);
    sandbox.docker(["stop", &before["db"][0]]);
    assert_eq!(sync(), "changed");
    sandbox.runs(&["cache", "db", "web"]);
    sandbox.only_changed(&before, &[]);
}

#[test]
fn nothing_is_started_where_nothing_is_healed() {
    let Some(sandbox) = three_pushed() else { return };
    // What was never there is made: that is no healing.
    sandbox.config(service(&json!({ "heal": "none" })));
    sandbox.plan_then_sync(0).did(
        "
        cache  start  missing
        db     start  missing
        web    start  missing
    ",
    );
    sandbox.settled();
    let before = sandbox.ids();
    sandbox.docker(["kill", &before["db"][0]]);
    sandbox.docker(["rm", "-f", &before["cache"][0]]);
    sandbox.publish("web:1");
    let run = sandbox.plan_then_sync(0);
    run.did(
        "
        cache  none      missing
        db     none      stopped
        web    recreate  image
    ",
    );
    run.result("app", "changed");
    sandbox.runs(&["web"]);
    sandbox.settled();
    sandbox.config(service(&json!({
        "heal": "none", "per_service": { "db": { "heal": "all" } },
    })));
    sandbox.plan_then_sync(0).did(
        "
        cache  none   missing
        db     start  stopped
        web    none   settled
    ",
    );
    sandbox.settled();
}

/// Healthy while there is no file `/sick`; a new container has none.
const SICK: &str = "\
services:
  db:
    image: IMAGES/db:1
    restart: unless-stopped
  web:
    image: IMAGES/web:1
    restart: unless-stopped
    healthcheck:
      test: [\"CMD\", \"sh\", \"-c\", \"! cat /sick\"]
      interval: 300ms
      timeout: 5s
      retries: 2
";

fn wait_for_health(sandbox: &Sandbox, id: &str, wanted: &str) {
    wait_for(wanted, 60, || {
        let health = sandbox.docker(["inspect", "-f", "{{.State.Health.Status}}", id]);
        (health == wanted).then_some(())
    });
}

#[test]
fn an_unhealthy_container_is_replaced_where_that_is_wanted() {
    let Some(sandbox) = Sandbox::open() else { return };
    sandbox.publish("db:1");
    sandbox.publish("web:1");
    sandbox.commit(&[("compose.yaml", SICK)], "A health check");
    sandbox.plan_then_sync(0);
    sandbox.settled();
    let before = sandbox.ids();
    sandbox.docker(["exec", &before["web"][0], "sh", "-c", "echo > /sick"]);
    wait_for_health(&sandbox, &before["web"][0], "unhealthy");
    sandbox.settled();
    // It is down here: nobody else has to be well for it to be replaced.
    let peers = json!({ "peer_urls": ["http://127.0.0.2:9/"], "timeout": "1s" });
    sandbox.config(service(&json!({ "recreate_on": ["unhealthy"], "health": peers })));
    let run = sandbox.plan_then_sync(0);
    run.did(
        "
        db   none      settled
        web  recreate  unhealthy
    ",
    );
    sandbox.only_changed(&before, &["web"]);
    sandbox.settled();
}

#[test]
fn one_that_stays_unhealthy_is_replaced_once() {
    let Some(sandbox) = Sandbox::open() else { return };
    sandbox.publish("db:1");
    sandbox.publish("web:1");
    let mounted = SICK.replace("/sick", "/etc/state/sick").replace(
        "  web:\n    image: IMAGES/web:1\n",
        "  web:\n    image: IMAGES/web:1\n    volumes: [\"state:/etc/state\"]\n",
    ) + "volumes:\n  state:\n";
    sandbox.commit(&[("compose.yaml", &mounted)], "A health check");
    sandbox.config(service(&json!({ "recreate_on": ["image", "unhealthy"] })));
    sandbox.plan_then_sync(0);
    let first = sandbox.ids()["web"][0].clone();
    sandbox.docker(["exec", &first, "sh", "-c", "echo > /etc/state/sick"]);
    wait_for_health(&sandbox, &first, "unhealthy");
    sandbox.plan_then_sync(2).did(
        "
        db   none      settled
        web  recreate  unhealthy
    ",
    );
    let second = sandbox.ids();
    assert_ne!(second["web"][0], first);
    // Once more would not help: it is watched, and said to be bad.
    sandbox.plan_then_sync(2).result("app", "failed");
    sandbox.only_changed(&second, &[]);
}

#[test]
fn who_only_observes_changes_nothing() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    sandbox.config(service(&json!({ "mode": "observe" })));
    sandbox.settled();
    sandbox.publish("web:2");
    let next = THREE.replace("web:1", "web:2");
    sandbox.commit(&[("compose.yaml", &next), ("README", "Free.\n")], "web 2");
    sandbox.docker(["stop", "-t", "0", &before["db"][0]]);
    sandbox.docker(["rm", "-f", &before["cache"][0]]);
    let run = sandbox.plan_then_sync(0);
    run.did(
        "
        cache  none  observed
        db     none  observed
        web    none  observed
    ",
    );
    run.result("app", "observed");
    let said = detail(&sandbox, "web");
    assert!(said.starts_with("wanted: recreate (image), another image than"), "{said}");
    sandbox.runs(&["web"]);
    let compose = std::fs::read_to_string(sandbox.host.join("compose.yaml")).unwrap_or_default();
    assert!(compose.contains("web:1"), "its files do not move");
    sandbox.settled();
    sandbox.config(service(&json!({})));
    sandbox.plan_then_sync(0).did(
        "
        cache  start     missing
        db     start     stopped
        web    recreate  image
    ",
    );
    sandbox.settled();
}

#[test]
fn one_compose_service_may_be_observed_with_the_files_it_mounts() {
    let Some(sandbox) = readers(&json!({})) else { return };
    sandbox.config(service(&json!({ "per_service": { "plain": { "mode": "observe" } } })));
    let before = sandbox.ids();
    sandbox.commit(&[("site/colour", "blue\n"), ("other/colour", "blue\n")], "Blue");
    let run = sandbox.plan_then_sync(0);
    run.did(
        "
        plain   none      observed
        reader  recreate  files
    ",
    );
    run.result("app", "changed");
    sandbox.only_changed(&before, &["reader"]);
    let plain = ["exec", &before["plain"][0], "cat", "/etc/other/colour"];
    assert_eq!(sandbox.docker(plain), "red");
    let run = sandbox.plan_then_sync(0);
    run.result("app", "observed");
    sandbox.settled();
}

#[test]
fn a_name_that_no_compose_file_has_is_noted() {
    let Some(sandbox) = three_running() else { return };
    sandbox.config(service(&json!({ "per_service": { "bd": { "mode": "observe" } } })));
    let plan = sandbox.renew(["plan"]).expect(0);
    assert!(plan.stdout.contains("note: per_service has bd"), "{plan}");
    sandbox.settled();
}
