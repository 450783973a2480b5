//! What does not follow git for now: whoever waits keeps what is in force, and is healed as that. A plan
//! for what git declares and one for what is in force go in, what may happen now comes out.

use std::collections::BTreeMap;

use super::action::{Action, Reason, Step, key};
use super::policy::{FilesAction, turn, wanted};
use super::ties::Key;
use super::types::{ContainerState, Desired, Memory, Observed};

/// Begins the detail of an action that makes a container anew as it is in force.
pub const BACK: &str = "back to what is in force";

/// Why a compose service does not follow git.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wait {
    /// Until a window opens; until when, in words. What runs is left as it is, whatever it is.
    Window(String),
    /// What kept its target from being made may pass by itself.
    Retry(String),
    /// Its target failed.
    Quarantine(String),
    /// Its target was good, and was undone together with one that failed.
    Companion(String),
    /// A person put it back to an earlier release.
    Hold(String),
}

impl Wait {
    /// As a plan tells it.
    fn reason(&self) -> Reason {
        match self {
            Wait::Window(_) | Wait::Retry(_) => Reason::Deferred,
            Wait::Quarantine(_) | Wait::Companion(_) => Reason::Quarantined,
            Wait::Hold(_) => Reason::Held,
        }
    }

    /// The same in words.
    #[must_use]
    pub fn words(&self) -> &str {
        match self {
            Wait::Window(words)
            | Wait::Retry(words)
            | Wait::Quarantine(words)
            | Wait::Companion(words)
            | Wait::Hold(words) => words,
        }
    }

    /// Whether what runs is brought back to what is in force, not only kept running.
    #[must_use]
    pub fn restores(&self) -> bool {
        !matches!(self, Wait::Window(_))
    }
}

/// Who waits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Waits {
    /// All that have no reason of their own.
    pub all: Option<Wait>,
    /// Single compose services.
    pub of: BTreeMap<Key, Wait>,
}

impl Waits {
    /// Why this one waits, if it does.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<&Wait> {
        self.of.get(key).or(self.all.as_ref())
    }

    /// Whether nobody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_none() && self.of.is_empty()
    }
}

/// What is in force as it is healed while changes wait: no drift counts.
#[must_use]
pub fn at_rest(in_force: &Desired) -> Desired {
    resting(in_force, &Waits { all: Some(Wait::Window(String::new())), of: BTreeMap::new() })
}

/// The same for those that wait for a window. No drift counts of a rotation for anybody who waits:
/// what is in force is as it was made.
#[must_use]
pub fn resting(in_force: &Desired, waits: &Waits) -> Desired {
    let mut resting = in_force.clone();
    for stack in &mut resting.stacks {
        for (name, service) in &mut stack.services {
            let Some(wait) = waits.get(&(stack.project.clone(), name.clone())) else { continue };
            let policy = &mut service.policy;
            policy.files = FilesAction::Recreate;
            service.env = None;
            let drifts = wait.restores();
            (policy.on_image, policy.on_config, policy.on_files) = (drifts, drifts, drifts);
        }
    }
    resting
}

/// The plan for what git declares, with `healed`, the plan for what is in force ([`resting`]), in the
/// place of those that wait. `in_force` is what that plan was made for.
#[must_use]
pub fn put_off(
    actions: Vec<Action>,
    (healed, in_force): (&[Action], &Desired),
    desired: &Desired,
    memory: &Memory,
    observed: &Observed,
    waits: &Waits,
) -> Vec<Action> {
    let healing_of = |wanted: &Key| {
        healed.iter().find(|other| key(other) == *wanted && other.step != Step::Nothing)
    };
    let left: Vec<&Action> = {
        let declared = |key: &Key| actions.iter().any(|action| self::key(action) == *key);
        let gone = |action: &&Action| waits.get(&key(action)).is_some() && !declared(&key(action));
        healed.iter().filter(gone).collect()
    };
    let told = |wait: &Wait| match wait {
        Wait::Quarantine(words) => {
            format!("{words}; another target or `renew retry {}` lifts it", desired.service)
        }
        other => other.words().to_owned(),
    };
    let limit = |action: Action| {
        let healing = healing_of(&key(&action));
        match (waits.get(&key(&action)), healing) {
            (Some(Wait::Window(until)), _) => {
                let heals = |healing: &&Action| !is_change(healing, in_force, memory);
                let changes = is_change(&action, desired, memory);
                in_a_window(action, changes, healing.filter(heals), until)
            }
            (Some(wait), _) => {
                put_back(action, healing, &told(wait), wait.reason(), memory, observed)
            }
            // It shares something with one that is put back.
            (None, Some(healing))
                if healing.reason == Reason::Dependent && action.step == Step::Nothing =>
            {
                healing.clone()
            }
            (None, _) => action,
        }
    };
    // What git no longer declares and is in force all the same comes behind.
    let left: Vec<Action> = left.into_iter().cloned().collect();
    actions.into_iter().chain(left).map(limit).collect()
}

/// Changes are put off, and what is in force is kept running where something is down.
fn in_a_window(action: Action, changes: bool, healing: Option<&Action>, until: &str) -> Action {
    match healing {
        Some(healing) if changes => {
            let why = format!("deferred until {until}: {}", wanted(&action));
            Action { detail: format!("{}; {why}", healing.detail), ..healing.clone() }
        }
        Some(healing) => healing.clone(),
        None if changes || action.step != Step::Nothing => deferred(action, until),
        None => action,
    }
}

/// What is in force takes the place of the target; what is not part of it goes.
fn put_back(
    mut action: Action,
    healing: Option<&Action>,
    words: &str,
    reason: Reason,
    memory: &Memory,
    observed: &Observed,
) -> Action {
    let project = memory.projects.get(&action.project);
    let known = project.and_then(|past| past.services.get(&action.compose_service));
    let completed = known.is_some_and(|past| past.completed);
    // One that ran for an earlier release has done its work, and is not run a second time.
    if let Some(healing) = healing.filter(|_| known.is_some() && !completed) {
        let why = match healing.step {
            Step::Recreate => BACK,
            _ => healing.detail.as_str(),
        };
        return Action { detail: format!("{why}; {words}"), ..healing.clone() };
    }
    let there = observed.containers.iter().filter(|container| {
        container.project == action.project
            && container.compose_service == action.compose_service
            && container.state != ContainerState::Absent
    });
    let there: Vec<String> = there.map(|container| container.id.clone()).collect();
    let excess = known.is_none() && !there.is_empty();
    words.clone_into(&mut action.detail);
    turn(&mut action, reason);
    if excess {
        action.step = Step::Remove;
        action.containers = there;
    }
    action
}

/// Whether an action brings something of the target into force, instead of keeping up what is.
#[must_use]
pub fn is_change(action: &Action, desired: &Desired, memory: &Memory) -> bool {
    match (action.step, action.reason) {
        // Of what is in force nothing is replaced but what has to be.
        (Step::Recreate, Reason::Unhealthy | Reason::Dependent) => false,
        (Step::Start, Reason::Missing) => {
            let project = memory.projects.get(&action.project);
            let past = project.and_then(|project| project.services.get(&action.compose_service));
            let declared = desired.of(&action.project, &action.compose_service);
            match (past, declared) {
                // New in a service that is known, or more than there were.
                (None, _) => !memory.projects.is_empty(),
                (Some(past), Some(declared)) => past.replicas < declared.replicas,
                (Some(_), None) => false,
            }
        }
        (Step::Start, _) => false,
        (Step::Recreate | Step::Remove | Step::Signal, _) => true,
        (Step::Nothing, reason) => reason == Reason::Files,
    }
}

fn deferred(mut action: Action, until: &str) -> Action {
    action.detail = format!("until {until}; {}", wanted(&action));
    turn(&mut action, Reason::Deferred);
    action
}
