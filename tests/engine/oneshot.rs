//! One-shots: services that do their work and end.

use crate::support::Sandbox;

const STACK: &str = "\
services:
  migrate:
    image: IMAGES/tool:1
    command: [\"true\"]
    restart: \"no\"
  web:
    image: IMAGES/web:1
    depends_on:
      migrate: {condition: service_completed_successfully}
";

fn migrated() -> Option<Sandbox> {
    let sandbox = Sandbox::open()?;
    sandbox.publish("tool:1");
    sandbox.publish("web:1");
    sandbox.commit(&[("compose.yaml", STACK)], "A migration");
    sandbox.plan_then_sync(0).did(
        "
        migrate  start  missing
        web      start  missing
    ",
    );
    sandbox.runs(&["web"]);
    Some(sandbox)
}

fn ended_at(sandbox: &Sandbox) -> String {
    let migrate = sandbox.the("migrate");
    assert_eq!(migrate["State"]["ExitCode"], 0);
    migrate["State"]["FinishedAt"].as_str().expect("a time").to_owned()
}

#[test]
fn a_completed_one_shot_is_not_run_again() {
    let Some(sandbox) = migrated() else { return };
    let (before, ended) = (sandbox.ids(), ended_at(&sandbox));
    sandbox.settled();
    sandbox.plan_then_sync(0).did(
        "
        migrate  none  completed
        web      none  settled
    ",
    );
    sandbox.only_changed(&before, &[]);
    assert_eq!(ended_at(&sandbox), ended);
}

#[test]
fn a_change_beside_a_completed_one_shot_does_not_run_it() {
    let Some(sandbox) = migrated() else { return };
    let (before, ended) = (sandbox.ids(), ended_at(&sandbox));
    sandbox.publish("web:2");
    sandbox.commit(&[("compose.yaml", &STACK.replace("web:1", "web:2"))], "web 2");
    sandbox.plan_then_sync(0).did(
        "
        migrate  none      completed
        web      recreate  image
    ",
    );
    sandbox.only_changed(&before, &["web"]);
    assert_eq!(ended_at(&sandbox), ended);
    sandbox.settled();
}

#[test]
fn a_new_one_shot_runs_once() {
    let Some(sandbox) = migrated() else { return };
    let before = sandbox.ids();
    sandbox.publish("tool:2");
    sandbox.commit(&[("compose.yaml", &STACK.replace("tool:1", "tool:2"))], "Migrate again");
    sandbox.plan_then_sync(0);
    sandbox.only_changed(&before, &["migrate"]);
    let ended = ended_at(&sandbox);
    sandbox.settled();
    assert_eq!(ended_at(&sandbox), ended);
}
