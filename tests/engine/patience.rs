//! What failed more than once is tried again less and less often, and says so meanwhile.

use serde_json::{Value, json};

use crate::quarantine::pulls;
use crate::support::Sandbox;

/// `web` runs as long as there is a flag on the host, and `mail` needs it; `db` is alone.
fn stack(words: &str) -> String {
    format!(
        "services:\n  \
           db:\n    image: IMAGES/db:1\n  \
           mail:\n    image: IMAGES/db:1\n    depends_on: [web]\n  \
           web:\n    image: IMAGES/db:1\n    environment: {{WORDS: {words}}}\n    \
             volumes: [\"ROOT/flag:/flag\"]\n    \
             command: [\"/bin/sh\", \"-c\", \"[ -e /flag/up ] || exit 3; sleep 1000\"]\n"
    )
}

/// A sandbox with an image and the folder of the flag, which is not up.
fn with_a_flag() -> Option<Sandbox> {
    let sandbox = Sandbox::open()?;
    sandbox.publish("db:1");
    std::fs::create_dir(sandbox.root().join("flag")).expect("a folder");
    Some(sandbox)
}

fn flagged(sandbox: &Sandbox, words: &str) -> String {
    stack(words).replace("ROOT", &sandbox.root().display().to_string())
}

/// When the one container of a compose service was started last.
fn started(sandbox: &Sandbox, service: &str) -> Value {
    sandbox.the(service)["State"]["StartedAt"].clone()
}

/// What is remembered of a failure.
fn delay_of<'r>(record: &'r mut Value, name: &str) -> &'r mut Value {
    let mut list = record["delays"].as_array_mut().into_iter().flatten();
    match list.find(|one| one["name"] == name) {
        Some(delay) => delay,
        None => panic!("nothing is known of {name}"),
    }
}

#[track_caller]
fn says_when(sandbox: &Sandbox) {
    let said = [sandbox.renew(["plan"]), sandbox.renew(["sync"]), sandbox.renew(["why", "app"])];
    for output in said {
        let text = format!("{} {}", output.stdout, output.stderr);
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in ["is tried again from", "on; `renew retry app` tries it now"] {
            assert!(text.contains(part), "{part} is not in\n{output}");
        }
    }
}

#[test]
fn what_does_not_get_good_is_started_less_and_less_often() {
    let Some(sandbox) = with_a_flag() else { return };
    sandbox.write("flag/up", "");
    sandbox.commit(&[("compose.yaml", &flagged(&sandbox, "one"))], "A stack");
    sandbox.plan_then_sync(0);
    std::fs::remove_file(sandbox.root().join("flag/up")).expect("a file");
    sandbox.docker(["kill", &sandbox.ids()["web"][0]]);
    for _ in 0..2 {
        let before = started(&sandbox, "web");
        let run = sandbox.plan_then_sync(2);
        run.trouble().says("exited", &["web", "exited with code 3"], "look");
        assert_ne!(started(&sandbox, "web"), before, "it is tried");
    }
    let before = started(&sandbox, "web");
    sandbox.docker(["kill", &sandbox.ids()["db"][0]]);
    sandbox.docker(["kill", &sandbox.ids()["mail"][0]]);
    let run = sandbox.plan_then_sync(2);
    run.trouble().says("exited", &["web", "exited with code 3"], "look");
    says_when(&sandbox);
    assert_eq!(started(&sandbox, "web"), before, "it is not tried");
    sandbox.runs(&["db"]);
    // It can run again: a person need not wait.
    sandbox.write("flag/up", "");
    sandbox.renew(["sync"]).expect(2);
    sandbox.renew(["retry", "app"]).expect(0);
    sandbox.runs(&["db", "mail", "web"]);
    assert_eq!(sandbox.record().get("delays"), None);
    sandbox.settled();
}

#[test]
fn another_target_waits_for_no_delay() {
    let Some(sandbox) = with_a_flag() else { return };
    sandbox.commit(&[("compose.yaml", &flagged(&sandbox, "one"))], "A stack that never was good");
    for _ in 0..2 {
        sandbox.renew(["sync"]).expect(2);
    }
    let (before, delays) = (started(&sandbox, "web"), sandbox.record()["delays"].clone());
    let run = sandbox.plan_then_sync(2);
    run.trouble().says("exited", &["web"], "look");
    says_when(&sandbox);
    assert_eq!(started(&sandbox, "web"), before);
    assert_eq!(sandbox.record()["delays"], delays, "a look is no try");
    // Its time has come.
    let mut state = sandbox.record();
    let delay = delay_of(&mut state, "web");
    assert_eq!(delay["failures"], 2);
    let until = chrono::Utc::now() - chrono::TimeDelta::seconds(1);
    delay["until"] = until.to_rfc3339().into();
    sandbox.store_record(&state);
    sandbox.renew(["sync"]).expect(2);
    assert_ne!(started(&sandbox, "web"), before);
    assert_eq!(delay_of(&mut sandbox.record(), "web")["failures"], 3);
    sandbox.write("flag/up", "");
    sandbox.commit(&[("compose.yaml", &flagged(&sandbox, "two"))], "Another");
    sandbox.plan_then_sync(0);
    assert!(sandbox.has_env("web", "WORDS=two"));
    sandbox.settled();
}

#[test]
fn what_fails_for_want_of_another_is_tried_with_that_one() {
    let Some(sandbox) = with_a_flag() else { return };
    sandbox.write("flag/up", "");
    let stack = |level: &str| {
        let one = |name: &str, more: &str| {
            format!(
                "  {name}:\n    image: IMAGES/db:1\n    volumes: [\"ROOT/flag:/flag\"]\n    \
                   command: [\"/bin/sh\", \"-c\", \"[ -e /flag/up ] || exit 3; sleep 1000\"]\n{more}"
            )
        };
        let db = one("db", &format!("    environment: {{LEVEL: {level}}}\n"));
        let text = format!("services:\n{db}{}", one("web", "    depends_on: [db]\n"));
        text.replace("ROOT", &sandbox.root().display().to_string())
    };
    sandbox.commit(&[("compose.yaml", &stack("one"))], "Two");
    sandbox.plan_then_sync(0);
    std::fs::remove_file(sandbox.root().join("flag/up")).expect("a file");
    for name in ["db", "web"] {
        sandbox.docker(["kill", &sandbox.ids()[name][0]]);
    }
    // What fails together with what it needs is not held against it.
    for _ in 0..2 {
        sandbox.renew(["sync"]).expect(2);
    }
    let names: Vec<Value> = sandbox.record()["delays"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|one| one["name"].clone())
        .collect();
    assert_eq!(names, ["db"]);
    for _ in 0..3 {
        sandbox.renew(["sync"]).expect(2);
    }
    for name in ["db", "web"] {
        assert_eq!(delay_of(&mut sandbox.record(), name)["failures"], 2, "{name}");
    }
    sandbox.write("flag/up", "");
    sandbox.commit(&[("compose.yaml", &stack("two"))], "A db that works");
    sandbox.plan_then_sync(0);
    sandbox.runs(&["db", "web"]);
    sandbox.settled();
}

#[test]
fn an_undo_waits_for_no_image_of_others() {
    let Some(sandbox) = Sandbox::open() else { return };
    for image in ["db:1", "api:1"] {
        sandbox.publish(image);
    }
    let stack = |api: &str, command: &str| {
        format!(
            "services:\n  api:\n    image: IMAGES/api:{api}\n  \
             web:\n    image: IMAGES/db:1\n    command: [\"/bin/sh\", \"-c\", \"{command}\"]\n"
        )
    };
    sandbox.commit(&[("compose.yaml", &stack("1", "sleep 1000"))], "Good");
    sandbox.plan_then_sync(0);
    let was = sandbox.essence("web");
    sandbox
        .commit(&[("compose.yaml", &stack("9", "exit 3"))], "Bad, and an image that is not there");
    let said = sandbox.renew(["sync"]).expect(2);
    assert_eq!(sandbox.essence("web"), was, "{said}");
    let asked = said.stderr.matches(&sandbox.fill("pulling IMAGES/api:9")).count();
    assert_eq!(asked, 1, "{said}");
}

#[test]
fn an_image_that_cannot_be_had_is_asked_for_less_and_less_often() {
    let Some(sandbox) = Sandbox::open() else { return };
    sandbox.config(json!([{ "name": "app", "compose_files": ["compose.yaml"] }]));
    sandbox.publish("db:1");
    let with = |tag: &str| {
        format!("services:\n  db:\n    image: IMAGES/db:1\n  web:\n    image: IMAGES/web:{tag}\n")
    };
    sandbox.commit(&[("compose.yaml", &with("1"))], "An image that is not there");
    for _ in 0..2 {
        let said = sandbox.renew(["sync"]).expect(2).stderr;
        assert!(said.contains("pulling") && !said.contains("tried again"), "{said}");
    }
    sandbox.runs(&["db"]);
    sandbox.publish("web:1");
    let since = sandbox.docker(["info", "-f", "{{.SystemTime}}"]);
    let run = sandbox.plan_then_sync(2);
    run.trouble().says("image_not_found", &["web:1"], "");
    says_when(&sandbox);
    assert_eq!(pulls(&sandbox, &since), "", "it is not asked for");
    let mut state = sandbox.record();
    let delay = delay_of(&mut state, &sandbox.fill("IMAGES/web:1"));
    assert_eq!(delay["failures"], 2);
    // Its time has come.
    delay["until"] = "2026-01-01T00:00:00Z".into();
    sandbox.store_record(&state);
    sandbox.plan_then_sync(0).result("app", "changed");
    sandbox.runs(&["db", "web"]);
    sandbox.settled();
}
