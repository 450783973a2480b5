//! What has to change because something else does: whoever shares a namespace or volumes with a
//! container that is replaced, or outlived it, and whoever asks to be restarted with it. It works on
//! what was judged before; what is kept from it later keeps its dependents, too: see [`together()`].

use std::collections::{BTreeMap, BTreeSet};

use super::action::{Action, Reason, Step, key};
use super::policy::Heal;
use super::ties::{Join, Joined, Key, Shared, Ties, resolve};
use super::types::{ContainerFact, ContainerState, Desired, Observed};
use crate::gather::Gather;

/// Turns the actions of dependents into what their parents' actions ask for. A parent that runs is
/// not replaced while a dependent that would lose a namespace by it must stay as it is.
pub fn follow(judged: Vec<Action>, desired: &Desired, observed: &Observed) -> Vec<Action> {
    let ties = resolve(desired);
    let world = World { desired, ties: &ties, observed };
    let mut judged = judged;
    // Each round takes at least one replacement back for good.
    loop {
        let drafted = world.follow(judged.clone());
        let Some((parent, why)) = world.first_blocked(&drafted) else { return drafted };
        judged[parent] = withheld(&drafted[parent], why);
    }
}

/// What does not change while the plan is made.
struct World<'a> {
    desired: &'a Desired,
    ties: &'a Ties,
    observed: &'a Observed,
}

impl World<'_> {
    /// Until nothing follows from anything any more.
    fn follow(&self, mut actions: Vec<Action>) -> Vec<Action> {
        loop {
            let all = by_key(&actions);
            let next: Vec<Action> = actions
                .iter()
                .map(|action| self.one(action, &all).unwrap_or(action.clone()))
                .collect();
            if next == actions {
                return actions;
            }
            actions = next;
        }
    }

    /// What becomes of one action in view of all others, if it does not stay.
    fn one(&self, action: &Action, all: &BTreeMap<Key, &Action>) -> Option<Action> {
        let containers = self.containers(action);
        let running = containers.iter().any(|c| c.state == ContainerState::Running);
        if !may_follow(action, running) || containers.is_empty() {
            return None;
        }
        if let Some((shared, parent)) = self.cause(action, all, running) {
            let detail = format!("{} {}, which is recreated", shared.words(), name(action, parent));
            return Some(self.recreate(action, detail));
        }
        let repaired = match self.outlived(action, &containers, all) {
            Some(detail) => self.recreate(action, detail),
            None => self.restart(action, &containers, all)?,
        };
        let declared = self.desired.of(&action.project, &action.compose_service);
        if declared.is_some_and(|declared| declared.policy.heal == Heal::Nothing) {
            let detail = format!("{}; left alone: heal is none", repaired.detail);
            return Some(Action { detail, ..action.clone() });
        }
        Some(repaired)
    }

    /// The replaced parent that a dependent follows. One that stands still anyway does not restart
    /// because another did.
    fn cause<'t>(
        &'t self,
        action: &Action,
        all: &BTreeMap<Key, &Action>,
        running: bool,
    ) -> Option<&'t (Shared, Key)> {
        self.parents(action).iter().find(|(shared, parent)| {
            let Some(of_parent) = all.get(parent) else { return false };
            match shared {
                Shared::Restarts => running && of_parent.step == Step::Recreate,
                _ => of_parent.step == Step::Recreate || makes_first(of_parent),
            }
        })
    }

    /// Whether a container joined one that is gone, while there is or will be another to join.
    fn outlived(
        &self,
        action: &Action,
        containers: &[&ContainerFact],
        all: &BTreeMap<Key, &Action>,
    ) -> Option<String> {
        let gone = |join: &&Join| join.state == Joined::ParentGone;
        let join = containers.iter().flat_map(|c| &c.joins).find(gone)?;
        let parent = self.parent_of(action, join);
        let there = |key: &Key| {
            let made = all.get(key).is_some_and(|a| a.step == Step::Recreate || makes_first(a));
            made || self.observed.containers.iter().any(|c| is_of(c, key) && is_there(c))
        };
        if parent.is_some_and(|key| !there(key)) {
            return None;
        }
        let whose = whose(action, parent);
        Some(format!("{} {whose}, whose old container is gone", join.shared.words()))
    }

    /// Whether running containers have to be restarted, so that they join what their parent has now.
    fn restart(
        &self,
        action: &Action,
        containers: &[&ContainerFact],
        all: &BTreeMap<Key, &Action>,
    ) -> Option<Action> {
        let starts = |join: &Join| {
            all.values().any(|a| a.step == Step::Start && a.containers.contains(&join.with))
        };
        let lost = |join: &&Join| {
            let stale = join.state == Joined::ParentRestarted || starts(join);
            join.shared.is_namespace() && stale
        };
        let runs = |c: &&&ContainerFact| c.state == ContainerState::Running;
        let stale = containers.iter().filter(runs).filter(|c| c.joins.iter().any(|j| lost(&j)));
        let stale: Vec<&ContainerFact> = stale.copied().collect();
        let join = stale.first().and_then(|c| c.joins.iter().find(lost))?;
        let mut ids: BTreeSet<String> = stale.iter().map(|c| c.id.clone()).gather();
        ids.extend(action.containers.iter().cloned());
        let whose = whose(action, self.parent_of(action, join));
        Some(Action {
            step: Step::Start,
            reason: Reason::Dependent,
            pull: false,
            detail: format!("{} {whose}, which started later", join.shared.words()),
            containers: ids.into_iter().collect(),
            ..action.clone()
        })
    }

    fn recreate(&self, action: &Action, detail: String) -> Action {
        let image = action.image.declared.as_ref().and_then(|name| self.observed.images.get(name));
        // Those that stand still are kept in mind: see `together`.
        let stopped = |id: &&String| {
            let stands = |c: &&ContainerFact| c.id == **id && c.state != ContainerState::Running;
            self.observed.containers.iter().any(|c| stands(&c))
        };
        Action {
            step: Step::Recreate,
            reason: Reason::Dependent,
            pull: image.is_none_or(|image| image.local_id.is_none()),
            detail,
            containers: match action.step {
                Step::Start => action.containers.iter().filter(stopped).cloned().collect(),
                _ => Vec::new(),
            },
            ..action.clone()
        }
    }

    /// A parent whose running containers would be replaced, and the dependent that may not follow.
    fn first_blocked<'d>(&self, drafted: &'d [Action]) -> Option<(usize, (Shared, &'d Action))> {
        let replaced = |(_, action): &(usize, &Action)| {
            action.step == Step::Recreate && self.runs(&key(action))
        };
        drafted.iter().enumerate().filter(replaced).find_map(|(index, parent)| {
            let stays = |dependent: &&Action| is_withheld(dependent) && self.runs(&key(dependent));
            let dependent = drafted.iter().filter(stays).find_map(|dependent| {
                let tie = self.namespace(dependent, parent)?;
                Some((tie, dependent))
            });
            dependent.map(|why| (index, why))
        })
    }

    /// The namespace that a dependent has of a parent.
    fn namespace(&self, dependent: &Action, parent: &Action) -> Option<Shared> {
        let parent = key(parent);
        let ties = self.parents(dependent).iter();
        ties.filter(|(shared, key)| shared.is_namespace() && *key == parent).map(|(s, _)| *s).next()
    }

    /// The compose service that a container was joined to, if it is one of ours.
    fn parent_of(&self, action: &Action, join: &Join) -> Option<&Key> {
        let mut parents = self.parents(action).iter();
        parents.find(|(shared, _)| *shared == join.shared).map(|(_, key)| key)
    }

    fn parents(&self, action: &Action) -> &[(Shared, Key)] {
        self.ties.get(&key(action)).map_or(&[], Vec::as_slice)
    }

    fn containers(&self, action: &Action) -> Vec<&ContainerFact> {
        let key = key(action);
        self.observed.containers.iter().filter(|c| is_of(c, &key) && is_there(c)).collect()
    }

    fn runs(&self, key: &Key) -> bool {
        let runs =
            |c: &ContainerFact| matches!(c.state, ContainerState::Running | ContainerState::Paused);
        self.observed.containers.iter().any(|c| is_of(c, key) && runs(c))
    }
}

/// Whether an action may become that of a dependent: it runs or is to be started, and nobody said
/// that it stays as it is. What is replaced anyway needs no other reason, and what stands still and
/// is not started has done its work or is left alone.
fn may_follow(action: &Action, running: bool) -> bool {
    match (action.step, action.reason) {
        (Step::Recreate, _) | (_, Reason::Orphan) => false,
        (Step::Start | Step::Remove | Step::Signal, _) => true,
        (Step::Nothing, reason) => match reason {
            Reason::Settled
            | Reason::Adopted
            | Reason::Unknown
            | Reason::Files
            | Reason::Stopped
            | Reason::Missing => running,
            Reason::Held
            | Reason::Refused
            | Reason::Observed
            | Reason::Deferred
            | Reason::Paused
            | Reason::Quarantined
            | Reason::NeedsBuild
            | Reason::Completed
            | Reason::Image
            | Reason::Env
            | Reason::Config
            | Reason::Unhealthy
            | Reason::Dependent
            | Reason::Orphan => false,
        },
    }
}

/// Whether somebody or something keeps a compose service that runs as it is.
fn is_withheld(action: &Action) -> bool {
    action.step == Step::Nothing && !may_follow(action, true)
}

fn withheld(parent: &Action, (shared, dependent): (Shared, &Action)) -> Action {
    let reason = match dependent.reason {
        Reason::NeedsBuild => Reason::Refused,
        other => other,
    };
    Action {
        step: Step::Nothing,
        reason,
        pull: false,
        detail: format!(
            "{} {} it and cannot be recreated now ({}); wanted: {} ({})",
            dependent.compose_service,
            shared.words(),
            dependent.reason.name(),
            parent.step.name(),
            parent.reason.name(),
        ),
        ..parent.clone()
    }
}

/// Whether compose makes the first container of a compose service.
fn makes_first(action: &Action) -> bool {
    action.step == Step::Start && action.containers.is_empty() && action.image.running.is_none()
}

fn is_there(container: &ContainerFact) -> bool {
    container.state != ContainerState::Absent
}

fn is_of(container: &ContainerFact, key: &Key) -> bool {
    container.project == key.0 && container.compose_service == key.1
}

fn by_key(actions: &[Action]) -> BTreeMap<Key, &Action> {
    actions.iter().filter(|a| a.reason != Reason::Orphan).map(|a| (key(a), a)).gather()
}

fn whose(action: &Action, parent: Option<&Key>) -> String {
    parent.map_or_else(|| "another container".to_owned(), |key| name(action, key))
}

/// A parent in the words of its dependent.
fn name(action: &Action, (project, service): &Key) -> String {
    match *project == action.project {
        true => service.clone(),
        false => format!("{service} of {project}"),
    }
}

mod together;

pub use together::{settle, together};

#[cfg(test)]
mod tests;
