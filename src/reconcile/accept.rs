//! What a person accepted: taken down for the next run, and forgotten as soon as it no longer
//! describes what would be done. Changes no container.

use std::collections::BTreeSet;

use super::observe::Sight;
use super::pass::Pass;
use super::run::Run;
use super::stack::Stacks;
use crate::config::Service;
use crate::decide::plan::{Action, Danger, Desired, Kind, Reason, dangers, wanted, withholds};
use crate::gather::Gather;
use crate::problem::Problem;
use crate::state::Record;

/// What `accept` found of one service.
#[derive(Debug, Default)]
pub struct Accepted {
    /// Accepted now.
    pub now: Vec<Danger>,
    /// Accepted before, and waiting for the next run.
    pub before: Vec<Danger>,
}

/// Takes down that a person accepts exactly what renew refuses to do to a service now.
///
/// # Errors
/// When no plan can be made, another run works on the service, or the state cannot be written.
pub fn accept(pass: &Pass<'_>, service: &Service) -> Result<Accepted, Problem> {
    let lock = pass.state.lock(service.name.as_str())?;
    let mut run = Run::begin(pass, service, None)?;
    if let Some(problem) = &run.stacks.fallen_back {
        return Err(problem.clone());
    }
    let sight = run.look()?;
    let memory = run.stacks.memory(&sight.record);
    let actions = wanted(&run.desired, &memory, &sight.observed);
    let refused = |danger: &Danger| {
        danger.kind == Kind::ProjectMismatch || actions.iter().any(|a| danger.lies_in(a))
    };
    let found = dangers(&run.desired, &memory, &sight.observed).into_iter().filter(refused);
    let (before, now): (Vec<Danger>, Vec<Danger>) =
        found.partition(|danger| run.record.accepted.contains(&danger.fingerprint));
    let mut record = run.record.clone();
    record.accepted.extend(now.iter().map(|danger| danger.fingerprint.clone()));
    pass.state.store(&lock, &record)?;
    Ok(Accepted { now, before })
}

/// Whether a plan refuses a change. Then no files move, be it that what stands still is started as
/// it was.
#[must_use]
pub fn refuses(actions: &[Action], stacks: &Stacks, desired: &Desired, sight: &Sight) -> bool {
    let memory = stacks.memory(&sight.record);
    actions.iter().any(|action| action.reason == Reason::Refused)
        || withholds(actions, desired, &memory, &sight.observed)
}

/// What stays accepted after a run: what is still to be done. The rest was used, or git or the
/// containers say something else now.
#[must_use]
pub fn still_accepted(
    record: &Record,
    stacks: &Stacks,
    desired: &Desired,
    sight: &Sight,
) -> BTreeSet<String> {
    if record.accepted.is_empty() || stacks.fallen_back.is_some() {
        return record.accepted.clone();
    }
    let found = dangers(desired, &stacks.memory(record), &sight.observed);
    let found: BTreeSet<String> = found.into_iter().map(|danger| danger.fingerprint).gather();
    record.accepted.intersection(&found).cloned().collect()
}
