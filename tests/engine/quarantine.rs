//! What waits: a target that failed, for another one; a cause that may pass, for its time; a change that
//! is cut off again and again, for nobody.

use std::fs;
use std::net::TcpListener;

use serde_json::{Value, json};

use crate::support::{Sandbox, free_address, wait_for};
use crate::{SLOW, THREE, slow_running, three_running};

/// [`THREE`] with a `web` that ends at once.
fn broken() -> String {
    format!("{THREE}    command: [\"/bin/sh\", \"-c\", \"exit 3\"]\n")
}

/// What the engine was asked to fetch of this sandbox since an instant of its own clock.
pub fn pulls(sandbox: &Sandbox, since: &str) -> String {
    let until = sandbox.docker(["info", "-f", "{{.SystemTime}}"]);
    let said = sandbox.docker([
        "events",
        "--since",
        since,
        "--until",
        &until,
        "--filter",
        "event=pull",
        "--format",
        "{{.Actor.ID}}",
    ]);
    let ours = sandbox.fill("IMAGES/");
    said.lines().filter(|line| line.contains(&ours)).collect()
}

#[test]
fn a_bad_target_costs_nothing_for_twenty_runs_and_fifty_commits() {
    let Some(sandbox) = three_running() else { return };
    sandbox.config(json!([{ "name": "app", "compose_files": ["compose.yaml"] }]));
    sandbox.commit(&[("compose.yaml", &broken())], "A bad web");
    sandbox.renew(["sync"]).expect(2);
    let (after, since) = (sandbox.ids(), sandbox.docker(["info", "-f", "{{.SystemTime}}"]));
    let mut number = 0;
    for run in 0..20 {
        for _ in 0..[3, 2][run % 2] {
            number += 1;
            sandbox.commit(&[("README", &format!("{number}\n"))], "Words");
        }
        sandbox.forget_started();
        sandbox.renew(["sync"]).expect(2);
        let docker = sandbox.started().into_iter().filter(|one| one.line.contains(" up "));
        assert_eq!(docker.count(), 0, "run {run}");
    }
    assert_eq!(number, 50);
    sandbox.only_changed(&after, &[]);
    assert_eq!(pulls(&sandbox, &since), "");
    // Every surface says which target, since when, why, and what to do.
    let status = sandbox.renew(["status"]).stdout;
    let why = sandbox.renew(["why", "app"]).stdout;
    let history = sandbox.renew(["history", "--service", "app"]).stdout;
    let text = sandbox.renew(["sync"]).expect(2).stderr;
    for (what, said) in [("status", &status), ("why", &why), ("history", &history), ("sync", &text)]
    {
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in ["web", "exited with code 3", "renew retry app"] {
            // What happened once says nothing of what to do now.
            let said = said.contains(part) || (what, part) == ("history", "renew retry app");
            assert!(said, "{what} does not say {part}: {status}{why}{history}{text}");
        }
    }
    // A retry tries it at once; what is mended comes at once.
    sandbox.renew(["retry", "app"]).expect(2);
    sandbox.only_changed(&after, &["web"]);
    sandbox.commit(
        &[("compose.yaml", &format!("{THREE}    command: [\"sleep\", \"1000\"]\n"))],
        "Good",
    );
    sandbox.plan_then_sync(0).result("app", "changed");
    sandbox.settled();
}

#[test]
fn a_change_that_is_cut_off_three_times_counts_as_failed() {
    let Some(sandbox) = slow_running() else { return };
    sandbox.config(json!([{ "name": "app", "compose_files": ["compose.yaml"] }]));
    let was = sandbox.essence("web");
    let db = sandbox.ids()["db"].clone();
    sandbox.commit(&[("compose.yaml", &SLOW.replace("web:1", "web:2"))], "web 2");
    for _ in 0..3 {
        sandbox.forget_started();
        let sync = sandbox.start_renew(["sync"]);
        wait_for("compose to begin", 60, || {
            sandbox.started().into_iter().find(|one| one.line.contains(" up "))
        });
        let groups: Vec<i32> = sandbox.started().iter().map(|one| one.pid).collect();
        sync.kill_with(&groups);
    }
    let run = sandbox.renew(["sync", "--json"]).expect(2).json();
    assert_eq!(run["services"][0]["error"]["reason"], "cut_off", "{run:#}");
    assert_eq!(sandbox.essence("web"), was);
    assert_eq!(sandbox.ids()["db"], db);
    let after = sandbox.ids();
    sandbox
        .plan_then_sync(2)
        .result("app", "quarantined")
        .did("db none settled\n web none quarantined");
    sandbox.only_changed(&after, &[]);
    sandbox.renew(["retry", "app"]).expect(0);
    assert!(sandbox.version("web").starts_with("web:2 "));
    sandbox.settled();
}

#[test]
fn what_may_pass_by_itself_is_tried_again_after_growing_pauses() {
    let Some(sandbox) = three_running() else { return };
    sandbox.config(json!([{
        "name": "app", "compose_files": ["compose.yaml"], "pre_script": "pre.sh",
    }]));
    let was = sandbox.essence("web");
    // Somebody takes the port after it was found free.
    let port = free_address();
    let stack = format!("{THREE}    ports: [\"{port}:80\"]\n");
    let script = "#!/bin/sh\necho >ROOT/asked\nuntil [ -e ROOT/bound ]; do sleep 0.1; done\n";
    let script = script.replace("ROOT", &sandbox.root().display().to_string());
    sandbox.commit(&[("compose.yaml", &stack), ("pre.sh", &script)], "A port");
    for minutes in [1, 2, 4] {
        let sync = sandbox.start_renew(["sync", "--json"]);
        wait_for("the script", 60, || fs::remove_file(sandbox.root().join("asked")).ok());
        let taken = TcpListener::bind(port).expect("the port");
        sandbox.write("bound", "");
        let run = sync.finish().expect(2).json();
        drop(taken);
        fs::remove_file(sandbox.root().join("bound")).expect("a file");
        assert_eq!(run["services"][0]["result"], "rolled_back", "{run:#}");
        assert_eq!(sandbox.essence("web"), was);
        let mut state = sandbox.record();
        let failed = &mut state["quarantine"][&sandbox.id]["web"][0];
        let time = |text: &Value| {
            chrono::DateTime::parse_from_rfc3339(text.as_str().expect("a time")).expect("a time")
        };
        assert_eq!((time(&failed["until"]) - time(&failed["since"])).num_minutes(), minutes);

        let after = sandbox.ids();
        let run = sandbox.plan_then_sync(2);
        run.did("cache none settled\n db none settled\n web none deferred");
        run.trouble().says("retried_later", &["web is tried again from"], "renew retry app");
        sandbox.only_changed(&after, &[]);
        failed["until"] = failed["since"].clone();
        sandbox.store_record(&state);
    }
    // Another target does not wait.
    let stack = format!("{THREE}    environment: {{A: b}}\n");
    sandbox.commit(&[("compose.yaml", &stack), ("pre.sh", "#!/bin/sh\n")], "No port");
    sandbox.plan_then_sync(0).result("app", "changed");
    sandbox.settled();
}

#[test]
fn to_accept_something_lifts_no_quarantine() {
    let Some(sandbox) = Sandbox::open() else { return };
    for image in ["db:1", "web:1"] {
        sandbox.publish(image);
    }
    let stack = |volume: &str, web: &str| {
        format!(
            "services:\n  db:\n    image: IMAGES/db:1\n    volumes: [\"{volume}:/data\"]\n  \
             web:\n    image: IMAGES/web:1\n    environment: {{A: {web}}}\n    \
             command: [\"/bin/sh\", \"-c\", \"[ $$A = good ] || exit 3; sleep 1000\"]\nvolumes: {{one: {{}}, two: {{}}}}\n"
        )
    };
    sandbox.commit(&[("compose.yaml", &stack("one", "good"))], "Good");
    sandbox.plan_then_sync(0);
    sandbox.commit(&[("compose.yaml", &stack("one", "bad"))], "Bad");
    sandbox.renew(["sync"]).expect(2);
    sandbox.commit(&[("compose.yaml", &stack("two", "bad"))], "Another volume");
    let before = sandbox.ids();
    let run = sandbox.plan_then_sync(2);
    run.did("db none refused\n web none quarantined");
    sandbox.only_changed(&before, &[]);
    sandbox.renew(["accept", "app"]).expect(0);
    sandbox.plan_then_sync(2).did("db recreate config\n web none quarantined");
    sandbox.only_changed(&before, &["db"]);
    sandbox.commit(&[("compose.yaml", &stack("two", "good"))], "Mended");
    sandbox.renew(["sync"]).expect(0);
    sandbox.settled();
}
