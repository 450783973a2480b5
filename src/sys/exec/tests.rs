//! Children that do not behave, played by real shells.

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, test_kill_process_group};

use super::{Cancel, Exec, ExecError, Exit, Job, Output, SystemExec};
use crate::sys::clock::{Clock, SystemClock};

fn sh(script: &str, deadline_ms: u64) -> Job {
    let job = Job::new("/bin/sh", Duration::from_millis(deadline_ms)).args(["-c", script]);
    job.env("PATH", "/usr/bin:/bin")
}

fn run(job: &Job) -> Result<super::Done, ExecError> {
    SystemExec::default().run(job)
}

#[expect(clippy::disallowed_methods, reason = "how long a child takes is what is tested")]
fn timed<T>(what: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    (what(), start.elapsed())
}

/// Whether no process is left of the group that a script wrote the id of. Killed grandchildren are
/// reaped by whoever inherits them, an instant later.
fn group_ends(file: &Path) -> bool {
    let pid = std::fs::read_to_string(file).unwrap().trim().parse().unwrap();
    (0..200).any(|_| {
        SystemClock::default().sleep(Duration::from_millis(10));
        test_kill_process_group(Pid::from_raw(pid).unwrap()).is_err()
    })
}

#[test]
fn output_and_exit_are_told() {
    let done = run(&sh("echo out; echo err >&2; exit 3", 10_000)).unwrap();
    assert_eq!((done.exit, done.text().as_str()), (Exit::Code(3), "out\n"));
    assert_eq!(done.complaint(), "err");
    assert_eq!(run(&sh("kill -9 $$", 10_000)).unwrap().exit, Exit::Signal(9));
    let missing = Job::new("/no/such/program", Duration::from_secs(1));
    assert!(matches!(run(&missing), Err(ExecError::NotFound(_))));
}

#[test]
fn one_stream_has_everything_in_order_and_keeps_its_end() {
    let mut job = sh("echo 1; echo 2 >&2; echo 3; exit 3", 10_000);
    job.output = Output::Together;
    let done = run(&job).unwrap();
    assert_eq!((done.exit, done.complaint().as_str()), (Exit::Code(3), "1\n2\n3"));
    let mut job = sh("i=0; while [ $i -lt 40000 ]; do i=$((i+1)); echo line $i; done", 10_000);
    job.output = Output::Together;
    let said = run(&job).unwrap().stderr;
    assert!(said.len() <= 128 << 10 && said.ends_with(b"line 40000\n"), "{} bytes", said.len());
}

#[test]
fn what_a_late_child_said_is_told() {
    let mut job = sh("echo waiting for sessions; sleep 60", 1_500);
    job.output = Output::Together;
    let Err(ExecError::Deadline(_, _, said)) = run(&job) else { panic!("it is late") };
    assert_eq!(said, "waiting for sessions");
}

#[test]
fn a_child_that_closes_its_output_is_still_waited_for() {
    let (done, took) = timed(|| run(&sh("exec >&- 2>&-; sleep 0.3; exit 7", 10_000)));
    assert_eq!(done.unwrap().exit, Exit::Code(7));
    assert!(took >= Duration::from_millis(300) && took < Duration::from_secs(3), "{took:?}");
}

#[test]
fn a_deadline_is_kept_even_when_the_output_is_closed() {
    let (done, took) = timed(|| run(&sh("exec >&- 2>&-; sleep 60", 200)));
    assert!(matches!(done, Err(ExecError::Deadline(..))), "{done:?}");
    assert!(took < Duration::from_secs(5), "TERM was enough: {took:?}");
}

#[test]
fn a_child_that_ignores_term_is_killed_with_its_group() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pid");
    let script = format!("trap '' TERM; echo $$ >{}; sleep 60 & sleep 60", file.display());
    let mut job = sh(&script, 800);
    job.grace = Duration::from_millis(300);
    let (done, took) = timed(|| run(&job));
    assert!(matches!(done, Err(ExecError::Deadline(..))), "{done:?}");
    assert!(took >= Duration::from_millis(1_100) && took < Duration::from_secs(8), "{took:?}");
    assert!(group_ends(&file));
}

#[test]
fn a_grandchild_that_holds_the_pipes_does_not_hold_us_and_does_not_stay() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pid");
    let script = format!("echo $$ >{}; sleep 60 & echo done", file.display());
    let (done, took) = timed(|| run(&sh(&script, 30_000)));
    assert_eq!(done.unwrap().text(), "done\n");
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert!(group_ends(&file));
}

#[test]
fn a_child_that_never_reads_its_input_is_not_waited_for() {
    let mut job = sh("echo early", 10_000);
    job.stdin = Some(vec![b'x'; 1 << 20]);
    let (done, took) = timed(|| run(&job));
    assert_eq!(done.unwrap().text(), "early\n");
    assert!(took < Duration::from_secs(5), "{took:?}");
    let mut job = sh("sleep 60", 200);
    job.stdin = Some(vec![b'x'; 1 << 20]);
    assert!(matches!(run(&job), Err(ExecError::Deadline(..))));
    let mut job = sh("cat", 10_000);
    job.stdin = Some(vec![b'x'; 1 << 20]);
    assert_eq!(run(&job).unwrap().stdout.len(), 1 << 20, "and one that reads gets all of it");
}

#[test]
fn output_without_end_is_cut_off() {
    let done = run(&sh("exec cat /dev/zero", 60_000));
    assert!(matches!(done, Err(ExecError::TooMuchOutput(_))), "{:?}", done.map(|d| d.exit));
    let noisy = run(&sh("head -c 1000000 /dev/zero >&2; echo end >&2", 10_000)).unwrap();
    assert!(noisy.stderr.len() < 200_000 && noisy.complaint().ends_with("end"));
}

#[test]
fn a_cancelled_child_is_ended_and_none_is_begun_after_it() {
    let exec = SystemExec { cancel: Cancel::default() };
    let cancel = exec.cancel.clone();
    let (done, took) = timed(|| {
        std::thread::scope(|scope| {
            let child = scope.spawn(|| exec.run(&sh("sleep 60", 60_000)));
            SystemClock::default().sleep(Duration::from_millis(200));
            cancel.set();
            child.join().unwrap()
        })
    });
    assert!(matches!(done, Err(ExecError::Cancelled)), "{done:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert!(matches!(exec.run(&sh("true", 1000)), Err(ExecError::Cancelled)));
}

#[test]
fn nothing_is_inherited() {
    let done = run(&sh("env | grep -v -e ^PWD= -e ^SHLVL= -e ^_=; pwd; cat", 10_000)).unwrap();
    assert_eq!(done.text(), "PATH=/usr/bin:/bin\n/\n");
}
