//! Top-level networks and volumes: which of the recorded ones no longer matter, and letting a network
//! go whose changed definition a person accepted. Volumes are never touched.

use std::collections::{BTreeMap, BTreeSet};

use super::Host;
use super::apply::{Apply, Work};
use super::todo::{Key, key, makes};
use crate::decide::plan::{Action, Desired, DesiredStack, Kind, changed_topology};
use crate::decide::waves::waves;
use crate::docker::engine::{Container, NetworkInspected, State};
use crate::gather::Gather;
use crate::problem::Problem;
use crate::state::Record;

/// Set by compose on the networks it makes.
const PROJECT: &str = "com.docker.compose.project";

/// Takes out of the record what does not stand in the way of a change of its definition: what is not
/// there any more, since compose will make it as it is declared, and volumes whose old definition a
/// person accepted to keep.
///
/// # Errors
/// When the engine does not answer.
pub fn forget(
    host: &Host<'_>,
    desired: &Desired,
    containers: &[Container],
    record: &mut Record,
) -> Result<(), Problem> {
    let memory = record.memory();
    for stack in &desired.stacks {
        for danger in changed_topology(stack, &memory) {
            let Some(real) = stack.real_names.get(&danger.topology) else { continue };
            let gone = match danger.kind {
                Kind::Volume => {
                    record.accepted.contains(&danger.fingerprint)
                        || !host.engine()?.has_volume(real)?
                }
                // Of one that got another name, the old one may still be in use.
                _ => {
                    !anybody_runs_on(&danger.topology, stack, containers)
                        && host.engine()?.network(real)?.is_none()
                }
            };
            if gone && let Some(project) = record.projects.get_mut(&stack.project) {
                project.topology.remove(&danger.topology);
            }
        }
    }
    Ok(())
}

fn anybody_runs_on(network: &str, stack: &DesiredStack, containers: &[Container]) -> bool {
    containers.iter().filter(|c| c.project == stack.project && c.state != State::Exited).any(|c| {
        let service = stack.services.get(&c.compose_service);
        service.is_some_and(|service| service.networks.contains(network))
    })
}

/// The networks of a stack that are declared otherwise than they were made.
fn changed_networks<'s>(stack: &'s DesiredStack, record: &Record) -> Vec<(String, &'s str)> {
    let changed = changed_topology(stack, &record.memory()).into_iter();
    let changed = changed.filter(|danger| danger.kind == Kind::Network);
    let named = changed.filter_map(|danger| {
        let real = stack.real_names.get(&danger.topology)?;
        Some((danger.topology, real.as_str()))
    });
    named.collect()
}

/// Whether the networks or volumes of a project are about to change.
#[must_use]
pub fn changes(desired: &Desired, record: &Record, project: &str) -> bool {
    let mut stacks = desired.stacks.iter().filter(|stack| stack.project == project);
    stacks.any(|stack| !changed_topology(stack, &record.memory()).is_empty())
}

impl Apply<'_> {
    /// Lets the networks go whose definition changed, so that compose makes them anew: stops what is
    /// about to be replaced, and removes them. Compose itself is not asked to do that: depending on
    /// its version it ignores the change, or wedges when it is not given the whole stack. The
    /// stopped containers stay, since the new ones take over their anonymous volumes.
    ///
    /// Gives the networks that are gone, by project.
    ///
    /// # Errors
    /// When somebody else is in such a network (then nothing was stopped), or the engine refuses.
    pub fn release(&self, todo: &[Action]) -> Result<BTreeSet<Key>, Problem> {
        let mut gone = BTreeSet::new();
        for (stack, desired) in self.stacks.list.iter().zip(&self.desired.stacks) {
            let of_stack = |action: &&Action| {
                action.project == desired.project
                    && desired.services.contains_key(&action.compose_service)
            };
            let acting: BTreeSet<Key> =
                todo.iter().filter(|a| makes(a)).filter(of_stack).map(key).gather();
            if acting.is_empty() {
                continue;
            }
            let mut leaving: BTreeMap<&str, Vec<&Container>> = BTreeMap::new();
            for one in &acting {
                leaving.insert(&one.1, self.sight.of(one).collect());
            }
            let mut networks = Vec::new();
            for (name, real) in changed_networks(desired, &self.sight.record) {
                if let Some(network) = self.host.engine()?.network(real)? {
                    is_ours_alone(&network, &desired.project, &leaving)?;
                    networks.push(network);
                }
                gone.insert((desired.project.clone(), name));
            }
            let names = leaving.keys().map(|name| (*name).to_owned()).collect();
            let order = waves(&names, &stack.model().depends_on());
            for name in order.iter().rev().flatten() {
                let grace = stack.model().longest_stop(&[name]);
                for container in leaving.get(name.as_str()).into_iter().flatten() {
                    if networks.iter().any(|network| network.containers.contains_key(&container.id))
                    {
                        self.host.engine()?.stop(&container.id, grace)?;
                    }
                }
            }
            for network in networks {
                let service = self.service.name.as_str();
                log::info!("{service}: removing network {} to make it anew", network.name);
                self.host.engine()?.remove_network(&network.id)?;
            }
        }
        Ok(gone)
    }
}

impl Apply<'_> {
    /// Whether a container cannot be started because its network is gone (`docker network prune` takes
    /// those that only stopped containers are in). It is then made anew, as long as that changes
    /// nothing else about it.
    #[must_use]
    pub fn lost_its_network(&self, work: &Work<'_>, action: &Action, why: &Problem) -> bool {
        let (project, name) = key(action);
        let past = self.sight.record.projects.get(&project).and_then(|p| p.services.get(&name));
        let declared = work.services.get(&name);
        let same = past.zip(declared).is_some_and(|(past, declared)| {
            past.definition_sha256 == declared.definition && past.files == declared.files
        });
        same && why.message.contains("network") && why.message.contains("not found")
    }
}

/// What is not about to be replaced would lose its network.
fn is_ours_alone(
    network: &NetworkInspected,
    project: &str,
    leaving: &BTreeMap<&str, Vec<&Container>>,
) -> Result<(), Problem> {
    let leaves = |id: &_| leaving.values().flatten().any(|container| container.id == *id);
    let others: Vec<&str> = network
        .containers
        .iter()
        .filter(|(id, _)| !leaves(*id))
        .map(|(_, name)| name.as_str())
        .collect();
    let of_project = network.labels.get(PROJECT).is_some_and(|label| label == project);
    if others.is_empty() && of_project {
        return Ok(());
    }
    let why = if of_project {
        format!("{} would not be made anew with it", others.join(", "))
    } else {
        format!("it was not made for project {project}")
    };
    Err(Problem::engine(
        "network_in_use",
        format!("network {} cannot be made anew: {why}", network.name),
        format!("look at `docker network inspect {}`; nothing was stopped", network.name),
    ))
}
