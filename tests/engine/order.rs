//! The order of a change: what depends on something is not stopped before that is ready, for each of
//! the three conditions of `depends_on`, and not at all if it never is.

use crate::support::{Sandbox, text, wait_for};

/// db has a health check, which succeeds once /ok is there.
const HEALTHY: &str = "\
services:
  db:
    image: IMAGES/db:1
    restart: always
    command: [\"/bin/sh\", \"-c\", \"SLOW echo > /ok; sleep 1000 & wait\"]
    healthcheck: {test: [CMD, cat, /ok], interval: 1s, timeout: 1s, retries: 6}
  web:
    image: IMAGES/web:1
    restart: always
    depends_on:
      db: {condition: service_healthy}
";

fn running(stack: &str) -> Option<Sandbox> {
    let sandbox = Sandbox::open()?;
    for image in ["db:1", "db:2", "web:1", "web:2", "tool:1"] {
        sandbox.publish(image);
    }
    sandbox.commit(&[("compose.yaml", &stack.replace("SLOW ", ""))], "Begin");
    sandbox.plan_then_sync(0);
    sandbox.settled();
    Some(sandbox)
}

/// Both images change, and db takes its time.
fn changed(stack: &str, slow: &str) -> String {
    stack.replace("SLOW ", slow).replace("db:1", "db:2").replace("web:1", "web:2")
}

fn health(container: &serde_json::Value) -> &str {
    text(container, "/State/Health/Status")
}

#[test]
fn a_service_stays_until_its_new_dependency_is_healthy() {
    let Some(sandbox) = running(HEALTHY) else { return };
    let before = sandbox.ids();
    sandbox.commit(&[("compose.yaml", &changed(HEALTHY, "sleep 4;"))], "Both");
    let sync = sandbox.start_renew(["sync"]);
    wait_for("a new db that is not healthy yet", 60, || {
        let db = sandbox.inspect("db");
        let new = db.iter().any(|one| {
            text(one, "/Id") != before["db"][0] && text(one, "/State/Status") == "running"
        });
        new.then_some(())
    });
    assert_eq!(health(&sandbox.the("db")), "starting");
    let web = sandbox.the("web");
    assert_eq!((text(&web, "/Id"), text(&web, "/State/Status")), (&*before["web"][0], "running"));
    sync.finish().expect(0);
    sandbox.only_changed(&before, &["db", "web"]);
    assert_eq!(health(&sandbox.the("db")), "healthy");
    sandbox.settled();
}

#[test]
fn a_dependency_that_never_gets_healthy_leaves_its_dependents_as_they_are() {
    let Some(sandbox) = running(HEALTHY) else { return };
    sandbox.rolls_forward();
    let before = sandbox.ids();
    sandbox.commit(&[("compose.yaml", &changed(HEALTHY, "sleep 1000;"))], "Never healthy");
    let started = text(&sandbox.the("web"), "/State/StartedAt").to_owned();
    for _ in 0..2 {
        sandbox.renew(["sync"]).expect(2);
        sandbox.only_changed(&before, &["db"]);
        sandbox.runs(&["db", "web"]);
        assert_eq!(text(&sandbox.the("web"), "/State/StartedAt"), started);
    }
    sandbox.commit(&[("compose.yaml", &changed(HEALTHY, ""))], "Healthy");
    sandbox.plan_then_sync(0).did(
        "
        db   recreate  config
        web  recreate  image
    ",
    );
    sandbox.settled();
}

#[test]
fn a_dependency_that_does_not_start_leaves_its_dependents_as_they_are() {
    let stack = HEALTHY.replace("service_healthy", "service_started");
    let Some(sandbox) = running(&stack) else { return };
    sandbox.rolls_forward();
    let before = sandbox.ids();
    sandbox.commit(&[("compose.yaml", &changed(&stack, "exit 3;"))], "It ends at once");
    for _ in 0..2 {
        sandbox.renew(["sync"]).expect(2);
        sandbox.only_changed(&before, &["db"]);
        sandbox.runs(&["web"]);
    }
}

/// A one-shot, what waits for it, and what hangs on that in every way there is.
const MIGRATED: &str = "\
services:
  migrate:
    image: IMAGES/tool:1
    command: [\"true\"]
  web:
    image: IMAGES/web:1
    restart: always
    depends_on:
      migrate: {condition: service_completed_successfully}
  proxy:
    image: IMAGES/web:1
    restart: always
    depends_on:
      web: {condition: service_started, restart: true}
  side:
    image: IMAGES/db:1
    restart: always
    network_mode: service:web
  aside:
    image: IMAGES/db:1
    restart: always
";

#[test]
fn a_one_shot_that_fails_leaves_everything_that_waits_for_it_as_it_is() {
    let Some(sandbox) = running(MIGRATED) else { return };
    let before = sandbox.ids();
    let started = |service: &str| text(&sandbox.the(service), "/State/StartedAt").to_owned();
    let names = ["aside", "proxy", "side", "web"];
    let starts = names.map(started);
    let more = format!("{MIGRATED}    environment: {{MORE: \"1\"}}\n");
    let bad = more.replace("[\"true\"]", "[\"false\"]").replace("web:1", "web:2");
    sandbox.commit(&[("compose.yaml", &bad)], "A migration that fails");
    for result in ["failed", "quarantined"] {
        sandbox.plan_then_sync(2).result("app", result);
        sandbox.only_changed(&before, &["migrate"]);
        sandbox.runs(&names);
        assert_eq!(names.map(started), starts);
    }
    let good = bad.replace("[\"false\"]", "[\"true\", \"now\"]");
    sandbox.commit(&[("compose.yaml", &good)], "A migration that does not");
    sandbox.plan_then_sync(0).did(
        "
        aside    recreate  config
        migrate  recreate  config
        proxy    recreate  image
        side     recreate  dependent
        web      recreate  image
    ",
    );
    sandbox.runs(&names);
    sandbox.settled();
}
