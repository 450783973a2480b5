//! What a service needs: desired, remembered and observed in, one action per compose service out.
//! It is asked again after every effect, so a crash at any point needs no recovery of its own.

mod judge;
mod types;

#[cfg(test)]
mod tests;

pub use types::{
    Action, ContainerFact, ContainerState, Definition, Desired, DesiredService, DesiredStack,
    ImageFact, ImagePair, Lifetime, Memory, Observed, Orphans, Policy, ProjectMemory, Reason,
    Registry, ServiceMemory, Step,
};

use std::collections::BTreeSet;

/// Decides, for every compose service of the stacks and for every orphan, what is to be done.
/// The order is that of the stacks, then of names.
#[must_use]
pub fn plan(desired: &Desired, memory: &Memory, observed: &Observed) -> Vec<Action> {
    let mut actions = Vec::new();
    for stack in &desired.stacks {
        let remembered = memory.projects.get(&stack.project);
        let moved = remembered.map(|past| topology_changes(stack, past)).unwrap_or_default();
        for (name, service) in &stack.services {
            let past = remembered.and_then(|project| project.services.get(name));
            let action = judge::judge(stack, name, service, past, observed);
            actions.push(refuse_part_of_a_moved_topology(action, &moved));
        }
    }
    actions.extend(orphans(desired, observed));
    actions
}

/// The top-level networks and volumes that existed when the project was last recorded and are
/// declared otherwise now. New ones and dropped ones disturb nobody.
fn topology_changes(stack: &DesiredStack, past: &ProjectMemory) -> Vec<String> {
    let changed = |(name, hash): &(&String, &String)| {
        past.topology.get(*name).is_some_and(|before| before != *hash)
    };
    stack.topology.iter().filter(changed).map(|(name, _)| name.clone()).collect()
}

/// Compose applies a changed network by stopping everything on it, and a changed volume by asking
/// to delete it. Done for a part of the stack, the first wedges and the second loses data.
fn refuse_part_of_a_moved_topology(mut action: Action, moved: &[String]) -> Action {
    let by_compose = match action.step {
        Step::Recreate => true,
        Step::Start => action.containers.is_empty(),
        Step::Remove | Step::Signal | Step::Nothing => false,
    };
    if moved.is_empty() || !by_compose {
        return action;
    }
    action.detail = format!(
        "topology: {} changed, which compose can only apply to the whole stack; wanted: {} ({})",
        moved.join(", "),
        action.step.name(),
        action.reason.name(),
    );
    action.step = Step::Nothing;
    action.reason = Reason::Refused;
    action.pull = false;
    action
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
