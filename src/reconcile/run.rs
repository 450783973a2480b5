//! One run of one service: resolve, observe and plan, pull and look again, move the files, apply,
//! verify, record. Level-triggered: done twice, it does nothing the second time.

use std::time::Duration;

use super::Host;
use super::apply::{Apply, Verdicts};
use super::observe::{Sight, look};
use super::pass::Pass;
use super::pull::{Failed, pull};
use super::remember::{Facts, remember};
use super::report::{Outcome, ServiceReport};
use super::stack::Stacks;
use super::verify::Verdict;
use crate::config::Service;
use crate::decide::plan::{Action, Desired, Reason, Step, plan};
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
    record: Record,
    stacks: Stacks,
    desired: Desired,
}

impl<'a> Run<'a> {
    fn begin(
        pass: &'a Pass<'a>,
        service: &'a Service,
        lock: Option<&ServiceLock>,
    ) -> Result<Run<'a>, Problem> {
        // Without an engine nothing below is of use: not even compose is asked.
        pass.host.engine()?;
        let record = pass.state.record(service.name.as_str())?;
        let now = pass.host.clock.now();
        let stacks = Stacks::resolve(service, &pass.resolver, &pass.state, lock, now)?;
        let desired = stacks.desired(service, pass.git.top());
        Ok(Run { pass, host: pass.host, service, record, stacks, desired })
    }

    fn look(&self) -> Result<Sight, Problem> {
        look(self.host, self.service, &self.stacks, &self.desired, &self.record)
    }

    fn plan(&self, sight: &Sight) -> Vec<Action> {
        plan(&self.desired, &self.stacks.memory(&self.record), &sight.observed)
    }

    fn report(&self) -> ServiceReport {
        let mut report = ServiceReport::new(self.service.name.as_str());
        report.error = self.stacks.fallen_back.clone();
        for (project, names) in self.stacks.unset_variables() {
            report.notes.push(format!("{project}: nothing sets {}", names.join(", ")));
        }
        report
    }

    fn foretell(self) -> Result<ServiceReport, Problem> {
        let sight = self.look()?;
        let mut report = self.report();
        report.actions = self.plan(&sight);
        report.error = report.error.or_else(|| self.refuse_unset(&report.actions));
        report.notes.extend(self.pass.shared_paths(self.service.name.as_str(), &self.stacks));
        Ok(report)
    }

    fn carry_out(self, lock: &ServiceLock) -> Result<ServiceReport, Problem> {
        let mut report = self.report();
        let (mut sight, actions, failed) = self.plan_and_pull()?;
        report.actions = actions;
        let unset = self.refuse_unset(&report.actions);
        let todo = doable(&report.actions, &failed, unset.is_some());
        report.error = report.error.or(unset).or_else(|| failed.into_values().next());
        let refused = report.actions.iter().any(|action| action.reason == Reason::Refused);
        if report.error.is_none() && !refused {
            self.pass.move_files(self.service.name.as_str(), self.stacks.paths())?;
        }
        let mut verdicts = Verdicts::new();
        if !todo.is_empty() {
            verdicts = self.apply().run(&todo)?;
            sight = self.look()?;
        }
        let bad = verdicts.values().find_map(|verdict| match verdict {
            Verdict::Bad(problem) => Some(problem.clone()),
            Verdict::Good | Verdict::Starting => None,
        });
        report.error = report.error.or(bad).or_else(|| unreached(&todo, &verdicts));
        let facts = Facts {
            stacks: &self.stacks,
            desired: &self.desired,
            actions: &report.actions,
            verdicts: &verdicts,
            sight: &sight,
            commit: &self.pass.target.id,
        };
        let record = remember(&self.record, &facts, self.host.clock.now());
        self.pass.state.store(lock, &record)?;
        report.result = Some(outcome(&report, &todo, &verdicts, refused));
        Ok(report)
    }

    fn apply(&self) -> Apply<'_> {
        Apply {
            host: self.host,
            service: self.service,
            stacks: &self.stacks,
            desired: &self.desired,
            state: &self.pass.state,
            top: self.pass.git.top().to_path_buf(),
        }
    }

    /// Plans, pulls what the plan wants, and plans again: a pull that changes nothing is no drift.
    /// Also says which images could not be had.
    fn plan_and_pull(&self) -> Result<(Sight, Vec<Action>, Failed), Problem> {
        let sight = self.look()?;
        let planned = self.plan(&sight);
        let wants = planned.iter().any(|action| action.pull);
        if !wants || self.refuse_unset(&planned).is_some() {
            return Ok((sight, planned, Failed::new()));
        }
        let failed = pull(self.host, &planned, self.service.timeouts.pull);
        let sight = self.look()?;
        let mut actions = self.plan(&sight);
        for (action, before) in actions.iter_mut().zip(planned).filter(|(_, b)| b.pull) {
            let lost =
                before.image.declared.as_ref().is_some_and(|image| failed.contains_key(image));
            if lost {
                *action = before;
            } else if action.step != Step::Nothing {
                // It was fetched for this action: that is how the plan had put it.
                action.pull = true;
                action.detail = before.detail;
            }
        }
        Ok((sight, actions, failed))
    }

    /// A variable that nothing defines is harmless in what runs already, and a mistake in a change.
    fn refuse_unset(&self, actions: &[Action]) -> Option<Problem> {
        let unset = self.stacks.unset_variables();
        let makes = |action: &&Action| {
            matches!(action.step, Step::Recreate | Step::Start) && action.containers.is_empty()
        };
        let names = actions
            .iter()
            .filter(makes)
            .find_map(|action| unset.get(action.project.as_str()))?
            .join(", ");
        Some(Problem::setup(
            "unset_variable",
            format!("the compose files use {names}, which nothing sets"),
            "set it in `.env` or env_file, or give it a default (`${NAME:-value}`)",
        ))
    }
}

/// What can be done: nothing whose image could not be had, and no change at all while a variable is
/// unset. Starting what is there again is always possible.
fn doable(actions: &[Action], failed: &Failed, unset: bool) -> Vec<Action> {
    let possible = |action: &&Action| {
        let image = action.image.declared.as_deref().unwrap_or_default();
        let there_again = action.step == Step::Start && !action.containers.is_empty();
        let lost = action.pull && failed.contains_key(image);
        action.step != Step::Nothing && !lost && (there_again || !unset)
    };
    actions.iter().filter(possible).cloned().collect()
}

/// A change that a bad one before it kept from happening.
fn unreached(todo: &[Action], verdicts: &Verdicts) -> Option<Problem> {
    let acted = |a: &&Action| matches!(a.step, Step::Recreate | Step::Start);
    let missing = todo.iter().filter(acted).find(|action| {
        let key = (action.project.clone(), action.compose_service.clone());
        !verdicts.contains_key(&key)
    })?;
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
