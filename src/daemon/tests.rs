//! The daemon with work of the test's own: what a run does to others, and how a stop ends.

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{Job, Message, Outcome, Setup, Work, run};
use crate::config::{self, Config};
use crate::reconcile::Report;
use crate::sys::clock::{Clock, SystemClock};

const PATIENCE: Duration = Duration::from_secs(60);

/// A configuration with these services, all run at the start.
fn services(dir: &Path, names: &[&str], workers: usize) -> Config {
    let list: Vec<String> = names
        .iter()
        .map(|name| {
            format!(
                r#"{{"name": "{name}", "compose_files": ["{name}.yaml"], "schedule": "@yearly"}}"#
            )
        })
        .collect();
    let text = format!(
        r#"{{"state_dir": "state", "run_on_start": true, "workers": {workers}, "services": [{}]}}"#,
        list.join(",")
    );
    let path = dir.join("renew.json");
    std::fs::write(&path, &text).unwrap();
    config::parse(text.as_bytes(), &path).unwrap().config
}

/// A daemon in a thread of its own, and what its workers tell.
struct Played {
    inbox: Sender<Message>,
    told: Receiver<String>,
    thread: std::thread::JoinHandle<bool>,
    _dir: tempfile::TempDir,
}

impl Played {
    fn begin(
        names: &'static [&'static str],
        workers: usize,
        work: impl Fn(&Job) -> Outcome + Send + Sync + 'static,
    ) -> Played {
        let dir = tempfile::tempdir().unwrap();
        let config = services(dir.path(), names, workers);
        let inbox = Setup::inbox();
        let sender = inbox.0.clone();
        let (tell, told) = channel();
        let tell = Mutex::new(tell);
        let work: Arc<Work> = Arc::new(move |job: &Job| {
            let _ = tell.lock().map(|tell| tell.send(job.service.clone()));
            work(job)
        });
        let path = dir.path().join("renew.json");
        let thread = std::thread::spawn(move || {
            let load = || Err(Vec::new());
            let setup = Setup {
                path: &path,
                config,
                rejected: false,
                load: &load,
                keep: &|_| {},
                work,
                clock: Arc::new(SystemClock::default()),
                inbox,
            };
            run(setup).is_ok()
        });
        Played { inbox: sender, told, thread, _dir: dir }
    }

    fn next(&self) -> String {
        self.told.recv_timeout(PATIENCE).expect("a run")
    }

    fn stop(&self) {
        self.inbox.send(Message::Stop).unwrap();
    }
}

fn done() -> Outcome {
    Outcome::Done(Report::default())
}

/// Until it is cancelled.
fn hang(job: &Job) -> Outcome {
    while !job.stop.cancel().is_set() {
        SystemClock::default().sleep(Duration::from_millis(5));
    }
    done()
}

#[test]
fn a_panic_ends_one_run_and_costs_no_worker() {
    let played = Played::begin(&["bad", "good", "other"], 1, |job| match job.service.as_str() {
        "bad" => std::panic::panic_any("no luck"),
        _ => done(),
    });
    let ran: Vec<String> = (0..3).map(|_| played.next()).collect();
    assert_eq!(ran, ["bad", "good", "other"]);
    played.stop();
    assert!(played.thread.join().unwrap());
}

#[test]
fn one_that_hangs_keeps_nobody_else_waiting_and_is_cancelled_by_a_stop() {
    let played = Played::begin(&["hangs", "a", "b", "c"], 2, |job| match job.service.as_str() {
        "hangs" => hang(job),
        _ => done(),
    });
    let mut ran: Vec<String> = (0..4).map(|_| played.next()).collect();
    ran.sort();
    assert_eq!(ran, ["a", "b", "c", "hangs"]);
    played.stop();
    assert!(played.thread.join().unwrap());
}

#[test]
fn a_change_that_has_begun_is_waited_for_until_the_second_stop() {
    let (begun, has_begun) = channel();
    let begun = Mutex::new(begun);
    let played = Played::begin(&["changes"], 1, move |job| {
        assert!(job.stop.may_change());
        begun.lock().unwrap().send(()).unwrap();
        hang(job)
    });
    has_begun.recv_timeout(PATIENCE).expect("a change");
    played.stop();
    SystemClock::default().sleep(Duration::from_millis(200));
    assert!(!played.thread.is_finished(), "the change goes on");
    played.stop();
    assert!(played.thread.join().unwrap());
}

#[test]
fn a_file_that_does_not_load_changes_nothing() {
    let played = Played::begin(&["a"], 1, |_| done());
    assert_eq!(played.next(), "a");
    played.inbox.send(Message::Reload).unwrap();
    played.stop();
    assert!(played.thread.join().unwrap());
}
