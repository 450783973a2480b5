//! Looking at the engine and the registries. Changes nothing, decides nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::Host;
use super::attempts;
use super::joins::Joins;
use super::mounts;
use super::pass::Pass;
use super::stack::{Stack, Stacks};
use super::standing::{self, Stopped};
use super::todo::Key;
use super::topology;
use crate::config::{ImageCheck, Service};
use crate::decide::plan::{
    ContainerFact, ContainerState, Definition, Desired, ImageFact, Join, Mount, Observed, Registry,
    Shared,
};
use crate::docker::digest::Digest;
use crate::docker::engine::{Container, Image, State};
use crate::docker::reference::Reference;
use crate::gather::sort_by_key;
use crate::problem::Problem;
use crate::reconcile::policy;
use crate::state::Record;

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

    /// Whether it has containers, and all of them ended well.
    #[must_use]
    pub fn is_completed(&self, key: &Key) -> bool {
        let all = self.observed.containers.iter();
        let mut mine = all.filter(|c| c.project == key.0 && c.compose_service == key.1).peekable();
        mine.peek().is_some() && mine.all(|c| c.state == ContainerState::Exited(0))
    }

    /// Their ids.
    #[must_use]
    pub fn ids_of(&self, key: &Key) -> BTreeSet<String> {
        self.of(key).map(|container| container.id.0.clone()).collect()
    }
}

/// Looks at everything the planner needs to know of a service, and of what is in force instead of
/// `desired` if changes wait.
///
/// # Errors
/// When the engine does not answer. A registry that does not is "unknown", never an error.
pub fn look(
    pass: &Pass<'_>,
    service: &Service,
    stacks: &Stacks,
    desired: &Desired,
    in_force: Option<&Desired>,
    record: &Record,
) -> Result<Sight, Problem> {
    let host = pass.host;
    let mut containers = Vec::new();
    for project in stacks.projects() {
        containers.extend(host.engine()?.containers(&project)?);
    }
    // Compose takes the highest numbers away first; so do we.
    sort_by_key(&mut containers, |c| (c.compose_service.clone(), c.number));
    let (mut record, unproven) = attempts::settle(record, &containers, &pass.state.models());
    topology::forget(host, desired, &containers, &mut record)?;
    let mut stopped = Stopped::new(host, desired, &record.stopped);
    let mut joins = Joins::new(host, desired, pass.replaced());
    let facts = containers
        .iter()
        .map(|container| {
            let state = state_of(host, container, &mut stopped)?;
            let joins = match state {
                ContainerState::Absent => Vec::new(),
                _ => joins.of(container)?,
            };
            Ok(ContainerFact {
                id: container.id.0.clone(),
                project: container.project.clone(),
                compose_service: container.compose_service.clone(),
                state,
                image_id: container.image_id.0.clone(),
                definition: definition_of(pass, stacks, &record, container, &joins),
                mounts: mounts_of(pass, &record, container),
                working_dir: container
                    .working_dir
                    .as_deref()
                    .map(|dir| mounts::real(Path::new(dir)).to_string_lossy().into_owned()),
                joins,
            })
        })
        .collect::<Result<Vec<_>, Problem>>()?;
    let mut known = BTreeMap::new();
    for desired in in_force.into_iter().chain([desired]) {
        known.extend(images(host, service, desired, &containers, &record)?);
        mounts::ask_for_volumes(host, desired, &facts, &mut known)?;
    }
    record.stopped = stopped.found;
    let unhealthy = standing::failing(host, desired, &containers, &unproven)?;
    let begun = record.attempts.iter();
    let begun = begun.flat_map(|(project, services)| {
        services.keys().map(|name| (project.clone(), name.clone()))
    });
    let observed = Observed { containers: facts, images: known, unhealthy, begun: begun.collect() };
    Ok(Sight { observed, containers, record, unproven })
}

/// The mounts of a container that the data guard looks at.
fn mounts_of(pass: &Pass<'_>, record: &Record, container: &Container) -> Vec<Mount> {
    let project = record.projects.get(&container.project);
    let known = project.and_then(|project| project.services.get(&container.compose_service));
    let none = BTreeMap::new();
    mounts::observed(&container.mounts, pass.git.top(), known.map_or(&none, |known| &known.files))
}

/// The state, with the exit code that only an inspection tells. A container with compose's
/// temporary name is a half-made replacement: it does not count as there.
fn state_of(
    host: &Host<'_>,
    container: &Container,
    stopped: &mut Stopped<'_>,
) -> Result<ContainerState, Problem> {
    if super::sweep::is_temporary(&container.name) {
        return Ok(ContainerState::Absent);
    }
    Ok(match container.state {
        State::Running | State::Restarting => ContainerState::Running,
        State::Paused => ContainerState::Paused,
        State::Exited => match host.engine()?.inspect(&container.id)? {
            Some(inspected) => stopped.ended(container, &inspected)?,
            None => ContainerState::Absent,
        },
        _ => ContainerState::Absent,
    })
}

/// Whether a container is the one that renew recorded, or carries a label that says the same
/// definition. Only for a stranger is compose asked what the label should be.
fn definition_of(
    pass: &Pass<'_>,
    stacks: &Stacks,
    record: &Record,
    container: &Container,
    joins: &[Join],
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
    // Compose puts the id of their container into the hash, and cannot be asked for that.
    if joins.iter().any(|join| join.shared == Shared::Volumes) {
        return Definition::Known;
    }
    let (name, temp) = (&container.compose_service, pass.resolver.temp());
    match pass.host.compose_hashes(stack, name, joins, temp) {
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
    containers: &[Container],
    record: &Record,
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
        // What is no reference is nowhere: whoever is to be made from it will hear of it.
        if let Ok(reference) = Reference::parse(name) {
            parsed.insert(name, reference);
        }
    }
    let references: Vec<Reference> = parsed.values().cloned().collect();
    let local = host.engine()?.images(&references)?;
    let fact = |(name, ask): (&str, bool)| -> Result<_, Problem> {
        let reference = parsed.get(name);
        let image = reference.and_then(|r| local.get(r)).and_then(Option::as_ref);
        // One that is not here is asked for only where it might be one that failed.
        let ask = ask && (image.is_some() || !record.quarantine.is_empty());
        let (registry, meant) = match reference.filter(|_| ask) {
            Some(reference) => compare(host, service, reference, image),
            None => (Registry::NotAsked, None),
        };
        let local_id = image.map(|image| image.id.0.clone());
        let aliases = match image {
            Some(image) => aliases(host, image, made_for(name, desired, containers))?,
            None => BTreeSet::new(),
        };
        let digests = image.map(|image| image.repo_digests.iter().cloned().collect());
        let digests = digests.unwrap_or_default();
        let fact = ImageFact { local_id, aliases, digests, registry, meant, volumes: None };
        Ok((name.to_owned(), fact))
    };
    wanted.into_iter().map(fact).collect()
}

/// The containers of the compose services that declare an image.
fn made_for<'c>(
    image: &'c str,
    desired: &'c Desired,
    containers: &'c [Container],
) -> impl Iterator<Item = &'c Container> {
    let declares = move |container: &&Container| {
        let stacks = desired.stacks.iter().filter(|stack| stack.project == container.project);
        let mut services =
            stacks.filter_map(|stack| stack.services.get(&container.compose_service));
        services.any(|service| service.image == image)
    };
    containers.iter().filter(declares)
}

/// The other ids under which containers run what `image` means on this platform: those made from
/// one of its manifests. Nothing is asked while the ids agree.
fn aliases<'c>(
    host: &Host<'_>,
    image: &Image,
    containers: impl Iterator<Item = &'c Container>,
) -> Result<BTreeSet<String>, Problem> {
    let others: Vec<(&Container, &Digest)> = containers
        .filter(|container| container.image_id != image.id)
        .filter_map(|container| Some((container, container.image_manifest_digest.as_ref()?)))
        .collect();
    if others.is_empty() {
        return Ok(BTreeSet::new());
    }
    let manifests = host.engine()?.manifests(&image.id)?;
    let same = others.into_iter().filter(|(_, digest)| manifests.contains(digest));
    Ok(same.map(|(container, _)| container.image_id.0.clone()).collect())
}

/// What the registry says of a moving tag, and which digest it means. An image without any registry
/// digest was built or loaded here: it is nobody else's to move.
fn compare(
    host: &Host<'_>,
    service: &Service,
    reference: &Reference,
    image: Option<&Image>,
) -> (Registry, Option<String>) {
    let Some(named) = reference.named().filter(|_| reference.is_moving()) else {
        return (Registry::NotAsked, None);
    };
    if image.is_some_and(|image| image.repo_digests.is_empty()) {
        return (Registry::NotAsked, None);
    }
    let name = named.familiar_name();
    let here = image.map(|image| image.id.0.as_str());
    match host.registry_digest(named, here, service.image_check_every) {
        Ok(digest) => {
            let here = image.is_some_and(|image| image.has_digest(&name, &digest));
            let registry = if here { Registry::Same } else { Registry::Newer };
            (registry, Some(format!("{name}@{digest}")))
        }
        Err(why) => (Registry::Unknown(why), None),
    }
}
