//! What renew does not do by itself: found by comparing what exists with what is declared, whether
//! or not anybody wants to change it now. Decides nothing.

use std::collections::BTreeSet;

use crate::decide::plan::action::{Action, Step, makes};
use crate::decide::plan::mounts::{Mount, moved};
use crate::decide::plan::types::{
    ContainerFact, ContainerState, Definition, Desired, DesiredStack, Memory, Observed,
};
use crate::gather::Gather;

/// Something that renew does not do by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Danger {
    /// What kind of thing.
    pub kind: Kind,
    /// The compose project it is about.
    pub project: String,
    /// The compose services of it that are not changed; all, removals included, when none is named.
    pub services: BTreeSet<String>,
    /// The network or volume, as in `network default`; empty for other kinds.
    pub topology: String,
    /// What would happen, from what to what.
    pub words: String,
    /// What a person can look at and do.
    pub way_out: String,
    /// The same for exactly this and for nothing else. Holds no secret.
    pub fingerprint: String,
}

/// The kinds of [`Danger`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A writable mount would be dropped or point elsewhere.
    MountMoved,
    /// The containers of the project belong to another directory.
    ProjectMismatch,
    /// A top-level network is declared otherwise than it was made.
    Network,
    /// A top-level volume is declared otherwise than it was made.
    Volume,
}

impl Kind {
    /// The public word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::MountMoved => "mount_moved",
            Kind::ProjectMismatch => "project_mismatch",
            Kind::Network | Kind::Volume => "topology",
        }
    }
}

impl Danger {
    /// Whether an action would bring it about.
    #[must_use]
    pub fn lies_in(&self, action: &Action) -> bool {
        let named = self.services.is_empty() || self.services.contains(&action.compose_service);
        let does_it = match (self.kind, action.step) {
            (Kind::MountMoved, step) => step == Step::Recreate,
            (Kind::ProjectMismatch, Step::Remove) => true,
            _ => makes(action),
        };
        self.project == action.project && named && does_it
    }
}

/// Everything about the stacks that renew would not do by itself, accepted or not, whether or not
/// somebody wants it now.
#[must_use]
pub fn dangers(desired: &Desired, memory: &Memory, observed: &Observed) -> Vec<Danger> {
    let mut found = foreign_projects(desired, observed);
    for stack in &desired.stacks {
        found.extend(moved_mounts(stack, observed));
        found.extend(changed_topology(stack, memory));
    }
    found
}

/// What of the data of running and stopped containers a new one would not have. What never ran
/// holds none.
fn moved_mounts(stack: &DesiredStack, observed: &Observed) -> Vec<Danger> {
    let mut found: Vec<Danger> = Vec::new();
    let mine = observed.containers.iter().filter(|c| c.project == stack.project);
    for container in mine.filter(|c| c.state != ContainerState::Absent) {
        let name = &container.compose_service;
        let Some(service) = stack.services.get(name) else { continue };
        let image = observed.images.get(&service.image).and_then(|image| image.volumes.as_ref());
        for mount in &container.mounts {
            let Some((from, to)) = moved(mount, &service.mounts, image) else { continue };
            let fingerprint =
                format!("mount_moved {}/{name} {}: {from} -> {to}", stack.project, mount.target);
            let known = found.iter().any(|danger| danger.fingerprint == fingerprint);
            if known || is_borrowed(mount, stack, name, observed) {
                continue;
            }
            found.push(Danger {
                kind: Kind::MountMoved,
                project: stack.project.clone(),
                services: BTreeSet::from([name.clone()]),
                topology: String::new(),
                words: format!("{} is {from} and would be {to}", mount.target),
                way_out: "move the data by hand if it is needed".to_owned(),
                fingerprint,
            });
        }
    }
    found
}

/// Whether a mount came with `volumes_from`: then it is the other one's to keep.
fn is_borrowed(mount: &Mount, stack: &DesiredStack, name: &str, observed: &Observed) -> bool {
    let Some(service) = stack.services.get(name) else { return false };
    let has = |container: &ContainerFact| container.mounts.iter().any(|m| m.target == mount.target);
    let lends = |other: &String| {
        let of_other =
            |c: &&ContainerFact| c.project == stack.project && c.compose_service == *other;
        let mut containers = observed.containers.iter().filter(of_other).peekable();
        // Without one to look at, nobody knows which volumes its image brought.
        containers.peek().is_none() || containers.any(has)
    };
    service.mounts.borrows_elsewhere || service.mounts.borrowed_from.iter().any(lends)
}

/// The top-level networks and volumes that existed when the project was last recorded and are
/// declared otherwise now. New ones and dropped ones disturb nobody.
///
/// Compose applies a changed network by stopping everything on it, and a changed volume by asking
/// to delete it. Done for a part of the stack, the first wedges and the second loses data.
#[must_use]
pub fn changed_topology(stack: &DesiredStack, memory: &Memory) -> Vec<Danger> {
    let Some(past) = memory.projects.get(&stack.project) else { return Vec::new() };
    let changed = stack.topology.iter().filter_map(|(name, hash)| {
        let before = past.topology.get(name).filter(|before| *before != hash)?;
        let real = stack.real_names.get(name).map_or(name.as_str(), String::as_str);
        let (word, _) = name.split_once(' ').unwrap_or(("", name));
        let kind = if word == "volume" { Kind::Volume } else { Kind::Network };
        let (words, rest) = match kind {
            Kind::Volume => (
                format!("{name} ({real}) is declared otherwise now; what exists stays as it is"),
                "to go on with the old one",
            ),
            _ => (
                format!("{name} ({real}) changed, which is done for the whole stack or not at all"),
                "to let the whole stack stop and be made anew",
            ),
        };
        Some(Danger {
            kind,
            project: stack.project.clone(),
            services: stack.services.keys().cloned().collect(),
            topology: name.clone(),
            words,
            way_out: format!(
                "look at `docker {word} inspect {real}` and, in {}, `docker compose config`; {rest}",
                stack.directory
            ),
            fingerprint: format!("topology {} {name}: {before} -> {hash}", stack.project),
        })
    });
    changed.collect()
}

/// The projects that belong to another directory: to another checkout of the same name, or to this one
/// before it was moved. One container of ours is enough to make a project ours; and one that somebody
/// made anew from elsewhere is a drift that is put right, not another project.
fn foreign_projects(desired: &Desired, observed: &Observed) -> Vec<Danger> {
    let ours: BTreeSet<&str> = observed
        .containers
        .iter()
        .filter(|c| c.working_dir.as_ref().is_none_or(|dir| desired.directories.contains(dir)))
        .map(|container| container.project.as_str())
        .gather();
    let mut found: Vec<Danger> = Vec::new();
    for container in observed.containers.iter().filter(|c| c.definition == Definition::Known) {
        let Some(other) = &container.working_dir else { continue };
        let stack = desired.stacks.iter().find(|stack| stack.project == container.project);
        let Some(stack) = stack.filter(|stack| !ours.contains(stack.project.as_str())) else {
            continue;
        };
        let fingerprint =
            format!("project_mismatch {}: {other} -> {}", stack.project, stack.directory);
        if found.iter().any(|danger| danger.fingerprint == fingerprint) {
            continue;
        }
        found.push(Danger {
            kind: Kind::ProjectMismatch,
            project: stack.project.clone(),
            services: BTreeSet::new(),
            topology: String::new(),
            words: format!(
                "containers of project {} belong to {other}, not to {}",
                stack.project, stack.directory
            ),
            way_out: "make sure that nobody else works on them".to_owned(),
            fingerprint,
        });
    }
    found
}
