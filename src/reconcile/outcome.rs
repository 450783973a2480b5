//! What a run says of itself in the end: its result, and what it could not get to. Pure.

use super::apply::Verdicts;
use super::precheck::Doomed;
use super::report::{Outcome, ServiceReport};
use super::todo::{Obstacles, key, makes};
use super::verify::Verdict;
use crate::decide::plan::{Action, Reason, Step};
use crate::problem::{Problem, Trouble};

/// Changes that are not made because their files must not move now.
pub fn waiting_for_files(actions: &[Action], obstacles: &Obstacles<'_>) -> Vec<String> {
    let acts = |action: &Action| makes(action) || action.step == Step::Signal;
    let waits = |action: &&Action| acts(action) && obstacles.waits_for_files(action);
    let note = |action: &Action| {
        format!("{} waits for files that cannot move yet", action.compose_service)
    };
    actions.iter().filter(waits).map(note).collect()
}

/// A change that a bad one before it kept from happening.
pub fn unreached(todo: &[Action], verdicts: &Verdicts) -> Option<Problem> {
    let acted = |a: &&Action| matches!(a.step, Step::Recreate | Step::Start | Step::Signal);
    let missing = todo.iter().filter(acted).find(|action| !verdicts.contains_key(&key(action)))?;
    Some(Problem::engine(
        "not_reached",
        format!("{} waits for a service that is not good yet", missing.compose_service),
        "the next run takes it up",
    ))
}

/// The first thing that is not good, or was not and waits: in the order of names, so that it stays the
/// same whoever's turn it is.
pub fn bad(verdicts: &Verdicts, delayed: &Doomed) -> Option<Problem> {
    let bad = verdicts.iter().filter_map(|(key, verdict)| match verdict {
        Verdict::Bad(problem) => Some((key, problem)),
        Verdict::Good | Verdict::Starting => None,
    });
    bad.chain(delayed).min_by_key(|(key, _)| *key).map(|(_, problem)| problem.clone())
}

/// The result of a run in one word.
pub fn outcome(
    report: &ServiceReport,
    todo: &[Action],
    verdicts: &Verdicts,
    refused: bool,
) -> Outcome {
    let has = |reason: Reason| report.actions.iter().any(|action| action.reason == reason);
    let trouble = report.error.as_ref().map(|error| error.trouble);
    if trouble.is_some_and(|trouble| trouble != Trouble::Refused) {
        Outcome::Failed
    } else if refused || trouble.is_some() {
        Outcome::Refused
    } else if verdicts.values().any(|verdict| *verdict == Verdict::Starting) {
        Outcome::Unverified
    } else if has(Reason::Deferred) {
        Outcome::Deferred
    } else if !todo.is_empty() {
        Outcome::Changed
    } else if has(Reason::Observed) {
        Outcome::Observed
    } else {
        Outcome::Ok
    }
}
