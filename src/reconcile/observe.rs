//! Looking at the engine and the registries. Changes nothing, decides nothing.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;

use super::Host;
use super::attempts;
use super::pass::Pass;
use super::stack::{Stack, Stacks};
use super::todo::Key;
use crate::config::{ImageCheck, Service};
use crate::decide::plan::{
    ContainerFact, ContainerState, Definition, Desired, ImageFact, Observed, Registry,
};
use crate::docker::engine::{Container, Image, Inspected, State};
use crate::docker::reference::Reference;
use crate::problem::Problem;
use crate::reconcile::policy;
use crate::state::Record;

/// How long after the end of a container the engine may tell that it was stopped.
const STOP_EVENT_DELAY: TimeDelta = TimeDelta::seconds(5);

/// What was seen, and the containers behind it.
pub struct Sight {
    /// For the planner.
    pub observed: Observed,
    /// As the engine told.
    pub containers: Vec<Container>,
    /// The record, with the changes that the containers prove.
    pub record: Record,
    /// Those changes: nobody has seen yet whether they are good.
    pub unproven: BTreeSet<Key>,
}

impl Sight {
    /// The containers of one compose service.
    pub fn of<'s>(&'s self, key: &'s Key) -> impl Iterator<Item = &'s Container> {
        let mine = |c: &&Container| c.project == key.0 && c.compose_service == key.1;
        self.containers.iter().filter(mine).filter(|c| !super::sweep::is_temporary(&c.name))
    }

    /// Their ids.
    #[must_use]
    pub fn ids_of(&self, key: &Key) -> BTreeSet<String> {
        self.of(key).map(|container| container.id.0.clone()).collect()
    }
}

/// Looks at everything the planner needs to know of a service.
///
/// # Errors
/// When the engine does not answer. A registry that does not is "unknown", never an error.
pub fn look(
    pass: &Pass<'_>,
    service: &Service,
    stacks: &Stacks,
    desired: &Desired,
    record: &Record,
) -> Result<Sight, Problem> {
    let host = pass.host;
    let mut containers = Vec::new();
    for project in stacks.projects() {
        containers.extend(host.engine()?.containers(&project)?);
    }
    // Compose takes the highest numbers away first; so do we.
    containers.sort_by_key(|c| (c.compose_service.clone(), c.number));
    let (record, unproven) = attempts::settle(record, &containers, &pass.state.models());
    let facts = containers
        .iter()
        .map(|container| {
            Ok(ContainerFact {
                id: container.id.0.clone(),
                project: container.project.clone(),
                compose_service: container.compose_service.clone(),
                state: state_of(host, container)?,
                image_id: container.image_id.0.clone(),
                definition: definition_of(pass, stacks, &record, container),
            })
        })
        .collect::<Result<Vec<_>, Problem>>()?;
    let images = images(host, service, desired)?;
    let observed = Observed { containers: facts, images };
    Ok(Sight { observed, containers, record, unproven })
}

/// The state, with the exit code that only an inspection tells. A container with compose's
/// temporary name is a half-made replacement: it does not count as there.
fn state_of(host: &Host<'_>, container: &Container) -> Result<ContainerState, Problem> {
    if super::sweep::is_temporary(&container.name) {
        return Ok(ContainerState::Absent);
    }
    Ok(match container.state {
        State::Running | State::Restarting => ContainerState::Running,
        State::Paused => ContainerState::Paused,
        State::Exited => match host.engine()?.inspect(&container.id)? {
            Some(inspected) => ended(host, &inspected)?,
            None => ContainerState::Absent,
        },
        _ => ContainerState::Absent,
    })
}

/// How a container ended. Exit 0 is the success of a one-shot, and also how a well-behaved server
/// answers `docker stop`: only the engine's events tell the two apart.
fn ended(host: &Host<'_>, inspected: &Inspected) -> Result<ContainerState, Problem> {
    let code = inspected.exit_code;
    let (0, Some(started), Some(finished)) = (code, inspected.started_at, inspected.finished_at)
    else {
        return Ok(ContainerState::Exited(code));
    };
    // The event follows the end by an instant; one in the future would be waited for.
    let until = (finished + STOP_EVENT_DELAY).min(host.clock.now());
    let stopped = host.engine()?.was_stopped(&inspected.id, started, until)?;
    Ok(if stopped { ContainerState::Stopped(code) } else { ContainerState::Exited(code) })
}

/// Whether a container is the one that renew recorded, or carries a label that says the same
/// definition. Only for a stranger is compose asked what the label should be.
fn definition_of(
    pass: &Pass<'_>,
    stacks: &Stacks,
    record: &Record,
    container: &Container,
) -> Definition {
    let Some(known) = record
        .projects
        .get(&container.project)
        .and_then(|project| project.services.get(&container.compose_service))
    else {
        return Definition::Known;
    };
    let label = container.config_hash.as_deref().unwrap_or_default();
    if known.containers.contains(&container.id.0) || known.labels.contains(label) {
        return Definition::Known;
    }
    let declares = |stack: &&Stack| {
        stack.project() == container.project
            && stack.model().services().any(|(name, _)| *name == container.compose_service)
    };
    let Some(stack) = stacks.list.iter().find(declares) else { return Definition::Known };
    match pass.host.compose_hashes(stack, &container.compose_service, pass.resolver.temp()) {
        Ok(hashes) if hashes.iter().any(|hash| hash == label) => Definition::Declared,
        Ok(_) => Definition::Foreign,
        Err(problem) => {
            log::warn!("cannot tell who made {}: {problem}", container.name);
            Definition::Known
        }
    }
}

fn images(
    host: &Host<'_>,
    service: &Service,
    desired: &Desired,
) -> Result<BTreeMap<String, ImageFact>, Problem> {
    let mut wanted: BTreeMap<&str, bool> = BTreeMap::new();
    for stack in &desired.stacks {
        for (name, declared) in &stack.services {
            let ask = policy::image_check(service, name) == ImageCheck::Registry && !declared.build;
            *wanted.entry(&declared.image).or_default() |= ask;
        }
    }
    let mut parsed: BTreeMap<&str, Reference> = BTreeMap::new();
    for name in wanted.keys() {
        let reference = Reference::parse(name).map_err(|error| {
            Problem::setup(
                "image_reference",
                error.to_string(),
                "correct `image:` in the compose file",
            )
        })?;
        parsed.insert(name, reference);
    }
    let references: Vec<Reference> = parsed.values().cloned().collect();
    let local = host.engine()?.images(&references)?;
    let fact = |(name, ask): (&str, bool)| {
        let reference = parsed.get(name);
        let image = reference.and_then(|r| local.get(r)).and_then(Option::as_ref);
        let registry = match (reference, image, ask) {
            (Some(reference), Some(image), true) => compare(host, reference, image),
            _ => Registry::NotAsked,
        };
        let local_id = image.map(|image| image.id.0.clone());
        (name.to_owned(), ImageFact { local_id, registry })
    };
    Ok(wanted.into_iter().map(fact).collect())
}

/// What the registry says of a moving tag. An image without any registry digest was built or loaded
/// here: it is nobody else's to move.
fn compare(host: &Host<'_>, reference: &Reference, image: &Image) -> Registry {
    let Some(named) = reference.named().filter(|_| reference.is_moving()) else {
        return Registry::NotAsked;
    };
    if image.repo_digests.is_empty() {
        return Registry::NotAsked;
    }
    match host.registry_digest(named) {
        Ok(digest) if image.has_digest(&named.familiar_name(), &digest) => Registry::Same,
        Ok(_) => Registry::Newer,
        Err(why) => Registry::Unknown(why),
    }
}
