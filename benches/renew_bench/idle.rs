//! An idle daemon with a hundred services: the memory that is resident, and how often it wakes. It
//! needs no engine, since nothing is due.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::memory::binaries;
use crate::table::{Figure, Table};

const SERVICES: u32 = 100;
const RESIDENT_BUDGET: u64 = 4 << 20;
/// How long it is watched, and a look at the configuration every two seconds; one more where the
/// window begins with one.
const WATCHED: Duration = Duration::from_secs(20);
const WAKES_BUDGET: u64 = 11;

pub fn measure(table: &mut Table) {
    let dir = tempfile::tempdir().expect("a folder");
    let services: Vec<String> = (0..SERVICES)
        .map(|n| {
            let folder = dir.path().join(format!("repo/s{n}"));
            fs::create_dir_all(&folder).expect("a folder");
            fs::write(folder.join("compose.yaml"), "services: {}\n").expect("a file");
            format!(
                r#"{{"name": "s{n}", "compose_files": ["s{n}/compose.yaml"], "schedule": "@yearly"}}"#
            )
        })
        .collect();
    git(&dir.path().join("repo"));
    let services = services.join(",");
    let config =
        format!(r#"{{"repo": {{"dir": "repo"}}, "state_dir": "state", "services": [{services}]}}"#);
    fs::write(dir.path().join("renew.json"), config).expect("a file");
    for (name, binary) in binaries() {
        let daemon = Daemon::start(&binary, dir.path());
        std::thread::sleep(Duration::from_secs(3));
        let before = daemon.wakes();
        std::thread::sleep(WATCHED);
        let wakes = Figure::Count(daemon.wakes() - before);
        let resident = Figure::Bytes(daemon.resident());
        let budget = (name == "shipped").then_some(Figure::Bytes(RESIDENT_BUDGET));
        let what = format!("idle daemon, {SERVICES} services: resident, {name}");
        table.figure(what, resident, budget);
        let what = format!("  wake-ups of all threads in {} s, {name}", WATCHED.as_secs());
        table.figure(what, wakes, Some(Figure::Count(WAKES_BUDGET)));
    }
}

fn git(dir: &Path) {
    let status = Command::new("git").args(["init", "-q"]).current_dir(dir).status();
    assert!(status.expect("git").success());
}

struct Daemon(Child);

impl Daemon {
    fn start(binary: &Path, dir: &Path) -> Daemon {
        let mut renew = Command::new(binary);
        renew.args(["--config", "renew.json", "run"]).current_dir(dir);
        renew.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Daemon(renew.spawn().expect("renew"))
    }

    /// Voluntary context switches of all threads: a wait that ended.
    fn wakes(&self) -> u64 {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.0.id())).expect("threads");
        tasks.flatten().map(|task| field(&task.path(), "voluntary_ctxt_switches:")).sum()
    }

    fn resident(&self) -> u64 {
        field(Path::new(&format!("/proc/{}", self.0.id())), "VmRSS:") << 10
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.0), Signal::TERM);
        let _ = self.0.wait();
    }
}

/// A number of proc_pid_status(5).
fn field(dir: &Path, name: &str) -> u64 {
    let text = fs::read_to_string(dir.join("status")).expect("a status");
    let value = text.lines().find_map(|line| line.strip_prefix(name)).expect("the field");
    let number = value.split_whitespace().next().and_then(|number| number.parse().ok());
    number.expect("a number")
}
