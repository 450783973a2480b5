//! `renew accept`: a person lets the next run do what is refused, exactly this and once.

use std::fs;

use serde_json::json;

use crate::guard::{keeps, write};
use crate::support::Sandbox;
use crate::support::wait_for;

/// A stack on its default network, with data.
const STACK: &str = "\
services:
  cache:
    image: IMAGES/web:1
  db:
    image: IMAGES/db:1
    stop_grace_period: 1s
    volumes:
      - data:/data
      - /scratch
  web:
    image: IMAGES/web:1
    depends_on: [db]
volumes:
  data:
";

const PLACES: [&str; 2] = ["/data", "/scratch"];

fn running() -> Option<Sandbox> {
    let sandbox = Sandbox::open()?;
    for image in ["db:1", "db:2", "web:1"] {
        sandbox.publish(image);
    }
    sandbox.commit(&[("compose.yaml", STACK)], "A stack");
    sandbox.plan_then_sync(0);
    write(&sandbox, &PLACES);
    sandbox.settled();
    Some(sandbox)
}

fn with_label(stack: &str, label: &str) -> String {
    format!("{stack}networks:\n  default:\n    labels: {{colour: {label}}}\n")
}

fn colour(sandbox: &Sandbox) -> String {
    let network = format!("{}_default", sandbox.id);
    sandbox.docker(["network", "inspect", "-f", "{{.Labels.colour}}", &network])
}

/// Fails unless every service is on the project's network, and can be reached by its name there.
#[track_caller]
fn connected(sandbox: &Sandbox) {
    let network = format!("{}_default", sandbox.id);
    let format = "{{len .Containers}}";
    assert_eq!(sandbox.docker(["network", "inspect", "-f", format, &network]), "3");
    sandbox.runs(&["cache", "db", "web"]);
}

const ALL_REFUSED: &str = "
    cache  none  refused
    db     none  refused
    web    none  refused
";
const ALL_ANEW: &str = "
    cache  recreate  config
    db     recreate  config
    web    recreate  config
";

#[test]
fn a_changed_network_is_applied_to_the_whole_stack_once_it_is_accepted() {
    let Some(sandbox) = running() else { return };
    let before = sandbox.ids();
    sandbox.commit(&[("compose.yaml", &with_label(STACK, "red"))], "A red network");
    sandbox.plan_then_sync(3).did(ALL_REFUSED).result("app", "refused");
    let plan = sandbox.renew(["plan", "--json"]).expect(0).stdout;
    for words in ["docker network inspect SANDBOX_default", "docker compose config", "accept app"] {
        assert!(plan.contains(&sandbox.fill(words)), "{words}: {plan}");
    }
    let said = sandbox.renew(["accept", "app"]).expect(0).stdout;
    assert!(said.contains("app: accepted: topology: network default"), "{said}");
    sandbox.only_changed(&before, &[]);
    assert_eq!(colour(&sandbox), "<no value>", "accepting changes nothing by itself");
    sandbox.plan_then_sync(0).did(ALL_ANEW).result("app", "changed");
    assert_eq!(colour(&sandbox), "red");
    connected(&sandbox);
    keeps(&sandbox, &PLACES);
    sandbox.settled();
    let record = fs::read_to_string(sandbox.state().join("services/app.json")).expect("a record");
    assert!(!record.contains("accepted"), "used up: {record}");
    let nothing = sandbox.renew(["accept", "app"]).expect(0).stdout;
    assert!(nothing.contains("nothing is refused"), "{nothing}");
    sandbox.settled();
}

#[test]
fn what_was_pushed_after_it_is_not_accepted() {
    let Some(sandbox) = running() else { return };
    let before = sandbox.ids();
    sandbox.commit(&[("compose.yaml", &with_label(STACK, "red"))], "A red network");
    sandbox.renew(["accept", "app"]).expect(0);
    sandbox.commit(&[("compose.yaml", &with_label(STACK, "blue"))], "A blue one");
    sandbox.plan_then_sync(3).did(ALL_REFUSED);
    // Not even when the first comes back: it was looked at and let go.
    sandbox.commit(&[("compose.yaml", &with_label(STACK, "red"))], "Red after all");
    sandbox.plan_then_sync(3).did(ALL_REFUSED);
    sandbox.only_changed(&before, &[]);
}

#[test]
fn a_network_that_somebody_else_uses_stays_and_nothing_stops() {
    let Some(sandbox) = running() else { return };
    let before = sandbox.ids();
    let (network, image) = (format!("{}_default", sandbox.id), sandbox.fill("IMAGES/web:1"));
    let stranger = sandbox.docker(["run", "-d", "--network", &network, &image]);
    sandbox.commit(&[("compose.yaml", &with_label(STACK, "red"))], "A red network");
    sandbox.renew(["accept", "app"]).expect(0);
    let started = |service: &str| sandbox.the(service)["State"]["StartedAt"].clone();
    let since = ["cache", "db", "web"].map(started);
    let sync = sandbox.renew(["sync"]).expect(2);
    assert!(sync.stderr.contains("cannot be made anew"), "{sync}");
    assert_eq!(["cache", "db", "web"].map(started), since, "nothing stopped");
    sandbox.only_changed(&before, &[]);
    sandbox.docker(["rm", "-f", "-v", &stranger]);
    sandbox.plan_then_sync(0).did(ALL_ANEW);
    assert_eq!(colour(&sandbox), "red");
    connected(&sandbox);
    keeps(&sandbox, &PLACES);
    sandbox.settled();
}

#[test]
fn the_peers_are_asked_before_the_whole_stack_stops() {
    let Some(sandbox) = running() else { return };
    let before = sandbox.ids();
    let alone = json!({ "peer_urls": ["http://127.0.0.2:9/"], "timeout": "1s" });
    let app = json!({ "name": "app", "compose_files": ["compose.yaml"] });
    let mut asking = app.clone();
    asking["health"] = alone;
    sandbox.config(json!([asking]));
    sandbox.commit(&[("compose.yaml", &with_label(STACK, "red"))], "A red network");
    sandbox.renew(["accept", "app"]).expect(0);
    sandbox.plan_then_sync(3).did(ALL_REFUSED);
    sandbox.only_changed(&before, &[]);
    connected(&sandbox);
    // What is down has nobody to wait for.
    sandbox.docker(["kill", &before["db"][0]]);
    sandbox.plan_then_sync(3).did("cache none refused\n db start stopped\n web none refused");
    sandbox.only_changed(&before, &[]);
    // Refused by the peers, it stays accepted.
    sandbox.config(json!([app]));
    sandbox.plan_then_sync(0).did(ALL_ANEW);
    assert_eq!(colour(&sandbox), "red");
    connected(&sandbox);
    sandbox.settled();
}

#[test]
fn a_sync_killed_between_two_networks_is_taken_up_again() {
    let Some(sandbox) = running() else { return };
    let deaf = STACK.replace(
        "    depends_on: [db]\n",
        "    depends_on: [db]\n    stop_grace_period: 3s\n    \
         command: [\"/bin/sh\", \"-c\", \"trap '' TERM; while :; do sleep 1; done\"]\n",
    );
    sandbox.commit(&[("compose.yaml", &deaf)], "A web that does not hear");
    sandbox.plan_then_sync(0);
    sandbox.commit(&[("compose.yaml", &with_label(&deaf, "red"))], "A red network");
    sandbox.renew(["accept", "app"]).expect(0);
    sandbox.forget_started();
    let sync = sandbox.start_renew(["sync"]);
    wait_for("the network to go", 60, || {
        let name = format!("name={}", sandbox.id);
        let names = sandbox.docker(["network", "ls", "-q", "--filter", &name]);
        names.is_empty().then_some(())
    });
    let groups: Vec<i32> = sandbox.started().iter().map(|one| one.pid).collect();
    sync.kill_with(&groups);
    sandbox.renew(["sync"]).expect(0);
    assert_eq!(colour(&sandbox), "red");
    connected(&sandbox);
    keeps(&sandbox, &PLACES);
    sandbox.settled();
}

#[test]
fn a_network_that_is_gone_is_made_again() {
    let Some(sandbox) = running() else { return };
    let before = sandbox.ids();
    for service in ["web", "db", "cache"] {
        sandbox.docker(["stop", "-t", "1", &before[service][0]]);
    }
    sandbox.docker(["network", "rm", &format!("{}_default", sandbox.id)]);
    sandbox.plan_then_sync(0).did(
        "
        cache  start  stopped
        db     start  stopped
        web    start  stopped
    ",
    );
    connected(&sandbox);
    keeps(&sandbox, &PLACES);
    sandbox.settled();
    // Nobody is left who could mind another definition of it.
    for service in ["web", "db", "cache"] {
        sandbox.docker(["stop", "-t", "1", &sandbox.ids()[service][0]]);
    }
    sandbox.docker(["network", "rm", &format!("{}_default", sandbox.id)]);
    sandbox.commit(&[("compose.yaml", &with_label(STACK, "red"))], "A red network");
    sandbox.plan_then_sync(0).did(ALL_ANEW);
    assert_eq!(colour(&sandbox), "red");
    connected(&sandbox);
    keeps(&sandbox, &PLACES);
    sandbox.settled();
}

#[test]
fn a_changed_volume_stays_as_it_is_and_the_rest_goes_on() {
    let Some(sandbox) = running() else { return };
    let volume = format!("{}_data", sandbox.id);
    let made = || sandbox.docker(["volume", "inspect", "-f", "{{.CreatedAt}}", &volume]);
    let since = made();
    let labelled = STACK.replace("  data:\n", "  data:\n    labels: {colour: red}\n");
    sandbox.commit(&[("compose.yaml", &labelled)], "A red volume");
    sandbox.plan_then_sync(3).did(
        "
        cache  none  settled
        db     none  refused
        web    none  settled
    ",
    );
    let said = sandbox.renew(["accept", "app"]).expect(0).stdout;
    assert!(said.contains("what exists stays as it is"), "{said}");
    sandbox.plan_then_sync(0).did(
        "
        cache  none      settled
        db     recreate  config
        web    none      settled
    ",
    );
    assert_eq!(made(), since, "it is the same volume");
    keeps(&sandbox, &PLACES);
    sandbox.settled();
    // Only another change of it is refused again.
    let newer = labelled.replace("db:1", "db:2");
    sandbox.commit(&[("compose.yaml", &newer)], "db 2");
    sandbox.plan_then_sync(0);
    keeps(&sandbox, &PLACES);
    sandbox.commit(&[("compose.yaml", &newer.replace("red", "blue"))], "A blue volume");
    sandbox.plan_then_sync(3);
    keeps(&sandbox, &PLACES);
}

#[test]
fn a_renamed_volume_is_taken_once_it_is_accepted_and_the_old_one_stays() {
    let Some(sandbox) = running() else { return };
    let renamed = STACK.replace("data:", "other:").replace("- data:/data", "- other:/data");
    sandbox.commit(&[("compose.yaml", &renamed)], "Another volume");
    let run = sandbox.plan_then_sync(3);
    run.did("cache none settled\n db none refused\n web none settled");
    let said = sandbox.renew(["accept", "app"]).expect(0).stdout;
    let words = sandbox.fill("db: /data is volume SANDBOX_data and would be volume SANDBOX_other");
    assert!(said.contains(&words), "{said}");
    sandbox.plan_then_sync(0).did("cache none settled\n db recreate config\n web none settled");
    assert_eq!(sandbox.in_db("cat /data/file || echo new"), "new");
    assert_eq!(sandbox.in_volume("SANDBOX_data", "file"), "kept");
    keeps(&sandbox, &["/scratch"]);
    sandbox.settled();
    // The way back is one as well.
    sandbox.commit(&[("compose.yaml", STACK)], "Back");
    sandbox.plan_then_sync(3);
    sandbox.renew(["accept", "app"]).expect(0);
    sandbox.plan_then_sync(0);
    keeps(&sandbox, &PLACES);
    sandbox.settled();
}

#[test]
fn what_cannot_be_accepted_is_said() {
    let Some(sandbox) = running() else { return };
    let unknown = sandbox.renew(["accept", "ap"]).expect(1);
    assert!(unknown.stderr.contains("did you mean `app`?"), "{unknown}");
    sandbox.renew(["accept"]).expect(64);
    sandbox.renew(["accept", "app", "web"]).expect(64);
    sandbox.commit(&[("compose.yaml", "services: [")], "Broken");
    sandbox.renew(["accept", "app"]).expect(1);
}
