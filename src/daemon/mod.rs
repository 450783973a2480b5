//! The daemon: one thread that owns the scheduler and waits for the next thing to happen, and a fixed
//! pool of workers that carry out what is due. It never looks at a repository or an engine itself.

mod drain;
mod pool;
mod repeat;
mod tell;
mod watch;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use chrono::{DateTime, Local};

use crate::config::{Config, Service};
use crate::decide::scheduler::{Action, Event, First, Now, Scheduler, Task, Trigger};
use crate::problem::Problem;
use crate::state::StateDir;
use crate::sys;
use crate::sys::clock::Clock;
use crate::sys::notify::Notify;
use crate::sys::stop::Stop;
use drain::Drain;
use pool::Pool;
use repeat::Repeats;
use watch::{Seen, Watch};

pub use pool::{Ended, Job, Outcome, Work};

/// How often the configuration file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How soon again when it was just being written.
const LOOK_SOON: Duration = Duration::from_millis(250);
/// What the main thread is told.
#[derive(Debug)]
pub enum Message {
    /// A run is over.
    Ended(Ended),
    /// Stop; the second time, at once.
    Stop,
    /// Load the configuration now.
    Reload,
}

impl From<Ended> for Message {
    fn from(ended: Ended) -> Message {
        Message::Ended(ended)
    }
}

/// Loads the configuration file as it is now.
pub type Load<'a> = dyn Fn() -> Result<Config, Vec<Problem>> + 'a;

/// What the daemon stands on.
pub struct Setup<'a> {
    /// The configuration file.
    pub path: &'a Path,
    /// The configuration that it begins with.
    pub config: Config,
    /// Whether that is only the copy of the last one that loaded.
    pub rejected: bool,
    /// Loads another one.
    pub load: &'a Load<'a>,
    /// Runs a service.
    pub work: Arc<Work>,
    /// Tells the time.
    pub clock: &'a dyn Clock,
    /// What is told to the main thread, and by whom.
    pub inbox: (Sender<Message>, Receiver<Message>),
}

impl Setup<'_> {
    /// An inbox.
    #[must_use]
    pub fn inbox() -> (Sender<Message>, Receiver<Message>) {
        channel()
    }
}

/// Runs until it is asked to stop and all runs have ended.
///
/// # Errors
/// When the system has no threads for us.
pub fn run(setup: Setup<'_>) -> Result<(), Problem> {
    let (sender, inbox) = setup.inbox;
    let mut daemon = Daemon {
        watch: Watch::begin(setup.path),
        path: setup.path,
        config: Arc::new(setup.config),
        load: setup.load,
        clock: setup.clock,
        pool: Pool::new(setup.work),
        sender,
        scheduler: Scheduler::new(Local),
        jobs: BTreeMap::new(),
        repeats: Repeats::default(),
        notify: Notify::find(),
        status: String::new(),
        rejected: setup.rejected,
        moving: false,
        looked: Duration::ZERO,
        stopping: None,
        over: false,
    };
    daemon.begin()?;
    while !daemon.over {
        match inbox.recv_timeout(daemon.patience()) {
            Ok(message) => daemon.take(message),
            // The other end is ours as well, so that it is never gone.
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
        daemon.look_at_config();
        daemon.on(Event::Woken);
        daemon.hurry();
        daemon.tell_systemd();
    }
    daemon.notify.tell("STOPPING=1\nSTATUS=stopped");
    log::info!("stopped");
    Ok(())
}

struct Daemon<'a> {
    path: &'a Path,
    config: Arc<Config>,
    load: &'a Load<'a>,
    clock: &'a dyn Clock,
    pool: Pool,
    sender: Sender<Message>,
    scheduler: Scheduler<Local>,
    /// The runs that go on, by service.
    jobs: BTreeMap<String, Stop>,
    repeats: Repeats,
    notify: Notify,
    /// What systemd was told last.
    status: String,
    watch: Watch,
    /// Whether the file is not what we work from.
    rejected: bool,
    /// Whether the file is just being written.
    moving: bool,
    /// When it was looked at last, on the monotonic clock.
    looked: Duration,
    /// Until when, on the monotonic clock, runs may go on; and whether they are cancelled by now.
    stopping: Option<(Duration, Drain)>,
    over: bool,
}

impl Daemon<'_> {
    fn begin(&mut self) -> Result<(), Problem> {
        let first = if self.config.run_on_start { First::Now } else { First::Scheduled };
        self.configure(first);
        log::info!(
            "renew {} runs: {}, at most {} at once",
            env!("CARGO_PKG_VERSION"),
            self.counted(),
            self.config.workers
        );
        self.notify.tell("READY=1");
        Ok(())
    }

    fn now(&self) -> Now {
        Now { wall: self.clock.now(), monotonic: self.clock.monotonic() }
    }

    /// The services that are meant for this host.
    fn services(&self) -> impl Iterator<Item = &Service> {
        let host = [sys::env::hostname()];
        self.config.services.iter().filter(move |service| service.runs_on(&host))
    }

    /// How many services there are, in words.
    fn counted(&self) -> String {
        match self.services().count() {
            1 => "1 service".to_owned(),
            count => format!("{count} services"),
        }
    }

    /// Works from the present configuration from now on.
    fn configure(&mut self, first: First) {
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
        let tasks: Vec<Task> = self.services().map(task).collect();
        let known: Vec<String> = tasks.iter().map(|task| task.service.clone()).collect();
        self.repeats.retain(|service| known.iter().any(|name| name == service));
        let workers = self.config.workers;
        if let Err(cause) = self.pool.grow(workers, &self.sender) {
            log::error!("cannot start {workers} workers: {cause}");
        }
        self.on(Event::Configured { tasks, workers, first });
    }

    /// How long there is nothing to do, unless a message comes.
    fn patience(&self) -> Duration {
        let look = if self.moving { LOOK_SOON } else { LOOK_EVERY };
        let wall = self.clock.now();
        let due = self.scheduler.wake_at().map(|at| (at - wall).to_std().unwrap_or_default());
        let end = self.stopping.map(|(until, _)| until.saturating_sub(self.clock.monotonic()));
        let times = [due, end, self.notify.watchdog()];
        times.into_iter().flatten().fold(look, Duration::min)
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Ended(ended) => self.ended(ended),
            Message::Reload => self.reload(),
            Message::Stop => self.stop(),
        }
    }

    /// Tells the scheduler, and does what it says.
    fn on(&mut self, event: Event) {
        for action in self.scheduler.on(self.now(), event) {
            match action {
                Action::Run { service, trigger } => self.start(service, trigger),
                Action::Skipped { service, count } if count.is_power_of_two() => {
                    log::warn!("{service}: its last run goes on, ticks skipped: {count}");
                }
                Action::Skipped { .. } => {}
                Action::Stopped => self.over = true,
            }
        }
    }

    fn start(&mut self, service: String, trigger: Trigger) {
        log::debug!("{service}: runs ({})", trigger.name());
        let stop = Stop::default();
        self.jobs.insert(service.clone(), stop.clone());
        self.pool.run(Job { service, config: Arc::clone(&self.config), stop });
    }

    fn ended(&mut self, ended: Ended) {
        let Ended { service, outcome } = ended;
        self.jobs.remove(&service);
        match outcome {
            Outcome::Done(report) => self.tell(&service, &report),
            Outcome::Panicked(words) => {
                let message = format!("{service}: a fault in renew ended its run: {words}");
                let resolution = "it is tried again at its next time; please report it";
                self.say(&service, Some(&Problem::engine("panic", message, resolution)));
            }
            Outcome::ConfigMoved => {
                log::info!("{}: the fetch brought another {}", service, self.path.display());
                self.reload();
                self.on(Event::Wanted(service.clone()));
            }
        }
        self.on(Event::Ended(service));
    }

    fn look_at_config(&mut self) {
        let now = self.clock.monotonic();
        if now < self.looked + LOOK_SOON {
            return;
        }
        self.looked = now;
        let seen = self.watch.look(self.clock.now());
        self.moving = seen == Seen::Moving;
        match seen {
            Seen::Same | Seen::Moving => {}
            Seen::Changed => self.reload(),
            Seen::Gone => {
                log::warn!("{} is gone: going on with what it said", self.path.display());
                self.rejected = true;
            }
        }
    }

    /// Loads the file. One that does not load changes nothing.
    fn reload(&mut self) {
        if self.stopping.is_some() {
            return;
        }
        // What comes after this look is another change.
        self.watch = Watch::begin(self.path);
        match (self.load)() {
            Ok(config) => {
                self.config = Arc::new(config);
                self.rejected = false;
                log::info!("{} is loaded: {}", self.path.display(), self.counted());
                self.configure(First::Scheduled);
            }
            Err(problems) => {
                for problem in &problems {
                    log::error!("{problem}");
                }
                let path = self.path.display();
                log::error!("{path} does not load: going on with the last one that did");
                self.rejected = true;
            }
        }
    }
}

#[cfg(test)]
mod tests;
