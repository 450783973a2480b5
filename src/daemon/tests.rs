//! The daemon with work of the test's own: what a run does to others, and how a stop ends.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::{Job, Message, Outcome, Setup, Work, run};
use crate::config::{self, Config};
use crate::control;
use crate::reconcile::Report;
use crate::standing::{Live, LiveService};
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
    inbox: SyncSender<Message>,
    told: Receiver<String>,
    thread: std::thread::JoinHandle<bool>,
    dir: tempfile::TempDir,
}

impl Played {
    fn begin(
        names: &'static [&'static str],
        workers: usize,
        work: impl Fn(&Job) -> Outcome + Send + Sync + 'static,
    ) -> Played {
        Played::by(names, workers, Arc::new(SystemClock::default()), work)
    }

    fn by(
        names: &'static [&'static str],
        workers: usize,
        clock: Arc<dyn Clock>,
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
                keep: &|_, _| {},
                work,
                clock,
                inbox,
            };
            run(setup).is_ok()
        });
        Played { inbox: sender, told, thread, dir }
    }

    #[track_caller]
    fn next(&self) -> String {
        self.told.recv_timeout(PATIENCE).expect("a run")
    }

    /// What the daemon says of itself.
    fn live(&self) -> Option<Live> {
        control::live(&self.dir.path().join("state/renew.sock")).ok().flatten()
    }

    /// Whether the run of this number has ended, and none goes on, as the daemon says itself.
    fn has_ended(&self, number: u32) -> bool {
        let end = format!("-{number}");
        let is_last =
            |one: &LiveService| one.last.as_ref().is_some_and(|it| it.run.ends_with(&end));
        self.live().is_some_and(|live| {
            live.services.iter().all(|one| one.running.is_none())
                && live.services.iter().any(is_last)
        })
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

/// A clock that is set by hand; the monotonic one goes by itself, or is moved on.
struct Set {
    /// The time, and how often it was asked for since it was set.
    wall: Mutex<(DateTime<Utc>, u32)>,
    real: SystemClock,
    /// How many seconds the monotonic clock is ahead.
    ahead_s: AtomicU64,
}

impl Set {
    fn new() -> Arc<Set> {
        let wall = Mutex::new((DateTime::UNIX_EPOCH + TimeDelta::seconds(1), 0));
        Arc::new(Set { wall, real: SystemClock::default(), ahead_s: AtomicU64::new(0) })
    }
}

impl Clock for Set {
    fn now(&self) -> DateTime<Utc> {
        let mut wall = self.wall.lock().unwrap();
        wall.1 += 1;
        wall.0
    }

    fn monotonic(&self) -> Duration {
        self.real.monotonic() + Duration::from_secs(self.ahead_s.load(Ordering::SeqCst))
    }

    fn sleep(&self, pause: Duration) {
        self.real.sleep(pause);
    }
}

#[test]
fn a_clock_that_is_wrong_at_the_start_and_set_later_costs_one_run_and_no_wait() {
    let clock = Set::new();
    let played = Played::by(&["a", "b"], 2, Arc::clone(&clock) as _, |_| done());
    let mut at_start = [played.next(), played.next()];
    at_start.sort();
    assert_eq!(at_start, ["a", "b"], "run_on_start does not ask what time it is");
    // Some turns of the main thread, each of which looks at the clock.
    let turns = |wall: DateTime<Utc>| {
        *clock.wall.lock().unwrap() = (wall, 0);
        while clock.wall.lock().unwrap().1 < 20 {
            played.inbox.send(Message::Reload).unwrap();
            clock.sleep(Duration::from_millis(2));
        }
    };
    let set = |number: u32, to: &str| {
        // A tick that comes while a run has not ended is skipped.
        while !played.has_ended(number) {
            clock.sleep(Duration::from_millis(2));
        }
        turns(to.parse().unwrap());
    };
    // The time arrives: 56 new years were left out.
    set(2, "2026-11-21T12:00:00Z");
    let mut then = [played.next(), played.next()];
    then.sort();
    assert_eq!(then, ["a", "b"]);
    // Set back, nobody waits until it has caught up: the next one is the new year of that time.
    set(4, "1999-12-31T23:59:50Z");
    set(4, "2000-01-01T00:00:00Z");
    let mut back = [played.next(), played.next()];
    back.sort();
    assert_eq!(back, ["a", "b"]);
    played.stop();
    assert!(played.told.recv_timeout(PATIENCE).is_err(), "and nobody runs twice");
    assert!(played.thread.join().unwrap());
}

#[test]
fn a_change_that_takes_too_long_is_cancelled_at_its_deadline() {
    let (begun, has_begun) = channel();
    let begun = Mutex::new(begun);
    let clock = Set::new();
    let played = Played::by(&["changes"], 1, Arc::clone(&clock) as _, move |job| {
        assert!(job.stop.may_change());
        begun.lock().unwrap().send(()).unwrap();
        hang(job)
    });
    has_begun.recv_timeout(PATIENCE).expect("a change");
    played.stop();
    while !played.live().is_some_and(|live| live.stopping) {
        clock.sleep(Duration::from_millis(2));
    }
    clock.ahead_s.store(30, Ordering::SeqCst);
    clock.sleep(Duration::from_millis(300));
    assert!(!played.thread.is_finished(), "it has time left");
    clock.ahead_s.store(76, Ordering::SeqCst);
    // It is looked at within two seconds, as the configuration is.
    assert!(played.thread.join().unwrap());
}
