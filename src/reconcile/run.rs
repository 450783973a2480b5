//! One run of one service: resolve, observe and plan, pull and look again, move the files, apply,
//! verify, record. Level-triggered: done twice, it does nothing the second time.

use std::time::Duration;

use super::Host;
use super::apply::{Apply, Verdicts};
use super::attempts::begin;
use super::gate::QuorumGate;
use super::held::Held;
use super::observe::{Sight, look};
use super::pass::Pass;
use super::pull::{Failed, pull};
use super::remember::{Facts, remember};
use super::report::{Outcome, ServiceReport};
use super::stack::Stacks;
use super::todo::{Obstacles, before_pull, key, makes, replanned, starts_again};
use super::verify::Verdict;
use crate::config::Service;
use crate::decide::plan::{Action, Desired, Orphans, Reason, Step, plan};
use crate::problem::Problem;
use crate::state::{Record, ServiceLock};
use crate::sys::child_record::ChildRecord;

/// How long the compose of a killed run may take to end after TERM.
const LEFTOVER_PATIENCE: Duration = Duration::from_secs(20);

/// Runs one service of a sync.
pub fn run(pass: &Pass<'_>, service: &Service) -> ServiceReport {
    let name = service.name.as_str();
    let lock = match pass.state.lock(name) {
        Ok(lock) => lock,
        Err(problem) => return ServiceReport::stopped(name, problem),
    };
    let running = pass.state.running(name);
    if ChildRecord::end_leftover(&running, LEFTOVER_PATIENCE, pass.host.clock) {
        log::warn!("{name}: ended a child of a run that was killed");
    }
    match Run::begin(pass, service, Some(&lock)).and_then(|run| run.carry_out(&lock)) {
        Ok(report) => report,
        Err(problem) => ServiceReport::stopped(name, problem),
    }
}

/// Says what [`run`] would do, and changes nothing.
pub fn foresee(pass: &Pass<'_>, service: &Service) -> ServiceReport {
    match Run::begin(pass, service, None).and_then(|run| run.foretell()) {
        Ok(report) => report,
        Err(problem) => {
            ServiceReport { result: None, ..ServiceReport::stopped(service.name.as_str(), problem) }
        }
    }
}

/// A run whose stacks are resolved.
struct Run<'a> {
    pass: &'a Pass<'a>,
    host: &'a Host<'a>,
    service: &'a Service,
    lock: Option<&'a ServiceLock>,
    record: Record,
    stacks: Stacks,
    desired: Desired,
    gate: QuorumGate<'a>,
}

/// What a run did so far.
struct Deeds {
    sight: Sight,
    failed: Failed,
    /// What was carried out or tried.
    tried: Vec<Action>,
    verdicts: Verdicts,
}

impl<'a> Run<'a> {
    fn begin(
        pass: &'a Pass<'a>,
        service: &'a Service,
        lock: Option<&'a ServiceLock>,
    ) -> Result<Run<'a>, Problem> {
        // Without an engine nothing below is of use: not even compose is asked.
        pass.host.engine()?;
        let record = pass.state.record(service.name.as_str())?;
        let now = pass.host.clock.now();
        let stacks = Stacks::resolve(service, &pass.resolver, &pass.state, lock, now)?;
        pass.siblings.claim(service, &stacks)?;
        let desired = stacks.desired(service, pass.git.top());
        let gate = QuorumGate::new(pass.host, service, record.local_url_answered.clone());
        Ok(Run { pass, host: pass.host, service, lock, record, stacks, desired, gate })
    }

    /// Looks at the world. Who is a stranger in a project is asked of all services of the
    /// configuration, but only once there is one.
    fn look(&mut self) -> Result<Sight, Problem> {
        let sight = look(self.pass, self.service, &self.stacks, &self.desired, &self.record)?;
        let strange = sight.containers.iter().any(|container| {
            let known = self.desired.known_services.get(&container.project);
            known.is_some_and(|names| !names.contains(&container.compose_service))
        });
        if strange {
            match self.pass.siblings.others(self.pass, self.service, self.lock) {
                Ok(others) => {
                    for (project, names) in others {
                        if let Some(known) = self.desired.known_services.get_mut(&project) {
                            known.extend(names);
                        }
                    }
                }
                Err(why) => self.desired.orphans = Orphans::Doubt(why),
            }
        }
        Ok(sight)
    }

    /// What is to be done, as far as the gate lets it pass.
    fn plan(&self, sight: &Sight) -> Result<Vec<Action>, Problem> {
        let memory = self.stacks.memory(&sight.record);
        let mut actions = plan(&self.desired, &memory, &sight.observed);
        self.gate.pass(&mut actions, sight)?;
        Ok(actions)
    }

    fn held(&self) -> Result<Held, Problem> {
        match self.stacks.fallen_back {
            // The stacks are not those of the target: how the tree differs from it is no matter.
            Some(_) => Ok(Held::default()),
            None => self.pass.held(self.service.name.as_str(), self.stacks.paths()),
        }
    }

    fn report(&self) -> ServiceReport {
        let mut report = ServiceReport::new(self.service.name.as_str());
        report.error = self.stacks.fallen_back.clone();
        for (project, names) in self.stacks.unset_variables() {
            report.notes.push(format!("{project}: nothing sets {}", names.join(", ")));
        }
        report
    }

    fn foretell(mut self) -> Result<ServiceReport, Problem> {
        let sight = self.look()?;
        let mut report = self.report();
        report.actions = self.plan(&sight)?;
        report.gate = self.gate.said();
        report.actions.retain(|action| self.pass.siblings.is_first_to_remove(action));
        report.error = report.error.or_else(|| self.refuse_unset(&report.actions));
        report.notes.extend(self.pass.shared_paths(self.service.name.as_str(), &self.stacks));
        Ok(report)
    }

    fn carry_out(mut self, lock: &ServiceLock) -> Result<ServiceReport, Problem> {
        let mut report = self.report();
        let mut deeds = self.plan_and_pull(&mut report)?;
        report.gate = self.gate.said();
        let unset = self.refuse_unset(&report.actions);
        let first_lost = deeds.failed.values().next().cloned();
        report.error = report.error.or_else(|| unset.clone()).or(first_lost);
        let refused = report.actions.iter().any(|action| action.reason == Reason::Refused);
        if report.error.is_none() && !refused {
            self.pass.move_files(self.service.name.as_str(), self.stacks.paths())?;
        }
        let held = self.held()?;
        let obstacles = Obstacles {
            failed: &deeds.failed,
            unset: unset.as_ref(),
            held: &held,
            desired: &self.desired,
            record: &deeds.sight.record,
        };
        let done = |action: &Action| deeds.tried.iter().any(|tried| key(tried) == key(action));
        let todo: Vec<Action> = report
            .actions
            .iter()
            .filter(|action| obstacles.allow(action) && !done(action))
            .cloned()
            .collect();
        report.notes.extend(waiting_for_files(&report.actions, &obstacles));
        if let Err(problem) = self.change(lock, todo, &held, &mut deeds, &mut report) {
            report.error = Some(problem);
            report.result = Some(Outcome::Failed);
            return Ok(report);
        }
        let bad = deeds.verdicts.values().find_map(|verdict| match verdict {
            Verdict::Bad(problem) => Some(problem.clone()),
            Verdict::Good | Verdict::Starting => None,
        });
        report.error = report.error.or(bad).or_else(|| unreached(&deeds.tried, &deeds.verdicts));
        let facts = Facts {
            stacks: &self.stacks,
            desired: &self.desired,
            actions: &report.actions,
            verdicts: &deeds.verdicts,
            sight: &deeds.sight,
            commit: &self.pass.target.id,
            held: &held,
        };
        let mut record = remember(&self.record, &facts, self.host.clock.now());
        record.local_url_answered = self.gate.answered();
        if let Err(problem) = self.pass.state.store(lock, &record) {
            report.error.get_or_insert(problem);
        }
        report.result = Some(outcome(&report, &deeds.tried, &deeds.verdicts, refused));
        Ok(report)
    }

    /// Carries actions out, and looks at the result. What is begun is written down first: where that
    /// cannot be, nothing is made, and only what stands still is started.
    fn change(
        &mut self,
        lock: &ServiceLock,
        mut todo: Vec<Action>,
        held: &Held,
        deeds: &mut Deeds,
        report: &mut ServiceReport,
    ) -> Result<(), Problem> {
        let sight = &deeds.sight;
        let begun = begin(&self.record, &todo, &self.stacks, &self.desired, sight, held);
        if begun != self.record {
            match self.pass.state.store(lock, &begun) {
                Ok(()) => self.record = begun,
                Err(problem) => {
                    todo.retain(starts_again);
                    report.error.get_or_insert(problem);
                }
            }
        }
        if todo.is_empty() && deeds.sight.unproven.is_empty() {
            return Ok(());
        }
        let apply = Apply {
            host: self.host,
            service: self.service,
            stacks: &self.stacks,
            desired: &self.desired,
            sight: &deeds.sight,
            state: &self.pass.state,
            top: self.pass.git.top().to_path_buf(),
        };
        apply.run(&todo, &mut deeds.verdicts)?;
        deeds.tried.extend(todo);
        deeds.sight = self.look()?;
        Ok(())
    }

    /// Plans, pulls what the plan wants, and plans again: a pull that changes nothing is no drift.
    /// What needs no pull does not wait for one.
    fn plan_and_pull(&mut self, report: &mut ServiceReport) -> Result<Deeds, Problem> {
        let sight = self.look()?;
        let (failed, tried, verdicts) = (Failed::new(), Vec::new(), Verdicts::new());
        let mut deeds = Deeds { sight, failed, tried, verdicts };
        report.actions = self.plan(&deeds.sight)?;
        let wants = report.actions.iter().any(|action| action.pull);
        let (Some(lock), true, None) = (self.lock, wants, self.refuse_unset(&report.actions))
        else {
            return Ok(deeds);
        };
        let held = self.held()?;
        let early = before_pull(&report.actions, &self.stacks.depends_on(), &held, &self.desired);
        if !early.is_empty() {
            self.change(lock, early, &held, &mut deeds, report)?;
        }
        deeds.failed = pull(self.host, &report.actions, self.service.timeouts.pull);
        deeds.sight = self.look()?;
        let fresh = self.plan(&deeds.sight)?;
        report.actions = replanned(&report.actions, fresh, &deeds.failed, &deeds.tried);
        Ok(deeds)
    }

    /// A variable that nothing defines is harmless in what runs already, and a mistake in a change.
    fn refuse_unset(&self, actions: &[Action]) -> Option<Problem> {
        let unset = self.stacks.unset_variables();
        let names = actions
            .iter()
            .filter(|action| makes(action))
            .find_map(|action| unset.get(action.project.as_str()))?
            .join(", ");
        Some(Problem::setup(
            "unset_variable",
            format!("the compose files use {names}, which nothing sets"),
            "set it in `.env` or env_file, or give it a default (`${NAME:-value}`)",
        ))
    }
}

/// Changes that are not made because their files must not move now.
fn waiting_for_files(actions: &[Action], obstacles: &Obstacles<'_>) -> Vec<String> {
    let waits = |action: &&Action| makes(action) && obstacles.waits_for_files(action);
    let note = |action: &Action| {
        format!("{} waits for files that cannot move yet", action.compose_service)
    };
    actions.iter().filter(waits).map(note).collect()
}

/// A change that a bad one before it kept from happening.
fn unreached(todo: &[Action], verdicts: &Verdicts) -> Option<Problem> {
    let acted = |a: &&Action| matches!(a.step, Step::Recreate | Step::Start);
    let missing = todo.iter().filter(acted).find(|action| !verdicts.contains_key(&key(action)))?;
    Some(Problem::engine(
        "not_reached",
        format!("{} waits for a service that is not good yet", missing.compose_service),
        "the next run takes it up",
    ))
}

fn outcome(report: &ServiceReport, todo: &[Action], verdicts: &Verdicts, refused: bool) -> Outcome {
    if report.error.is_some() {
        Outcome::Failed
    } else if refused {
        Outcome::Refused
    } else if verdicts.values().any(|verdict| *verdict == Verdict::Starting) {
        Outcome::Unverified
    } else if todo.is_empty() {
        Outcome::Ok
    } else {
        Outcome::Changed
    }
}
