//! Random sequences of good and bad targets against a model of docker: what is bad is made once and
//! undone once, and everything else converges. The seed of a failure is in its message.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::{AllFailed, Failed, Target, waits};
use crate::decide::plan::{
    Action, ContainerFact, ContainerState, Definition, Desired, DesiredService, DesiredStack,
    ImageFact, Key, Lifetime, Memory, Mounts, Observed, Policy, ProjectMemory, Reason,
    ServiceMemory, Step, Waits, is_change, key, plan, put_off, resting,
};
use crate::decide::random::Random;

const NAMES: [&str; 3] = ["a", "b", "c"];

/// Every third definition is bad, but for the first, which all begin with.
fn is_bad(definition: &str) -> bool {
    definition.trim_start_matches(char::is_alphabetic).parse::<u64>().is_ok_and(|n| n % 3 == 2)
}

fn of(name: &str) -> Key {
    ("p".to_owned(), name.to_owned())
}

/// A host, as far as the deciders see it.
#[derive(Default)]
struct Host {
    git: BTreeMap<String, String>,
    /// Definition, whether it runs, and which container it is.
    runs: BTreeMap<String, (String, bool, u64)>,
    /// The release in force: definition and container.
    record: BTreeMap<String, (String, u64)>,
    failed: AllFailed,
    made: u64,
    applied: BTreeMap<String, u32>,
    undone: BTreeMap<String, u32>,
}

impl Host {
    fn desired(&self, definition: impl Fn(&str) -> Option<String>) -> Desired {
        let service = |definition: String| DesiredService {
            image: "i".to_owned(),
            build: false,
            replicas: 1,
            definition,
            files: BTreeMap::new(),
            env: None,
            mounts: Mounts::default(),
            networks: BTreeSet::new(),
            lifetime: Lifetime::Lasting,
            policy: Policy::default(),
            container_name: None,
            ties: Vec::new(),
        };
        let services = self.git.keys();
        let services =
            services.filter_map(|name| Some((name.clone(), service(definition(name)?)))).collect();
        let stack = DesiredStack { project: "p".to_owned(), services, ..DesiredStack::default() };
        Desired { stacks: vec![stack], ..Desired::default() }
    }

    fn memory(&self) -> Memory {
        let service = |(definition, _): &(String, u64)| ServiceMemory {
            definition: definition.clone(),
            replicas: 1,
            ..ServiceMemory::default()
        };
        let services = self.record.iter().map(|(name, past)| (name.clone(), service(past)));
        let project = ProjectMemory { services: services.collect(), ..ProjectMemory::default() };
        Memory { projects: [("p".to_owned(), project)].into(), ..Memory::default() }
    }

    fn observed(&self) -> Observed {
        let image = ImageFact { local_id: Some("i".to_owned()), ..ImageFact::default() };
        let fact = |(name, (_, runs, id)): (&String, &(String, bool, u64))| {
            let known = self.record.get(name).is_some_and(|(_, known)| known == id);
            ContainerFact {
                id: id.to_string(),
                project: "p".to_owned(),
                compose_service: name.clone(),
                state: if *runs { ContainerState::Running } else { ContainerState::Exited(1) },
                image_id: "i".to_owned(),
                definition: if known { Definition::Known } else { Definition::Foreign },
                mounts: Vec::new(),
                working_dir: None,
                joins: Vec::new(),
            }
        };
        Observed {
            containers: self.runs.iter().map(fact).collect(),
            images: [("i".to_owned(), image)].into(),
            ..Observed::default()
        }
    }

    fn waits(&self) -> Waits {
        let declared = self.desired(|name| self.git.get(name).cloned());
        let of = waits(&self.failed, &declared, None, DateTime::<Utc>::UNIX_EPOCH);
        Waits { all: None, of }
    }

    fn plan(&self) -> (Vec<Action>, Waits) {
        let waits = self.waits();
        let declared = self.desired(|name| self.git.get(name).cloned());
        let kept = self.desired(|name| match waits.get(&of(name)) {
            Some(_) => self.record.get(name).map(|(definition, _)| definition.clone()),
            None => self.git.get(name).cloned(),
        });
        let (memory, observed) = (self.memory(), self.observed());
        let healed = plan(&resting(&kept, &waits), &memory, &observed);
        let actions = plan(&declared, &memory, &observed);
        (put_off(actions, (&healed, &kept), &declared, &memory, &observed, &waits), waits)
    }

    /// Makes one container, good or not.
    fn make(&mut self, name: &str, definition: &str) {
        self.made += 1;
        self.runs.insert(name.to_owned(), (definition.to_owned(), !is_bad(definition), self.made));
    }

    /// One run; it is cut off after so many changes.
    fn run(&mut self, kill_after: u64) {
        let (actions, waits) = self.plan();
        let declared = self.desired(|name| self.git.get(name).cloned());
        let memory = self.memory();
        let (mut bad, mut changed) = (BTreeSet::new(), BTreeSet::new());
        let acting = actions.iter().filter(|action| action.step != Step::Nothing);
        for (n, action) in acting.enumerate() {
            if n as u64 >= kill_after {
                return;
            }
            let name = action.compose_service.clone();
            let restores = waits.get(&key(action)).is_some();
            let goal = match restores {
                true => self.record.get(&name).map(|(definition, _)| definition.clone()),
                false => self.git.get(&name).cloned(),
            };
            let Some(goal) = goal.filter(|_| action.step != Step::Remove) else {
                self.runs.remove(&name);
                continue;
            };
            if restores && self.runs.get(&name).is_some_and(|(runs, ..)| is_bad(runs)) {
                let was = self.runs[&name].0.clone();
                *self.undone.entry(was).or_default() += 1;
            }
            let starts = action.step == Step::Start && action.reason == Reason::Stopped;
            if starts {
                let one = self.runs.get_mut(&name).expect("it stands still");
                one.1 = !is_bad(&one.0);
            } else {
                self.make(&name, &goal);
            }
            let otherwise = self.record.get(&name).is_some_and(|(was, _)| *was != goal);
            if !restores && !starts && (otherwise || is_change(action, &declared, &memory)) {
                *self.applied.entry(goal.clone()).or_default() += 1;
                changed.insert(name.clone());
                if is_bad(&goal) {
                    bad.insert(name.clone());
                }
            } else if let Some((_, id)) = self.record.get_mut(&name) {
                *id = self.runs[&name].2;
            }
        }
        if let Some(first) = bad.first().cloned() {
            self.condemn(&bad, &changed, &first);
            return self.run(u64::MAX);
        }
        for name in changed {
            let (definition, _, id) = self.runs[&name].clone();
            self.record.insert(name, (definition, id));
        }
    }

    fn condemn(&mut self, bad: &BTreeSet<String>, changed: &BTreeSet<String>, first: &str) {
        for name in changed {
            let target = Target { definition: self.git[name].clone(), ..Target::default() };
            let with = (!bad.contains(name)).then(|| of(first));
            let failed = Failed { target, with, until: None, words: String::new() };
            self.failed.entry(of(name)).or_default().push(failed);
        }
    }
}

/// One host's life. Returns it after it was left alone for a while.
fn live(seed: u64, kills: bool) -> Host {
    let mut random = Random(seed);
    let mut host = Host::default();
    for name in NAMES {
        host.git.insert(name.to_owned(), format!("{name}0"));
        host.make(name, &format!("{name}0"));
        host.record.insert(name.to_owned(), (format!("{name}0"), host.made));
    }
    for _ in 0..60 {
        let name = NAMES[random.next(3) as usize];
        match random.next(10) {
            // New, or one that was there before.
            0..=4 => {
                let definition = format!("{name}{}", random.next(12));
                host.git.insert(name.to_owned(), definition);
            }
            5 => {
                if let Some(one) = host.runs.get_mut(name) {
                    one.1 = false;
                }
            }
            6 => drop(host.runs.remove(name)),
            _ => {}
        }
        let kill_after = if kills && random.next(4) == 0 { random.next(3) } else { u64::MAX };
        host.run(kill_after);
    }
    for _ in 0..4 {
        host.run(u64::MAX);
    }
    host
}

#[test]
fn what_is_bad_is_made_once_and_undone_once() {
    for seed in 0..400 {
        let host = live(seed, false);
        for (definition, n) in host.applied.iter().filter(|(definition, _)| is_bad(definition)) {
            assert_eq!(*n, 1, "seed {seed}: {definition} was made {n} times");
        }
        for (definition, n) in &host.undone {
            assert_eq!(*n, 1, "seed {seed}: {definition} was undone {n} times");
        }
    }
}

#[test]
fn in_the_end_everything_runs_as_declared_or_as_it_did_before() {
    for seed in 0..400 {
        for kills in [false, true] {
            let mut host = live(seed, kills);
            let waits = host.waits();
            for name in NAMES {
                let (definition, runs, id) = host.runs[name].clone();
                assert!(runs && !is_bad(&definition), "seed {seed}: {name} is {definition}");
                let meant = match waits.get(&of(name)) {
                    Some(_) => host.record[name].0.clone(),
                    None => host.git[name].clone(),
                };
                assert_eq!(definition, meant, "seed {seed}: {name}");
                assert_eq!(host.record[name], (meant, id), "seed {seed}: {name}");
                let bad = is_bad(&host.git[name]);
                assert!(!bad || waits.get(&of(name)).is_some(), "seed {seed}: {name}");
            }
            let before = host.runs.clone();
            host.run(u64::MAX);
            assert_eq!(host.runs, before, "seed {seed}: a settled run does nothing");
        }
    }
}
