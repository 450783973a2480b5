//! Where a run could lie or do harm: changes that did not happen, stacks that share a project, files
//! that did not move, and dependencies that are not ready.

use serde_json::json;

use crate::support::{Sandbox, free_address};
use crate::{THREE, three_running};

/// A stack with these images pushed and running.
fn running(images: &[&str], files: &[(&str, &str)]) -> Option<Sandbox> {
    let sandbox = Sandbox::open()?;
    for image in images {
        sandbox.publish(image);
    }
    sandbox.commit(files, "Begin");
    sandbox.plan_then_sync(0);
    sandbox.settled();
    Some(sandbox)
}

#[test]
fn a_change_that_compose_cannot_make_is_failed_until_it_is_mended() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    let bad = format!(
        "{THREE}    networks: [far]\nnetworks:\n  far:\n    external: true\n    name: SANDBOX-far\n"
    );
    sandbox.commit(&[("compose.yaml", &bad)], "A network that is not there");
    for _ in 0..2 {
        let run = sandbox.plan_then_sync(2);
        run.result("app", "failed");
        run.did(
            "
            cache  none      settled
            db     none      settled
            web    recreate  config
        ",
        );
        sandbox.only_changed(&before, &[]);
        sandbox.runs(&["web"]);
    }
    sandbox.commit(&[("compose.yaml", THREE)], "As before");
    sandbox.plan_then_sync(0).result("app", "ok");
    sandbox.only_changed(&before, &[]);
    sandbox.settled();
}

#[test]
fn an_image_that_crashes_is_failed_until_it_is_mended() {
    let Some(sandbox) = three_running() else { return };
    sandbox.rolls_forward();
    let before = sandbox.ids();
    let bad = format!("{THREE}    restart: always\n    command: [\"false\"]\n");
    sandbox.commit(&[("compose.yaml", &bad)], "It ends at once");
    sandbox.plan_then_sync(2).result("app", "failed");
    sandbox.only_changed(&before, &["web"]);
    let crashing = sandbox.ids();
    sandbox.renew(["sync"]).expect(2);
    sandbox.only_changed(&crashing, &[]);
    sandbox.commit(&[("compose.yaml", THREE)], "As before");
    sandbox.renew(["sync"]).expect(0);
    sandbox.settled();
}

const ONE: &str = "services:\n  one:\n    image: IMAGES/web:1\n";
const TWO: &str = "services:\n  two:\n    image: IMAGES/db:1\n";

/// Two directories with a stack each, both of one compose project.
fn one_project(services: serde_json::Value) -> Option<Sandbox> {
    let sandbox = Sandbox::open()?;
    sandbox.publish("web:1");
    sandbox.publish("db:1");
    sandbox.config(services);
    sandbox.commit(&[("a/compose.yaml", ONE), ("b/compose.yaml", TWO)], "Two stacks");
    Some(sandbox)
}

fn one_and_two() -> serde_json::Value {
    let service = |name: &str, dir: &str| {
        json!({
            "name": name, "compose_files": [format!("{dir}/compose.yaml")],
            "compose_project_name": "SANDBOX", "remove_orphans": true,
        })
    };
    json!([service("one", "a"), service("two", "b")])
}

#[test]
fn services_that_share_a_project_leave_each_other_alone() {
    let Some(sandbox) = one_project(one_and_two()) else { return };
    sandbox.plan_then_sync(0);
    sandbox.runs(&["one", "two"]);
    sandbox.settled();
    let before = sandbox.ids();
    // Neither what is in force nor a state that was lost makes one an orphan of the other.
    std::fs::remove_dir_all(sandbox.state()).expect("a state to lose");
    sandbox.renew(["sync", "--service", "two"]).expect(0);
    sandbox.only_changed(&before, &[]);
    sandbox.plan_then_sync(0);
    sandbox.only_changed(&before, &[]);
    // A true orphan goes, once.
    let three = "services:\n  three:\n    image: IMAGES/db:1\n";
    sandbox.write("three.yaml", &sandbox.fill(three));
    let up = ["-p", &sandbox.id, "-f", "../three.yaml", "up", "-d"];
    sandbox.compose(up);
    sandbox.plan_then_sync(0).did(
        "
        one    none    settled
        three  remove  orphan
        two    none    settled
    ",
    );
    sandbox.only_changed(&before, &[]);
    sandbox.settled();
}

#[test]
fn an_orphan_stays_while_another_service_cannot_tell() {
    let Some(sandbox) = one_project(one_and_two()) else { return };
    sandbox.commit(&[("b/compose.yaml", "services:\n  two:\n    imagine: all\n")], "Broken");
    sandbox.renew(["sync"]).expect(1);
    sandbox.write("two.yaml", &sandbox.fill(TWO));
    sandbox.compose(["-p", &sandbox.id, "-f", "../two.yaml", "up", "-d"]);
    let before = sandbox.ids();
    sandbox.plan_then_sync(1);
    sandbox.only_changed(&before, &[]);
}

#[test]
fn stacks_of_one_service_may_share_a_project() {
    let both = json!([{
        "name": "app", "compose_files": ["a/compose.yaml", "b/compose.yaml"],
        "compose_project_name": "SANDBOX", "remove_orphans": true,
    }]);
    let Some(sandbox) = one_project(both) else { return };
    sandbox.plan_then_sync(0);
    sandbox.runs(&["one", "two"]);
    sandbox.settled();
    let before = sandbox.ids();
    let louder = TWO.replace("db:1\n", "db:1\n    environment: {LEVEL: debug}\n");
    sandbox.commit(&[("b/compose.yaml", &louder)], "Say more");
    sandbox.plan_then_sync(0).did(
        "
        one  none      settled
        two  recreate  config
    ",
    );
    sandbox.only_changed(&before, &["two"]);
    sandbox.settled();
}

#[test]
fn a_compose_service_that_two_stacks_declare_is_an_error() {
    let Some(sandbox) = one_project(one_and_two()) else { return };
    sandbox.plan_then_sync(0);
    let before = sandbox.ids();
    let twice = ONE.replace("web:1\n", "web:1\n    environment: {LEVEL: debug}\n");
    let twice = format!("{twice}  two:\n    image: IMAGES/db:1\n");
    sandbox.commit(&[("b/compose.yaml", &twice)], "one is there twice");
    let run = sandbox.plan_then_sync(1);
    run.result("one", "ok").result("two", "failed");
    sandbox.only_changed(&before, &[]);
    // Whoever is asked alone, and in whatever order: the one that runs it goes on.
    for (name, code) in [("two", 1), ("one", 0), ("two", 1)] {
        let output = sandbox.renew(["sync", "--service", name]).expect(code);
        assert_eq!(output.stderr.contains("by a stack of one and by another of two"), code == 1);
    }
    sandbox.only_changed(&before, &[]);
    // Once it is declared in one place only it has moved house, as it is, and goes on from there.
    sandbox.commit(&[("a/compose.yaml", &ONE.replace("one:", "three:"))], "one has moved");
    sandbox.renew(["sync", "--service", "two"]).expect(0);
    sandbox.only_changed(&before, &[]);
    let louder = twice.replace("debug", "trace");
    sandbox.commit(&[("b/compose.yaml", &louder)], "Say even more");
    sandbox.renew(["sync", "--service", "two"]).expect(0);
    sandbox.only_changed(&before, &["one"]);
}

#[test]
fn a_compose_service_stays_with_who_runs_it_when_an_earlier_one_declares_it_too() {
    let Some(sandbox) = one_project(one_and_two()) else { return };
    sandbox.plan_then_sync(0);
    let before = sandbox.ids();
    let both = format!("{ONE}{}", TWO.strip_prefix("services:\n").expect("one key"));
    sandbox.commit(&[("a/compose.yaml", &both)], "one wants two's");
    let output = sandbox.renew(["sync", "--service", "one"]).expect(1);
    assert!(output.stderr.contains("by a stack of two and by another of one"), "{output}");
    sandbox.plan_then_sync(1).result("one", "failed").result("two", "ok");
    sandbox.only_changed(&before, &[]);
}

const MOUNTS: &str = "\
services:
  db:
    image: IMAGES/db:1
    volumes: [\"./db.conf:/db.conf:ro\"]
  web:
    image: IMAGES/web:1
";

#[test]
fn files_that_could_not_move_are_not_taken_for_applied() {
    let files = [("compose.yaml", MOUNTS), ("db.conf", "colour = red\n")];
    let Some(sandbox) = running(&["db:1", "web:1"], &files) else { return };
    let before = sandbox.ids();
    let seen = |sandbox: &Sandbox| {
        let db = sandbox.ids()["db"][0].clone();
        sandbox.docker(["exec", &db, "cat", "/db.conf"])
    };
    sandbox.commit(
        &[("compose.yaml", &MOUNTS.replace("web:1", "web:2")), ("db.conf", "colour = blue\n")],
        "Blue, and an image that nobody pushed yet",
    );
    sandbox.plan_then_sync(2).result("app", "failed");
    sandbox.only_changed(&before, &[]);
    // Healing goes on with the files that are there, and forgets nothing.
    sandbox.docker(["rm", "-f", &before["db"][0]]);
    sandbox.renew(["sync"]).expect(2);
    assert_eq!(seen(&sandbox), "colour = red");
    let healed = sandbox.ids();
    sandbox.renew(["sync"]).expect(2);
    sandbox.only_changed(&healed, &[]);
    sandbox.publish("web:2");
    sandbox.later();
    sandbox.plan_then_sync(0).did(
        "
        db   recreate  files
        web  recreate  image
    ",
    );
    assert_eq!(seen(&sandbox), "colour = blue");
    sandbox.settled();
}

const MIGRATED: &str = "\
services:
  migrate:
    image: IMAGES/tool:1
    command: [\"true\"]
  web:
    image: IMAGES/web:1
    depends_on:
      migrate: {condition: service_completed_successfully}
";

fn impatient(sandbox: &Sandbox) {
    sandbox.config(json!([{
        "name": "app", "compose_files": ["compose.yaml"], "verify": { "timeout": "2s" },
    }]));
}

#[test]
fn a_long_one_shot_is_awaited_over_several_runs() {
    let files = [("compose.yaml", MIGRATED)];
    let Some(sandbox) = running(&["tool:1", "web:1", "web:2"], &files) else { return };
    impatient(&sandbox);
    let before = sandbox.ids();
    let long = MIGRATED.replace("[\"true\"]", "[\"sleep\", \"9\"]").replace("web:1", "web:2");
    sandbox.commit(&[("compose.yaml", &long)], "A long migration");
    for _ in 0..2 {
        sandbox.renew(["sync"]).expect(2);
        sandbox.only_changed(&before, &["migrate"]);
        sandbox.runs(&["web"]);
    }
    let migrate = sandbox.ids()["migrate"][0].clone();
    sandbox.docker(["wait", &migrate]);
    sandbox.renew(["sync"]).expect(0);
    assert!(sandbox.version("web").starts_with("web:2 "));
    assert_eq!(sandbox.ids()["migrate"][0], migrate, "it must not run twice");
    sandbox.settled();
}

#[test]
fn nothing_that_depends_on_a_failed_one_shot_is_stopped() {
    let files = [("compose.yaml", MIGRATED)];
    let Some(sandbox) = running(&["tool:1", "web:1", "web:2"], &files) else { return };
    let before = sandbox.ids();
    let bad = MIGRATED.replace("[\"true\"]", "[\"false\"]").replace("web:1", "web:2");
    sandbox.commit(&[("compose.yaml", &bad)], "A migration that fails");
    for result in ["failed", "quarantined", "quarantined"] {
        sandbox.plan_then_sync(2).result("app", result);
        sandbox.only_changed(&before, &["migrate"]);
        sandbox.runs(&["web"]);
    }
}

#[test]
fn one_container_that_cannot_start_does_not_stop_the_healing_of_others() {
    let port = free_address();
    let stack = THREE.replace("cache:1\n", &format!("cache:1\n    ports: [\"{port}:80\"]\n"));
    let files = [("compose.yaml", stack.as_str())];
    let Some(sandbox) = running(&["cache:1", "db:1", "web:1"], &files) else { return };
    let before = sandbox.ids();
    sandbox.docker(["kill", &before["cache"][0], &before["db"][0]]);
    let taken = std::net::TcpListener::bind(port).expect("the port again");
    let run = sandbox.plan_then_sync(2);
    run.did(
        "
        cache  start  stopped
        db     start  stopped
        web    none   settled
    ",
    );
    sandbox.runs(&["db", "web"]);
    drop(taken);
    sandbox.plan_then_sync(0);
    sandbox.runs(&["cache", "db", "web"]);
    sandbox.only_changed(&before, &[]);
    sandbox.settled();
}

#[test]
fn a_slow_health_check_is_given_the_time_it_asks_for() {
    let Some(sandbox) = three_running() else { return };
    impatient(&sandbox);
    let check = "    command: [\"/bin/sh\", \"-c\", \"sleep 4; echo > /ok; sleep 1000\"]\n    \
                 healthcheck: {test: [CMD, cat, /ok], interval: 1s, timeout: 1s, retries: 20}\n";
    sandbox.commit(&[("compose.yaml", &format!("{THREE}{check}"))], "A slow start");
    sandbox.plan_then_sync(0).result("app", "changed");
    assert_eq!(sandbox.the("web")["State"]["Health"]["Status"], "healthy");
    sandbox.settled();
}

#[test]
fn a_pull_that_hangs_does_not_keep_a_stopped_service_down() {
    let Some(sandbox) = three_running() else { return };
    let hangs = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = hangs.local_addr().expect("an address").port();
    sandbox.config(json!([{
        "name": "app", "compose_files": ["compose.yaml"], "timeouts": { "pull": "2m" },
    }]));
    let far = format!("127.0.0.1:{port}/far:1");
    let stack = THREE.replace("IMAGES/web:1", &far);
    sandbox.commit(&[("compose.yaml", &stack)], "A registry that hangs");
    let before = sandbox.ids();
    sandbox.docker(["kill", &before["cache"][0]]);
    sandbox.docker(["rm", "-f", &before["db"][0]]);
    let sync = sandbox.start_renew(["sync"]);
    sandbox.come_up(&["cache", "db"]);
    drop(hangs);
    sync.finish().expect(2);
    sandbox.only_changed(&before, &["db"]);
}
