//! Which service runs when: a state machine that is told what happened and says what is to be done. It
//! knows no thread and no clock; whoever carries its actions out tells it the time with each event.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, TimeZone, Utc};

use super::schedule::agenda::Agenda;
use super::schedule::{Moment, Schedule};
use crate::gather::Gather;

/// A wall clock that falls back by more than this against the monotonic one was set; less is what
/// clocks do while they are disciplined (adjtimex(2) slews by at most half a millisecond a second).
const STEP: TimeDelta = TimeDelta::seconds(2);

/// The time of an event on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Wall time, which schedules are about. It may step in either direction.
    pub wall: DateTime<Utc>,
    /// Time since the process began; never goes backwards.
    pub monotonic: Duration,
}

/// A service and when it is due.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Its name in the configuration.
    pub service: String,
    /// When it is due.
    pub schedule: Schedule,
    /// What `@every` counts from.
    pub anchor: DateTime<Utc>,
}

/// When services run for the first time that a configuration brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum First {
    /// At once.
    Now,
    /// When their schedule says.
    Scheduled,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// These services, in their order, are the configuration from now on.
    Configured {
        /// The services.
        tasks: Vec<Task>,
        /// How many may run at once.
        workers: usize,
        /// When the new ones among them run first.
        first: First,
    },
    /// Nothing but time has passed.
    Woken,
    /// A run of this service is over, however it ended.
    Ended(String),
    /// Somebody wants a run of this service.
    Wanted(String),
    /// No run is to begin any more.
    Stop,
}

/// Why a run begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trigger {
    /// Its schedule.
    Schedule,
    /// The start of the daemon.
    Start,
    /// Somebody asked for it.
    Wanted,
}

impl Trigger {
    /// Its public name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Trigger::Schedule => "schedule",
            Trigger::Start => "start",
            Trigger::Wanted => "request",
        }
    }
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// A worker is to run this service.
    Run {
        /// Its name.
        service: String,
        /// Why.
        trigger: Trigger,
    },
    /// A tick came to nothing, for the run before is still going on.
    Skipped {
        /// Whose.
        service: String,
        /// How many of its ticks did, since that run began.
        count: u64,
    },
    /// Nothing runs any more, and nothing will.
    Stopped,
}

/// A run that is going on.
#[derive(Debug, Clone, Default)]
struct Running {
    /// Somebody wants another one after it.
    again: bool,
    /// Ticks that came meanwhile.
    skipped: u64,
}

/// The state of all services. At most one run of each goes on, each waits at most once, and so the
/// queue is never longer than the configuration.
#[derive(Debug, Clone)]
pub struct Scheduler<Z> {
    zone: Z,
    tasks: BTreeMap<String, Task>,
    agenda: Agenda<String>,
    queue: VecDeque<(String, Trigger)>,
    running: BTreeMap<String, Running>,
    workers: usize,
    last: Option<Now>,
    stopping: bool,
    stopped: bool,
}

impl<Z: TimeZone> Scheduler<Z> {
    /// One that knows of no service. Schedules are read on the clocks of `zone`.
    pub fn new(zone: Z) -> Scheduler<Z> {
        Scheduler {
            zone,
            tasks: BTreeMap::new(),
            agenda: Agenda::default(),
            queue: VecDeque::new(),
            running: BTreeMap::new(),
            workers: 1,
            last: None,
            stopping: false,
            stopped: false,
        }
    }

    /// Takes in an event, and everything that has become due by its time.
    pub fn on(&mut self, now: Now, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        self.notice_step(now);
        self.take_due(now, &mut actions);
        match event {
            Event::Woken => {}
            Event::Configured { tasks, workers, first } => {
                self.configure(now, tasks, first);
                self.workers = workers.max(1);
            }
            Event::Ended(service) => {
                let again = self.running.remove(&service).is_some_and(|run| run.again);
                if again {
                    self.want(&service, Trigger::Wanted);
                }
            }
            Event::Wanted(service) => self.want(&service, Trigger::Wanted),
            Event::Stop => {
                self.stopping = true;
                self.queue.clear();
            }
        }
        self.begin(&mut actions);
        if self.stopping && self.running.is_empty() && !self.stopped {
            self.stopped = true;
            actions.push(Action::Stopped);
        }
        actions
    }

    /// The wall time at which something becomes due; `None` if nothing will.
    pub fn wake_at(&self) -> Option<DateTime<Utc>> {
        if self.stopping { None } else { self.agenda.next().map(|(at, _)| at) }
    }

    /// When a service is due next.
    pub fn next_of(&self, service: &String) -> Option<DateTime<Utc>> {
        self.agenda.next_of(service)
    }

    /// The services that run now.
    pub fn running(&self) -> impl Iterator<Item = &str> {
        self.running.keys().map(String::as_str)
    }

    /// How many wait for a worker.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// A wall clock that was set back would leave everybody waiting until it has caught up: all next
    /// times are computed anew. One that was set forward, or a suspend, makes what it skipped due, once.
    fn notice_step(&mut self, now: Now) {
        if let Some(last) = self.last {
            let passed = now.monotonic.saturating_sub(last.monotonic);
            let passed = TimeDelta::from_std(passed).unwrap_or(TimeDelta::MAX);
            if now.wall - last.wall < passed.checked_sub(&STEP).unwrap_or_default() {
                let (tasks, moment) = (&self.tasks, Moment::new(now.wall, &self.zone));
                self.agenda.reschedule(|service| {
                    tasks.get(service).and_then(|task| task.schedule.next_at(&moment, task.anchor))
                });
            }
        }
        self.last = Some(now);
    }

    fn take_due(&mut self, now: Now, actions: &mut Vec<Action>) {
        if self.stopping {
            return;
        }
        for service in self.agenda.pop_due(now.wall) {
            self.set_next(now, &service);
            match self.running.get_mut(&service) {
                Some(running) => {
                    running.skipped += 1;
                    actions.push(Action::Skipped { service, count: running.skipped });
                }
                None => self.want(&service, Trigger::Schedule),
            }
        }
    }

    fn set_next(&mut self, now: Now, service: &str) {
        let Some(task) = self.tasks.get(service) else { return };
        let moment = Moment::new(now.wall, &self.zone);
        if let Some(next) = task.schedule.next_at(&moment, task.anchor) {
            self.agenda.insert(service.to_owned(), next);
        }
    }

    /// A service that is known by the same schedule keeps its next time.
    fn configure(&mut self, now: Now, tasks: Vec<Task>, first: First) {
        let order: Vec<String> = tasks.iter().map(|task| task.service.clone()).collect();
        let tasks = tasks.into_iter().map(|task| (task.service.clone(), task)).gather();
        let before = std::mem::replace(&mut self.tasks, tasks);
        for gone in before.keys().filter(|service| !self.tasks.contains_key(*service)) {
            self.agenda.remove(gone);
        }
        self.queue.retain(|(service, _)| self.tasks.contains_key(service));
        for service in order {
            let known = before.get(&service);
            if known != self.tasks.get(&service) {
                self.agenda.remove(&service);
                self.set_next(now, &service);
            }
            if known.is_none() && first == First::Now {
                self.want(&service, Trigger::Start);
            }
        }
    }

    /// Who runs is run once more after that; who waits already, or is not known any more, is not put in
    /// the queue. Of several reasons a person's is the one that counts.
    fn want(&mut self, service: &str, trigger: Trigger) {
        if self.stopping || !self.tasks.contains_key(service) {
            return;
        }
        if let Some(running) = self.running.get_mut(service) {
            running.again = true;
        } else if let Some((_, before)) = self.queue.iter_mut().find(|(name, _)| name == service) {
            *before = trigger.max(*before);
        } else {
            self.queue.push_back((service.to_owned(), trigger));
        }
    }

    fn begin(&mut self, actions: &mut Vec<Action>) {
        while self.running.len() < self.workers
            && let Some((service, trigger)) = self.queue.pop_front()
        {
            self.running.insert(service.clone(), Running::default());
            actions.push(Action::Run { service, trigger });
        }
    }
}

#[cfg(test)]
mod sim;
