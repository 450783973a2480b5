//! What a plan says: one action per compose service, with its reason. Plain values.

use super::ties::Key;

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
    /// The containers a `Start` starts, a `Remove` removes and a `Signal` signals; a `Start` without any
    /// is compose's. Of a `Recreate` those that stand still, where a start would do if it turns out not
    /// to be possible.
    pub containers: Vec<String>,
}

/// Whose action it is.
#[must_use]
pub fn key(action: &Action) -> Key {
    (action.project.clone(), action.compose_service.clone())
}

/// Whether compose makes containers for it.
#[must_use]
pub fn makes(action: &Action) -> bool {
    match action.step {
        Step::Recreate => true,
        Step::Start => action.containers.is_empty(),
        Step::Remove | Step::Signal | Step::Nothing => false,
    }
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
    /// The secret env file has other content.
    Env,
    /// The definition changed.
    Config,
    /// A mounted file of the repository changed.
    Files,
    /// It shares something with a container that is replaced, gone or started anew.
    Dependent,
    /// No container, or too few.
    Missing,
    /// A container that should run does not.
    Stopped,
    /// A container's health check fails.
    Unhealthy,
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
    /// A person froze it, or put it back to an earlier release.
    Held,
    /// Not done by renew itself; the detail says what to do.
    Refused,
    /// Not done, because renew only looks on here.
    Observed,
    /// Not done before a window opens, or before it is tried again.
    Deferred,
    /// Not looked at, because a person paused the service.
    Paused,
    /// Not done: the very same has failed before.
    Quarantined,
}

impl Reason {
    /// The public name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Reason::Image => "image",
            Reason::Env => "env",
            Reason::Config => "config",
            Reason::Files => "files",
            Reason::Dependent => "dependent",
            Reason::Missing => "missing",
            Reason::Stopped => "stopped",
            Reason::Unhealthy => "unhealthy",
            Reason::Orphan => "orphan",
            Reason::Settled => "settled",
            Reason::Adopted => "adopted",
            Reason::Unknown => "unknown",
            Reason::Completed => "completed",
            Reason::NeedsBuild => "needs_build",
            Reason::Held => "held",
            Reason::Refused => "refused",
            Reason::Observed => "observed",
            Reason::Deferred => "deferred",
            Reason::Paused => "paused",
            Reason::Quarantined => "quarantined",
        }
    }
}
