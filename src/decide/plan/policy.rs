//! What the operator allows: which drift is acted on and how, what is started again, and when
//! changes may be made at all. A judgement goes in, what of it may happen comes out. Whatever is
//! turned into nothing says in its detail what was wanted.

use std::collections::BTreeSet;

use super::action::{Action, Reason, Step};
use super::types::{
    ContainerFact, ContainerState, Desired, DesiredService, Lifetime, ServiceMemory,
};
use crate::gather::Gather;

/// How a compose service may be treated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// `recreate_on` has `image`.
    pub on_image: bool,
    /// `recreate_on` has `config`.
    pub on_config: bool,
    /// `recreate_on` has `files`.
    pub on_files: bool,
    /// `recreate_on` has `unhealthy`.
    pub on_unhealthy: bool,
    /// What a changed mounted file leads to.
    pub files: FilesAction,
    /// Mounted paths of the repository that are single files: what runs keeps the file it began
    /// with, whatever takes its place in the folder.
    pub single_files: BTreeSet<String>,
    /// What is started again.
    pub heal: Heal,
    /// When changes may be made.
    pub changes: Changes,
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            on_image: true,
            on_config: true,
            on_files: true,
            on_unhealthy: false,
            files: FilesAction::default(),
            single_files: BTreeSet::new(),
            heal: Heal::default(),
            changes: Changes::default(),
        }
    }
}

/// What a changed mounted file leads to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum FilesAction {
    /// The containers are replaced.
    #[default]
    Recreate,
    /// They get this signal.
    Signal(String),
    /// They are left as they are.
    Nothing,
}

/// What is started again when it does not run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Heal {
    /// Whatever should run.
    #[default]
    All,
    /// What ended by itself; not what a person stopped or removed.
    Crashed,
    /// Nothing.
    Nothing,
}

impl Heal {
    fn word(self) -> &'static str {
        match self {
            Heal::All => "all",
            Heal::Crashed => "crashed",
            Heal::Nothing => "none",
        }
    }
}

/// When changes may be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Changes {
    /// Now.
    #[default]
    Allowed,
    /// Never: they are only told.
    Observed,
    /// Later; until when, in words. What is in force is still healed.
    Deferred(String),
}

/// Leaves alone what is down and what nobody wants to be brought up again. `begun` says that a
/// change of ours was cut off: that is taken up whatever `heal` says.
#[must_use]
pub fn left_alone(
    mut action: Action,
    service: &DesiredService,
    past: Option<&ServiceMemory>,
    there: &[&ContainerFact],
    begun: bool,
) -> Action {
    let heal = service.policy.heal;
    if heal == Heal::All || begun {
        return action;
    }
    let by_a_person = |c: &&&ContainerFact| matches!(c.state, ContainerState::Stopped(_));
    let runs =
        |c: &&ContainerFact| matches!(c.state, ContainerState::Running | ContainerState::Paused);
    let reason = match (action.step, action.reason) {
        (Step::Start, Reason::Stopped) => {
            if heal == Heal::Crashed {
                let stays: BTreeSet<&String> =
                    there.iter().filter(by_a_person).map(|c| &c.id).gather();
                action.containers.retain(|id| !stays.contains(id));
            } else {
                action.containers.clear();
            }
            if !action.containers.is_empty() {
                return action;
            }
            Reason::Stopped
        }
        // What was never there is not healed but made, and so is what git asks for in addition.
        (Step::Start, _) if past.is_some_and(|past| past.replicas >= service.replicas) => {
            Reason::Missing
        }
        (Step::Recreate, _) if !there.is_empty() && !there.iter().any(runs) => {
            let stopped = there.iter().any(|c| by_a_person(&c));
            // A one-shot stands still between its runs: another target is another run.
            let stands = heal == Heal::Nothing && service.lifetime == Lifetime::Lasting;
            if !stopped && !stands {
                return action;
            }
            let wanted = wanted(&action);
            action.detail = format!("it does not run; {wanted}");
            Reason::Stopped
        }
        _ => return action,
    };
    let by_whom = match (heal, reason) {
        (Heal::Crashed, Reason::Missing) => "removed by a person, ",
        (Heal::Crashed, _) => "stopped by a person, ",
        (Heal::All | Heal::Nothing, _) => "",
    };
    action.detail = format!("{}; {by_whom}left alone: heal is {}", action.detail, heal.word());
    turn(&mut action, reason);
    action
}

/// What is only looked at: told, and not done.
#[must_use]
pub fn looked_at(actions: Vec<Action>, desired: &Desired) -> Vec<Action> {
    let limit = |action: Action| {
        let declared = desired.of(&action.project, &action.compose_service);
        let changes = declared.map_or(&desired.changes, |service| &service.policy.changes);
        if *changes == Changes::Observed { observed(action) } else { action }
    };
    actions.into_iter().map(limit).collect()
}

fn observed(mut action: Action) -> Action {
    match (action.step, action.reason) {
        (Step::Nothing, Reason::Files) => {}
        // It says what was wanted already.
        (Step::Nothing, Reason::Refused) => {
            turn(&mut action, Reason::Observed);
            return action;
        }
        (Step::Nothing, _) => return action,
        (Step::Recreate | Step::Start | Step::Remove | Step::Signal, _) => {}
    }
    action.detail = wanted(&action);
    turn(&mut action, Reason::Observed);
    action
}

/// What was wanted, in words.
pub(super) fn wanted(action: &Action) -> String {
    let (step, reason) = (action.step.name(), action.reason.name());
    format!("wanted: {step} ({reason}), {}", action.detail)
}

/// Nothing is done, for this reason.
pub(super) fn turn(action: &mut Action, reason: Reason) {
    action.step = Step::Nothing;
    action.reason = reason;
    action.pull = false;
    action.containers.clear();
}
