//! The daemon: one thread that owns the scheduler and waits for the next thing to happen, and a fixed
//! pool of workers that carry out what is due. It never looks at a repository or an engine itself.

mod board;
mod books;
mod desk;
mod drain;
mod follow;
mod pool;
mod repeat;
mod supervisor;
mod tell;
mod watch;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use chrono::{DateTime, Local, Utc};

use crate::config::{Config, Loaded};
use crate::control;
use crate::decide::scheduler::{Action, Event, First, Now, Scheduler, Trigger};
use crate::decide::supervisor::Pauses;
use crate::problem::Problem;
use crate::reconcile::Restart;
use crate::standing::{Live, LiveConfig, LiveWorkers};
use crate::sys::clock::Clock;
use crate::sys::notify::Notify;
use crate::sys::stop::Stop;
use board::{Board, Snapshot, Underway};
use books::Books;
use desk::Request;
use drain::Drain;
use follow::Follow;
use pool::Pool;
use repeat::Repeats;
use supervisor::Supervisor;

pub use drain::DRAIN;
pub use pool::{Ended, Job, Outcome, Work};

/// Messages on their way to the main thread, which never sends any itself. Whoever sends more waits: a
/// worker has one at a time, and a caller at the control socket is turned away.
const INBOX_MAX: usize = 64;

/// What the main thread is told.
#[derive(Debug)]
pub enum Message {
    /// A run is over.
    Ended(Ended),
    /// Stop; the second time, at once.
    Stop,
    /// Load the configuration now.
    Reload,
    /// Somebody at the control socket asks for something.
    Asked(Request),
}

impl From<Ended> for Message {
    fn from(ended: Ended) -> Message {
        Message::Ended(ended)
    }
}

/// Loads the configuration file as it is now.
pub type Load<'a> = dyn Fn() -> Result<Loaded, Vec<Problem>> + 'a;

/// Keeps a configuration and its text for a start at which the file does not load.
pub type Keep<'a> = dyn Fn(&Config, &str) + 'a;

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
    /// Keeps it.
    pub keep: &'a Keep<'a>,
    /// Runs a service.
    pub work: Arc<Work>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// What is told to the main thread, and by whom.
    pub inbox: (SyncSender<Message>, Receiver<Message>),
}

impl Setup<'_> {
    /// An inbox.
    #[must_use]
    pub fn inbox() -> (SyncSender<Message>, Receiver<Message>) {
        sync_channel(INBOX_MAX)
    }
}

/// Runs until it is asked to stop and all runs have ended.
///
/// # Errors
/// When another daemon listens on the control socket, or the system has no threads for us.
pub fn run(setup: Setup<'_>) -> Result<(), Problem> {
    let Setup { clock, inbox: (sender, inbox), .. } = setup;
    let (config, since) = (Arc::new(setup.config), clock.now());
    let mut supervisor = Supervisor::new(Arc::clone(&clock), Pauses::default());
    let first = Snapshot::of_a_start(&config, setup.path, since);
    let board = Arc::new(Board::new(Arc::clone(&clock), supervisor.components(), first));
    listen(&mut supervisor, &config, &board, &clock, &sender)?;
    let mut daemon = Daemon {
        follow: Follow::begin(setup.path, setup.rejected.then_some(since)),
        config,
        load: setup.load,
        keep: setup.keep,
        clock,
        since,
        pool: Pool::new(setup.work),
        sender,
        scheduler: Scheduler::new(Local),
        jobs: BTreeMap::new(),
        books: Books::begin(since),
        board,
        repeats: Repeats::default(),
        notify: Notify::find(),
        status: String::new(),
        told_alive: None,
        resumed: BTreeMap::new(),
        moved: Arc::default(),
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
        daemon.show();
    }
    daemon.notify.tell("STOPPING=1\nSTATUS=stopped");
    log::info!("stopped");
    Ok(())
}

/// Opens the control socket. Without one the daemon works all the same, and tries again; but never
/// beside another daemon.
fn listen(
    supervisor: &mut Supervisor,
    config: &Config,
    board: &Arc<Board>,
    clock: &Arc<dyn Clock>,
    inbox: &SyncSender<Message>,
) -> Result<(), Problem> {
    let desk = desk::open(Arc::clone(board), Arc::clone(clock), inbox.clone());
    let path = config.control_socket.clone();
    let serve = move |ending: &_, ready: &dyn Fn()| control::serve(&path, &desk, ending, ready);
    match supervisor.start("control", Box::new(serve)) {
        Ok(()) => Ok(()),
        Err(problem) if problem.reason == control::ALREADY_RUNNING => Err(problem),
        Err(problem) => {
            log::warn!("{problem}; going on without, it is tried again");
            Ok(())
        }
    }
}

struct Daemon<'a> {
    follow: Follow<'a>,
    config: Arc<Config>,
    load: &'a Load<'a>,
    keep: &'a Keep<'a>,
    clock: Arc<dyn Clock>,
    since: DateTime<Utc>,
    pool: Pool,
    sender: SyncSender<Message>,
    scheduler: Scheduler<Local>,
    /// The runs that go on, by service.
    jobs: BTreeMap<String, Underway>,
    books: Books,
    board: Arc<Board>,
    repeats: Repeats,
    notify: Notify,
    /// What systemd was told last.
    status: String,
    /// When it was told that we are alive, on the monotonic clock.
    told_alive: Option<Duration>,
    /// Why runs begin that go on with another configuration.
    resumed: BTreeMap<String, Trigger>,
    /// Whether a run brought another configuration than the one that the runs have.
    moved: Arc<AtomicBool>,
    /// Until when, on the monotonic clock, runs may go on; and whether they are cancelled by now.
    stopping: Option<(Duration, Drain)>,
    over: bool,
}

impl Daemon<'_> {
    fn begin(&mut self) -> Result<(), Problem> {
        let first = if self.config.run_on_start { First::Now } else { First::Scheduled };
        self.configure(first);
        if self.pool.size() == 0 {
            let message = "the system has no thread for a worker";
            return Err(Problem::setup("threads", message, "see the limits of renew's unit"));
        }
        log::info!(
            "renew {} runs: {}, at most {} at once",
            env!("CARGO_PKG_VERSION"),
            self.counted(),
            self.config.workers
        );
        self.show();
        self.notify.tell("READY=1");
        Ok(())
    }

    fn now(&self) -> Now {
        Now { wall: self.clock.now(), monotonic: self.clock.monotonic() }
    }

    /// How long there is nothing to do, unless a message comes.
    fn patience(&self) -> Duration {
        let wall = self.clock.now();
        let due = self.scheduler.wake_at().map(|at| (at - wall).to_std().unwrap_or_default());
        let end = self.stopping.map(|(until, _)| until.saturating_sub(self.clock.monotonic()));
        let times = [due, end, self.alive_in()];
        times.into_iter().flatten().fold(self.follow.patience(), Duration::min)
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Ended(ended) => self.ended(ended),
            Message::Reload => drop(self.reload()),
            Message::Stop => self.stop(),
            Message::Asked(request) => self.obey(request),
        }
    }

    /// Tells the scheduler, and does what it says.
    fn on(&mut self, event: Event) {
        for action in self.scheduler.on(self.now(), event) {
            match action {
                Action::Run { service, trigger } => self.start(service, trigger),
                Action::Skipped { service, count } => {
                    self.books.skipped(&service);
                    if count.is_power_of_two() {
                        log::warn!("{service}: its last run goes on, ticks skipped: {count}");
                    }
                }
                Action::Stopped => self.over = true,
            }
        }
    }

    fn start(&mut self, service: String, trigger: Trigger) {
        let resumed = self.resumed.remove(&service);
        // Once is enough: a repository that always brings another one would be run for ever.
        let restart = if resumed.is_some() { Restart::Done } else { Restart::Allowed };
        let trigger = resumed.unwrap_or(trigger);
        let id = self.books.begins(&service, trigger.name(), self.clock.now());
        log::debug!("{service}: run {id} begins ({})", trigger.name());
        let stop = Stop::default();
        let patience = self.config.service(&service).map(follow::patience_with).unwrap_or_default();
        let underway = Underway { service: service.clone(), trigger, stop: stop.clone(), patience };
        self.jobs.insert(service.clone(), underway);
        let config = Arc::clone(&self.config);
        let moved = Arc::clone(&self.moved);
        self.pool.run(Job { service, config, trigger, restart, moved, stop });
    }

    fn ended(&mut self, ended: Ended) {
        let Ended { service, outcome } = ended;
        let underway = self.jobs.remove(&service);
        let (result, error) = match outcome {
            Outcome::Done(report) => {
                let of_service = report.services.iter().find(|one| one.name == service);
                let result = of_service.and_then(|one| one.result).map(|result| result.name());
                let error = self.tell(&service, &report);
                (result.unwrap_or("failed"), error)
            }
            Outcome::Panicked(words) => {
                let message = format!("{service}: a fault in renew ended its run: {words}");
                let resolution = "it is tried again at its next time; please report it";
                let problem = Problem::engine("panic", message, resolution);
                self.say(&service, Some(&problem));
                ("panicked", Some(problem))
            }
            Outcome::ConfigMoved => {
                log::info!("{}: the fetch brought another {}", service, self.follow.path.display());
                // What is wrong with it is said there.
                let _ = self.reload();
                self.moved = Arc::default();
                self.books.restarts(&service);
                self.resumed.extend(underway.map(|one| (service.clone(), one.trigger)));
                self.on(Event::Wanted(service.clone()));
                return self.on(Event::Ended(service));
            }
        };
        self.books.ended(&service, result, error.as_ref(), self.clock.now());
        self.on(Event::Ended(service));
    }

    /// Shows others how all is.
    fn show(&mut self) {
        self.board.beat();
        let of_service =
            |name: &str| self.books.live(name, self.scheduler.next_of(&name.to_owned()));
        let live = Live {
            stopping: self.stopping.is_some(),
            config: LiveConfig {
                path: self.follow.path.display().to_string(),
                rejected_since: self.follow.rejected_since,
            },
            workers: LiveWorkers {
                size: self.pool.size().min(self.config.workers).min(self.config.here().count()),
                busy: self.jobs.len(),
                waiting: self.scheduler.waiting(),
            },
            services: self.config.here().map(|one| of_service(one.name.as_str())).collect(),
            ..Live::of_this_process(self.since)
        };
        let jobs = self.jobs.values().cloned().collect();
        self.board.put_up(Snapshot { config: Arc::clone(&self.config), live, jobs });
        self.tell_systemd();
    }
}

#[cfg(test)]
mod tests;
