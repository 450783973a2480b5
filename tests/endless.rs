//! A hundred thousand ticks of the daemon, as fast as they go: at each minute of its clock it loads its
//! configuration, which wakes it. What it holds after the last tick it held after the first thousands.
//! Alone in its process, whose memory is looked at.

#![allow(clippy::unwrap_used, reason = "a test says no by panicking")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use renew::config;
use renew::daemon::{self, Job, Message, Outcome, Setup, Work};
use renew::problem::Problem;
use renew::reconcile::Report;
use renew::sys::clock::Clock;

const TICKS: u64 = 100_000;
/// From here on nothing may grow.
const WARM: u64 = 10_000;
/// An allocator takes memory in pieces.
const GROWTH_KIB_MAX: u64 = 512;

/// Two of three services are due at every minute, one at every second one.
const CONFIG: &str = r#"{"state_dir": "state", "workers": 2, "services": [
    {"name": "a", "compose_files": ["a.yaml"], "schedule": "* * * * *"},
    {"name": "b", "compose_files": ["b.yaml"], "schedule": "@every 1m"},
    {"name": "c", "compose_files": ["c.yaml"], "schedule": "*/2 * * 1-12 0-7"}]}"#;

/// Seconds since the beginning.
#[derive(Default)]
struct Played(AtomicU64);

impl Clock for Played {
    fn now(&self) -> DateTime<Utc> {
        let seconds = self.0.load(Ordering::SeqCst).cast_signed();
        DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::seconds(seconds)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::SeqCst))
    }

    fn sleep(&self, pause: Duration) {
        self.0.fetch_add(pause.as_secs(), Ordering::SeqCst);
    }
}

fn anonymous_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}

#[test]
fn a_hundred_thousand_ticks_leave_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("renew.json");
    std::fs::write(&path, CONFIG).unwrap();
    let load = || config::parse(CONFIG.as_bytes(), &path).unwrap();
    let clock = Arc::new(Played::default());
    let inbox = Setup::inbox();
    let (ran, held) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(Vec::new())));
    let (count, looks) = (Arc::clone(&ran), Arc::clone(&held));
    let work: Arc<Work> = Arc::new(move |job: &Job| {
        let count = count.fetch_add(1, Ordering::SeqCst) + 1;
        if count == WARM || count == TICKS {
            looks.lock().unwrap().push(anonymous_kib());
        }
        let trouble = Problem::engine("exited", format!("web exited, {}", count / 1_000), "look");
        let problems = if job.service == "b" { vec![trouble] } else { Vec::new() };
        Outcome::Done(Report { problems, ..Report::default() })
    });
    let (loaded, minute) = channel();
    let (send, time) = (inbox.0.clone(), Arc::clone(&clock));
    let ticker = thread::spawn(move || {
        while ran.load(Ordering::SeqCst) < TICKS {
            time.sleep(Duration::from_secs(60));
            send.send(Message::Reload).unwrap();
            minute.recv().unwrap();
        }
        send.send(Message::Stop).unwrap();
    });
    daemon::run(Setup {
        path: &path,
        config: load().config,
        rejected: false,
        load: &|| {
            loaded.send(()).unwrap();
            Ok(load())
        },
        keep: &|_, _| {},
        work,
        clock,
        inbox,
    })
    .unwrap();
    ticker.join().unwrap();
    let held = held.lock().unwrap();
    let [warm, end] = held[..] else { panic!("{held:?}") };
    println!("{warm} KiB after {WARM} ticks, {end} KiB after {TICKS}");
    assert!(end <= warm + GROWTH_KIB_MAX, "{warm} KiB, then {end} KiB");
}
