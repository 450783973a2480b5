//! renew as a person or a script meets it: the real binary and real git repositories. It needs no
//! docker: there is none at the address these tests name.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test is not the product: it drives processes and clocks, and says no by panicking"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// No command of these tests takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A service that this host has nothing to do for: a pass over it needs no engine.
const ELSEWHERE: &str =
    r#"{"name": "shop", "compose_files": ["shop/c.yml"], "hosts": ["elsewhere"]}"#;
const HERE: &str = r#"{"name": "shop", "compose_files": ["shop/c.yml"]}"#;

const ELSEWHERE_BLOG: &str =
    r#"{"name": "blog", "compose_files": ["blog/c.yml"], "hosts": ["elsewhere"]}"#;

/// A remote, the clone of somebody who pushes, and a host's clone.
struct World {
    root: TempDir,
}

/// What a command left.
#[derive(Debug)]
struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Said {
    /// The one JSON document on standard output; nothing else may be there.
    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|cause| panic!("{cause}: {self:?}"))
    }

    /// Messages of the pass and of its services.
    #[track_caller]
    fn problems(&self) -> Vec<String> {
        let json = self.json();
        let of_services = json["services"].as_array().expect("a list").iter().map(|s| &s["error"]);
        let all = json["errors"].as_array().expect("a list").iter().chain(of_services);
        let told = all.filter(|error| !error.is_null());
        told.map(|error| error["message"].as_str().expect("text").to_owned()).collect()
    }
}

impl World {
    /// With this text as renew.json in the repository.
    fn new(config: &str) -> World {
        let world = World { root: tempfile::tempdir().expect("a folder") };
        let root = world.path("");
        // What is looked for is a file; nothing here gets as far as starting it.
        fs::create_dir_all(world.path("docker/cli-plugins")).expect("folders");
        fs::write(world.path("docker/cli-plugins/docker-compose"), "").expect("a file");
        git(&root, &["init", "-q", "--bare", "--initial-branch=main", "remote.git"]);
        git(&root, &["clone", "-q", "remote.git", "author"]);
        world.push(&[("shop/c.yml", ""), ("blog/c.yml", ""), ("renew.json", config)]);
        git(&root, &["clone", "-q", "remote.git", "host"]);
        world
    }

    fn with(services: &[&str]) -> World {
        World::new(&config(services))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn push(&self, files: &[(&str, &str)]) {
        let author = self.path("author");
        for (name, text) in files {
            let path = author.join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
            fs::write(path, text).expect("a file");
        }
        git(&author, &["add", "-A"]);
        git(&author, &["commit", "-q", "-m", "a change"]);
        git(&author, &["push", "-q", "origin", "HEAD:main"]);
    }

    fn command(&self, dir: &str, args: &str) -> Command {
        let mut renew = Command::new(env!("CARGO_BIN_EXE_renew"));
        let path = std::env::var("PATH").unwrap_or_default();
        renew
            .current_dir(self.path(dir))
            .args(args.split_whitespace())
            .env_clear()
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .env("HOME", self.root.path())
            .env("TZ", "UTC")
            .env("DOCKER_HOST", format!("unix://{}", self.path("no.sock").display()))
            .env("DOCKER_CONFIG", self.path("docker"))
            .stdin(Stdio::null());
        renew
    }

    #[track_caller]
    fn renew(&self, args: &str) -> Said {
        self.renew_in("host", args)
    }

    #[track_caller]
    fn renew_in(&self, dir: &str, args: &str) -> Said {
        let output = self.command(dir, args).output().expect("renew");
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
        let status = output.status;
        let code = status.code().unwrap_or_else(|| panic!("ended by {:?}", status.signal()));
        Said { code, out: text(&output.stdout), err: text(&output.stderr) }
    }
}

fn config(services: &[&str]) -> String {
    format!("{{\"services\": [{}]}}", services.join(", "))
}

#[track_caller]
fn git(dir: &Path, args: &[&str]) {
    let mut git = Command::new("git");
    git.current_dir(dir).args(["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]);
    git.args(args).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    let output = git.output().expect("git");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// What a person must never see.
#[track_caller]
fn plain(said: &Said) {
    let text = format!("{}{}", said.out, said.err);
    for bad in ["panicked", "Some(", "Error {", "\\n", "RUST_BACKTRACE", "/.renew/tmp/"] {
        assert!(!text.contains(bad), "{bad} in {said:?}");
    }
}

#[test]
fn a_broken_configuration_in_the_repository_is_mended_by_a_push() {
    let world = World::with(&[ELSEWHERE]);
    assert_eq!(world.renew("sync").code, 0);

    world.push(&[("renew.json", "{\"services\": [{\"nme\": 1}]}"), ("README", "one")]);
    let plan = world.renew("plan --json");
    assert_eq!(plan.code, 0, "there is a plan: that of the copy\n{plan:?}");
    assert!(plan.problems().iter().any(|text| text.contains("as main has it now")), "{plan:?}");

    let brought = world.renew("sync");
    assert_eq!((brought.code, brought.err.matches("unknown key").count()), (1, 1), "{brought:?}");
    plain(&brought);

    world.push(&[("renew.json", "no JSON at all"), ("README", "two")]);
    let worse = world.renew("sync --json");
    assert_eq!((worse.code, worse.json()["exit_code"].as_i64()), (1, Some(1)), "{worse:?}");
    let text = fs::read_to_string(world.path("host/README")).expect("a file");
    assert_eq!(text, "two", "the branch is followed all the same");

    world.push(&[("renew.json", &config(&[ELSEWHERE]))]);
    assert_eq!(world.renew("sync").code, 0);
    let settled = world.renew("sync");
    assert_eq!((settled.code, settled.out + &settled.err), (0, String::new()));
}

#[test]
fn a_configuration_that_cannot_be_read_is_told_once_and_in_json() {
    let world = World::with(&[HERE]);
    let dir = world.path("rubbish");
    fs::create_dir(&dir).expect("a folder");
    let write = |name: &str, text: &[u8]| fs::write(dir.join(name), text).expect("a file");
    write("empty.json", b"");
    write("binary.json", b"\x7fELF\x02\x01\xff\xfe");
    write("huge.json", &vec![b' '; (4 << 20) + 1]);
    write("comment.json", b"// mine\n{}");
    write("list.json", b"[]");
    write("twice.json", br#"{"x-a": 1, "x-a": 2, "services": []}"#);
    write("later.json", br#"{"requires": ">=99", "new": 1}"#);
    write("typo.json", b"{\r\n \"servces\": [],\r\n \"services\": [{\"name\": \"a b\"}]\r\n}");
    fs::create_dir(dir.join("folder.json")).expect("a folder");
    std::os::unix::fs::symlink("loop.json", dir.join("loop.json")).expect("a link");
    for (name, expected) in [
        ("missing.json", "missing.json: does not exist"),
        ("empty.json", "empty.json:1:1: is empty"),
        ("binary.json", "binary.json:1:7: is not UTF-8 text from here on"),
        ("huge.json", "huge.json: cannot be read: larger than 4194304 bytes"),
        ("comment.json", "comment.json:1:1: not JSON: a comment"),
        ("list.json", "list.json:1:1: expected an object, found a list"),
        ("twice.json", "twice.json:1:12: x-a: is set twice"),
        ("later.json", "later.json:1:14: requires: this is renew"),
        ("typo.json", "typo.json:2:2: servces: unknown key"),
        ("folder.json", "folder.json: is a directory"),
        ("loop.json", "loop.json: cannot be read"),
    ] {
        let file = dir.join(name);
        for command in ["plan", "sync"] {
            let said = world.renew(&format!("{command} --config {}", file.display()));
            assert_eq!((said.code, said.out.as_str()), (1, ""), "{said:?}");
            assert_eq!(said.err.matches(expected).count(), 1, "{expected}\n{said:?}");
            plain(&said);
            let said = world.renew(&format!("{command} --json --config {}", file.display()));
            assert_eq!((said.code, said.err.as_str()), (1, ""), "{said:?}");
            assert!(said.problems()[0].contains(expected), "{expected}\n{said:?}");
        }
        let said = world.renew(&format!("validate --config {}", file.display()));
        assert_eq!((said.code, said.out.matches(expected).count()), (1, 1), "{said:?}");
        let said = world.renew(&format!("validate --json --config {}", file.display()));
        let file_said = said.json()["errors"][0]["file"].clone();
        assert_eq!((said.code, file_said.as_str()), (1, file.to_str()), "{said:?}");
    }
}

#[test]
fn the_configuration_is_found_from_below_and_named_before_and_after() {
    let world = World::with(&[ELSEWHERE]);
    fs::create_dir_all(world.path("host/a/b")).expect("folders");
    let path = world.path("host/renew.json");
    let name = path.to_str().expect("UTF-8");
    for (dir, args) in [
        ("host/a/b", "validate".to_owned()),
        ("docker", format!("--config {name} validate")),
        ("docker", format!("validate -c {name}")),
        ("docker", "validate --config ../host/renew.json".to_owned()),
    ] {
        let said = world.renew_in(dir, &args);
        assert!(said.code == 0 && said.out.contains("renew.json: 1 service"), "{said:?}");
    }
    if Path::new("/etc/renew/renew.json").exists() {
        return;
    }
    for command in ["sync", "plan", "validate"] {
        let said = world.renew_in("docker", command);
        assert_eq!((said.code, said.out.as_str()), (1, ""), "{said:?}");
        assert!(said.err.starts_with("renew: no renew.json here"), "{said:?}");
        let said = world.renew_in("docker", &format!("{command} --json"));
        assert_eq!((said.code, said.err.as_str()), (1, ""), "{said:?}");
        assert_eq!(said.json()["errors"].as_array().map(Vec::len), Some(1), "{said:?}");
    }
}

#[test]
fn a_service_that_is_not_there_has_a_neighbour() {
    let world = World::with(&[ELSEWHERE]);
    for command in ["sync", "plan"] {
        let said = world.renew(&format!("{command} --service shp"));
        assert_eq!((said.code, said.out.as_str()), (1, ""), "{said:?}");
        assert!(said.err.ends_with("  -> did you mean `shop`?\n"), "{said:?}");
        let said = world.renew(&format!("{command} --json --service shop --service shp"));
        assert_eq!((said.code, said.problems().len(), said.err.as_str()), (1, 1, ""), "{said:?}");
    }
    // One that the next fetch brings can be named at once, by a sync as by a plan.
    world.push(&[("renew.json", &config(&[&ELSEWHERE.replace("shop", "blog")]))]);
    assert_eq!(world.renew("plan --service blog").code, 0);
    let said = world.renew("sync --service blog");
    assert!(said.code == 0 && said.err.contains("starting again with it"), "{said:?}");
    assert_eq!(world.renew("sync --service shop").code, 1);
}

#[test]
fn what_is_wrong_with_the_repository_is_told_once_and_in_json() {
    let two = [HERE, &HERE.replace("shop", "blog")];
    let world = World::with(&two);
    let host = world.path("host");
    git(&host, &["switch", "-q", "-c", "side"]);
    for command in ["sync", "plan"] {
        let said = world.renew(command);
        let once = said.err.matches("has side checked out, not main").count();
        assert_eq!((said.code, once), (1, 1), "two services, one cause\n{said:?}");
        assert!(said.err.contains("switch main"), "the way out\n{said:?}");
        assert!(!said.out.contains("recreate"), "an empty plan is no plan\n{said:?}");
        let said = world.renew(&format!("{command} --json"));
        assert_eq!((said.code, said.problems().len(), said.err.as_str()), (1, 2, ""), "{said:?}");
    }
    git(&host, &["switch", "-q", "main"]);
    fs::rename(world.path("remote.git"), world.path("gone.git")).expect("renamed");
    let said = world.renew("sync --json");
    assert_eq!(said.code, 2, "an engine that is not there weighs more\n{said:?}");
    assert!(said.problems()[0].starts_with("cannot fetch main from origin"), "{said:?}");
    plain(&world.renew("sync"));
}

#[test]
fn a_wrong_repository_is_told_although_no_service_is_meant_for_this_host() {
    let world = World::with(&[ELSEWHERE]);
    let path = world.path("mistyped");
    let text = format!("{{\"repo\": {{\"dir\": {path:?}}}, \"services\": [{ELSEWHERE}]}}");
    fs::write(world.path("renew.json"), text).expect("a file");
    for command in ["sync", "plan"] {
        let said = world.renew(&format!("{command} --config ../renew.json"));
        assert!(said.code == 1 && said.err.contains("repo.dir"), "{said:?}");
    }
}

#[test]
fn nothing_is_made_where_there_is_no_repository() {
    let world = World::with(&[HERE]);
    fs::create_dir(world.path("empty")).expect("a folder");
    for dir in ["empty", "mistyped"] {
        let path = world.path(dir);
        let text = format!("{{\"repo\": {{\"dir\": {path:?}}}, \"services\": [{HERE}]}}");
        fs::write(world.path("renew.json"), text).expect("a file");
        let said = world.renew("sync --config ../renew.json");
        assert!(said.code == 1 && said.err.contains("repo.dir"), "{said:?}");
        let made = fs::read_dir(&path).map_or(0, Iterator::count);
        assert_eq!(made, 0, "a clone could not be made in {}", path.display());
    }
}

#[test]
fn wrong_command_lines_end_64_and_print_nothing() {
    let world = World::with(&[ELSEWHERE]);
    for args in [
        "snyc",
        "doctor",
        "sync --jsn",
        "plan --dry-run",
        "--json",
        "sync --service",
        "pause",
        "pause shop --for 2",
        "resume shop --for 2h",
    ] {
        let said = world.renew(args);
        assert_eq!((said.code, said.out.as_str()), (64, ""), "{args}: {said:?}");
        assert!(said.err.ends_with("Try `renew --help`.\n"), "{said:?}");
    }
}

#[test]
fn a_pause_is_told_and_kept_until_it_is_over() {
    let world = World::with(&[HERE, ELSEWHERE_BLOG]);
    let said = world.renew("pause shop --for 90m --reason disk");
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
    let (until, why) = said.out.trim().split_once(" +00:00: ").expect("until when and why");
    assert!(until.starts_with("shop: paused until 20") && why == "disk", "{said:?}");
    let said = world.renew("plan");
    assert!(said.code == 0 && said.out.contains("note: shop is paused until 20"), "{said:?}");
    let synced = world.renew("sync --json").json();
    assert_eq!(synced["services"][0]["result"], "paused", "although there is no engine");
    let quiet = world.renew("sync");
    assert_eq!((quiet.code, quiet.out + &quiet.err), (0, String::new()));

    let said = world.renew("pause shop");
    assert_eq!(said.out, "shop: paused until it is resumed\n", "{said:?}");
    assert_eq!(
        world.renew("resume shop").out,
        "shop: resumed; the next `renew sync` looks after it\n"
    );
    assert_eq!(world.renew("resume shop").out, "shop: was not paused\n");
    assert_eq!(world.renew("resume --all").out, "nothing was paused\n");
    assert_eq!(world.renew("pause --all").out.lines().count(), 1, "only what is for this host");
    assert_eq!(world.renew("resume --all").out.lines().count(), 1);

    for (args, expected) in [
        ("pause shp", "renew: there is no service `shp`"),
        ("resume shp", "renew: there is no service `shp`"),
        ("pause blog", "renew: blog is not for this host"),
        ("pause shop --config none.json", "renew: none.json: does not exist"),
    ] {
        let said = world.renew(args);
        assert!(said.code == 1 && said.out.is_empty(), "{said:?}");
        assert!(said.err.starts_with(expected), "{expected}: {said:?}");
        plain(&said);
    }
}

#[test]
fn a_history_is_told_and_what_cannot_be_read_is_an_error() {
    let world = World::with(&[HERE, ELSEWHERE_BLOG]);
    let said = world.renew("history");
    assert_eq!((said.code, said.out.as_str()), (0, "nothing was changed yet\n"), "{said:?}");
    let said = world.renew("history --json");
    assert_eq!(said.json()["services"].as_array().map(Vec::len), Some(1), "{said:?}");
    world.renew("sync");
    let golden = include_str!("golden/history-v1.json");
    let file = world.path("host/.renew/history/shop.json");
    fs::write(&file, golden).expect("a file");
    let said = world.renew("history --service shop");
    let row = "shop     7   2026-11-21 03:00  d2a63e1c8722  recreate web:";
    let is_row = |line: &str| line.starts_with(row) && line.ends_with("rolled_back");
    assert!(said.code == 0 && said.out.lines().any(is_row), "{}", said.out);
    let json = world.renew("history --json").json();
    let stored: Value = serde_json::from_str(golden).expect("JSON");
    assert_eq!(json["services"][0]["entries"], stored["entries"], "as it is stored");

    fs::write(&file, "{\"format\": 99}").expect("a file");
    for args in ["history", "history --json"] {
        let said = world.renew(args);
        let text = format!("{}{}", said.out, said.err);
        assert!(said.code == 1 && text.contains("upgrade renew"), "{said:?}");
        plain(&said);
    }
    let said = world.renew("history --service shp");
    assert!(said.code == 1 && said.err.contains("did you mean `shop`?"), "{said:?}");
    let said = world.renew("history --json --config none.json");
    let reason = said.json()["errors"][0]["reason"].clone();
    assert_eq!(
        (said.code, reason.as_str(), said.err.as_str()),
        (1, Some("config"), ""),
        "{said:?}"
    );
}

#[test]
fn a_status_tells_how_services_stand_and_who_is_needed() {
    let world = World::with(&[HERE, ELSEWHERE_BLOG]);
    let said = world.renew("status");
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
    assert!(
        said.out.contains("never run") && said.out.contains("Nothing needs a human."),
        "{said:?}"
    );
    let said = world.renew("status --json");
    let shop = said.json()["services"][0].clone();
    assert_eq!((&shop["state"], &shop["since"]), (&"never_run".into(), &Value::Null), "{said:?}");
    assert!(shop["next"].as_str().is_some_and(|next| next.ends_with("+00:00")), "{said:?}");

    // There is no engine: that is the service's trouble, and everybody's is that there is no remote.
    fs::rename(world.path("remote.git"), world.path("gone.git")).expect("renamed");
    world.renew("sync");
    let said = world.renew("status --json");
    assert_eq!((said.code, said.err.as_str()), (0, ""), "that something failed can be read");
    let human = said.json()["needs_human"].clone();
    let brief = |part: &Value| (part["service"].clone(), part["reason"].clone());
    let briefs: Vec<_> = human.as_array().expect("a list").iter().map(brief).collect();
    let expected =
        [(Value::Null, "git_fetch".into()), ("shop".into(), "engine_not_running".into())];
    assert_eq!(briefs, expected, "{said:?}");
    assert!(human[1]["since"].is_string() && human[1]["resolution"].is_string(), "{human}");
    let shop = &said.json()["services"][0];
    assert_eq!((&shop["state"], &shop["since"]), (&"failed".into(), &human[1]["since"]));
    assert_eq!(shop["last_failure"]["error"], shop["error"]);
    let said = world.renew("status");
    assert!(said.out.contains("Needs a human:\n  renew: cannot fetch main"), "{}", said.out);
    assert!(said.out.lines().any(|line| line.starts_with("    -> ")), "{}", said.out);
    plain(&said);

    world.renew("pause shop --reason disk");
    let said = world.renew("status --json");
    let human = &said.json()["needs_human"][1];
    assert_eq!(
        (&human["reason"], &said.json()["services"][0]["state"]),
        (&"paused".into(), &"paused".into())
    );
    assert!(human["message"].as_str().is_some_and(|text| text.ends_with("end: disk")), "{said:?}");
    world.renew("pause shop --for 1h");
    let said = world.renew("status --json").json();
    assert_eq!(said["needs_human"].as_array().map(Vec::len), Some(1), "one that ends needs nobody");

    fs::write(world.path("host/renew.json"), "no JSON at all").expect("a file");
    let said = world.renew("status");
    assert!(
        said.code == 1 && said.err.contains("not JSON") && said.out.contains("shop"),
        "{said:?}"
    );
    let said = world.renew("status --watch");
    assert_eq!((said.code, said.out.as_str()), (64, ""), "there is no terminal: {said:?}");
    fs::write(world.path("host/.renew/history/shop.json"), "{\"format\": 99}").expect("a file");
    let said = world.renew("status --json");
    assert_eq!((said.code, said.json()["errors"][1]["reason"].as_str()), (1, Some("state_newer")));
}

#[test]
fn a_story_is_told_although_docker_does_not_answer() {
    let world = World::with(&[HERE]);
    let said = world.renew("why shop");
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.starts_with("shop: never run\nNo run has changed"), "{said:?}");
    world.renew("sync");
    let golden = include_str!("golden/history-v1.json");
    fs::write(world.path("host/.renew/history/shop.json"), golden).expect("a file");
    let record = include_str!("golden/service-record-v1.json");
    fs::write(world.path("host/.renew/services/shop.json"), record).expect("a file");
    let said = world.renew("why shop");
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
    for line in [
        "shop: quarantined since 2026-11-21 03:03",
        "  the target of web is not tried again: it failed: web exited with code 3",
        "  -> push another one; `renew retry shop` tries it again now",
        "Last change: 2026-11-21 03:00, by sync: rolled_back",
        "  web exited with code 3",
        "  -> look at `docker logs shop-web-1`",
        "  web is quarantined: not tried again before its target changes, or `renew",
        "  commit d2a63e1c8722 by Ada: A newer web",
        "  the release before was that of 9ccd61476638",
        "  gate open",
        "  recreate web (image), down for 2.1 s",
        "    registry.example/web:1 -> registry.example/web:2 (aa -> bb)",
    ] {
        assert!(said.out.lines().any(|other| other == line), "{line}\nis not in\n{}", said.out);
    }
    assert!(said.out.contains("What happened since is not known: "), "{}", said.out);
    plain(&said);
    let said = world.renew("why shp");
    assert!(said.code == 1 && said.err.contains("did you mean `shop`?"), "{said:?}");
}

#[test]
fn a_broken_configuration_keeps_nobody_from_pausing() {
    let world = World::with(&[HERE]);
    world.renew("sync");
    fs::write(world.path("host/renew.json"), "no JSON at all").expect("a file");
    let said = world.renew("pause shop");
    assert!(said.code == 0 && said.err.contains("not JSON"), "{said:?}");
    assert_eq!(said.out, "shop: paused until it is resumed\n");
    let text = format!("{{\"repo\": {{\"dir\": \"mistyped\"}}, \"services\": [{HERE}]}}");
    fs::write(world.path("host/renew.json"), text).expect("a file");
    let said = world.renew("pause shop");
    assert!(said.code == 1 && said.err.contains("mistyped does not exist"), "{said:?}");
    assert!(!world.path("host/mistyped").exists(), "nothing comes into being");
}

#[test]
fn a_reader_that_leaves_does_not_change_the_exit_code() {
    let world = World::new("{\"services\": []}");
    for (args, expected) in [("validate", 1), ("plan --json", 1), ("--help", 0)] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let status = world.command("host", args).stdout(writer).status().expect("renew");
        assert_eq!(status.code(), Some(expected), "{args}");
    }
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("a device");
    let output = world.command("host", "--help").stdout(full).output().expect("renew");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && said.contains("cannot write the output"), "{said}");
}

#[test]
fn root_refuses_a_configuration_that_others_can_write() {
    let world = World::with(&[ELSEWHERE]);
    let file = world.path("host/renew.json");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).expect("a mode");
    let said = world.renew("sync");
    if !rustix::process::geteuid().is_root() {
        assert_eq!(said.code, 0, "{said:?}");
        return;
    }
    assert_eq!((said.code, said.out.as_str()), (1, ""), "{said:?}");
    assert!(said.err.contains(&format!("-> chmod go-w {}", file.display())), "{said:?}");
}

#[test]
fn the_signal_decides_the_exit_code() {
    for (signal, expected) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let world = World::with(&[ELSEWHERE]);
        let reached = world.path("reached");
        fs::create_dir(world.path("bin")).expect("a folder");
        let script = format!(
            "#!/bin/sh\ncase \"$*\" in *fetch*) : >{}; exec sleep 60 ;; esac\n\
             exec env PATH=\"${{PATH#*:}}\" git \"$@\"\n",
            reached.display()
        );
        let fake = world.path("bin/git");
        fs::write(&fake, script).expect("a file");
        fs::set_permissions(&fake, fs::Permissions::from_mode(0o755)).expect("a mode");
        let mut renew = world.command("host", "sync --json");
        let child = renew.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("renew");
        wait_for(&reached);
        kill_process(Pid::from_child(&child), signal).expect("to signal it");
        let (code, out) = end_of(child);
        let json: Value = serde_json::from_str(&out).expect("a JSON document");
        assert_eq!((code, json["exit_code"].as_i64()), (Some(expected), Some(expected.into())));
    }
}

fn wait_for(file: &Path) {
    let end = Instant::now() + PATIENCE;
    while !file.exists() {
        assert!(Instant::now() < end, "{} does not come", file.display());
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn end_of(child: Child) -> (Option<i32>, String) {
    let output = child.wait_with_output().expect("its end");
    (output.status.code(), String::from_utf8(output.stdout).expect("UTF-8"))
}
