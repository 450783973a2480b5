//! What a service needs: desired, remembered and observed in, one action per compose service out.
//! It is asked again after every effect, so a crash at any point needs no recovery of its own.

mod action;
mod dependents;
mod files;
mod guard;
mod judge;
mod mounts;
mod policy;
mod ties;
mod types;
mod waits;

#[cfg(test)]
mod tests;

pub use action::{Action, ImagePair, Reason, Step, key, makes};
pub use dependents::{settle, together};
pub use guard::{Danger, Kind, changed_topology, dangers, keep_whole, withholds};
pub use mounts::{Mount, Mounts, Source};
pub use policy::{Changes, FilesAction, Heal, Policy};
pub use ties::{
    Join, Joined, Key, Parent, Sequence, Shared, Tie, Ties, is_name_of, resolve as ties,
    stack_order,
};
pub use types::{
    ContainerFact, ContainerState, Definition, Desired, DesiredService, DesiredStack, ImageFact,
    Lifetime, Memory, Observed, Orphans, ProjectMemory, Registry, ServiceMemory,
};
pub use waits::{BACK, Wait, Waits, at_rest, is_change, put_off, resting};

use std::collections::BTreeSet;

use dependents::follow;

/// Decides, for every compose service of the stacks and for every orphan, what is to be done.
/// The order is that of the stacks, then of names.
#[must_use]
pub fn plan(desired: &Desired, memory: &Memory, observed: &Observed) -> Vec<Action> {
    let mut judged = judge(desired, memory, observed);
    let orphans = orphans(desired, observed);
    let mut rounds = 0..judged.len();
    loop {
        let mut drafted = follow(judged.clone(), desired, observed);
        drafted.extend(orphans.iter().cloned());
        let guarded = guard::guard(drafted.clone(), desired, memory, observed);
        let guarded = policy::looked_at(guarded, desired);
        // A dependent may be refused, or only looked at, for its own sake, and then keeps its parent from changing.
        let mut news = false;
        for ((mine, drafted), guarded) in judged.iter_mut().zip(&drafted).zip(&guarded) {
            if guarded != drafted {
                mine.clone_from(guarded);
                news = true;
            }
        }
        if !news || rounds.next().is_none() {
            return guarded;
        }
    }
}

/// What would be done if nothing stood against it.
#[must_use]
pub fn wanted(desired: &Desired, memory: &Memory, observed: &Observed) -> Vec<Action> {
    let mut actions = follow(judge(desired, memory, observed), desired, observed);
    actions.extend(orphans(desired, observed));
    actions
}

/// Each compose service by itself.
fn judge(desired: &Desired, memory: &Memory, observed: &Observed) -> Vec<Action> {
    let mut actions = Vec::new();
    for stack in &desired.stacks {
        let remembered = memory.projects.get(&stack.project);
        for (name, service) in &stack.services {
            let past = remembered.and_then(|project| project.services.get(name));
            actions.push(judge::judge(stack, name, service, past, observed));
        }
    }
    actions
}

/// Containers of our projects whose compose service is in no stack of this configuration, not even
/// under an inactive profile.
fn orphans(desired: &Desired, observed: &Observed) -> Vec<Action> {
    let mut seen = BTreeSet::new();
    let mut actions = Vec::new();
    for container in &observed.containers {
        let known = desired
            .known_services
            .get(&container.project)
            .is_none_or(|names| names.contains(&container.compose_service));
        let key = (container.project.clone(), container.compose_service.clone());
        if known || !seen.insert(key) {
            continue;
        }
        let of_service = |c: &&ContainerFact| {
            c.project == container.project && c.compose_service == container.compose_service
        };
        let all: Vec<_> = observed.containers.iter().filter(of_service).collect();
        let (step, detail) = match &desired.orphans {
            Orphans::Remove => {
                (Step::Remove, "no longer in any compose file of this project".to_owned())
            }
            Orphans::Keep => (
                Step::Nothing,
                "no longer in any compose file; kept, because remove_orphans is off".to_owned(),
            ),
            Orphans::Doubt(why) => {
                (Step::Nothing, format!("kept, because somebody may declare it: {why}"))
            }
        };
        actions.push(Action {
            project: container.project.clone(),
            compose_service: container.compose_service.clone(),
            step,
            pull: false,
            reason: Reason::Orphan,
            detail,
            image: ImagePair { running: Some(container.image_id.clone()), declared: None },
            containers: all.iter().map(|c| c.id.clone()).collect(),
        });
    }
    actions
}
