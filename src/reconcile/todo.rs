//! From what is planned to what is done: which actions are possible, which need not wait for a pull,
//! and what a plan becomes once images were pulled. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::held::Held;
use super::order::follows;
use super::precheck::Doomed;
use super::pull::Failed;
use super::unset::Unset;
use crate::decide::plan::{
    Action, ContainerState, Desired, Observed, Reason, Step, Wait, Waits, together,
};
use crate::decide::waves::{Condition, Dependencies, reachable};
use crate::gather::Gather;
use crate::state::Record;

pub use crate::decide::plan::{Key, key, makes};

/// Whether it only starts containers that are there: possible whatever else is wrong.
#[must_use]
pub fn starts_again(action: &Action) -> bool {
    action.step == Step::Start && !action.containers.is_empty()
}

/// Whether it stops a container that runs and starts it again, so that it joins what its parent has
/// now. That leads to nothing while the parent is not good.
#[must_use]
pub fn restarts(action: &Action) -> bool {
    starts_again(action) && action.reason == Reason::Dependent
}

/// What keeps actions from being carried out.
pub struct Obstacles<'a> {
    /// Images that could not be had.
    pub failed: &'a Failed,
    /// What is known to fail.
    pub doomed: &'a Doomed,
    /// What went bad before, and waits.
    pub delayed: &'a Doomed,
    /// Changes with a variable that nothing sets.
    pub unset: Option<&'a Unset>,
    /// Files that did not move.
    pub held: &'a Held,
    /// What the stacks declare.
    pub desired: &'a Desired,
    /// What is recorded.
    pub record: &'a Record,
    /// Who waits for whom, by project.
    pub depends_on: BTreeMap<String, Dependencies>,
    /// Who is kept on what is in force: their files stay behind on purpose.
    pub restored: Option<&'a Waits>,
}

impl Obstacles<'_> {
    /// Whether an action can be carried out.
    #[must_use]
    pub fn allow(&self, action: &Action) -> bool {
        let image = action.image.declared.as_deref().unwrap_or_default();
        let lost = action.pull && self.failed.contains_key(image);
        match action.step {
            Step::Nothing => false,
            Step::Start | Step::Recreate if self.delayed.contains_key(&key(action)) => false,
            _ if starts_again(action) => true,
            Step::Signal => !self.waits_for_files(action),
            Step::Recreate | Step::Start | Step::Remove => {
                let doomed = self.doomed.contains_key(&key(action));
                let unset = self.unset.is_some_and(|one| one.refused.contains(&key(action)));
                !lost && !doomed && !unset && !self.waits_for_files(action)
            }
        }
    }

    /// Whether it brings back what is in force.
    #[must_use]
    pub fn is_restored(&self, action: &Action) -> bool {
        let wait = self.restored.and_then(|waits| waits.get(&key(action)));
        wait.is_some_and(Wait::restores)
    }

    /// Whether the containers would be made with files of another commit than their definition.
    /// One that is gone comes back with the files it had; nothing is made to mount what is not
    /// there, since docker would make an empty folder of it.
    #[must_use]
    pub fn waits_for_files(&self, action: &Action) -> bool {
        if self.is_restored(action) {
            return false;
        }
        let declared = self
            .desired
            .stacks
            .iter()
            .filter(|stack| stack.project == action.project)
            .find_map(|stack| stack.services.get(&action.compose_service));
        let Some(declared) = declared.filter(|one| self.held.touches_any(&one.files)) else {
            return false;
        };
        let past = self
            .record
            .projects
            .get(&action.project)
            .and_then(|project| project.services.get(&action.compose_service));
        let had = |path: &String| past.is_some_and(|past| past.files.contains_key(path));
        match (action.step, action.reason) {
            (Step::Start, _) | (Step::Recreate, Reason::Unhealthy | Reason::Dependent) => {
                !declared.files.keys().filter(|p| self.held.touches(p)).all(had)
            }
            (Step::Recreate | Step::Signal, _) => true,
            (Step::Remove | Step::Nothing, _) => false,
        }
    }
}

/// The actions that can be carried out, may be, and were not yet. Nothing stops for a one-shot that
/// is to run first and cannot, nor while what it depends on is down and cannot be made.
#[must_use]
pub fn possible(
    planned: &[Action],
    obstacles: &Obstacles<'_>,
    tried: &[Action],
    observed: &Observed,
    may: impl Fn(&Action) -> bool,
) -> Vec<Action> {
    let runs = |wanted: &Key| {
        let mut all = observed.containers.iter();
        all.any(|one| {
            let mine = one.project == wanted.0 && one.compose_service == wanted.1;
            mine && one.state == ContainerState::Running
        })
    };
    // It would run without what it depends on, and be blamed for it.
    let stops =
        |action: &Action| follows(action) && !obstacles.is_restored(action) && runs(&key(action));
    let done = |action: &Action| tried.iter().any(|tried| key(tried) == key(action));
    let acting = planned.iter().filter(|action| action.step != Step::Nothing && !done(action));
    let blocked: BTreeSet<Key> = acting.filter(|action| !obstacles.allow(action)).map(key).gather();
    let waits = |action: &Action| {
        let all = obstacles.depends_on.get(&action.project);
        let mut on = all.and_then(|all| all.get(&action.compose_service)).into_iter().flatten();
        on.any(|(name, how)| {
            let before = (action.project.clone(), name.clone());
            let missed = *how == Condition::Completed || stops(action) && !runs(&before);
            missed && blocked.contains(&before)
        })
    };
    // What leaves may be what cannot be made, under its old name.
    let stays = |action: &Action| {
        action.reason == Reason::Orphan && blocked.iter().any(|key| key.0 == action.project)
    };
    let can = |action: &Action| {
        let able = obstacles.allow(action) && !(makes(action) && waits(action)) && !stays(action);
        done(action) || able && may(action)
    };
    let mut todo = together(planned, obstacles.desired, observed, can);
    todo.retain(|action| !done(action));
    todo
}

/// What is done before images are pulled, so that a slow pull keeps nothing down: every start that
/// needs no pull and depends on nothing that is about to change.
#[must_use]
pub fn before_pull(
    planned: &[Action],
    depends_on: &BTreeMap<String, Dependencies>,
    held: &Held,
    desired: &Desired,
) -> Vec<Action> {
    let mounts_held = |action: &Action| {
        desired
            .stacks
            .iter()
            .filter(|stack| stack.project == action.project)
            .filter_map(|stack| stack.services.get(&action.compose_service))
            .any(|declared| held.touches_any(&declared.files))
    };
    let ready = |action: &Action| {
        let starts = action.step == Step::Start && !action.pull;
        starts && (starts_again(action) || !mounts_held(action))
    };
    let waiting: BTreeSet<Key> = planned
        .iter()
        .filter(|action| action.step != Step::Nothing && !ready(action))
        .map(key)
        .gather();
    let depends = |action: &&Action| {
        let Some(dependencies) = depends_on.get(&action.project) else { return false };
        let below = reachable(&action.compose_service, dependencies);
        below.into_iter().any(|name| waiting.contains(&(action.project.clone(), name)))
    };
    let early = planned.iter().filter(|action| ready(action));
    early.filter(|action| starts_again(action) || !depends(action)).cloned().collect()
}

/// The plan after the pulls: what was healed before them stays in it, what could not be pulled stays
/// wanted, and what was pulled for is said to be.
#[must_use]
pub fn replanned(
    planned: &[Action],
    fresh: Vec<Action>,
    failed: &Failed,
    healed: &[Action],
) -> Vec<Action> {
    let of = |list: &[Action], wanted: &Key| list.iter().find(|a| key(a) == *wanted).cloned();
    let merge = |mut action: Action| {
        let key = key(&action);
        if let Some(healed) = of(healed, &key) {
            return healed;
        }
        let Some(before) = of(planned, &key).filter(|before| before.pull) else { return action };
        if before.image.declared.as_ref().is_some_and(|image| failed.contains_key(image)) {
            return before;
        }
        if action.step != Step::Nothing {
            // It was fetched for this action: that is how the plan had put it.
            action.pull = true;
            action.detail = before.detail;
        }
        action
    };
    fresh.into_iter().map(merge).collect()
}

#[cfg(test)]
mod tests;
