//! A settled `renew sync` of a stack of two services, against a git server and a registry over
//! loopback: processor time (user and system) of the whole process tree, beside that of the one
//! `git fetch` in it and that of a shell script which does the same with git and docker commands.
//! Needs an engine; without one it says so and adds nothing.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::support::Sandbox;
use crate::table::Table;

/// The kernel counts in hundredths of a second: a sample is the mean of so many runs.
const RUNS: u32 = 25;
const SAMPLES: u32 = 5;
/// The script takes long; its few runs are enough to tell.
const SCRIPT_RUNS: u32 = 3;
/// At most so many times the fetch, and so many times less than the script.
const BUDGETS: (u32, u32) = (3, 20);

const STACK: &str =
    "services:\n  web:\n    image: IMAGES/web:1\n  worker:\n    image: IMAGES/web:1\n";
const SCRIPT: &str = "set -e
git fetch --quiet origin main
git merge --quiet --ff-only origin/main
docker compose pull --quiet
docker compose up --detach --quiet-pull";

pub fn measure(table: &mut Table) {
    let Some(sandbox) = Sandbox::open() else { return };
    sandbox.publish("web:1");
    sandbox.commit(&[("compose.yaml", STACK)], "A stack");
    let _server = Server::start(&sandbox);
    for expected in ["changed", "ok"] {
        let report = sandbox.renew(["sync", "--json"]).expect(0).json();
        assert_eq!(report["services"][0]["result"], expected, "{report}");
    }
    let sync = || drop(sandbox.renew(["sync"]).expect(0));
    let refspec = "+refs/heads/main:refs/remotes/origin/main";
    let fetch = || {
        let how = ["fetch", "--quiet", "--no-write-fetch-head", "--no-tags", "origin", refspec];
        run(Command::new("git").args(how).current_dir(&sandbox.host));
    };
    let script = || run(Command::new("sh").args(["-c", SCRIPT]).current_dir(&sandbox.host));

    let (mut syncs, mut fetches, mut scripts) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..SAMPLES {
        fetches.push(mean(RUNS, &fetch));
        syncs.push(mean(RUNS, &sync));
        scripts.push(mean(SCRIPT_RUNS, &script));
    }
    let [fetched, synced, scripted] = [&fetches, &syncs, &scripts].map(|samples| middle(samples));
    let budget = (fetched * BUDGETS.0).min(scripted / BUDGETS.1);
    table.row("settled sync, CPU: git fetch alone", fetches, None);
    table.row("  renew sync, with its git processes", syncs, Some(budget));
    table.row("  the same in a shell script", scripts, None);
    println!(
        "settled: renew sync takes {:.1} times the CPU of its git fetch (budget {}), and the \
         script {:.1} times that of renew (budget {})",
        ratio(synced, fetched),
        BUDGETS.0,
        ratio(scripted, synced),
        BUDGETS.1
    );
}

fn ratio(one: Duration, other: Duration) -> f64 {
    one.as_secs_f64() / other.as_secs_f64()
}

fn middle(samples: &[Duration]) -> Duration {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}

/// Processor time of one run with all it started and waited for.
fn mean(runs: u32, work: &dyn Fn()) -> Duration {
    let before = children();
    (0..runs).for_each(|_| work());
    (children() - before) / runs
}

/// Processor time of all children that have ended: proc_pid_stat(5), fields 16 and 17, in ticks of
/// 10 ms on every Linux that user space sees.
fn children() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("the process table");
    let (_, fields) = stat.rsplit_once(") ").expect("a command name");
    let ticks = |field: usize| {
        let text = fields.split(' ').nth(field - 3).expect("a field");
        text.parse::<u64>().expect("a number")
    };
    Duration::from_millis(10 * (ticks(16) + ticks(17)))
}

fn run(command: &mut Command) {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.env("GIT_CONFIG_GLOBAL", "/dev/null");
    let status = command.status().expect("a process");
    assert!(status.success(), "{command:?} ended with {status}");
}

/// A git server for the sandbox's remote, so that what the server does is not counted.
struct Server(Child);

impl Server {
    fn start(sandbox: &Sandbox) -> Server {
        let port = {
            let probe = TcpListener::bind("127.0.0.1:0").expect("a port");
            probe.local_addr().expect("an address").port()
        };
        let base: &Path = sandbox.root();
        let child = Command::new("git")
            .args(["daemon", "--export-all", "--reuseaddr", "--listen=127.0.0.1"])
            .arg(format!("--port={port}"))
            .arg(format!("--base-path={}", base.display()))
            .arg(base)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("git daemon");
        let server = Server(child);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            sleep(Duration::from_millis(20));
        }
        let url = format!("git://127.0.0.1:{port}/remote.git");
        sandbox.git(&sandbox.host, &["remote", "set-url", "origin", &url]);
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It ends with its work: what is left to do is only to wait for it.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
