//! Containers that share a namespace or volumes with another one, and what asks to be restarted with
//! it: they go with it, and never without it.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Sandbox, run, wait_for};

/// x, and one for each way of sharing with it; other shares nothing.
const FAMILY: &str = "\
services:
  x:
    image: IMAGES/x:1
    restart: always
    ipc: shareable
    volumes: [\"data:/data\"]
  net:
    image: IMAGES/web:1
    restart: always
    network_mode: service:x
  ipc:
    image: IMAGES/web:1
    restart: always
    ipc: service:x
  pid:
    image: IMAGES/web:1
    restart: always
    pid: service:x
  vol:
    image: IMAGES/web:1
    restart: always
    volumes_from: [x]
  again:
    image: IMAGES/web:1
    restart: always
    depends_on:
      x: {condition: service_started, restart: true}
  other:
    image: IMAGES/web:1
    restart: always
    depends_on: [x]
volumes:
  data: {}
";

/// x, and one that shares its network.
const PAIR: &str = "\
services:
  net:
    image: IMAGES/web:1
    restart: always
    network_mode: service:x
  x:
    image: IMAGES/x:1
    restart: always
";

fn pushed(stack: &str) -> Option<Sandbox> {
    let sandbox = Sandbox::open()?;
    for image in ["x:1", "x:2", "web:1"] {
        sandbox.publish(image);
    }
    sandbox.commit(&[("compose.yaml", stack)], "A family");
    Some(sandbox)
}

fn running(stack: &str) -> Option<Sandbox> {
    let sandbox = pushed(stack)?;
    sandbox.plan_then_sync(0);
    sandbox.settled();
    Some(sandbox)
}

fn x2(stack: &str) -> String {
    stack.replace("x:1", "x:2")
}

/// Whether a container has an address besides the loopback one.
fn has_network(sandbox: &Sandbox, service: &str) -> bool {
    let id = sandbox.the(service)["Id"].as_str().expect("an id").to_owned();
    sandbox.docker(["exec", &id, "cat", "/proc/net/dev"]).contains("eth0")
}

/// The names of services that one `up` after another was given.
fn ups(sandbox: &Sandbox) -> Vec<Vec<String>> {
    let named = |line: &str| -> Option<Vec<String>> {
        let (_, asked) = line.split_once(" up --detach ")?;
        let words = asked.split_whitespace().filter(|word| !word.starts_with("--"));
        let mut names: Vec<String> = words.map(str::to_owned).collect();
        names.retain(|name| name != "never");
        names.sort();
        Some(names)
    };
    sandbox.started().iter().filter_map(|one| named(&one.line)).collect()
}

/// Waits until a container has been in the same state for a while.
fn quiet(sandbox: &Sandbox, service: &str) {
    let mut last = (Value::Null, 0);
    wait_for("a container to come to rest", 60, || {
        let state = sandbox.the(service)["State"].clone();
        last = if state == last.0 { (state, last.1 + 1) } else { (state, 0) };
        (last.1 > 5).then_some(())
    });
}

fn detail(sandbox: &Sandbox, service: &str) -> String {
    let plan = sandbox.renew(["plan", "--json"]).json();
    let services = plan["services"].as_array().expect("services").iter();
    let mut actions = services.flat_map(|one| one["actions"].as_array().expect("actions"));
    let of = actions.find(|action| action["compose_service"] == service).expect("an action");
    of["detail"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn whoever_shares_with_a_recreated_container_goes_with_it_in_one_up() {
    let Some(sandbox) = running(FAMILY) else { return };
    let before = sandbox.ids();
    sandbox.commit(&[("compose.yaml", &x2(FAMILY))], "x 2");
    assert_eq!(detail(&sandbox, "net"), "shares the network of x, which is recreated");
    sandbox.forget_started();
    sandbox.plan_then_sync(0).did(
        "
        again  recreate  dependent
        ipc    recreate  dependent
        net    recreate  dependent
        other  none      settled
        pid    recreate  dependent
        vol    recreate  dependent
        x      recreate  image
    ",
    );
    assert_eq!(ups(&sandbox), [vec!["ipc", "net", "pid", "vol", "x"], vec!["again"]]);
    sandbox.only_changed(&before, &["again", "ipc", "net", "pid", "vol", "x"]);
    sandbox.runs(&["again", "ipc", "net", "other", "pid", "vol", "x"]);
    assert!(has_network(&sandbox, "net"));
    let x = &sandbox.ids()["x"][0];
    for (service, mode) in [("net", "NetworkMode"), ("ipc", "IpcMode"), ("pid", "PidMode")] {
        assert_eq!(sandbox.the(service)["HostConfig"][mode], json!(format!("container:{x}")));
    }
    assert_eq!(sandbox.the("vol")["HostConfig"]["VolumesFrom"][0], json!(x));
    sandbox.settled();
}

#[test]
fn a_change_of_a_dependent_leaves_its_parent_alone() {
    let Some(sandbox) = running(PAIR) else { return };
    let before = sandbox.ids();
    let louder = PAIR.replace("service:x\n", "service:x\n    environment: {LEVEL: debug}\n");
    sandbox.commit(&[("compose.yaml", &louder)], "net says more");
    sandbox.plan_then_sync(0).did(
        "
        net  recreate  config
        x    none      settled
    ",
    );
    sandbox.only_changed(&before, &["net"]);
    assert!(has_network(&sandbox, "net"));
    sandbox.settled();
}

#[test]
fn dependents_of_dependents_go_too() {
    let grandchild = format!(
        "{PAIR}  far:\n    image: IMAGES/web:1\n    restart: always\n    pid: service:net\n"
    );
    let Some(sandbox) = running(&grandchild) else { return };
    let before = sandbox.ids();
    sandbox.commit(&[("compose.yaml", &x2(&grandchild))], "x 2");
    sandbox.plan_then_sync(0).did(
        "
        far  recreate  dependent
        net  recreate  dependent
        x    recreate  image
    ",
    );
    sandbox.only_changed(&before, &["far", "net", "x"]);
    sandbox.runs(&["far", "net", "x"]);
    assert!(has_network(&sandbox, "net"));
    sandbox.settled();
}

#[test]
fn a_parent_called_by_its_containers_name_is_replaced_before_its_dependent() {
    let by_name = PAIR.replace("service:x", "container:SANDBOX-x-1");
    let Some(sandbox) = running(&by_name) else { return };
    sandbox.commit(&[("compose.yaml", &x2(&by_name))], "x 2");
    sandbox.forget_started();
    sandbox.plan_then_sync(0).did(
        "
        net  recreate  dependent
        x    recreate  image
    ",
    );
    assert_eq!(ups(&sandbox), [["x"], ["net"]]);
    sandbox.runs(&["net", "x"]);
    assert!(has_network(&sandbox, "net"));
    sandbox.settled();
}

const NET: &str = "\
services:
  net:
    image: IMAGES/web:1
    restart: always
    network_mode: container:SANDBOX-b-x-1
";
const X: &str = "services:\n  x:\n    image: IMAGES/x:1\n    restart: always\n";

/// net in stack a, x in stack b.
fn apart(services: Value) -> Option<Sandbox> {
    let sandbox = Sandbox::open()?;
    for image in ["x:1", "x:2", "web:1"] {
        sandbox.publish(image);
    }
    sandbox.commit(&[("SANDBOX-a/compose.yaml", NET), ("SANDBOX-b/compose.yaml", X)], "Two stacks");
    sandbox.config(services);
    sandbox.plan_then_sync(0);
    sandbox.settled();
    Some(sandbox)
}

#[test]
fn a_dependent_in_another_stack_comes_after_its_parent_wherever_it_is_listed() {
    let files = ["SANDBOX-a/compose.yaml", "SANDBOX-b/compose.yaml"];
    let Some(sandbox) =
        apart(json!([{ "name": "app", "compose_files": files, "on_failure": "keep" }]))
    else {
        return;
    };
    let before = sandbox.ids();
    sandbox.commit(&[("SANDBOX-b/compose.yaml", &x2(X))], "x 2");
    sandbox.plan_then_sync(0).did(
        "
        net  recreate  dependent
        x    recreate  image
    ",
    );
    sandbox.only_changed(&before, &["net", "x"]);
    assert!(has_network(&sandbox, "net"));
    sandbox.settled();
    // A parent that does not come up: nothing is joined to it.
    let before = sandbox.ids();
    let bad = format!("{}    command: [\"false\"]\n", x2(X));
    sandbox.commit(&[("SANDBOX-b/compose.yaml", &bad)], "It ends at once");
    sandbox.plan_then_sync(2);
    sandbox.only_changed(&before, &["x"]);
}

#[test]
fn a_dependent_in_another_service_of_the_configuration_is_repaired_by_its_own_run() {
    let services = json!([
        { "name": "vpn", "compose_files": ["SANDBOX-b/compose.yaml"] },
        { "name": "app", "compose_files": ["SANDBOX-a/compose.yaml"] },
    ]);
    let Some(sandbox) = apart(services) else { return };
    let before = sandbox.ids();
    sandbox.commit(&[("SANDBOX-b/compose.yaml", &x2(X))], "x 2");
    sandbox.plan_then_sync(0).did(
        "
        net  recreate  dependent
        x    recreate  image
    ",
    );
    sandbox.only_changed(&before, &["net", "x"]);
    assert!(has_network(&sandbox, "net"));
    sandbox.settled();
}

#[test]
fn a_dependent_that_outlived_its_parent_is_made_anew() {
    let Some(sandbox) = running(FAMILY) else { return };
    sandbox.docker(["rm", "-f", &sandbox.ids()["x"][0]]);
    // The end of the shared processes ends this one, and the engine tries once to restart it.
    quiet(&sandbox, "pid");
    let planned = sandbox.plan_then_sync(0);
    planned.did(
        "
        again  none      settled
        ipc    recreate  dependent
        net    recreate  dependent
        other  none      settled
        pid    recreate  dependent
        vol    recreate  dependent
        x      start     missing
    ",
    );
    sandbox.runs(&["again", "ipc", "net", "other", "pid", "vol", "x"]);
    assert!(has_network(&sandbox, "net"));
    sandbox.settled();
}

#[test]
fn a_parent_that_was_recreated_by_hand_gets_its_dependents_back() {
    let Some(sandbox) = running(FAMILY) else { return };
    sandbox.compose(["up", "-d", "--no-deps", "--force-recreate", "x"]);
    quiet(&sandbox, "pid");
    let before = sandbox.ids();
    assert!(!has_network(&sandbox, "net"));
    sandbox.plan_then_sync(0).did(
        "
        again  none      settled
        ipc    recreate  dependent
        net    recreate  dependent
        other  none      settled
        pid    recreate  dependent
        vol    recreate  dependent
        x      none      settled
    ",
    );
    sandbox.only_changed(&before, &["ipc", "net", "pid", "vol"]);
    sandbox.runs(&["ipc", "net", "pid", "vol"]);
    assert!(has_network(&sandbox, "net"));
    sandbox.settled();
}

#[test]
fn a_family_that_was_recreated_by_hand_is_left_alone() {
    let Some(sandbox) = running(FAMILY) else { return };
    // Compose may stumble over a container that ends with the one whose processes it shares, while it
    // stops it: then a hand does it once more.
    wait_for("compose to recreate the family", 120, || {
        let mut up = Command::new(sandbox.real_compose());
        up.current_dir(&sandbox.host).args(["up", "-d", "--force-recreate"]);
        (run(up).code == 0).then_some(())
    });
    let before = sandbox.ids();
    sandbox.plan_then_sync(0).result("app", "ok");
    sandbox.only_changed(&before, &[]);
    sandbox.settled();
}

#[test]
fn a_parent_that_was_restarted_by_hand_gets_its_dependents_back() {
    let Some(sandbox) = running(FAMILY) else { return };
    let before = sandbox.ids();
    sandbox.docker(["restart", &before["x"][0]]);
    // What shares its processes ended with it; its policy may have brought it back or not.
    quiet(&sandbox, "pid");
    assert!(!has_network(&sandbox, "net"));
    sandbox.plan_then_sync(0);
    sandbox.only_changed(&before, &[]);
    sandbox.runs(&["again", "ipc", "net", "other", "pid", "vol", "x"]);
    assert!(has_network(&sandbox, "net"));
    sandbox.settled();
}

#[test]
fn a_stopped_parent_is_started_before_its_dependents() {
    let Some(sandbox) = running(FAMILY) else { return };
    let before = sandbox.ids();
    sandbox.docker(["stop", &before["x"][0]]);
    quiet(&sandbox, "pid");
    sandbox.plan_then_sync(0).did(
        "
        again  none   settled
        ipc    start  dependent
        net    start  dependent
        other  none   settled
        pid    start  stopped
        vol    none   settled
        x      start  stopped
    ",
    );
    sandbox.only_changed(&before, &[]);
    sandbox.runs(&["again", "ipc", "net", "other", "pid", "vol", "x"]);
    assert!(has_network(&sandbox, "net"));
    sandbox.settled();
}

#[test]
fn a_parent_whose_image_cannot_be_had_keeps_its_dependents() {
    let Some(sandbox) = running(FAMILY) else { return };
    let before = sandbox.ids();
    let lost = FAMILY.replace("x:1", "x:no-such-tag");
    sandbox.commit(&[("compose.yaml", &lost)], "A tag that is not there");
    sandbox.plan_then_sync(2).result("app", "failed");
    sandbox.only_changed(&before, &[]);
    // Nor does a parent leave a dependent behind whose image cannot be had.
    let lost = x2(PAIR).replace("web:1", "web:no-such-tag");
    sandbox.commit(&[("compose.yaml", &lost)], "A tag that is not there either");
    sandbox.renew(["sync"]).expect(2);
    assert_eq!((&sandbox.ids()["x"], &sandbox.ids()["net"]), (&before["x"], &before["net"]));
    assert!(has_network(&sandbox, "net"));
}

#[test]
fn a_parent_that_ends_at_once_is_judged_with_its_dependents_and_not_made_again() {
    let Some(sandbox) = running(PAIR) else { return };
    sandbox.rolls_forward();
    let bad = x2(PAIR).replace("x:2", "x:2\n    command: [\"false\"]");
    sandbox.commit(&[("compose.yaml", &bad)], "It ends at once");
    sandbox.plan_then_sync(2).result("app", "failed");
    let broken = sandbox.ids();
    sandbox.renew(["sync"]).expect(2);
    assert_eq!(sandbox.ids()["x"], broken["x"]);
    sandbox.commit(&[("compose.yaml", &x2(PAIR))], "It does not");
    sandbox.renew(["sync"]).expect(0);
    sandbox.runs(&["net", "x"]);
    assert!(has_network(&sandbox, "net"));
    sandbox.settled();
}

#[test]
fn a_dependent_that_waits_for_the_health_of_its_parent_follows_when_it_is_healthy() {
    let check = "healthcheck: {test: [CMD, cat, /ok], interval: 1s, timeout: 1s, retries: 6}";
    let stack = PAIR
        .replace(
            "x:1\n",
            &format!("x:1\n    {check}\n    command: [\"/bin/sh\", \"-c\", \"SLOW\"]\n"),
        )
        .replace("service:x\n", "service:x\n    depends_on: {x: {condition: service_healthy}}\n");
    let does = |what: &str| stack.replace("SLOW", what);
    let Some(sandbox) = running(&does("echo > /ok; sleep 1000 & wait")) else { return };
    sandbox.rolls_forward();
    let before = sandbox.ids();
    sandbox.commit(&[("compose.yaml", &x2(&does("sleep 1000 & wait")))], "Never healthy");
    sandbox.forget_started();
    sandbox.plan_then_sync(2);
    assert_eq!(ups(&sandbox), [["x"]]);
    sandbox.only_changed(&before, &["x"]);
    sandbox.commit(&[("compose.yaml", &x2(&does("echo > /ok; sleep 1001 & wait")))], "Healthy");
    sandbox.forget_started();
    sandbox.plan_then_sync(0).did(
        "
        net  recreate  dependent
        x    recreate  config
    ",
    );
    assert_eq!(ups(&sandbox), [["x"], ["net"]]);
    assert!(has_network(&sandbox, "net"));
    sandbox.settled();
}
