//! What a plan is made from: desired, remembered, observed. Plain values without behaviour.

use std::collections::{BTreeMap, BTreeSet};

use super::mounts::{Mount, Mounts};
use super::policy::{Changes, Policy};
use super::ties::{Join, Tie};

/// What git declares, resolved by compose.
#[derive(Debug, Clone, Default)]
pub struct Desired {
    /// The name of the service in the configuration, for what a person is told to do.
    pub service: String,
    /// Directories that containers of the configuration's stacks may belong to.
    pub directories: BTreeSet<String>,
    /// The stacks in the order of the configuration.
    pub stacks: Vec<DesiredStack>,
    /// Per project every compose service name that any stack of this configuration defines,
    /// inactive profiles included: whatever runs beside these is an orphan.
    pub known_services: BTreeMap<String, BTreeSet<String>>,
    /// What is done about orphans.
    pub orphans: Orphans,
    /// When changes may be made of what no compose service stands behind.
    pub changes: Changes,
}

impl Desired {
    /// Takes in what others declare in the same projects, or why that is not known.
    pub fn learn(&mut self, others: &Result<BTreeMap<String, BTreeSet<String>>, String>) {
        match others {
            Ok(others) => {
                for (project, names) in others {
                    if let Some(known) = self.known_services.get_mut(project) {
                        known.extend(names.iter().cloned());
                    }
                }
            }
            Err(why) => self.orphans = Orphans::Doubt(why.clone()),
        }
    }

    /// One compose service.
    #[must_use]
    pub fn of(&self, project: &str, compose_service: &str) -> Option<&DesiredService> {
        let stacks = self.stacks.iter().filter(|stack| stack.project == project);
        stacks.filter_map(|stack| stack.services.get(compose_service)).next()
    }
}

/// What is done about containers that no stack of the configuration declares.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Orphans {
    /// They are reported.
    #[default]
    Keep,
    /// They are removed.
    Remove,
    /// They are reported: for this reason it is not certain that nobody declares them.
    Doubt(String),
}

/// One stack: what one compose invocation sees.
#[derive(Debug, Clone, Default)]
pub struct DesiredStack {
    /// The compose project it belongs to.
    pub project: String,
    /// Its active compose services.
    pub services: BTreeMap<String, DesiredService>,
    /// SHA-256 per top-level network and volume, keyed `network NAME` and `volume NAME`.
    pub topology: BTreeMap<String, String>,
    /// The engine's names of the same.
    pub real_names: BTreeMap<String, String>,
    /// The directory that its containers belong to.
    pub directory: String,
}

/// One compose service as it should run.
#[derive(Debug, Clone)]
pub struct DesiredService {
    /// The image reference as declared, or compose's own name for one that is built.
    pub image: String,
    /// Whether the compose file has a `build:` section for it.
    pub build: bool,
    /// How many containers.
    pub replicas: u32,
    /// SHA-256 of the definition, see `reconcile::model`.
    pub definition: String,
    /// Git object id per mounted path inside the repository.
    pub files: BTreeMap<String, String>,
    /// SHA-256 of the secret env file that its stack was resolved with.
    pub env: Option<String>,
    /// What is mounted where.
    pub mounts: Mounts,
    /// The networks it is in, keyed as [`DesiredStack::topology`].
    pub networks: BTreeSet<String>,
    /// Whether it is meant to end.
    pub lifetime: Lifetime,
    /// What may be acted on, how and when.
    pub policy: Policy,
    /// The name of its container, if it is not compose's own.
    pub container_name: Option<String>,
    /// What it takes from other containers.
    pub ties: Vec<Tie>,
}

/// Whether a compose service is meant to run on or to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// Runs until stopped.
    Lasting,
    /// Runs once; exit 0 is its success.
    OneShot,
}

/// What renew recorded when it last applied or adopted.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    /// By compose project.
    pub projects: BTreeMap<String, ProjectMemory>,
    /// Fingerprints of what a person accepted, see [`super::Danger`].
    pub accepted: BTreeSet<String>,
}

/// What is remembered of one compose project.
#[derive(Debug, Clone, Default)]
pub struct ProjectMemory {
    /// As [`DesiredStack::topology`].
    pub topology: BTreeMap<String, String>,
    /// By compose service.
    pub services: BTreeMap<String, ServiceMemory>,
}

/// What is remembered of one compose service.
#[derive(Debug, Clone, Default)]
pub struct ServiceMemory {
    /// As [`DesiredService::definition`].
    pub definition: String,
    /// As [`DesiredService::files`].
    pub files: BTreeMap<String, String>,
    /// As [`DesiredService::env`], when its containers were made or first seen.
    pub env: Option<String>,
    /// How many containers were declared.
    pub replicas: u32,
    /// Whether it was a one-shot that had done its work.
    pub completed: bool,
    /// Human words for what differs between the remembered and the desired definition.
    pub difference: String,
}

/// What the engine and the registries say.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// All containers of the projects, one-off ones excluded.
    pub containers: Vec<ContainerFact>,
    /// By image reference as declared.
    pub images: BTreeMap<String, ImageFact>,
    /// Ids of the running containers whose health check fails, where that is acted on.
    pub unhealthy: BTreeSet<String>,
    /// Changes of ours that were begun and are not known to be good: project and compose service.
    pub begun: BTreeSet<(String, String)>,
}

/// One container.
#[derive(Debug, Clone)]
pub struct ContainerFact {
    /// The engine's id.
    pub id: String,
    /// Its compose project.
    pub project: String,
    /// Its compose service.
    pub compose_service: String,
    /// What it is doing.
    pub state: ContainerState,
    /// The image it was made from.
    pub image_id: String,
    /// Whether it is known to be made from the remembered definition.
    pub definition: Definition,
    /// Its writable mounts that may hold data nobody else has.
    pub mounts: Vec<Mount>,
    /// The directory it belongs to, without symbolic links.
    pub working_dir: Option<String>,
    /// What it shares with other containers.
    pub joins: Vec<Join>,
}

/// What a container is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerState {
    /// Runs, or is being restarted by the engine.
    Running,
    /// Frozen by `docker pause`.
    Paused,
    /// Ended by itself with this exit code.
    Exited(i64),
    /// Ended with this exit code after somebody stopped it.
    Stopped(i64),
    /// Made but never started, half removed, or dead: as good as not there.
    Absent,
}

/// Where a container's definition comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Definition {
    /// The container renew made or adopted, or one whose label says the same definition.
    Known,
    /// Made by somebody else from what is declared now.
    Declared,
    /// Made by somebody else from another definition.
    Foreign,
}

/// What an image reference means now.
#[derive(Debug, Clone, Default)]
pub struct ImageFact {
    /// The id of the local image it names, if there is one.
    pub local_id: Option<String>,
    /// Other ids under which containers run that very image. With docker's containerd store an id
    /// is that of a choice by platform, and another one as soon as any platform's image is.
    pub aliases: BTreeSet<String>,
    /// The registries' names of that image: `NAME@DIGEST`.
    pub digests: BTreeSet<String>,
    /// How the registry compares.
    pub registry: Registry,
    /// The digest behind the reference, as the registry said.
    pub meant: Option<String>,
    /// Paths that get a volume of their own unless something is mounted there, if anybody asked.
    pub volumes: Option<BTreeSet<String>>,
}

/// What the registry says of a moving tag, compared with the local image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Registry {
    /// Not asked: pinned by digest, built here, or `image_check: local`.
    #[default]
    NotAsked,
    /// The local image is what the tag means.
    Same,
    /// The tag means another image than the local one.
    Newer,
    /// Could not be learned, and why. Never drift.
    Unknown(String),
}
