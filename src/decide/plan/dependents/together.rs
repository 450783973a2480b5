//! What becomes of parents and dependents when a part of a plan turns out not to be possible: the
//! gate refused it, its image could not be had, its files did not come.

use super::super::action::{Action, Reason, Step};
use super::super::ties::resolve;
use super::super::types::{ContainerState, Desired, Observed};
use super::{World, by_key, key};

/// The plan after some of it turned out not to be possible: what would only have followed a parent
/// that stays is left as it is, and a parent that runs stays when a dependent cannot follow.
#[must_use]
pub fn together(
    planned: &[Action],
    desired: &Desired,
    observed: &Observed,
    possible: impl Fn(&Action) -> bool,
) -> Vec<Action> {
    let ties = resolve(desired);
    let world = World { desired, ties: &ties, observed };
    let mut going: Vec<Action> = planned.iter().filter(|a| possible(a)).cloned().collect();
    loop {
        let before = going.len();
        let all = going.clone();
        going.retain(|action| world.has_cause(action, &all) || !action.containers.is_empty());
        for action in going.iter_mut().filter(|action| !world.has_cause(action, &all)) {
            // It stands still, and the parent it had is still there.
            (action.step, action.reason, action.pull) = (Step::Start, Reason::Stopped, false);
        }
        let all = going.clone();
        going.retain(|action| !world.leaves_behind(action, planned, &all));
        if going.len() == before {
            return going;
        }
    }
}

/// The plan as the gate left it, with [`together`] applied to it.
#[must_use]
pub fn settle(planned: Vec<Action>, desired: &Desired, observed: &Observed) -> Vec<Action> {
    let going = together(&planned, desired, observed, |action| action.step != Step::Nothing);
    let settle = |action: Action| {
        if action.step == Step::Nothing {
            return action;
        }
        let same = |going: &&Action| key(going) == key(&action);
        let detail = format!(
            "waits for what it shares with others; wanted: {} ({})",
            action.step.name(),
            action.reason.name()
        );
        let (step, reason) = (Step::Nothing, Reason::Refused);
        let waits = || Action { step, reason, detail, pull: false, ..action.clone() };
        going.iter().find(same).cloned().unwrap_or_else(waits)
    };
    planned.into_iter().map(settle).collect()
}

impl World<'_> {
    /// Whether what this action is about is still so: it is no dependent's, or a repair, or the
    /// parent that it follows goes as well.
    fn has_cause(&self, action: &Action, going: &[Action]) -> bool {
        if (action.reason, action.step) != (Reason::Dependent, Step::Recreate) {
            return true;
        }
        let containers = self.containers(action);
        let running = containers.iter().any(|c| c.state == ContainerState::Running);
        let all = by_key(going);
        self.cause(action, &all, running).is_some()
            || self.outlived(action, &containers, &all).is_some()
    }

    /// Whether replacing a running parent would cut off a running dependent that was to be replaced
    /// with it and is not.
    fn leaves_behind(&self, parent: &Action, planned: &[Action], going: &[Action]) -> bool {
        if parent.step != Step::Recreate || !self.runs(&key(parent)) {
            return false;
        }
        let stays = |a: &&Action| {
            let replaced = |g: &Action| key(g) == key(a) && g.step == Step::Recreate;
            self.runs(&key(a)) && !going.iter().any(replaced)
        };
        planned.iter().filter(stays).any(|a| self.namespace(a, parent).is_some())
    }
}
