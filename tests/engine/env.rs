//! The secret env file beside the repository is rotated, half written, lost and brought back.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Sandbox, wait_for};

/// `db` reads the file, `web` does not, and `init` has done its work.
const SHOP: &str = "\
services:
  db:
    image: IMAGES/db:1
    environment: {TOKEN: \"${TOKEN}\"}
  init:
    image: IMAGES/db:1
    command: [\"/bin/sh\", \"-c\", \"exit 0\"]
  web:
    image: IMAGES/web:1
    restart: unless-stopped
    depends_on: {db: {condition: service_started}, init: {condition: service_completed_successfully}}
";

/// A stack of the same service in a folder of its own.
const SIDE: &str = "\
name: SANDBOX-side
services:
  side:
    image: IMAGES/web:1
    restart: unless-stopped
";

const SETTLED: &str = "
    db    none  settled
    init  none  completed
    web   none  settled
";

const ROTATED: &str = "
    db    recreate  env
    init  none      completed
    web   recreate  env
";

fn configure(sandbox: &Sandbox, more: &Value) {
    let mut app = json!({
        "name": "app", "compose_files": ["compose.yaml"], "env_file": "app.env",
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        app[key] = value.clone();
    }
    sandbox.config(json!([app]));
}

/// A sandbox in which a stack runs with `TOKEN=first`.
fn running(stack: &str) -> Option<Sandbox> {
    let sandbox = Sandbox::open()?;
    sandbox.publish("db:1");
    sandbox.publish("web:1");
    configure(&sandbox, &json!({}));
    sandbox.write("app.env", "TOKEN=first\n");
    sandbox.commit(&[("compose.yaml", stack)], "The shop");
    sandbox.plan_then_sync(0);
    sandbox.settled();
    Some(sandbox)
}

fn env_file(sandbox: &Sandbox) -> PathBuf {
    sandbox.root().join("app.env")
}

/// What a sync that ends with `code` says went wrong with the service.
#[track_caller]
fn error(sandbox: &Sandbox, code: i32) -> Value {
    let mut document = sandbox.renew(["sync", "--json"]).expect(code).json();
    document["services"][0]["error"].take()
}

#[test]
fn a_rotation_reaches_every_lasting_container_of_the_service_once() {
    let Some(sandbox) = running(SHOP) else { return };
    let both = json!({ "compose_files": ["compose.yaml", "side/compose.yaml"] });
    configure(&sandbox, &both);
    sandbox.commit(&[("side/compose.yaml", SIDE)], "Something beside it");
    sandbox.plan_then_sync(0);
    sandbox.settled();
    assert!(sandbox.has_env("db", "TOKEN=first"));
    for (token, more) in [("second", both), ("third", json!({ "recreate_on": ["image"] }))] {
        let mut more = more;
        more["compose_files"] = json!(["compose.yaml", "side/compose.yaml"]);
        configure(&sandbox, &more);
        let before = sandbox.ids();
        sandbox.write("app.env", &format!("TOKEN={token}\n"));
        let run = sandbox.plan_then_sync(0);
        run.did(&format!("{ROTATED}\n side recreate env"));
        run.result("app", "changed");
        sandbox.only_changed(&before, &["db", "side", "web"]);
        assert!(sandbox.has_env("db", &format!("TOKEN={token}")));
        sandbox.settled();
    }
}

#[test]
fn a_file_that_is_only_touched_or_replaced_by_its_like_costs_nothing() {
    let Some(sandbox) = running(SHOP) else { return };
    let touched = std::time::SystemTime::now();
    fs::File::open(env_file(&sandbox)).and_then(|f| f.set_modified(touched)).expect("to touch it");
    sandbox.settled();
    sandbox.write("next.env", "TOKEN=first\n");
    fs::rename(sandbox.root().join("next.env"), env_file(&sandbox)).expect("to replace it");
    sandbox.settled();
}

#[test]
fn a_link_that_is_switched_over_is_a_rotation() {
    let Some(sandbox) = running(SHOP) else { return };
    let root = sandbox.root();
    for (folder, token) in [("v1", "first"), ("v2", "second")] {
        fs::create_dir(root.join(folder)).expect("a folder");
        sandbox.write(&format!("{folder}/app.env"), &format!("TOKEN={token}\n"));
    }
    let switch = |to: &str| {
        symlink(to, root.join("..next")).expect("a link");
        fs::rename(root.join("..next"), root.join("..data")).expect("to switch it over");
    };
    switch("v1");
    fs::remove_file(env_file(&sandbox)).expect("to remove it");
    symlink("..data/app.env", env_file(&sandbox)).expect("a link");
    sandbox.settled();
    let before = sandbox.ids();
    switch("v2");
    sandbox.plan_then_sync(0).did(ROTATED);
    sandbox.only_changed(&before, &["db", "web"]);
    assert!(sandbox.has_env("db", "TOKEN=second"));
    sandbox.settled();
}

#[test]
fn the_first_sight_of_a_file_restarts_nothing() {
    let Some(sandbox) = running(SHOP) else { return };
    // Another container than compose would make of it, since `web` reads nothing.
    let before = sandbox.ids();
    fs::remove_dir_all(sandbox.state()).expect("to lose the state");
    sandbox.write("app.env", "TOKEN=first\nNEW=1\n");
    sandbox.renew(["sync"]).expect(0);
    sandbox.only_changed(&before, &[]);
    sandbox.settled();
    // Configured later, for a stack that was there before.
    sandbox.config(json!([{ "name": "app", "compose_files": ["compose.yaml"] }]));
    let plain = SHOP.replace("    environment: {TOKEN: \"${TOKEN}\"}\n", "");
    sandbox.commit(&[("compose.yaml", &plain)], "Nobody reads it");
    sandbox.plan_then_sync(0);
    sandbox.settled();
    let before = sandbox.ids();
    configure(&sandbox, &json!({}));
    sandbox.plan_then_sync(0).did(SETTLED);
    sandbox.only_changed(&before, &[]);
    sandbox.settled();
    sandbox.write("app.env", "TOKEN=other\n");
    sandbox.plan_then_sync(0).did(ROTATED);
    sandbox.settled();
}

#[test]
fn a_file_that_cannot_be_read_restarts_nothing_and_stopped_containers_are_started() {
    let Some(sandbox) = running(SHOP) else { return };
    let before = sandbox.ids();
    let path = env_file(&sandbox);
    let gone = || fs::remove_file(&path).expect("to remove it");
    let cases: [(&str, &str, &dyn Fn()); 4] = [
        ("missing", "env_file_missing", &gone),
        ("a dangling link", "env_file_missing", &|| {
            symlink("nowhere", &path).expect("a link");
        }),
        ("a folder", "env_file_unreadable", &|| {
            gone();
            fs::create_dir(&path).expect("a folder");
        }),
        ("too large", "env_file_unreadable", &|| {
            fs::remove_dir(&path).expect("to remove it");
            fs::write(&path, vec![b'#'; (1 << 20) + 1]).expect("a file");
        }),
    ];
    for (what, reason, spoil) in cases {
        spoil();
        sandbox.docker(["kill", &before["db"][0]]);
        let run = sandbox.plan_then_sync(1);
        run.did(&SETTLED.replace("db    none  settled", "db    start  stopped"));
        run.result("app", "failed");
        sandbox.only_changed(&before, &[]);
        sandbox.runs(&["db", "web"]);
        sandbox.plan_then_sync(1).did(SETTLED);
        let said = error(&sandbox, 1);
        assert_eq!(said["reason"], reason, "{what}: {said}");
        let message = said["message"].as_str().unwrap_or_default();
        assert!(message.contains(&path.display().to_string()), "{what}: {said}");
        assert!(said["resolution"].as_str().is_some_and(|way| way.len() > 20), "{what}: {said}");
    }
    gone();
    sandbox.write("app.env", "TOKEN=first\n");
    sandbox.settled();
    sandbox.only_changed(&before, &[]);
}

/// Somebody who writes a file all the time, until this is dropped.
struct Writer {
    done: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    fn start(path: PathBuf) -> Writer {
        let done = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&done);
        let work = move || {
            let mut turn = 0;
            while !told.load(Ordering::SeqCst) {
                turn += 1;
                fs::write(&path, format!("TOKEN=half-{turn}\n")).expect("to write");
                std::thread::sleep(Duration::from_millis(10));
            }
        };
        Writer { done, thread: Some(std::thread::spawn(work)) }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.done.store(true, Ordering::SeqCst);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

#[test]
fn a_file_that_is_being_written_is_left_for_the_next_run() {
    let Some(sandbox) = running(SHOP) else { return };
    let before = sandbox.ids();
    let path = env_file(&sandbox);
    sandbox.docker(["kill", &before["db"][0]]);
    let writer = Writer::start(path.clone());
    let run = sandbox.plan_then_sync(1);
    let said = error(&sandbox, 1);
    drop(writer);
    run.did(&SETTLED.replace("db    none  settled", "db    start  stopped"));
    assert_eq!(said["reason"], "env_file_changing", "{said}");
    sandbox.only_changed(&before, &[]);
    sandbox.runs(&["db", "web"]);
    // Written in two parts, and a run between them: it waits for the second.
    fs::write(&path, "TOKEN=sec").expect("to write");
    let sync = sandbox.start_renew(["sync"]);
    std::thread::sleep(Duration::from_millis(300));
    fs::write(&path, "TOKEN=second\n").expect("to write");
    sync.finish().expect(0);
    assert!(sandbox.has_env("db", "TOKEN=second"));
    sandbox.only_changed(&before, &["db", "web"]);
    sandbox.settled();
}

#[test]
fn a_refused_rotation_is_taken_up_again_but_not_while_the_file_is_away() {
    let Some(sandbox) = running(SHOP) else { return };
    let before = sandbox.ids();
    let refusing = json!({ "health": { "peer_urls": ["http://127.0.0.2:9/"], "timeout": "1s" } });
    configure(&sandbox, &refusing);
    sandbox.write("app.env", "TOKEN=second\n");
    for _ in 0..2 {
        let run = sandbox.plan_then_sync(3);
        run.did("db none refused\n init none completed\n web none refused");
        run.result("app", "refused");
    }
    configure(&sandbox, &json!({}));
    fs::rename(env_file(&sandbox), sandbox.root().join("aside")).expect("to take it away");
    for _ in 0..2 {
        sandbox.plan_then_sync(1).did(SETTLED);
    }
    sandbox.only_changed(&before, &[]);
    fs::rename(sandbox.root().join("aside"), env_file(&sandbox)).expect("to bring it back");
    sandbox.plan_then_sync(0).did(ROTATED);
    sandbox.only_changed(&before, &["db", "web"]);
    assert!(sandbox.has_env("db", "TOKEN=second"));
    sandbox.settled();
    // Refused, and then taken back: nothing was ever rotated.
    let before = sandbox.ids();
    configure(&sandbox, &refusing);
    sandbox.write("app.env", "TOKEN=third\n");
    sandbox.plan_then_sync(3);
    sandbox.write("app.env", "TOKEN=second\n");
    sandbox.plan_then_sync(0).did(SETTLED);
    sandbox.only_changed(&before, &[]);
    sandbox.settled();
}

/// `db` is on its own, and does not live with `TOKEN=bad`.
const PICKY: &str = "\
services:
  db:
    image: IMAGES/db:1
    environment: {TOKEN: \"${TOKEN}\"}
    healthcheck: {test: [CMD, /bin/sh, -c, \":\"], interval: 1s}
    command: [\"/bin/sh\", \"-c\", \"[ $$TOKEN != bad ] || exit 3; exec sleep 100000\"]
  web:
    image: IMAGES/web:1
    restart: unless-stopped
";

#[test]
fn a_bad_rotation_fails_until_it_is_mended_and_restarts_what_is_good_only_once() {
    let Some(sandbox) = running(PICKY) else { return };
    let before = sandbox.ids();
    sandbox.write("app.env", "TOKEN=bad\n");
    sandbox.plan_then_sync(2).did("db recreate env\n web recreate env");
    sandbox.only_changed(&before, &["db", "web"]);
    let before = sandbox.ids();
    for _ in 0..2 {
        sandbox.renew(["sync"]).expect(2);
        sandbox.only_changed(&before, &[]);
    }
    sandbox.write("app.env", "TOKEN=good\n");
    sandbox.plan_then_sync(0).did("db recreate env\n web recreate env");
    assert!(sandbox.has_env("db", "TOKEN=good"));
    sandbox.settled();
}

/// `web` comes after `db`, which reads nothing, and takes its three seconds to stop.
const SLOW: &str = "\
services:
  db:
    image: IMAGES/db:1
  web:
    image: IMAGES/web:1
    environment: {TOKEN: \"${TOKEN}\"}
    depends_on: [db]
    command: [\"/bin/sh\", \"-c\", \"trap '' TERM; while :; do sleep 1; done\"]
    stop_grace_period: 3s
";

#[test]
fn a_sync_killed_in_the_middle_of_a_rotation_is_finished_and_not_repeated() {
    for with_children in [true, false] {
        let Some(sandbox) = running(SLOW) else { return };
        let before = sandbox.ids();
        sandbox.write("app.env", "TOKEN=second\n");
        sandbox.forget_started();
        let sync = sandbox.start_renew(["sync"]);
        sandbox.wait_for_recreate("web");
        let groups: Vec<i32> = sandbox.started().iter().map(|one| one.pid).collect();
        let db = sandbox.ids()["db"].clone();
        if with_children {
            sync.kill_with(&groups);
        } else {
            sync.kill_alone();
        }
        assert_ne!(db, before["db"], "the story needs a first half");
        sandbox.renew(["sync"]).expect(0);
        sandbox.runs(&["db", "web"]);
        assert_eq!(sandbox.ids()["db"], db, "what has the new content is not made again");
        assert!(sandbox.has_env("web", "TOKEN=second"));
        sandbox.settled();
    }
}

#[test]
fn names_that_are_for_compose_itself_are_refused_by_key_and_line() {
    let Some(sandbox) = running(SHOP) else { return };
    let before = sandbox.ids();
    let secret = "hunter2-elsewhere.yaml";
    sandbox.write("app.env", &format!("TOKEN=first\nexport COMPOSE_FILE={secret}\n"));
    sandbox.docker(["kill", &before["db"][0]]);
    let text = sandbox.renew_with(["sync"], &[("RUST_LOG", "trace")]).expect(1);
    assert!(!format!("{text}").contains(secret), "{text}");
    let said = error(&sandbox, 1);
    assert_eq!(said["reason"], "env_file_compose");
    let message = said["message"].as_str().unwrap_or_default();
    assert!(message.contains("COMPOSE_FILE (line 2)"), "{said}");
    sandbox.only_changed(&before, &[]);
    sandbox.runs(&["db", "web"]);
    sandbox.write("app.env", "TOKEN=first\n");
    sandbox.settled();
}

/// Everything that plan and sync say and start, with the most talkative log.
#[track_caller]
fn everything_said(sandbox: &Sandbox, code: i32) -> String {
    sandbox.forget_started();
    let mut all = String::new();
    for args in [["plan", "--json"], ["sync", "--json"]] {
        let output = sandbox.renew_with(args, &[("RUST_LOG", "trace")]);
        assert!(output.code == code || args[0] == "plan", "{output}");
        all += &format!("{}{}", output.stdout, output.stderr);
    }
    all + &format!("{:?}", sandbox.started())
}

#[test]
fn no_part_of_an_env_file_is_ever_said() {
    let Some(sandbox) = running(SHOP) else { return };
    let [one, two] = ["hunter2one", "hunter2two"];
    // A rotation; `$` makes a variable of the rest of a password.
    for (content, code) in [
        (format!("TOKEN={one} # {two}\n"), 0),
        (format!("TOKEN='{one}${two}'\n"), 0),
        (format!("TOKEN={one}${two}\n"), 1),
        (format!("TOKEN=\"{one}\n{two}\"\n"), 0),
        (format!("TOKEN: {one}\nOPEN=\"{two}\n"), 1),
        (format!("TO+KEN={one} \"{two}\\\n"), 1),
    ] {
        sandbox.write("app.env", &content);
        let said = everything_said(&sandbox, code);
        for secret in [one, two] {
            assert!(!said.contains(secret), "{content}: {said}");
        }
    }
    let said = error(&sandbox, 1);
    assert_eq!(said["reason"], "env_file_syntax", "{said}");
    let message = said["message"].as_str().unwrap_or_default();
    assert!(message.contains(&env_file(&sandbox).display().to_string()), "{said}");
    // It links to what is no env file at all.
    sandbox.write("shadow", &format!("root:$6${one}/{two}:19000:0:99999:7:::\n!{one}:{two}\n"));
    fs::remove_file(env_file(&sandbox)).expect("to remove it");
    symlink("shadow", env_file(&sandbox)).expect("a link");
    let said = everything_said(&sandbox, 1);
    assert!(!said.contains(one) && !said.contains(two), "{said}");
    // It comes into a command that is not there, where only the engine sees it.
    fs::remove_file(env_file(&sandbox)).expect("to remove it");
    sandbox.write("app.env", &format!("TOKEN=x\nTOOL='/{one}${two}'\n"));
    let tool = SHOP.replace("restart: unless", "command: [\"${TOOL}\"]\n    restart: unless");
    sandbox.commit(&[("compose.yaml", &tool)], "A command that is not there");
    let said = everything_said(&sandbox, 2);
    assert!(!said.contains(one) && !said.contains(two), "{said}");
}

#[test]
fn no_private_copy_is_left_behind() {
    let Some(sandbox) = running(SHOP) else { return };
    sandbox.write("app.env", "TOKEN=second\n");
    sandbox.renew(["sync"]).expect(0);
    let left: Vec<_> = fs::read_dir(sandbox.state().join("tmp")).expect("a folder").collect();
    assert!(left.is_empty(), "{left:?}");
    let started = wait_for("compose config", 30, || {
        sandbox.started().into_iter().find(|one| one.line.contains(" config "))
    });
    assert!(!started.line.contains("app.env"), "compose reads what was hashed: {started:?}");
}
