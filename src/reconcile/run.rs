//! One run of one service: resolve, observe and plan, pull and look again, move the files, apply,
//! verify, record. Level-triggered: done twice, it does nothing the second time.

mod change;
mod deploy;
mod failure;
mod foretell;
mod patience;
mod probation;
mod pull;
mod soak;
mod undo;
mod unmade;
mod waiting;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Host;
use super::chronicle;
use super::deeds::Deeds;
use super::gate::QuorumGate;
use super::held::Held;
use super::in_force::{InForce, image_in_force};
use super::mounts::directories;
use super::observe::{Sight, look};
use super::order::in_need;
use super::pass::Pass;
use super::pause::{paused, sweep};
use super::policy;
use super::precheck::{Doomed, Precheck};
use super::report::{Outcome, ServiceReport, Story};
use super::script::Scripts;
use super::stack::Stacks;
use super::todo::{Key, key};
use super::unset::{Unset, refuse};
use super::verify::Verdict;
use crate::config::Service;
use crate::decide::plan::{Action, Changes, Desired, ImageFact, Step, keep_whole, plan, settle};
use crate::problem::Problem;
use crate::state::{Record, ServiceLock};
use crate::sys::child_record::ChildRecord;

/// How long the compose of a killed run may take to end after TERM.
const LEFTOVER_PATIENCE: Duration = Duration::from_secs(20);

/// Runs one service of a sync.
pub fn run(pass: &Pass<'_>, service: &Service) -> ServiceReport {
    let name = service.name.as_str();
    match paused(pass, service) {
        Ok(None) => sweep(pass, service),
        Ok(Some(report)) => return report,
        Err(problem) => return ServiceReport::stopped(name, problem),
    }
    let lock = match pass.state.lock(name) {
        Ok(lock) => lock,
        Err(problem) => return ServiceReport::stopped(name, problem),
    };
    let running = pass.state.running(name);
    if ChildRecord::end_leftover(&running, LEFTOVER_PATIENCE, pass.host.clock) {
        log::warn!("{name}: ended a child of a run that was killed");
    }
    let began = pass.host.clock.now();
    let done = Run::begin(pass, service, Some(&lock)).and_then(|run| run.carry_out(&lock));
    let report = done.unwrap_or_else(|problem| ServiceReport::stopped(name, problem));
    chronicle::write(pass, &lock, &report, began);
    pass.host.stop.changed();
    report
}

/// Says what [`run`] would do, and changes nothing.
pub fn foresee(pass: &Pass<'_>, service: &Service) -> ServiceReport {
    let foretold = || match paused(pass, service)? {
        Some(report) => Ok(report),
        None => Run::begin(pass, service, None)?.foretell(),
    };
    let name = service.name.as_str();
    let report = foretold().unwrap_or_else(|problem| ServiceReport::stopped(name, problem));
    ServiceReport { result: None, ..report }
}

/// What a run is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// To bring the service in step with git.
    Follow,
    /// To undo what it just did: nobody is asked again, and it is not undone itself.
    Undo,
}

/// A run whose stacks are resolved.
pub struct Run<'a> {
    pass: &'a Pass<'a>,
    host: &'a Host<'a>,
    service: &'a Service,
    lock: Option<&'a ServiceLock>,
    /// What is remembered.
    pub record: Record,
    /// What git declares.
    pub stacks: Stacks,
    /// The same for the planner.
    pub desired: Desired,
    /// What is kept up instead by those that wait.
    in_force: Option<InForce>,
    /// Until when all wait: for a window, or for a target that resolves.
    window: Option<String>,
    /// Who is down, and cannot be made as git declares it now.
    unmade: BTreeSet<Key>,
    purpose: Purpose,
    gate: QuorumGate<'a>,
    /// Why it is not known whether a window is open.
    no_time: Option<Problem>,
}

impl<'a> Run<'a> {
    /// Resolves the stacks of a service. Only with its lock is anything kept of that.
    ///
    /// # Errors
    /// When the engine does not answer, a stack does not resolve, or the record cannot be used.
    pub fn begin(
        pass: &'a Pass<'a>,
        service: &'a Service,
        lock: Option<&'a ServiceLock>,
    ) -> Result<Run<'a>, Problem> {
        // Without an engine nothing below is of use: not even compose is asked.
        pass.host.engine()?;
        let record = pass.state.record(service.name.as_str())?;
        let record = probation::judge(pass, service, lock, record)?;
        let run = Run::open(pass, service, lock, record, Purpose::Follow)?;
        pass.siblings.claim(pass, service, &run.stacks)?;
        Ok(run)
    }

    fn open(
        pass: &'a Pass<'a>,
        service: &'a Service,
        lock: Option<&'a ServiceLock>,
        record: Record,
        purpose: Purpose,
    ) -> Result<Run<'a>, Problem> {
        let stacks = Stacks::resolve(service, &pass.resolver, &pass.state, lock, pass.host)?;
        let (changes, no_time) = match (stacks.to_come(), &stacks.fallen_back) {
            // Nothing is known that was ever in force.
            (Some(_), Some(problem)) if record.projects.is_empty() => return Err(problem.clone()),
            (Some(what), _) => (Changes::Deferred(what.to_owned()), None),
            (None, _) => policy::changes(pass.host, service, &stacks, &record)?,
        };
        let window = match changes {
            Changes::Deferred(ref until) => Some(until.clone()),
            Changes::Allowed | Changes::Observed => None,
        };
        let gate = QuorumGate::new(pass.host, service, record.local_url_answered.clone());
        let (host, in_force) = (pass.host, None);
        let mut run = Run {
            pass,
            host,
            service,
            lock,
            record,
            stacks,
            desired: Desired::default(),
            in_force,
            window,
            unmade: BTreeSet::new(),
            purpose,
            gate,
            no_time,
        };
        run.declare(&changes);
        run.keep_up(None)?;
        Ok(run)
    }

    /// What git declares, where changes may be made so far.
    fn declare(&mut self, changes: &Changes) {
        self.desired = self.stacks.desired(self.service, self.pass.git.top(), changes);
        self.desired.directories = directories(self.pass);
    }

    /// Finds out who waits, and what is kept up instead. Before the images are known, all that may
    /// wait do.
    fn keep_up(&mut self, images: Option<&BTreeMap<String, ImageFact>>) -> Result<(), Problem> {
        let now = self.host.clock.now();
        let waits = self.waits(images, now);
        if waits.is_empty() {
            self.in_force = None;
            return Ok(());
        }
        if self.in_force.as_ref().is_some_and(|kept| kept.waits == waits) {
            return Ok(());
        }
        let stacks =
            self.stacks.in_force(&self.record, &waits, |past| image_in_force(self.host, past))?;
        let all = self.window.clone().map_or(Changes::Allowed, Changes::Deferred);
        let desired = stacks.desired(self.service, self.pass.git.top(), &all);
        let directories = self.desired.directories.clone();
        self.in_force =
            Some(InForce { stacks, desired: Desired { directories, ..desired }, waits });
        Ok(())
    }

    /// Looks at the world. Who is a stranger in a project is asked of all services of the
    /// configuration, but only once there is one.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub fn look(&mut self) -> Result<Sight, Problem> {
        let in_force = self.in_force.as_ref().map(|in_force| &in_force.desired);
        let (stacks, desired) = (&self.stacks, &self.desired);
        let sight = look(self.pass, self.service, stacks, desired, in_force, &self.record)?;
        let strange = sight.containers.iter().any(|container| {
            let known = self.desired.known_services.get(&container.project);
            known.is_some_and(|names| !names.contains(&container.compose_service))
        });
        if strange {
            let others = self.pass.siblings.others(self.pass, self.service, self.lock);
            let in_force = self.in_force.as_mut().map(|in_force| &mut in_force.desired);
            for desired in [Some(&mut self.desired), in_force].into_iter().flatten() {
                desired.learn(&others);
            }
        }
        if !self.record.quarantine.is_empty() {
            self.keep_up(Some(&sight.observed.images))?;
        }
        Ok(sight)
    }

    /// What is to be done, as far as the gate lets it pass.
    fn plan(&self, sight: &Sight) -> Result<Vec<Action>, Problem> {
        let memory = self.stacks.memory(&sight.record);
        let mut actions = plan(&self.desired, &memory, &sight.observed);
        if let Some(in_force) = &self.in_force {
            actions = in_force.put_off(actions, &self.desired, &memory, sight);
        }
        if self.purpose == Purpose::Follow {
            self.gate.pass(&mut actions, sight)?;
            if self.in_force.is_none() {
                actions = keep_whole(actions, &self.desired, &memory, &sight.observed);
            }
        }
        if self.purpose == Purpose::Undo {
            // Whoever is to be put back does not wait for the images of others.
            let others = |action: &&mut Action| action.pull && !self.restores(&key(action));
            for other in actions.iter_mut().filter(others) {
                (other.step, other.pull) = (Step::Nothing, false);
            }
        }
        Ok(settle(actions, self.kept_up().1, &sight.observed))
    }

    /// What is made and recorded: what git declares, or what is in force while changes wait.
    fn kept_up(&self) -> (&Stacks, &Desired) {
        let declared = (&self.stacks, &self.desired);
        self.in_force.as_ref().map_or(declared, |kept| (&kept.stacks, &kept.desired))
    }

    fn held(&self) -> Result<Held, Problem> {
        self.pass.held(self.service.name.as_str(), self.stacks.paths())
    }

    /// What is refused because nothing sets a variable. Those that wait are made from what is recorded,
    /// where there are none.
    fn unset(&self, actions: &[Action]) -> Option<Unset> {
        let follows = |action: &&Action| {
            self.in_force.as_ref().is_none_or(|kept| kept.waits.get(&key(action)).is_none())
        };
        let following: Vec<Action> = actions.iter().filter(follows).cloned().collect();
        refuse(&self.stacks, &self.desired, &self.stacks.memory(&self.record), &following)
    }

    fn report(&self) -> ServiceReport {
        let mut report = ServiceReport::new(self.service.name.as_str());
        report.error = self.stacks.fallen_back.clone().or_else(|| self.no_time.clone());
        for (project, names) in self.stacks.unset_variables() {
            report.notes.push(format!("{project}: nothing sets {}", names.join(", ")));
        }
        for name in policy::unknown_names(self.service, |name| self.stacks.declare(name)) {
            report.notes.push(format!("per_service has {name}, which is in no compose file"));
        }
        report
    }

    fn carry_out(mut self, lock: &ServiceLock) -> Result<ServiceReport, Problem> {
        let mut report = self.report();
        report.story = self.story();
        let mut deeds = self.plan_and_pull(&mut report)?;
        let so_far = (&deeds.failed, deeds.tried.as_slice());
        self.keep_up_unmade(&mut deeds.sight, so_far, &mut report)?;
        report.gate = self.gate.said();
        let scripts = Scripts::new(self.pass, self.service, &self.record.commit);
        let done = self.deploy(lock, &scripts, &mut deeds, &mut report);
        // Good without having been tried: a change that an earlier run could not see to its end.
        let finished = deeds.verdicts.values().any(|verdict| *verdict == Verdict::Good);
        if scripts.agreed() || finished || !deeds.tried.is_empty() {
            let result = report.result.unwrap_or(Outcome::Failed);
            report.notes.extend(scripts.after(&self.stacks, &deeds.tried, result));
        }
        report.story.tried = deeds.tried;
        match done {
            Err(problem) if report.story.tried.is_empty() => Err(problem),
            Err(problem) => {
                Ok(ServiceReport { result: Some(Outcome::Failed), error: Some(problem), ..report })
            }
            Ok(()) => Ok(report),
        }
    }

    /// Where the run begins, for those who ask later.
    fn story(&self) -> Story {
        let mut images = BTreeMap::new();
        for (project, past) in &self.record.projects {
            for (name, known) in &past.services {
                images.insert((project.clone(), name.clone()), known.image.clone());
            }
        }
        let from = self.record.commit.clone();
        // What is kept up may be what was there before, or what a person put back.
        let stays = self.stacks.fallen_back.is_some() || self.record.hold.is_some();
        let commit = if stays { from.clone() } else { self.pass.target.id.clone() };
        Story { from, commit, images, tried: Vec::new() }
    }

    /// What cannot be made now, of what is to be made.
    fn doomed(&self, sight: &Sight, actions: &[Action]) -> Result<Doomed, Problem> {
        let (stacks, top) = (self.kept_up().0, self.pass.git.top());
        let mut doomed = Precheck::new(self.host, stacks, sight, actions, top).doomed()?;
        if self.purpose == Purpose::Follow {
            let following: Vec<&Action> =
                actions.iter().filter(|action| !self.restores(&key(action))).collect();
            doomed.extend(in_need(&following, &self.stacks.depends_on(), sight));
        }
        Ok(doomed)
    }
}
