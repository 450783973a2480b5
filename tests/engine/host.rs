//! What may happen to the host around a run: the disk of the state, the engine, the clock, and people
//! who work on the same containers. At most two runs later all is well, and nothing healthy was hurt.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use serde_json::json;

use crate::support::{Freeze, Running, Sandbox, run, wait_for};
use crate::{SLOW, THREE, slow_running, three_running};

/// A disk of its own below a folder.
struct SmallDisk {
    at: PathBuf,
}

impl SmallDisk {
    /// Moves a folder of a sandbox to a disk of so many kibibytes.
    fn under(sandbox: &Sandbox, at: PathBuf, kibibytes: u32) -> SmallDisk {
        let aside = sandbox.root().join("aside");
        sh(&format!(
            "cp -a '{0}' '{1}' && mount -t tmpfs -o size={kibibytes}k,mode=0700 tmpfs '{0}' &&
             cp -a '{1}/.' '{0}'",
            at.display(),
            aside.display()
        ));
        SmallDisk { at }
    }

    fn remount(&self, how: &str) {
        sh(&format!("mount -o 'remount,{how}' '{}'", self.at.display()));
    }

    /// Leaves not a byte, or so many.
    fn fill(&self, but_bytes: u64) {
        let filler = self.at.join("filler");
        sh(&format!("cat /dev/zero >'{}' 2>/dev/null || :", filler.display()));
        let file = fs::File::options().write(true).open(&filler).expect("the filler");
        let bytes = file.metadata().expect("its size").len();
        file.set_len(bytes.saturating_sub(but_bytes)).expect("to make room");
    }

    fn free(&self) {
        fs::remove_file(self.at.join("filler")).expect("the filler");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        sh(&format!("umount -l '{}'", self.at.display()));
    }
}

#[track_caller]
fn sh(script: &str) {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-euc", script]);
    run(shell).expect(0);
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).expect("a file")
}

/// What is in the state directory, without what only says who is at work.
fn state(sandbox: &Sandbox) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for folder in ["services", "tmp", "running"] {
        for entry in fs::read_dir(sandbox.state().join(folder)).expect("a folder").flatten() {
            found.push((entry.path(), fs::read(entry.path()).unwrap_or_default()));
        }
    }
    found.sort();
    found
}

/// A push, a dead container, and no place to write a line: what is dead is started, what runs stays,
/// and no record is touched.
#[track_caller]
fn heals_without_writing(sandbox: &Sandbox, turn: &str) {
    let before = sandbox.ids();
    let kept = state(sandbox);
    sandbox.publish(&format!("web:{turn}"));
    let stack = THREE.replace("web:1", &format!("web:{turn}"));
    sandbox.commit(&[("compose.yaml", &stack)], "Another web");
    sandbox.docker(["kill", &before["db"][0]]);
    let output = sandbox.renew(["sync"]);
    assert!([1, 2].contains(&output.code), "it must be told\n{output}");
    let state_dir = sandbox.state().display().to_string();
    assert!(output.stderr.contains(&state_dir), "where must be told\n{output}");
    sandbox.runs(&["cache", "db", "web"]);
    sandbox.only_changed(&before, &[]);
    assert!(state(sandbox) == kept, "no file may be other than before, or be left\n{output}");
}

#[test]
fn a_state_directory_that_is_full_or_read_only() {
    let Some(sandbox) = three_running() else { return };
    let disk = SmallDisk::under(&sandbox, sandbox.state(), 512);
    sandbox.settled();
    let before = sandbox.ids();
    disk.fill(0);
    heals_without_writing(&sandbox, "2");
    disk.free();
    sandbox.plan_then_sync(0).result("app", "changed");
    sandbox.only_changed(&before, &["web"]);
    sandbox.settled();

    let before = sandbox.ids();
    disk.remount("ro");
    heals_without_writing(&sandbox, "3");
    disk.remount("rw");
    sandbox.plan_then_sync(0).result("app", "changed");
    sandbox.only_changed(&before, &["web"]);
    sandbox.settled();
}

#[test]
fn a_daemon_that_can_write_nothing_heals_and_listens_once_it_can() {
    let Some(sandbox) = three_running() else { return };
    sandbox.config(json!([{
        "name": "app", "compose_files": ["compose.yaml"], "schedule": "@every 1s",
    }]));
    let before = sandbox.ids();
    let disk = SmallDisk::under(&sandbox, sandbox.state(), 512);
    disk.remount("ro");
    sandbox.docker(["kill", &before["db"][0]]);
    let daemon = sandbox.start_renew(["run"]);
    sandbox.come_up(&["db"]);
    disk.remount("rw");
    wait_for("the control socket", 60, || {
        std::os::unix::net::UnixStream::connect(sandbox.state().join("renew.sock")).ok()
    });
    let status = sandbox.renew(["status", "--json"]).expect(0).json();
    let control = &status["daemon"]["components"][0];
    assert_eq!(control["state"], "degraded", "{control}");
    sandbox.publish("web:2");
    sandbox.commit(&[("compose.yaml", &THREE.replace("web:1", "web:2"))], "Another web");
    sandbox.comes_up_as("web", "web:2");
    daemon.terminate();
    let said = daemon.finish().expect(0).stderr;
    assert!(said.contains("going on without"), "{said}");
    sandbox.only_changed(&before, &["web"]);
    sandbox.renew(["sync"]).expect(0);
    sandbox.settled();
}

#[test]
fn a_working_tree_whose_disk_is_full() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    let disk = SmallDisk::under(&sandbox, sandbox.host.clone(), 2048);
    sandbox.git(&sandbox.host, &["config", "core.excludesFile", "/dev/null"]);
    fs::write(sandbox.host.join(".git/info/exclude"), "filler\n").expect("a file");
    sandbox.publish("web:2");
    // Much of nothing is little as an object, and much in the tree.
    let big = "0".repeat(300 << 10);
    let stack = THREE.replace("web:1", "web:2");
    sandbox.commit(&[("compose.yaml", &stack), ("big", &big)], "Another web, and much to write");
    // No room for what is fetched; then none for what is checked out.
    for but_bytes in [0, 100 << 10] {
        disk.fill(but_bytes);
        sandbox.docker(["kill", &before["db"][0]]);
        let output = sandbox.renew(["sync"]);
        assert!([1, 2].contains(&output.code), "it must be told\n{output}");
        sandbox.only_changed(&before, &[]);
        sandbox.runs(&["cache", "db", "web"]);
        disk.free();
    }
    sandbox.renew(["sync"]).expect(0);
    sandbox.only_changed(&before, &["web"]);
    assert!(sandbox.version("web").starts_with("web:2 "));
    assert_eq!(sandbox.git(&sandbox.host, &["status", "--porcelain"]), "");
    sandbox.settled();
}

#[test]
fn a_state_directory_that_is_deleted_in_the_middle_of_a_run() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    sandbox.config(json!([{
        "name": "app", "compose_files": ["compose.yaml"], "pre_script": "script",
    }]));
    sandbox.publish("web:2");
    let script = format!("#!/bin/sh\nrm -rf '{}'\n", sandbox.state().display());
    let stack = THREE.replace("web:1", "web:2");
    sandbox.commit(&[("compose.yaml", &stack), ("script", &script)], "It tidies up too much");
    let output = sandbox.renew(["sync"]);
    assert_eq!(output.code, 1, "{output}");
    sandbox.runs(&["cache", "db", "web"]);
    sandbox.commit(&[("script", "#!/bin/sh\n")], "It does not");
    sandbox.renew(["sync"]).expect(0);
    assert!(sandbox.version("web").starts_with("web:2 "));
    sandbox.only_changed(&before, &["web"]);
    sandbox.settled();
}

#[test]
fn a_record_that_lost_or_changed_a_byte_is_lost_and_restarts_nothing() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    let record = sandbox.state().join("services/app.json");
    let whole = read(&record);
    let half = whole.len() / 2;
    let changed = |at: usize| {
        let mut text = whole.clone();
        text[at] = if text[at] == b'7' { b'8' } else { b'7' };
        text
    };
    // That no byte at all gets through is shown in src/state/seal.rs.
    let mut texts = vec![Vec::new(), whole[..1].to_vec(), whole[..half].to_vec(), vec![0; half]];
    texts.extend([
        whole[..whole.len() - 2].to_vec(),
        changed(40),
        changed(half),
        changed(half + 200),
    ]);
    for text in texts {
        let _ = fs::remove_file(record.with_extension("json.corrupt"));
        fs::write(&record, &text).expect("a broken record");
        let output = sandbox.renew(["sync"]).expect(0);
        assert!(output.stderr.contains("app.json is broken"), "it must be told\n{output}");
        sandbox.only_changed(&before, &[]);
        assert_eq!(read(&record.with_extension("json.corrupt")), text, "it is kept for a person");
        sandbox.settled();
    }
}

#[test]
fn other_broken_files_of_the_state_are_made_anew() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    let cache = sandbox.state().join("cache/app.0.json");
    let mut text = read(&cache);
    // Such as a letter in the name of an image, in a file that still parses.
    let at = text.windows(5).position(|part| part == b"web:1").expect("the image");
    text[at] = b'v';
    for text in [text, b"{".to_vec(), Vec::new()] {
        fs::write(&cache, &text).expect("a broken file");
        sandbox.renew(["sync"]).expect(0);
        sandbox.only_changed(&before, &[]);
        sandbox.settled();
    }
    for name in ["running/app", "running/git~", "tmp/renew~1-0", "services/app.json~999999999"] {
        fs::write(sandbox.state().join(name), "{").expect("a broken file");
    }
    sandbox.renew(["sync"]).expect(0);
    sandbox.only_changed(&before, &[]);
    assert!(!sandbox.state().join("running/app").exists());
    assert!(!sandbox.state().join("services/app.json~999999999").exists());
}

#[test]
fn a_record_of_a_newer_renew_is_left_as_it_is() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    let record = sandbox.state().join("services/app.json");
    let newer = "{\"format\": 99, \"commit\": {\"of another\": \"shape\"}}\n";
    fs::write(&record, newer).expect("a record");
    sandbox.publish("web:2");
    sandbox.commit(&[("compose.yaml", &THREE.replace("web:1", "web:2"))], "Another web");
    for _ in 0..2 {
        sandbox.complains(1, &[]).says("state_newer", &["app.json", "99"], "upgrade renew");
        sandbox.only_changed(&before, &[]);
        assert_eq!(read(&record), newer.as_bytes());
    }
    fs::remove_file(&record).expect("to remove it");
    sandbox.renew(["sync"]).expect(0);
    sandbox.only_changed(&before, &["web"]);
    sandbox.settled();
}

const LONE: &str = "\
services:
  db:
    image: IMAGES/db:1
    network_mode: none
  web:
    image: IMAGES/web:1
    network_mode: none
    command: [\"/bin/sh\", \"-c\", \"trap '' TERM; while :; do sleep 1; done\"]
    stop_grace_period: 3s
";

/// A sandbox with an engine of its own, in which a new web is being made.
fn in_the_middle_on_its_own_engine() -> Option<(Sandbox, Running)> {
    let mut sandbox = Sandbox::open()?;
    sandbox.on_a_small_engine(48);
    sandbox.config(json!([{
        "name": "app", "compose_files": ["compose.yaml"], "timeouts": { "up": "5s" },
    }]));
    for image in ["db:1", "web:1", "web:2"] {
        sandbox.publish(image);
    }
    let path = sandbox.root().join("renew.json");
    let text = fs::read_to_string(path).expect("a config");
    sandbox.write("renew.json", &text.replacen('{', "{\"disk_floor\":\"0\",", 1));
    sandbox.commit(&[("compose.yaml", LONE)], "A slow web");
    sandbox.renew(["sync"]).expect(0);
    sandbox.settled();
    sandbox.commit(&[("compose.yaml", &LONE.replace("web:1", "web:2"))], "web 2");
    let sync = sandbox.start_renew(["sync"]);
    sandbox.wait_for_recreate("web");
    Some((sandbox, sync))
}

/// At most two runs later the new version runs, once, and nothing tells of what happened.
#[track_caller]
fn is_well_two_runs_later(sandbox: &Sandbox) {
    let first = sandbox.renew(["sync"]);
    if first.code != 0 {
        sandbox.renew(["sync"]).expect(0);
    }
    sandbox.runs(&["db", "web"]);
    assert!(sandbox.version("web").starts_with("web:2 "), "{first}");
    assert_eq!(sandbox.containers().len(), 2, "{first}");
    sandbox.settled();
}

#[test]
fn an_engine_that_dies_in_the_middle_and_comes_back() {
    let Some((mut sandbox, sync)) = in_the_middle_on_its_own_engine() else { return };
    sandbox.kill_engine();
    sync.finish().expect(2);
    // It is still gone.
    let output = sandbox.renew(["sync"]).expect(2);
    assert!(output.stderr.contains("docker.sock"), "{output}");
    sandbox.on_a_small_engine(48);
    is_well_two_runs_later(&sandbox);
}

#[test]
fn an_engine_that_freezes_in_the_middle_and_goes_on() {
    let Some((sandbox, sync)) = in_the_middle_on_its_own_engine() else { return };
    sandbox.freeze_engine(Freeze::Begin);
    let begin = Instant::now();
    sync.finish().expect(2);
    assert!(begin.elapsed() < Duration::from_secs(100), "every wait has a bound");
    let begin = Instant::now();
    sandbox.renew(["sync"]).expect(2);
    assert!(begin.elapsed() < Duration::from_secs(60), "and so has a run that finds it frozen");
    sandbox.freeze_engine(Freeze::End);
    is_well_two_runs_later(&sandbox);
}

#[test]
fn an_operator_who_runs_compose_at_the_same_time() {
    let Some(sandbox) = slow_running() else { return };
    let db = sandbox.ids()["db"].clone();
    sandbox.commit(&[("compose.yaml", &SLOW.replace("web:1", "web:2"))], "web 2");
    let sync = sandbox.start_renew(["sync"]);
    sandbox.wait_for_recreate("web");
    // In the middle of ours, and again at once: it is in our way as we are in its.
    for _ in 0..3 {
        let mut up = Command::new(sandbox.real_compose());
        up.current_dir(&sandbox.host).args(["up", "-d", "--no-deps", "--force-recreate", "web"]);
        run(up);
    }
    sync.finish();
    is_well_two_runs_later(&sandbox);
    assert_eq!(sandbox.ids()["db"], db, "db has no part in this");
}

/// Sets the time of change of everything below a folder, git's own files included.
fn set_times(dir: &Path, to: SystemTime) {
    for entry in fs::read_dir(dir).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() && !path.is_symlink() {
            set_times(&path, to);
        } else if let Ok(file) = fs::File::open(&path) {
            file.set_modified(to).expect("a time");
        }
    }
}

#[test]
fn a_clock_that_was_a_year_off() {
    let Some(sandbox) = three_running() else { return };
    let record = sandbox.state().join("services/app.json");
    let year = Duration::from_secs(365 * 24 * 3600);
    let now = SystemTime::now();
    // To a clock that was set right, what was written before is of next year, or of last year.
    for (turn, then, stamp) in [("2", now + year, "2199-01-01"), ("3", now - year, "2019-01-01")] {
        let before = sandbox.ids();
        let text: serde_json::Value = serde_json::from_slice(&read(&record)).expect("a record");
        let at = text["at"].as_str().expect("a time").to_owned();
        let mut text = String::from_utf8(read(&record)).expect("a text");
        // Without its seal, which is for bytes that change by themselves.
        text.replace_range(..text.find("\",").expect("a seal") + 2, "{");
        let other = at.replacen(&at[..10], stamp, 1);
        fs::write(&record, text.replace(&at, &other)).expect("a record");
        set_times(&sandbox.state(), then);
        set_times(&sandbox.host, then);
        let output = sandbox.renew(["sync"]).expect(0);
        sandbox.only_changed(&before, &[]);
        sandbox.publish(&format!("web:{turn}"));
        let stack = THREE.replace("web:1", &format!("web:{turn}"));
        sandbox.commit(&[("compose.yaml", &stack)], "Another web");
        let killed = sandbox.ids()["db"][0].clone();
        sandbox.docker(["kill", &killed]);
        sandbox.plan_then_sync(0).result("app", "changed");
        sandbox.runs(&["cache", "db", "web"]);
        sandbox.only_changed(&before, &["web"]);
        assert!(sandbox.version("web").starts_with(&format!("web:{turn} ")), "{output}");
        sandbox.settled();
    }
}
