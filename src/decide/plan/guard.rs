//! The data guard: changes that could lose data or take a part of a stack down are refused until a
//! person accepts exactly these. It only ever turns an action into less, except that an accepted
//! change of a network takes everything on it along.

mod dangers;

pub use dangers::{Danger, Kind, changed_topology, dangers};

use super::action::{Action, Reason, Step};
use super::judge::judge;
use super::types::{ContainerState, Desired, DesiredStack, Memory, Observed};
use super::waits::at_rest;
use super::wanted;

/// Turns what is dangerous and not accepted into refusals. `services` of an accepted change of a
/// network are all made anew, or none of them.
#[must_use]
pub fn guard(
    mut actions: Vec<Action>,
    desired: &Desired,
    memory: &Memory,
    observed: &Observed,
) -> Vec<Action> {
    let (accepted, open): (Vec<Danger>, Vec<Danger>) = dangers(desired, memory, observed)
        .into_iter()
        .partition(|danger| memory.accepted.contains(&danger.fingerprint));
    for network in accepted.iter().filter(|danger| danger.kind == Kind::Network) {
        take_along(&mut actions, network, desired);
    }
    for action in &mut actions {
        let mine: Vec<&Danger> = open.iter().filter(|danger| danger.lies_in(action)).collect();
        if !mine.is_empty() {
            let up_again = started_as_it_was(action, desired, memory, observed);
            refuse(action, &said(&mine), &way_out(&mine, &desired.service));
            if let Some(start) = up_again {
                let detail = format!("{}; refused: {}", start.detail, action.detail);
                *action = Action { detail, ..start };
            }
        }
    }
    for network in accepted.iter().filter(|danger| danger.kind == Kind::Network) {
        all_or_none(&mut actions, network, desired, observed);
    }
    actions
}

/// The same for accepted changes of networks, once the peers were asked: where one that runs has to stay,
/// the others do as well, and what stands still is started as it was.
#[must_use]
pub fn keep_whole(
    mut actions: Vec<Action>,
    desired: &Desired,
    memory: &Memory,
    observed: &Observed,
) -> Vec<Action> {
    if memory.accepted.is_empty() {
        return actions;
    }
    let mut networks = dangers(desired, memory, observed);
    networks.retain(|one| one.kind == Kind::Network && memory.accepted.contains(&one.fingerprint));
    for network in &networks {
        let wanted = actions.clone();
        all_or_none(&mut actions, network, desired, observed);
        for (action, wanted) in actions.iter_mut().zip(&wanted) {
            if action.reason == Reason::Refused
                && let Some(start) = started_as_it_was(wanted, desired, memory, observed)
            {
                *action = start;
            }
        }
    }
    actions
}

/// The start of what stands still, as it was before the change that is refused.
fn started_as_it_was(
    action: &Action,
    desired: &Desired,
    memory: &Memory,
    observed: &Observed,
) -> Option<Action> {
    let (project, name) = (&action.project, &action.compose_service);
    let of_project = |stack: &&DesiredStack| stack.project == *project;
    let resting = at_rest(desired);
    let mut stacks = resting.stacks.iter().filter(of_project);
    let (stack, service) = stacks.find_map(|stack| Some((stack, stack.services.get(name)?)))?;
    let past = memory.projects.get(project).and_then(|past| past.services.get(name));
    let healed = judge(stack, name, service, past, observed);
    let starts = healed.step == Step::Start && !healed.containers.is_empty();
    (starts && action.step == Step::Recreate).then_some(healed)
}

/// Whether a plan withholds a change that somebody wants, be it that it starts what was there
/// instead.
#[must_use]
pub fn withholds(
    actions: &[Action],
    desired: &Desired,
    memory: &Memory,
    observed: &Observed,
) -> bool {
    let mut open = dangers(desired, memory, observed);
    open.retain(|danger| !memory.accepted.contains(&danger.fingerprint));
    let refused = |wanted: &Action| open.iter().any(|danger| danger.lies_in(wanted));
    let wanted = if open.is_empty() { Vec::new() } else { wanted(desired, memory, observed) };
    let started = |wanted: &Action| {
        actions.iter().any(|action| {
            action.project == wanted.project
                && action.compose_service == wanted.compose_service
                && action.step == Step::Start
        })
    };
    wanted.iter().any(|wanted| refused(wanted) && started(wanted))
}

fn refuse(action: &mut Action, why: &str, way_out: &str) {
    let wanted = format!("wanted: {} ({})", action.step.name(), action.reason.name());
    action.detail = format!("{why}; {wanted}{way_out}");
    action.step = Step::Nothing;
    action.reason = Reason::Refused;
    action.pull = false;
    action.containers.clear();
}

/// All of them in one line, each kind named once.
fn said(dangers: &[&Danger]) -> String {
    let mut text = String::new();
    let mut last = None;
    for danger in dangers {
        if !text.is_empty() {
            text.push_str("; ");
        }
        if last != Some(danger.kind.name()) {
            text.push_str(&format!("{}: ", danger.kind.name()));
        }
        last = Some(danger.kind.name());
        text.push_str(&danger.words);
    }
    text
}

fn way_out(dangers: &[&Danger], service: &str) -> String {
    let mut ways: Vec<&str> = dangers.iter().map(|danger| danger.way_out.as_str()).collect();
    ways.dedup();
    format!("; {}, then `renew accept {service}`", ways.join("; "))
}

/// An accepted change of a network needs everything on it to be made anew, also what no drift of its
/// own would touch, as soon as anything of the stack is made.
fn take_along(actions: &mut [Action], network: &Danger, desired: &Desired) {
    if !actions.iter().any(|action| network.lies_in(action)) {
        return;
    }
    for action in actions.iter_mut().filter(|action| is_on(action, network, desired)) {
        let stands = action.step == Step::Start && !action.containers.is_empty();
        let calm = matches!(action.reason, Reason::Settled | Reason::Unknown | Reason::Adopted);
        if stands || (calm && action.image.running.is_some()) {
            action.step = Step::Recreate;
            action.reason = Reason::Config;
            action.detail = format!("{} changed", network.topology);
            action.containers.clear();
        }
    }
}

/// Where one that runs on the network cannot be made anew, none is: the network could not go.
fn all_or_none(actions: &mut [Action], network: &Danger, desired: &Desired, observed: &Observed) {
    let stays = |action: &&Action| {
        let runs = observed.containers.iter().any(|c| {
            c.project == action.project
                && c.compose_service == action.compose_service
                && matches!(c.state, ContainerState::Running | ContainerState::Paused)
        });
        is_on(action, network, desired) && action.step == Step::Nothing && runs
    };
    let Some(one) = actions.iter().find(stays).map(|action| action.compose_service.clone()) else {
        return;
    };
    for action in actions.iter_mut().filter(|action| network.lies_in(action)) {
        let why = format!(
            "topology: {} changed, and {one}, which is on it, cannot be made anew now",
            network.topology
        );
        refuse(action, &why, "");
    }
}

fn is_on(action: &Action, network: &Danger, desired: &Desired) -> bool {
    let stacks = desired.stacks.iter().filter(|stack| stack.project == action.project);
    let mut declared = stacks.filter_map(|stack| stack.services.get(&action.compose_service));
    declared.any(|service| service.networks.contains(&network.topology))
}

#[cfg(test)]
mod tests;
