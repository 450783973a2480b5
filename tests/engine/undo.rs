//! A bad target costs one service, once: it is undone exactly, remembered, and not tried again.

use serde_json::json;

use crate::support::Sandbox;

/// `web` mounts a file, has a limit, an environment and a network, and fails where the file or its
/// command says so.
const SHOP: &str = "\
services:
  db:
    image: IMAGES/db:1
    restart: unless-stopped
  web:
    image: IMAGES/web:1
    restart: unless-stopped
    command: [\"/bin/sh\", \"-c\", \". /conf/rc; while :; do sleep 1; done\"]
    environment: {LEVEL: \"1\"}
    mem_limit: 64m
    volumes: [\"./conf:/conf:ro\", \"data:/data\"]
    networks: [back, default]
networks: {back: {}}
volumes: {data: {}}
";

/// The same with a `web` that ends at once.
fn broken() -> String {
    SHOP.replace("LEVEL: \"1\"", "LEVEL: \"2\"").replace(". /conf/rc; while", "exit 3; while")
}

fn shop_running() -> Option<Sandbox> {
    let sandbox = Sandbox::open()?;
    for image in ["db:1", "web:1"] {
        sandbox.publish(image);
    }
    sandbox.commit(&[("compose.yaml", SHOP), ("conf/rc", "A=1\n")], "A shop");
    sandbox.plan_then_sync(0);
    sandbox.settled();
    Some(sandbox)
}

fn file(sandbox: &Sandbox, name: &str) -> String {
    std::fs::read_to_string(sandbox.root().join(sandbox.fill("SANDBOX")).join(name)).expect(name)
}

#[test]
fn a_change_that_fails_is_undone_exactly_and_not_tried_again() {
    let Some(sandbox) = shop_running() else { return };
    let (before, was) = (sandbox.ids(), sandbox.essence("web"));
    sandbox.commit(&[("compose.yaml", &broken()), ("conf/rc", "A=2\n")], "A bad web");
    let run = sandbox.plan_then_sync(2);
    run.result("app", "rolled_back").did("db none settled\n web recreate config");
    run.trouble().says("restarting", &["web"], "renew retry app");
    sandbox.only_changed(&before, &["web"]);
    assert_eq!(sandbox.essence("web"), was, "undone exactly");
    assert_eq!(file(&sandbox, "conf/rc"), "A=1\n", "the mounted files are those of the release");

    // Not by the next ticks, and not by commits that have nothing to do with it.
    let after = sandbox.ids();
    for n in 0..3 {
        sandbox.commit(&[("notes", &n.to_string())], "Notes");
        sandbox.forget_started();
        let run = sandbox.plan_then_sync(2);
        run.result("app", "quarantined").did("db none settled\n web none quarantined");
        run.trouble().says("quarantined", &["web", "restarts over and over"], "renew retry app");
        assert_eq!(file(&sandbox, "notes"), n.to_string(), "the rest follows the branch");
    }
    sandbox.only_changed(&after, &[]);

    // What is in force is healed as it was.
    sandbox.docker(["rm", "-f", &after["web"][0]]);
    sandbox.plan_then_sync(2).did("db none settled\n web start missing");
    assert_eq!(sandbox.essence("web"), was, "healed as it was");

    // Others still get their fixes, and another target lifts it at once.
    let other =
        broken().replace("image: IMAGES/db:1", "image: IMAGES/db:1\n    environment: {A: b}");
    sandbox.commit(&[("compose.yaml", &other)], "A better db");
    let run = sandbox.plan_then_sync(2);
    run.did("db recreate config\n web none quarantined");
    assert!(sandbox.has_env("db", "A=b"));
    assert_eq!(sandbox.essence("web"), was);
    // That another commit is in force for db changes nothing of what web is healed with.
    sandbox.docker(["rm", "-f", &sandbox.ids()["web"][0]]);
    sandbox.plan_then_sync(2).did("db none settled\n web start missing");
    assert_eq!(
        (sandbox.essence("web"), file(&sandbox, "conf/rc")),
        (was.clone(), "A=1\n".to_owned())
    );
    sandbox.commit(&[("compose.yaml", &other.replace("exit 3; ", ""))], "A good web");
    let run = sandbox.plan_then_sync(0);
    run.result("app", "changed").did("db none settled\n web recreate config");
    assert!(sandbox.has_env("web", "LEVEL=2"));
    assert_eq!(file(&sandbox, "conf/rc"), "A=2\n");
    sandbox.settled();

    // Back to the bad one: it is known.
    let now = sandbox.ids();
    sandbox.commit(&[("compose.yaml", &other)], "The bad web once more");
    sandbox.plan_then_sync(2).result("app", "quarantined");
    sandbox.only_changed(&now, &[]);
}

#[test]
fn a_tag_that_moved_to_a_bad_image_is_undone_with_the_registry_down_and_images_pruned() {
    let Some(sandbox) = Sandbox::open() else { return };
    for image in ["db:1", "web:1"] {
        sandbox.publish(image);
    }
    // What runs is in the image: the second push fails.
    let stack = "\
services:
  web:
    image: IMAGES/web:1
    restart: unless-stopped
    pull_policy: always
    command: [\"/bin/sh\", \"-c\", \"read v </VERSION; case $$v in *'push 3') exit 4;; esac; while :; do sleep 1; done\"]
";
    sandbox.commit(&[("compose.yaml", stack)], "A web");
    sandbox.plan_then_sync(0);
    let was = sandbox.essence("web");
    sandbox.publish("web:1");
    sandbox.renew(["sync"]).expect(2);
    assert_eq!(sandbox.essence("web"), was, "the same image, though the tag means another");
    sandbox.registry_down();
    let after = sandbox.ids();
    sandbox.plan_then_sync(2).result("app", "quarantined").did("web none quarantined");
    sandbox.docker(["rm", "-f", &after["web"][0]]);
    sandbox.plan_then_sync(2).did("web start missing");
    assert_eq!(sandbox.essence("web"), was, "healed from the image that is here");
    sandbox.registry_up();
    let healed = sandbox.ids();
    sandbox.forget_started();
    sandbox.plan_then_sync(2).did("web none quarantined");
    // The bad image is taken away by somebody: it is not fetched again.
    let bad = sandbox.fill("IMAGES/web:1");
    sandbox.docker(["rmi", "-f", &bad]);
    sandbox.plan_then_sync(2).did("web none quarantined");
    sandbox.only_changed(&healed, &[]);
    sandbox.publish("web:1");
    sandbox.plan_then_sync(0).did("web recreate image");
    sandbox.settled();
}

#[test]
fn a_bad_mounted_file_is_taken_back() {
    let Some(sandbox) = shop_running() else { return };
    let (before, was) = (sandbox.ids(), sandbox.essence("web"));
    sandbox.commit(&[("conf/rc", "exit 5\n"), ("conf/more", "x\n")], "A bad file");
    sandbox
        .plan_then_sync(2)
        .result("app", "rolled_back")
        .did("db none settled\n web recreate files");
    sandbox.only_changed(&before, &["web"]);
    assert_eq!(sandbox.essence("web"), was);
    assert_eq!(file(&sandbox, "conf/rc"), "A=1\n");
    assert!(!sandbox.root().join(sandbox.fill("SANDBOX/conf/more")).exists());
    let after = sandbox.ids();
    sandbox.plan_then_sync(2).result("app", "quarantined");
    sandbox.only_changed(&after, &[]);
    sandbox.commit(&[("conf/rc", "A=3\n")], "A good file");
    sandbox.plan_then_sync(0).did("db none settled\n web recreate files");
    assert_eq!(file(&sandbox, "conf/more"), "x\n");
    sandbox.settled();
}

#[test]
fn all_stacks_of_a_service_go_back_together() {
    let Some(sandbox) = Sandbox::open() else { return };
    for image in ["db:1", "web:1", "db:2"] {
        sandbox.publish(image);
    }
    let stack = |name: &str, image: &str, main: &str| {
        format!(
            "name: SANDBOX-{name}\nservices:\n  {name}:\n    image: IMAGES/{image}\n    \
             restart: unless-stopped\n    command: [\"/bin/sh\", \"-c\", \"{main}\"]\n"
        )
    };
    let main = "while :; do sleep 1; done";
    let (data, front) = (stack("data", "db:1", main), stack("front", "web:1", main));
    sandbox.commit(&[("data/compose.yaml", &data), ("front/compose.yaml", &front)], "Two stacks");
    sandbox.config(json!([{
        "name": "app", "compose_files": ["data/compose.yaml", "front/compose.yaml"],
    }]));
    sandbox.plan_then_sync(0);
    let was = [sandbox.essence("data"), sandbox.essence("front")];
    let bad = stack("front", "web:1", "exit 9");
    sandbox.commit(
        &[("data/compose.yaml", &stack("data", "db:2", main)), ("front/compose.yaml", &bad)],
        "Another database, and a bad front",
    );
    sandbox.renew(["sync"]).expect(2);
    assert_eq!([sandbox.essence("data"), sandbox.essence("front")], was);
    assert_eq!(file(&sandbox, "data/compose.yaml"), sandbox.fill(&data), "nothing of it is ahead");
    let made = |name: &str| sandbox.the(name)["Created"].as_str().unwrap_or_default().to_owned();
    assert!(made("front") < made("data"), "what came last goes first");
    let after = sandbox.ids();
    let run = sandbox.plan_then_sync(2);
    run.result("app", "quarantined").did("data none quarantined\n front none quarantined");
    sandbox.only_changed(&after, &[]);
    sandbox.commit(&[("front/compose.yaml", &stack("front", "web:1", "sleep 1000"))], "Mended");
    sandbox.plan_then_sync(0).did("data recreate image\n front recreate config");
    sandbox.settled();
}

#[test]
fn a_rotation_that_kills_the_service_is_undone() {
    let Some(sandbox) = Sandbox::open() else { return };
    sandbox.publish("web:1");
    let stack = "\
services:
  web:
    image: IMAGES/web:1
    restart: unless-stopped
    environment: {MODE: \"${MODE}\"}
    command: [\"/bin/sh\", \"-c\", \"[ $$MODE = good ] || exit 6; while :; do sleep 1; done\"]
";
    sandbox.write("app.env", "MODE=good\n");
    sandbox.config(json!([{
        "name": "app", "compose_files": ["compose.yaml"], "env_file": "app.env",
    }]));
    sandbox.commit(&[("compose.yaml", stack)], "A web");
    sandbox.plan_then_sync(0);
    let was = sandbox.essence("web");
    sandbox.write("app.env", "MODE=worse\n");
    sandbox.plan_then_sync(2).result("app", "rolled_back").did("web recreate env");
    assert_eq!(sandbox.essence("web"), was, "with the old environment");
    let after = sandbox.ids();
    sandbox.plan_then_sync(2).result("app", "quarantined");
    sandbox.only_changed(&after, &[]);
    sandbox.write("app.env", "MODE=good\n");
    sandbox.renew(["sync"]).expect(0);
    sandbox.only_changed(&after, &[]);
}

#[test]
fn what_dies_soon_after_its_change_is_undone_by_a_later_run() {
    let Some(sandbox) = shop_running() else { return };
    let was = sandbox.essence("web");
    let dies = SHOP.replace(
        ". /conf/rc; while :; do sleep 1; done",
        "until [ -e /dead ]; do sleep 0.1; done; exit 7",
    );
    sandbox.commit(&[("compose.yaml", &dies)], "It dies after a while");
    sandbox.plan_then_sync(0).result("app", "changed");
    sandbox.docker(["exec", &sandbox.ids()["web"][0], "sh", "-c", "echo > /dead"]);
    crate::support::wait_for("three restarts", 120, || {
        let count = sandbox.the("web")["RestartCount"].as_u64().unwrap_or_default();
        (count >= 3).then_some(())
    });
    // A plan says the same; what restarts all the time is no ground for comparing more.
    let planned = sandbox.renew(["plan"]).expect(0).stdout;
    assert!(planned.contains("back to what is in force"), "{planned}");
    sandbox.renew(["sync"]).expect(2);
    assert_eq!(sandbox.essence("web"), was);
    let after = sandbox.ids();
    sandbox
        .plan_then_sync(2)
        .result("app", "quarantined")
        .did("db none settled\n web none quarantined");
    sandbox.only_changed(&after, &[]);
}

#[test]
fn a_soak_catches_what_dies_after_seconds() {
    let Some(sandbox) = shop_running() else { return };
    sandbox.config(json!([{
        "name": "app", "compose_files": ["compose.yaml"], "verify": {"soak": "6s"},
    }]));
    let was = sandbox.essence("web");
    let dies = SHOP.replace(". /conf/rc; while :; do sleep 1; done", "sleep 4; exit 7");
    sandbox.commit(&[("compose.yaml", &dies)], "It dies after four seconds");
    sandbox.plan_then_sync(2).result("app", "rolled_back");
    assert_eq!(sandbox.essence("web"), was);
}

#[test]
fn after_a_migration_a_failed_change_stays_unless_said_otherwise() {
    let stack = |level: &str, web: &str| {
        format!(
            "\
services:
  init:
    image: IMAGES/db:1
    command: [\"/bin/sh\", \"-c\", \"echo {level}\"]
  web:
    image: IMAGES/web:1
    restart: unless-stopped
    command: [\"/bin/sh\", \"-c\", \"{web}\"]
    depends_on: {{init: {{condition: service_completed_successfully}}}}
"
        )
    };
    for (said, result) in [(None, "failed"), (Some("rollback"), "rolled_back")] {
        let Some(sandbox) = Sandbox::open() else { return };
        for image in ["db:1", "web:1"] {
            sandbox.publish(image);
        }
        let mut app = json!({ "name": "app", "compose_files": ["compose.yaml"] });
        if let Some(said) = said {
            app["on_failure"] = said.into();
        }
        sandbox.config(json!([app]));
        sandbox.commit(&[("compose.yaml", &stack("1", "sleep 1000"))], "A migration");
        sandbox.plan_then_sync(0);
        let (before, was) = (sandbox.ids(), sandbox.essence("web"));
        sandbox.commit(&[("compose.yaml", &stack("2", "exit 1"))], "Another, and a bad web");
        sandbox.plan_then_sync(2).result("app", result);
        let ran = &sandbox.ids()["init"];
        assert_ne!(*ran, before["init"], "the new migration ran");
        if result == "rolled_back" {
            assert_eq!(sandbox.essence("web"), was);
            let after = sandbox.ids();
            sandbox.plan_then_sync(2).result("app", "quarantined");
            sandbox.only_changed(&after, &[]);
            assert_eq!(&sandbox.ids()["init"], ran, "and the old one does not run again");
        } else {
            let there = sandbox.ids();
            sandbox.renew(["sync"]).expect(2);
            sandbox.only_changed(&there, &[]);
        }
    }
}

#[test]
fn a_new_service_that_fails_goes_again() {
    let Some(sandbox) = shop_running() else { return };
    let before = sandbox.ids();
    let more = SHOP.replace(
        "networks: {back: {}}",
        "  extra:\n    image: IMAGES/db:1\n    restart: unless-stopped\n    \
         command: [\"/bin/sh\", \"-c\", \"exit 2\"]\nnetworks: {back: {}}",
    );
    sandbox.commit(&[("compose.yaml", &more)], "A new service");
    sandbox.plan_then_sync(2).result("app", "rolled_back");
    sandbox.only_changed(&before, &[]);
    sandbox.plan_then_sync(2).did("db none settled\n extra none quarantined\n web none settled");
    sandbox.only_changed(&before, &[]);
}

#[test]
fn a_person_goes_back_stays_there_and_follows_git_again() {
    let Some(sandbox) = shop_running() else { return };
    let was = sandbox.essence("web");
    let next = SHOP.replace("LEVEL: \"1\"", "LEVEL: \"2\"");
    sandbox.commit(&[("compose.yaml", &next), ("conf/rc", "A=2\n")], "Another level");
    sandbox.plan_then_sync(0);
    // What went bad after it does not take its place, and what was only healed is as it was.
    let bad = next.replace(". /conf/rc; while", "exit 3; while");
    sandbox.commit(&[("compose.yaml", &bad)], "A bad one");
    sandbox.plan_then_sync(2).result("app", "rolled_back");
    let db = sandbox.ids()["db"][0].clone();
    sandbox.docker(["rm", "-f", &db]);
    sandbox.renew(["sync"]).expect(2);
    let healed = sandbox.ids()["db"].clone();
    sandbox.renew(["rollback", "app"]).expect(0);
    assert_eq!(sandbox.essence("web"), was, "back on the release before");
    assert_eq!(sandbox.ids()["db"], healed, "the same runs already");
    assert_eq!(file(&sandbox, "conf/rc"), "A=1\n");
    let held = sandbox.ids();
    sandbox.commit(&[("compose.yaml", &next.replace("LEVEL: \"2\"", "LEVEL: \"3\""))], "More");
    sandbox.plan_then_sync(0).result("app", "held").did("db none held\n web none held");
    sandbox.only_changed(&held, &[]);
    sandbox.docker(["rm", "-f", &held["web"][0]]);
    sandbox.plan_then_sync(0).result("app", "held");
    assert_eq!(sandbox.essence("web"), was, "healed as it was");
    sandbox.renew(["retry", "app"]).expect(0);
    assert!(sandbox.has_env("web", "LEVEL=3"));
    assert_eq!(file(&sandbox, "conf/rc"), "A=2\n");
    sandbox.settled();
    // A failed target is tried again when somebody says so, and only then.
    sandbox.commit(&[("compose.yaml", &broken())], "A bad web");
    sandbox.plan_then_sync(2).result("app", "rolled_back");
    let first = sandbox.ids();
    sandbox.plan_then_sync(2).result("app", "quarantined");
    sandbox.only_changed(&first, &[]);
    sandbox.renew(["retry", "app"]).expect(2);
    sandbox.only_changed(&first, &["web"]);
}
