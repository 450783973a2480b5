//! What other threads may know of the daemon: a snapshot that the main thread puts up after each turn,
//! so that whoever reads it waits for no work, and the sign of life of that thread.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::supervisor::Components;
use crate::config::Config;
use crate::decide::scheduler::Trigger;
use crate::problem::Problem;
use crate::standing::{Live, LiveComponent};
use crate::state::history::Complaint;
use crate::sys::clock::Clock;
use crate::sys::stop::Stop;

/// The main thread looks at its file every two seconds; silent for this long it is stuck.
const SILENT: Duration = Duration::from_secs(30);

/// The daemon as it was after the last turn of the main thread.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// What it works from.
    pub config: Arc<Config>,
    /// What it says of itself, but for its components.
    pub live: Live,
    /// The runs that go on.
    pub jobs: Vec<Underway>,
}

impl Snapshot {
    /// What is true before anything has begun.
    #[must_use]
    pub fn of_a_start(config: &Arc<Config>, path: &Path, since: DateTime<Utc>) -> Snapshot {
        let mut live = Live::of_this_process(since);
        live.config.path = path.display().to_string();
        live.workers.size = config.workers;
        Snapshot { config: Arc::clone(config), live, jobs: Vec::new() }
    }
}

/// A run that goes on.
#[derive(Debug, Clone)]
pub struct Underway {
    /// Whose.
    pub service: String,
    /// Why it began.
    pub trigger: Trigger,
    /// With which it shows that it is alive.
    pub stop: Stop,
    /// For how long it may be silent: see [`super::follow::patience_with`].
    pub patience: Duration,
}

impl Underway {
    /// Whether it is in no wait that it could be in: every wait has a deadline, and before and after
    /// each a run looks whether it is to stop.
    fn is_stuck(&self) -> bool {
        self.stop.cancel().unseen_for() > self.patience
    }
}

/// The board.
pub struct Board {
    clock: Arc<dyn Clock>,
    components: Components,
    up: Mutex<Snapshot>,
    beat_ms: AtomicU64,
    well_since: Mutex<DateTime<Utc>>,
}

impl Board {
    /// One with a first snapshot on it.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, components: Components, first: Snapshot) -> Board {
        let well_since = Mutex::new(first.live.since);
        let board = Board {
            clock,
            components,
            up: Mutex::new(first),
            beat_ms: AtomicU64::new(0),
            well_since,
        };
        board.beat();
        board
    }

    /// The main thread is alive.
    pub fn beat(&self) {
        if self.silence() > SILENT {
            *lock(&self.well_since) = self.clock.now();
        }
        self.beat_ms.store(self.age_ms(), Ordering::SeqCst);
    }

    /// Puts up what is true now.
    pub fn put_up(&self, snapshot: Snapshot) {
        *lock(&self.up) = snapshot;
    }

    /// What is up.
    #[must_use]
    pub fn read(&self) -> Snapshot {
        lock(&self.up).clone()
    }

    /// The daemon now.
    #[must_use]
    pub fn live(&self) -> Live {
        let Snapshot { mut live, jobs, .. } = self.read();
        live.components = self.components.live();
        live.components.push(self.workers(&live, &jobs));
        live
    }

    /// Since when all is well, or what is wrong since when.
    #[must_use]
    pub fn health(&self) -> (DateTime<Utc>, Option<String>) {
        let silence = self.silence();
        if silence > SILENT {
            let since = self.clock.now() - TimeDelta::from_std(silence).unwrap_or_default();
            let why = format!("the main thread has been silent for {} s", silence.as_secs());
            return (since, Some(why));
        }
        let jobs = self.read().jobs;
        match self.all_stuck() {
            true => (self.oldest(&jobs), Some(format!("all workers are stuck: {}", stuck(&jobs)))),
            false => (*lock(&self.well_since), None),
        }
    }

    /// Whether no worker is left that could run anything.
    #[must_use]
    pub fn all_stuck(&self) -> bool {
        let up = lock(&self.up);
        let stuck = up.jobs.iter().filter(|job| job.is_stuck()).count();
        stuck > 0 && stuck >= up.live.workers.size
    }

    /// The pool as a component: with a stuck worker it is `degraded`.
    fn workers(&self, live: &Live, jobs: &[Underway]) -> LiveComponent {
        let names = stuck(jobs);
        let bad = !names.is_empty();
        let problem = || {
            let message = format!("no sign of life: {names}");
            let mend = "see what it waits for with `cat /proc/PID/task/*/stack`, or restart renew";
            Problem::engine("worker_stuck", message, mend)
        };
        let since = if bad { self.oldest(jobs) } else { live.since };
        LiveComponent {
            name: "workers".to_owned(),
            state: if bad { "degraded" } else { "running" }.to_owned(),
            since,
            error: bad.then(|| Complaint::new(&problem(), since)),
        }
    }

    /// When the first of those that are stuck was last seen alive.
    fn oldest(&self, jobs: &[Underway]) -> DateTime<Utc> {
        let stuck = jobs.iter().filter(|job| job.is_stuck());
        let silent = stuck.map(|job| job.stop.cancel().unseen_for()).max().unwrap_or_default();
        self.clock.now() - TimeDelta::from_std(silent).unwrap_or_default()
    }

    fn silence(&self) -> Duration {
        let beat = self.beat_ms.load(Ordering::SeqCst);
        Duration::from_millis(self.age_ms().saturating_sub(beat))
    }

    fn age_ms(&self) -> u64 {
        u64::try_from(self.clock.monotonic().as_millis()).unwrap_or(u64::MAX)
    }
}

fn stuck(jobs: &[Underway]) -> String {
    let names = jobs.iter().filter(|job| job.is_stuck()).map(|job| job.service.as_str());
    names.collect::<Vec<_>>().join(", ")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use chrono::{DateTime, TimeDelta, Utc};

    use super::{Board, Snapshot, Underway};
    use crate::config;
    use crate::daemon::supervisor::Supervisor;
    use crate::decide::scheduler::Trigger;
    use crate::decide::supervisor::Pauses;
    use crate::sys::clock::{Clock, SystemClock};
    use crate::sys::stop::Stop;

    /// A clock that is set, in seconds.
    #[derive(Default)]
    struct Set(AtomicU64);

    impl Clock for Set {
        fn now(&self) -> DateTime<Utc> {
            DateTime::UNIX_EPOCH + TimeDelta::seconds(self.0.load(Ordering::SeqCst).cast_signed())
        }

        fn monotonic(&self) -> Duration {
            Duration::from_secs(self.0.load(Ordering::SeqCst))
        }

        fn sleep(&self, _: Duration) {}
    }

    /// A board with two workers and these runs, which have not shown themselves for so long.
    fn board(clock: &Arc<Set>, silent_for: &[Duration]) -> Board {
        let path = Path::new("/etc/renew/renew.json");
        let text = br#"{"workers": 2, "services": [{"name": "a", "compose_files": ["a.yaml"]}]}"#;
        let config = Arc::new(config::parse(text, path).unwrap().config);
        let mut snapshot = Snapshot::of_a_start(&config, path, clock.now());
        let underway = |(at, silent): (usize, &Duration)| Underway {
            service: format!("s{at}"),
            trigger: Trigger::Schedule,
            stop: Stop::default(),
            // As if that much more had passed.
            patience: Duration::from_secs(960).saturating_sub(*silent),
        };
        snapshot.jobs = silent_for.iter().enumerate().map(underway).collect();
        SystemClock::default().sleep(Duration::from_millis(5));
        let clock: Arc<dyn Clock> = Arc::clone(clock) as _;
        let supervisor = Supervisor::new(Arc::clone(&clock), Pauses::default());
        Board::new(clock, supervisor.components(), snapshot)
    }

    #[test]
    fn one_stuck_worker_is_degraded_and_two_of_two_are_the_end() {
        let clock = Arc::new(Set::default());
        let [well, stuck] = [0, 960].map(Duration::from_secs);
        for (runs, state, all) in [
            (&[][..], "running", false),
            (&[well, well], "running", false),
            (&[well, stuck], "degraded", false),
            (&[stuck, stuck], "degraded", true),
        ] {
            let board = board(&clock, runs);
            let live = board.live();
            let workers = live.components.last().unwrap();
            assert_eq!((workers.name.as_str(), workers.state.as_str()), ("workers", state));
            assert_eq!(workers.error.is_some(), state == "degraded");
            assert_eq!(board.all_stuck(), all, "{runs:?}");
            let why = board.health().1;
            assert_eq!(why.is_some(), all, "{why:?}");
            assert!(why.is_none_or(|why| why.ends_with("s0, s1")));
        }
    }

    #[test]
    fn a_silent_main_thread_is_not_well_and_one_that_comes_back_is_since_then() {
        let clock = Arc::new(Set::default());
        let board = board(&clock, &[]);
        let at = |seconds| {
            clock.0.store(seconds, Ordering::SeqCst);
            clock.now()
        };
        let start = at(0);
        at(30);
        assert_eq!(board.health(), (start, None));
        at(31);
        let (since, why) = board.health();
        assert_eq!(since, start);
        assert!(why.unwrap().contains("silent for 31 s"));
        let back = at(40);
        board.beat();
        at(50);
        assert_eq!(board.health(), (back, None));
    }
}
