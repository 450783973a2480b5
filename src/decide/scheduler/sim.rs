//! Random lives of a daemon: services that come, go and change, runs of any length, clocks that are
//! set, sleep, requests and a stop. After every step what must always be true is looked at; the seed
//! of a failure is in its message. Windows and pauses are not in here: a run itself looks at those.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Europe::Berlin;

use super::{Action, Event, First, Now, STEP, Scheduler, Task, Trigger};
use crate::decide::random::Random;
use crate::decide::schedule::Schedule;

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
const SCHEDULES: [&str; 6] =
    ["* * * * *", "*/3 * * * *", "@every 90s", "@hourly", "30 2 * * *", "0 0 29 2 *"];

/// What must be so, kept without a look into the scheduler.
struct Life {
    random: Random,
    scheduler: Scheduler<chrono_tz::Tz>,
    now: Now,
    tasks: BTreeMap<String, Task>,
    next: BTreeMap<String, DateTime<Utc>>,
    workers: usize,
    /// Since which step they wait.
    waiting: BTreeMap<String, usize>,
    running: BTreeSet<String>,
    /// Who is to run once more after the run that goes on.
    again: BTreeSet<String>,
    stopping: bool,
    stopped: bool,
    step: usize,
}

impl Life {
    fn new(seed: u64) -> Life {
        // The hours around both changes of the clock are part of it.
        let begin = ["2026-03-28T22:00:00Z", "2026-10-24T22:00:00Z", "2028-02-28T20:00:00Z"];
        let wall = begin[usize::try_from(seed % 3).unwrap()].parse().unwrap();
        Life {
            random: Random(seed),
            scheduler: Scheduler::new(Berlin),
            now: Now { wall, monotonic: Duration::ZERO },
            tasks: BTreeMap::new(),
            next: BTreeMap::new(),
            workers: 1,
            waiting: BTreeMap::new(),
            running: BTreeSet::new(),
            again: BTreeSet::new(),
            stopping: false,
            stopped: false,
            step: 0,
        }
    }

    /// Lets time pass, or sets the wall clock. Returns whether it was set back.
    fn pass_time(&mut self) -> bool {
        let seconds = match self.random.next(20) {
            0 => 0,
            1 => self.random.next(86_400),
            _ => self.random.next(100),
        };
        self.now.monotonic += Duration::from_secs(seconds);
        let mut wall = TimeDelta::seconds(i64::try_from(seconds).unwrap());
        let step = TimeDelta::seconds(i64::try_from(self.random.next(400_000)).unwrap());
        match self.random.next(30) {
            0 => wall += step,
            1 => wall -= step,
            // A suspend: the monotonic clock stands still.
            2 => wall += TimeDelta::hours(9),
            _ => {}
        }
        let before = self.now.wall;
        self.now.wall += wall;
        let passed = TimeDelta::seconds(i64::try_from(seconds).unwrap());
        self.now.wall - before < passed - STEP
    }

    fn next_time(&self, task: &Task) -> DateTime<Utc> {
        task.schedule.next_after(self.now.wall, &Berlin, task.anchor).unwrap()
    }

    fn some_event(&mut self) -> Event {
        match self.random.next(12) {
            0 => self.some_configuration(),
            1 | 2 => Event::Wanted(self.random.pick(&NAMES).to_owned()),
            3..=7 if !self.running.is_empty() => {
                let all: Vec<String> = self.running.iter().cloned().collect();
                let nth = usize::try_from(self.random.next(all.len() as u64)).unwrap();
                Event::Ended(all[nth].clone())
            }
            8 if self.random.next(40) == 0 => Event::Stop,
            _ => Event::Woken,
        }
    }

    fn some_configuration(&mut self) -> Event {
        let mut tasks = Vec::new();
        for name in NAMES {
            if self.random.next(4) == 0 {
                continue;
            }
            let schedule = match (self.tasks.get(name), self.random.next(3)) {
                (Some(known), 1..) => known.schedule.clone(),
                _ => Schedule::parse(self.random.pick(&SCHEDULES)).unwrap(),
            };
            tasks.push(Task { service: name.to_owned(), schedule, anchor: DateTime::UNIX_EPOCH });
        }
        let workers = usize::try_from(self.random.next(4)).unwrap();
        let first = self.random.pick(&[First::Now, First::Scheduled]);
        Event::Configured { tasks, workers, first }
    }

    fn wait(&mut self, service: &str) {
        if self.stopping || !self.tasks.contains_key(service) {
        } else if self.running.contains(service) {
            self.again.insert(service.to_owned());
        } else {
            self.waiting.entry(service.to_owned()).or_insert(self.step);
        }
    }

    /// One step: what is expected of it, what comes, and what must be so afterwards.
    fn step(&mut self) {
        self.step += 1;
        let set_back = self.pass_time();
        if set_back {
            let tasks = self.tasks.clone();
            self.next = tasks.iter().map(|(s, task)| (s.clone(), self.next_time(task))).collect();
        }
        let mut skipped = BTreeSet::new();
        if !self.stopping {
            let wall = self.now.wall;
            let due = self.next.clone().into_iter().filter(|(_, at)| *at <= wall);
            for (service, _) in due {
                match self.running.contains(&service) {
                    true => drop(skipped.insert(service.clone())),
                    false => self.wait(&service),
                }
                let next = self.next_time(&self.tasks[&service]);
                self.next.insert(service, next);
            }
        }
        let event = self.some_event();
        self.expect(&event);
        let actions = self.scheduler.on(self.now, event);
        for action in actions {
            assert!(!self.stopped, "{action:?} after everything had stopped");
            match action {
                Action::Run { service, trigger } => self.ran(&service, trigger),
                Action::Skipped { service, count } => {
                    assert!(
                        skipped.remove(&service) && count > 0,
                        "{service} skipped a tick it had not"
                    );
                }
                Action::Stopped => self.stopped = true,
            }
        }
        assert_eq!(skipped, BTreeSet::new(), "ticks that nobody told of");
        assert_eq!(self.stopped, self.stopping && self.running.is_empty());
        let room = self.running.len() < self.workers;
        assert!(!room || self.waiting.is_empty(), "a worker idles, and {:?} wait", self.waiting);
        assert_eq!(self.scheduler.waiting(), self.waiting.len());
        let wake = self.next.values().min().copied().filter(|_| !self.stopping);
        assert_eq!(self.scheduler.wake_at(), wake);
        assert!(wake.is_none_or(|at| at > self.now.wall), "it would wake at once, for ever");
    }

    fn expect(&mut self, event: &Event) {
        match event {
            Event::Woken => {}
            Event::Wanted(service) => self.wait(service),
            Event::Ended(service) => {
                self.running.remove(service);
                if self.again.remove(service) {
                    self.wait(service);
                }
            }
            Event::Stop => {
                self.stopping = true;
                self.waiting.clear();
                self.again.clear();
            }
            Event::Configured { tasks, workers, first } => {
                let before = std::mem::take(&mut self.tasks);
                self.tasks = tasks.iter().map(|t| (t.service.clone(), t.clone())).collect();
                self.next.retain(|service, _| self.tasks.contains_key(service));
                self.waiting.retain(|service, _| self.tasks.contains_key(service));
                self.workers = (*workers).max(1);
                for task in tasks {
                    if before.get(&task.service) != Some(task) {
                        self.next.insert(task.service.clone(), self.next_time(task));
                    }
                    if !before.contains_key(&task.service) && *first == First::Now {
                        self.wait(&task.service);
                    }
                }
            }
        }
    }

    fn ran(&mut self, service: &str, trigger: Trigger) {
        assert!(!self.stopping, "{service} ran after the stop");
        let since = self.waiting.remove(service);
        let since = since.unwrap_or_else(|| panic!("{service} ran ({trigger:?}) and was not due"));
        let earliest = self.waiting.values().min();
        assert!(earliest.is_none_or(|other| *other >= since), "{service} went before its turn");
        assert!(self.running.insert(service.to_owned()), "{service} runs twice");
        assert!(self.running.len() <= self.workers, "more run than may");
    }
}

#[test]
fn whatever_happens_every_tick_is_run_skipped_or_merged_and_never_twice_at_once() {
    for seed in 0..2_000 {
        let told = std::panic::catch_unwind(|| {
            let mut life = Life::new(seed);
            for _ in 0..150 {
                life.step();
            }
        });
        assert!(told.is_ok(), "seed {seed}");
    }
}

#[test]
fn a_gap_of_days_is_one_run() {
    let mut scheduler = Scheduler::new(Berlin);
    let at = |minutes: i64| Now {
        wall: DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes),
        monotonic: Duration::from_secs(60),
    };
    let task = |service: &str| Task {
        service: service.to_owned(),
        schedule: Schedule::parse("* * * * *").unwrap(),
        anchor: DateTime::UNIX_EPOCH,
    };
    let tasks = vec![task("b"), task("a")];
    let configured = Event::Configured { tasks, workers: 1, first: First::Scheduled };
    assert_eq!(scheduler.on(at(0), configured), []);
    let run =
        |service: &str| Action::Run { service: service.to_owned(), trigger: Trigger::Schedule };
    assert_eq!(scheduler.on(at(10_000), Event::Woken), [run("a")]);
    assert_eq!(scheduler.on(at(10_000), Event::Ended("a".to_owned())), [run("b")]);
    assert_eq!(scheduler.on(at(10_000), Event::Ended("b".to_owned())), []);
    assert_eq!(scheduler.on(at(10_000), Event::Stop), [Action::Stopped]);
}
