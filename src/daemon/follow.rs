//! Follows the configuration file: looks whether it changed, loads it, works from it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::Daemon;
use super::watch::{Seen, Watch};
use crate::config::{Config, Loaded, Service};
use crate::decide::scheduler::{Event, First, Task};
use crate::problem::Problem;
use crate::state::StateDir;

/// How often the configuration file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How soon again when it was just being written.
const LOOK_SOON: Duration = Duration::from_millis(250);

/// How often one that does not load is tried although its content is the same.
const TRY_EVERY: Duration = Duration::from_secs(30);
/// How far past its deadline a run counts as stuck.
const LATE: Duration = Duration::from_secs(60);

/// The file, and how it is.
#[derive(Debug)]
pub(super) struct Follow<'a> {
    /// Where it is.
    pub path: &'a Path,
    /// Since when it is not what we work from.
    pub rejected_since: Option<DateTime<Utc>>,
    watch: Watch,
    /// Whether it is just being written.
    moving: bool,
    /// When it was looked at last, on the monotonic clock.
    looked: Duration,
    /// Why it does not load, and when that was tried last.
    problems: Vec<Problem>,
    tried: Duration,
}

impl<'a> Follow<'a> {
    /// Takes it as it is now.
    pub fn begin(path: &'a Path, rejected_since: Option<DateTime<Utc>>) -> Follow<'a> {
        let watch = Watch::begin(path);
        let (looked, tried) = (Duration::ZERO, Duration::ZERO);
        Follow { path, rejected_since, watch, moving: false, looked, problems: Vec::new(), tried }
    }

    /// How long until the next look.
    pub fn patience(&self) -> Duration {
        if self.moving { LOOK_SOON } else { LOOK_EVERY }
    }
}

/// For how long a run of this service may show no sign of life. Before and after each wait it looks
/// whether it is to stop, and the longest wait is the longest of its deadlines.
pub(super) fn patience_with(service: &Service) -> Duration {
    let limits = &service.timeouts;
    let waits = [limits.git, limits.pull, limits.up, limits.script, service.verify.timeout];
    waits.into_iter().max().unwrap_or_default() + LATE
}

impl Daemon<'_> {
    /// Works from the present configuration from now on.
    pub(super) fn configure(&mut self, first: First) {
        let (now, state) = (self.clock.now(), StateDir::at(&self.config.state_dir));
        if let Err(problem) = state.prepare() {
            log::warn!("{problem}");
        }
        let task = |service: &Service| {
            let (name, schedule) = (service.name.as_str(), service.schedule.clone());
            // Only `@every` is another task with another anchor.
            let anchor = match schedule.needs_anchor() {
                true => state.anchor(name, schedule.as_str(), now),
                false => DateTime::UNIX_EPOCH,
            };
            Task { service: name.to_owned(), schedule, anchor }
        };
        let tasks: Vec<Task> = self.config.here().map(task).collect();
        self.repeats.retain(|service| tasks.iter().any(|task| task.service == service));
        self.books.keep(tasks.iter().map(|task| task.service.as_str()));
        let workers = self.config.workers;
        if let Err(cause) = self.pool.grow(workers, &self.sender) {
            log::error!("{} of {workers} workers: {cause}", self.pool.size());
        }
        let workers = workers.min(self.pool.size());
        self.resumed.retain(|service, _| tasks.iter().any(|task| task.service == *service));
        self.on(Event::Configured { tasks, workers, first });
    }

    /// How many services there are, in words.
    pub(super) fn counted(&self) -> String {
        match self.config.here().count() {
            1 => "1 service".to_owned(),
            count => format!("{count} services"),
        }
    }

    /// Looks at the file, if it is time.
    pub(super) fn look_at_config(&mut self) {
        let now = self.clock.monotonic();
        if now < self.follow.looked + LOOK_SOON {
            return;
        }
        let seen = self.follow.watch.look(self.clock.now());
        self.follow.looked = now;
        self.follow.moving = seen == Seen::Moving;
        match seen {
            // What is wrong may lie beside its content: who may write it, or a disk that failed.
            Seen::Same if self.follow.rejected_since.is_some() => self.try_again(now),
            Seen::Same | Seen::Moving => {}
            // What is wrong with it is said there.
            Seen::Changed => drop(self.reload()),
            Seen::Gone => {
                log::warn!("{} is gone: going on with what it said", self.follow.path.display());
                self.reject();
            }
        }
    }

    fn reject(&mut self) {
        let now = self.clock.now();
        self.follow.rejected_since.get_or_insert(now);
    }

    /// Loads the file. One that does not load changes nothing.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn reload(&mut self) -> Result<(), Vec<Problem>> {
        if self.stopping.is_some() {
            return Ok(());
        }
        let path = self.follow.path;
        // What comes after this look is another change.
        self.follow.watch = Watch::begin(path);
        match (self.load)() {
            Ok(loaded) => {
                self.take_over(loaded);
                Ok(())
            }
            Err(problems) => {
                self.refuse(&problems);
                Err(problems)
            }
        }
    }

    /// Loads the same content again, quietly unless something else comes of it.
    fn try_again(&mut self, now: Duration) {
        if now < self.follow.tried + TRY_EVERY || self.stopping.is_some() {
            return;
        }
        self.follow.tried = now;
        match (self.load)() {
            Ok(loaded) => self.take_over(loaded),
            Err(problems) if problems != self.follow.problems => self.refuse(&problems),
            Err(_) => {}
        }
    }

    fn refuse(&mut self, problems: &[Problem]) {
        for problem in problems {
            log::error!("{problem}");
        }
        let path = self.follow.path.display();
        log::error!("{path} does not load: going on with the last one that did");
        self.follow.problems = problems.to_vec();
        self.follow.tried = self.clock.monotonic();
        self.reject();
    }

    fn take_over(&mut self, loaded: Loaded) {
        let path = self.follow.path;
        self.config = Arc::new(self.stay_in_place(loaded.config));
        (self.keep)(&self.config, &loaded.text);
        self.follow.rejected_since = None;
        log::info!("{} is loaded: {}", path.display(), self.counted());
        self.configure(First::Scheduled);
    }

    /// Where the state is and where we listen does not change while we run.
    fn stay_in_place(&self, mut config: Config) -> Config {
        for (key, new, old) in [
            ("state_dir", &mut config.state_dir, &self.config.state_dir),
            ("control.socket", &mut config.control_socket, &self.config.control_socket),
        ] {
            if new != old {
                let (to, at) = (new.display(), old.display());
                log::warn!("{key} is {to} now: that needs a restart, until then it stays {at}");
                new.clone_from(old);
            }
        }
        config
    }
}
