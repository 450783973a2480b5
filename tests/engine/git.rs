//! Trouble with the repository never keeps a service down, and is mended where it can be.

use std::fs;
use std::net::TcpListener;

use serde_json::json;

use crate::support::Sandbox;
use crate::{THREE, three_running};

const WEB_IS_DOWN: &str = "
    cache  none   settled
    db     none   settled
    web    start  missing
";

fn configure(sandbox: &Sandbox) {
    sandbox.config(json!([{
        "name": "app",
        "compose_files": ["compose.yaml"],
        "timeouts": { "git": "2s" },
    }]));
}

#[test]
fn a_server_that_never_answers_keeps_nothing_down() {
    let Some(sandbox) = three_running() else { return };
    configure(&sandbox);
    let before = sandbox.ids();
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/x.git", silent.local_addr().expect("an address"));
    let remote = sandbox.git(&sandbox.host, &["remote", "get-url", "origin"]);
    sandbox.git(&sandbox.host, &["remote", "set-url", "origin", &url]);
    sandbox.docker(["rm", "-f", &before["web"][0]]);
    sandbox.plan_then_sync(1).did(WEB_IS_DOWN);
    let left = fs::read_dir("/proc").expect("processes").flatten().filter(|process| {
        let line = fs::read(process.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(&url)
    });
    assert_eq!(left.count(), 0, "git was left behind");
    sandbox.runs(&["cache", "db", "web"]);
    sandbox.only_changed(&before, &["web"]);
    sandbox.git(&sandbox.host, &["remote", "set-url", "origin", &remote]);
    sandbox.settled();
}

#[test]
fn a_lock_of_git_keeps_nothing_down() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    sandbox.publish("web:2");
    sandbox.commit(&[("compose.yaml", &THREE.replace("web:1", "web:2"))], "Web 2");
    let lock = sandbox.host.join(".git/index.lock");
    fs::write(&lock, "").expect("a lock");
    sandbox.docker(["kill", &before["db"][0]]);
    let output = sandbox.renew(["sync"]).expect(1);
    assert!(output.stderr.contains("index.lock is"), "{output}");
    sandbox.runs(&["cache", "db", "web"]);
    sandbox.only_changed(&before, &[]);
    fs::remove_file(&lock).expect("removed");
    sandbox.plan_then_sync(0);
    sandbox.only_changed(&before, &["web"]);
    sandbox.settled();
}

#[test]
fn files_that_cannot_move_keep_nothing_down_and_what_runs_as_it_is() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    // Held back, because its image is not there yet.
    sandbox.commit(&[("compose.yaml", &THREE.replace("web:1", "web:2"))], "Web 2");
    sandbox.plan_then_sync(2);
    sandbox.publish("web:2");
    // What needs no pull is not started before one.
    sandbox.docker(["pull", &sandbox.fill("IMAGES/web:2")]);
    let lock = sandbox.host.join(".git/index.lock");
    fs::write(&lock, "").expect("a lock");
    sandbox.docker(["kill", &before["db"][0]]);
    sandbox.docker(["rm", "-f", &before["cache"][0]]);
    let output = sandbox.renew(["sync"]).expect(1);
    assert!(output.stderr.contains("index.lock is"), "{output}");
    sandbox.runs(&["cache", "db", "web"]);
    sandbox.only_changed(&before, &["cache"]);
    fs::remove_file(&lock).expect("removed");
    sandbox.plan_then_sync(0);
    sandbox.only_changed(&before, &["cache", "web"]);
    sandbox.settled();
}

#[test]
fn a_damaged_file_of_the_target_is_had_again() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    sandbox.publish("web:2");
    sandbox.commit(&[("compose.yaml", &THREE.replace("web:1", "web:2"))], "Web 2");
    sandbox.git(&sandbox.host, &["fetch", "-q", "origin"]);
    let id = sandbox.git(&sandbox.host, &["rev-parse", "origin/main:compose.yaml"]);
    let object = sandbox.host.join(".git/objects").join(&id[..2]).join(&id[2..]);
    fs::remove_file(&object).expect("a loose object");
    fs::write(&object, "").expect("a damaged one");
    fs::write(sandbox.host.join("mine"), "untracked").expect("a file");
    let planned = sandbox.renew(["plan", "--json"]);
    assert!(planned.stdout.contains("git_corrupt"), "{planned}");
    assert!(planned.stdout.contains("`renew sync` has what is damaged sent again"), "{planned}");
    let output = sandbox.renew(["sync"]).expect(0);
    assert!(output.stderr.contains("fetching main anew"), "{output}");
    sandbox.only_changed(&before, &["web"]);
    let mine = fs::read_to_string(sandbox.host.join("mine")).expect("a file");
    assert_eq!(mine, "untracked");
    sandbox.settled();
}

fn mounting(path: &str) -> String {
    THREE.replace(
        "image: IMAGES/web:1",
        &format!("image: IMAGES/web:1\n    volumes: [./{path}:/in]"),
    )
}

/// Pushes a submodule, which no clone here could bring.
fn add_submodule(sandbox: &Sandbox, path: &str) {
    let author = sandbox.root().join("author");
    let entry = format!("160000,{},{path}", "1".repeat(40));
    sandbox.git(&author, &["update-index", "--add", "--cacheinfo", &entry]);
    sandbox.git(&author, &["commit", "-q", "-m", "A submodule"]);
    sandbox.git(&author, &["push", "-q", "origin", "HEAD:main"]);
    fs::create_dir_all(author.join(path)).expect("its folder");
}

#[test]
fn a_submodule_is_refused_where_a_service_uses_it() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    add_submodule(&sandbox, "lib/x");
    sandbox.plan_then_sync(0);
    sandbox.settled();
    for used in ["lib/x/conf", "lib/x", "lib"] {
        sandbox.commit(&[("compose.yaml", &mounting(used))], "Use it");
        sandbox.docker(["rm", "-f", &sandbox.ids()["web"][0]]);
        let run = sandbox.plan_then_sync(1);
        run.did(WEB_IS_DOWN);
        assert!(run.output.stdout.contains("lib/x is a submodule"), "{}", run.output);
        assert!(run.output.stdout.contains("unsupported_submodule"), "{}", run.output);
    }
    sandbox.only_changed(&before, &["web"]);
    sandbox.commit(&[("compose.yaml", &mounting("site")), ("site/a", "1")], "Keep it here");
    sandbox.plan_then_sync(0);
    sandbox.settled();
}

#[test]
fn a_file_in_large_file_storage_is_refused_where_a_service_uses_it() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";
    let files =
        [("art/logo.png", pointer), (".gitattributes", "*.png filter=lfs diff=lfs -text\n")];
    sandbox.commit(&files, "A picture that nobody uses");
    sandbox.plan_then_sync(0);
    sandbox.settled();
    sandbox.commit(&[("compose.yaml", &mounting("art"))], "Use it");
    sandbox.docker(["kill", &before["db"][0]]);
    let run = sandbox.plan_then_sync(1);
    run.did(
        "
        cache  none   settled
        db     start  stopped
        web    none   settled
    ",
    );
    assert!(run.output.stdout.contains("art/logo.png is kept in git LFS"), "{}", run.output);
    sandbox.runs(&["cache", "db", "web"]);
    sandbox.only_changed(&before, &[]);
    sandbox.commit(&[("compose.yaml", pointer)], "A compose file in it");
    let run = sandbox.plan_then_sync(1);
    assert!(run.output.stdout.contains("compose.yaml is kept in git LFS"), "{}", run.output);
    sandbox.only_changed(&before, &[]);
}
