//! What the engine knows, in types of our own. No wire format here, and nothing that is not used.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use chrono::{DateTime, Utc};

use crate::docker::digest::Digest;
use crate::sys::http::Cidr;
use crate::sys::ports::Port;

mod health;

pub use health::{Health, HealthStatus, Healthcheck};

/// The id of a container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerId(pub String);

/// The id of an image: of its config, or with the containerd store of its manifest or index.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageId(pub String);

macro_rules! text_id {
    ($name:ident) => {
        impl $name {
            /// The whole id.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The first 12 hex digits, as docker shows them.
            #[must_use]
            pub fn short(&self) -> &str {
                let hex = self.0.strip_prefix("sha256:").unwrap_or(&self.0);
                hex.get(..12).unwrap_or(hex)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id!(ContainerId);
text_id!(ImageId);

/// The engine and its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// As in `28.5.2`.
    pub server_version: String,
    /// Where images and volumes are kept.
    pub root_dir: String,
    /// With whom the engine talks without a trusted certificate.
    pub insecure_registries: InsecureRegistries,
    /// What images must be made for.
    pub platform: Platform,
    /// The name of the host.
    pub name: String,
    /// Whether it is a node of a swarm: networks of one may be known to other nodes only.
    pub in_a_swarm: bool,
    /// Whether images live in containerd: then an image id is the digest of a manifest or an index.
    pub containerd_store: bool,
}

/// The registries the engine was told to trust without a certificate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InsecureRegistries {
    /// By name, with port: whether the engine insists on a certificate.
    pub(super) named: BTreeMap<String, bool>,
    /// By address.
    pub(super) blocks: Vec<Cidr>,
}

/// An operating system and a processor, in the words of image manifests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Platform {
    /// As in `linux`.
    pub os: String,
    /// As in `amd64`.
    pub architecture: String,
    /// As in `v7`, for arm.
    pub variant: Option<String>,
}

impl Platform {
    /// From what `uname -m` calls the processor.
    #[must_use]
    pub fn from_machine(os: &str, machine: &str) -> Platform {
        let (architecture, variant) = match machine {
            "x86_64" => ("amd64", None),
            "aarch64" => ("arm64", None),
            "armv7l" | "armv8l" => ("arm", Some("v7")),
            "armv6l" => ("arm", Some("v6")),
            "i386" | "i486" | "i586" | "i686" => ("386", None),
            "loongarch64" => ("loong64", None),
            other => (other, None),
        };
        Platform {
            os: os.to_owned(),
            architecture: architecture.to_owned(),
            variant: variant.map(str::to_owned),
        }
    }
}

/// What a container is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Made, never started.
    Created,
    /// Running.
    Running,
    /// Frozen.
    Paused,
    /// Between two starts of the restart policy.
    Restarting,
    /// On its way out.
    Removing,
    /// Ended, or stopped.
    Exited,
    /// Half removed.
    Dead,
    /// Something newer than this code.
    Unknown(String),
}

/// A container of a compose project, as the engine lists it.
#[derive(Debug, Clone)]
pub struct Container {
    /// Its id.
    pub id: ContainerId,
    /// Its name, without the leading slash.
    pub name: String,
    /// The compose project.
    pub project: String,
    /// The compose service.
    pub compose_service: String,
    /// Which of its replicas, from 1.
    pub number: Option<u32>,
    /// What it is doing.
    pub state: State,
    /// The same in words, as in `Up 2 hours (healthy)`. A hint, not a format.
    pub status: String,
    /// The image it was made from.
    pub image_id: ImageId,
    /// The name of that image when it was made; an id once the name moved on.
    pub image_ref: String,
    /// The platform's manifest. Only with the containerd store and API 1.48.
    pub image_manifest_digest: Option<Digest>,
    /// compose's own hash of the service's configuration.
    pub config_hash: Option<String>,
    /// Where compose ran.
    pub working_dir: Option<String>,
    /// What compose read, separated by commas.
    pub config_files: Option<String>,
    /// When it was made.
    pub created: Option<DateTime<Utc>>,
    /// All labels.
    pub labels: BTreeMap<String, String>,
    /// What is mounted.
    pub mounts: Vec<Mount>,
    /// The networks it is in.
    pub networks: Vec<Network>,
    /// The ports of this host that lead to it, as long as it runs.
    pub ports: Vec<Port>,
}

/// Something mounted into a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// `bind`, `volume`, `tmpfs`, …
    pub kind: String,
    /// The name of the volume; empty for others.
    pub name: String,
    /// Where it is on the host.
    pub source: String,
    /// Where it is in the container.
    pub destination: String,
    /// Whether the container can write it.
    pub writable: bool,
}

/// A network a container is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// Its name.
    pub name: String,
    /// Its id; empty before the first start.
    pub id: String,
}

/// A network as the engine has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkInspected {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// All labels.
    pub labels: BTreeMap<String, String>,
    /// The running containers in it, by id, with their names.
    pub containers: BTreeMap<ContainerId, String>,
}

/// Everything about one container.
#[derive(Debug, Clone)]
pub struct Inspected {
    /// Its id.
    pub id: ContainerId,
    /// Its name, without the leading slash.
    pub name: String,
    /// The image it was made from.
    pub image_id: ImageId,
    /// What it was made from by name.
    pub image_ref: String,
    /// What it is doing.
    pub state: State,
    /// Its first process, as the engine's host counts them; 0 while it does not run.
    pub pid: i32,
    /// Of the last end; 0 while it never ended.
    pub exit_code: i64,
    /// Whether the kernel ended it for want of memory.
    pub oom_killed: bool,
    /// Why it could not be started; empty if it could.
    pub error: String,
    /// When it was made.
    pub created: Option<DateTime<Utc>>,
    /// Of the last start.
    pub started_at: Option<DateTime<Utc>>,
    /// Of the last end.
    pub finished_at: Option<DateTime<Utc>>,
    /// Starts by the restart policy since the container was made or started by hand.
    pub restart_count: u64,
    /// What its health check says; none without a check.
    pub health: Option<Health>,
    /// What its health check does; none without a check.
    pub healthcheck: Option<Healthcheck>,
    /// What happens when it ends.
    pub restart_policy: RestartPolicy,
    /// Its environment.
    pub env: Environment,
    /// All labels.
    pub labels: BTreeMap<String, String>,
    /// What is mounted.
    pub mounts: Vec<Mount>,
    /// The networks it is in.
    pub networks: Vec<Network>,
    /// Whose network it uses, as in `container:<id>`.
    pub network_mode: String,
    /// Whose shared memory it uses.
    pub ipc_mode: String,
    /// Whose processes it sees.
    pub pid_mode: String,
    /// Whose volumes it has, as `<id or name>` or `<id or name>:ro`.
    pub volumes_from: Vec<String>,
}

/// The environment of a container as `NAME=value`. Its `Debug` form hides it: it holds secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Environment(pub Vec<String>);

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} variables", self.0.len())
    }
}

/// What happens when a container ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RestartPolicy {
    /// Nothing.
    No,
    /// It is started again, also when the engine starts.
    Always,
    /// It is started again unless a person stopped it.
    UnlessStopped,
    /// It is started again after a failure, at most this often; 0 is without end.
    OnFailure(u64),
    /// Something newer than this code.
    Unknown(String),
}

/// A local image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Its id.
    pub id: ImageId,
    /// Its names with tags.
    pub repo_tags: Vec<String>,
    /// Its names with registry digests, as in `nginx@sha256:…`. Empty for an image that was built
    /// here, except with the containerd store.
    pub repo_digests: Vec<String>,
    /// When it was built.
    pub created: Option<DateTime<Utc>>,
    /// Bytes on disk.
    pub size: u64,
    /// Known when the image was asked for by itself, not from a list.
    pub architecture: Option<String>,
    /// Known when the image was asked for by itself, not from a list.
    pub os: Option<String>,
    /// Paths that get a volume of their own unless something is mounted there. Known when the image
    /// was asked for by itself, not from a list.
    pub volumes: BTreeSet<String>,
    /// What its containers are labelled with. Known when the image was asked for by itself, not from
    /// a list.
    pub labels: BTreeMap<String, String>,
}

impl Image {
    /// Whether the image was pulled from, or pushed to, this repository under this digest. `name`
    /// is [`crate::docker::reference::Named::familiar_name`].
    #[must_use]
    pub fn has_digest(&self, name: &str, digest: &Digest) -> bool {
        let wanted = format!("{name}@{digest}");
        self.repo_digests.contains(&wanted)
    }
}
