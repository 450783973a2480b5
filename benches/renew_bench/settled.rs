//! A settled `renew sync` of a stack of two services, against a git server and a registry over
//! loopback: processor time (user and system) of the whole process tree, beside that of the one
//! `git fetch` in it and that of a shell script which does the same with git and docker commands.
//! Needs an engine; without one it says so and adds nothing.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::cpu::mean;
use crate::memory;
use crate::server::Server;
use crate::table::{Figure, Table, middle};

/// The kernel counts in hundredths of a second: a sample is the mean of so many runs.
const RUNS: u32 = 100;
const SAMPLES: u32 = 5;
/// The script takes long; its few runs are enough to tell.
const SCRIPT_RUNS: u32 = 10;
/// At most so many times the fetch, and this part of the script.
const OF_FETCH: f64 = 3.0;
const OF_SCRIPT: f64 = 1.0 / 20.0;

const STACK: &str =
    "services:\n  web:\n    image: IMAGES/web:1\n  worker:\n    image: IMAGES/web:1\n";
const SCRIPT: &str = "set -e
git fetch --quiet origin main
git merge --quiet --ff-only origin/main
docker compose pull --quiet
docker compose up --detach --quiet-pull";

pub fn measure(table: &mut Table) {
    let Some(sandbox) = memory::sandbox() else { return };
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
    table.row("settled sync, CPU: git fetch alone", fetches, None);
    table.row("  renew sync, with its git processes", syncs, None);
    table.row("  the same in a shell script", scripts, None);
    let budget = |budget| Some(Figure::Ratio(budget));
    table.figure("  renew, times the fetch", ratio(synced, fetched), budget(OF_FETCH));
    table.figure("  renew, times the script", ratio(synced, scripted), budget(OF_SCRIPT));
    sandbox.forget_started();
    sync();
    let started = Figure::Count(sandbox.started().len() as u64);
    table.figure("  docker and compose processes it starts", started, Some(Figure::Count(0)));
    memory::measure(table, &sandbox);
    // What it says goes nowhere: the sandbox keeps it in files.
    let quiet = || {
        let mut renew = sandbox.renew_command(&["sync"], &[]);
        renew.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        renew.status().expect("renew");
    };
    let nothing = || Some(Figure::Bytes(0));
    table.figure("  bytes written to disk by a settled sync", written(&quiet), nothing());
    let broken = STACK.replace("web:1\n  worker", "no-such\n  worker");
    sandbox.commit(&[("compose.yaml", &broken)], "An image that nobody has");
    // The second time in a row it is written down until when that is left alone.
    for _ in 0..2 {
        drop(sandbox.renew(["sync"]).expect(2));
    }
    let what = "  by one that fails exactly like the one before";
    table.figure(what, written(&quiet), nothing());
}

/// What `work` and all processes that it waited for have sent towards a disk (proc_pid_io(5)).
fn written(work: &dyn Fn()) -> Figure {
    let so_far = || {
        let text = std::fs::read_to_string("/proc/self/io").expect("the kernel counts");
        let line = text.lines().find_map(|line| line.strip_prefix("write_bytes: "));
        line.and_then(|bytes| bytes.parse::<u64>().ok()).expect("a number")
    };
    let before = so_far();
    work();
    Figure::Bytes(so_far() - before)
}

fn ratio(one: Duration, other: Duration) -> Figure {
    Figure::Ratio(one.as_secs_f64() / other.as_secs_f64())
}

fn run(command: &mut Command) {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.env("GIT_CONFIG_GLOBAL", "/dev/null");
    let status = command.status().expect("a process");
    assert!(status.success(), "{command:?} ended with {status}");
}
