//! The words of a plan. Plain values without behaviour.

use std::collections::{BTreeMap, BTreeSet};

/// What git declares, resolved by compose.
#[derive(Debug, Clone, Default)]
pub struct Desired {
    /// The stacks in the order of the configuration.
    pub stacks: Vec<DesiredStack>,
    /// Per project every compose service name that any stack of this configuration defines,
    /// inactive profiles included: whatever runs beside these is an orphan.
    pub known_services: BTreeMap<String, BTreeSet<String>>,
    /// What is done about orphans.
    pub orphans: Orphans,
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
    /// Whether it is meant to end.
    pub lifetime: Lifetime,
    /// What may be acted on.
    pub policy: Policy,
}

/// Whether a compose service is meant to run on or to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// Runs until stopped.
    Lasting,
    /// Runs once; exit 0 is its success.
    OneShot,
}

/// Which drift of a compose service leads to a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// `recreate_on` has `image`.
    pub on_image: bool,
    /// `recreate_on` has `config`.
    pub on_config: bool,
    /// `recreate_on` has `files`.
    pub on_files: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Policy { on_image: true, on_config: true, on_files: true }
    }
}

/// What renew recorded when it last applied or adopted.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    /// By compose project.
    pub projects: BTreeMap<String, ProjectMemory>,
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
    /// How many containers were declared.
    pub replicas: u32,
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
    /// How the registry compares.
    pub registry: Registry,
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

/// One decision about one compose service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// Its compose project.
    pub project: String,
    /// Its name.
    pub compose_service: String,
    /// What is to be done.
    pub step: Step,
    /// Whether its image has to be fetched first.
    pub pull: bool,
    /// Why.
    pub reason: Reason,
    /// Why, in words.
    pub detail: String,
    /// What runs and what is declared.
    pub image: ImagePair,
    /// The containers a `Start` starts and a `Remove` removes; a `Start` without any is compose's.
    pub containers: Vec<String>,
}

/// The image that runs (its id) and the reference that is declared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImagePair {
    /// Image id of the running container.
    pub running: Option<String>,
    /// Reference in the compose file.
    pub declared: Option<String>,
}

/// What is done to a compose service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Its containers are replaced.
    Recreate,
    /// A container that should run is started or made.
    Start,
    /// Its containers are removed.
    Remove,
    /// It gets a signal.
    Signal,
    /// Nothing.
    Nothing,
}

impl Step {
    /// The public name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Step::Recreate => "recreate",
            Step::Start => "start",
            Step::Remove => "remove",
            Step::Signal => "signal",
            Step::Nothing => "none",
        }
    }
}

/// Why something is done, or nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The container's image is not what the reference means.
    Image,
    /// The definition changed.
    Config,
    /// A mounted file of the repository changed.
    Files,
    /// No container, or too few.
    Missing,
    /// A container that should run does not.
    Stopped,
    /// The compose service left the stack.
    Orphan,
    /// Everything is as declared.
    Settled,
    /// Seen for the first time and recorded without a touch.
    Adopted,
    /// The registry could not be asked.
    Unknown,
    /// A one-shot that exited 0.
    Completed,
    /// The image must be built, which renew never does.
    NeedsBuild,
    /// A person froze it.
    Held,
    /// Not done by renew itself; the detail says what to do.
    Refused,
}

impl Reason {
    /// The public name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Reason::Image => "image",
            Reason::Config => "config",
            Reason::Files => "files",
            Reason::Missing => "missing",
            Reason::Stopped => "stopped",
            Reason::Orphan => "orphan",
            Reason::Settled => "settled",
            Reason::Adopted => "adopted",
            Reason::Unknown => "unknown",
            Reason::Completed => "completed",
            Reason::NeedsBuild => "needs_build",
            Reason::Held => "held",
            Reason::Refused => "refused",
        }
    }
}
