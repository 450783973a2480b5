//! The engine's JSON. Fields that are missing or null get their empty value: which of the two it is
//! differs between versions. These types go no further than this folder.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

/// Null is the empty value.
fn nullable<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(d: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(d)?.unwrap_or_default())
}

macro_rules! wire {
    ($(#[$doc:meta])* $name:ident { $($(#[$attr:meta])* $field:ident: $type:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Default, Deserialize)]
        #[serde(rename_all = "PascalCase", default)]
        pub(super) struct $name {
            $($(#[$attr])* #[serde(deserialize_with = "nullable")] pub $field: $type,)*
        }
    };
}

wire!(Info {
    server_version: String,
    docker_root_dir: String,
    registry_config: RegistryConfig,
    #[serde(rename = "OSType")]
    os_type: String,
    architecture: String,
    name: String,
    driver_status: Vec<(String, String)>,
    swarm: Swarm,
});

wire!(Swarm { local_node_state: String });

wire!(RegistryConfig {
    #[serde(rename = "InsecureRegistryCIDRs")]
    insecure_registry_cidrs: Vec<String>,
    index_configs: BTreeMap<String, IndexConfig>,
});

wire!(IndexConfig { secure: bool });

wire!(Event {
    action: String,
    actor: Actor,
    #[serde(rename = "timeNano")]
    time_nano: i64,
});

wire!(Actor { attributes: BTreeMap<String, String> });

wire!(Listed {
    id: String,
    names: Vec<String>,
    image: String,
    #[serde(rename = "ImageID")]
    image_id: String,
    image_manifest_descriptor: Descriptor,
    created: i64,
    state: String,
    status: String,
    labels: BTreeMap<String, String>,
    mounts: Vec<Mount>,
    network_settings: NetworkSettings,
    ports: Vec<Port>,
});

wire!(Port {
    #[serde(rename = "IP")]
    ip: String,
    public_port: u16,
    r#type: String,
});

wire!(Descriptor {
    #[serde(rename = "digest")]
    digest: String,
});

wire!(Mount {
    #[serde(rename = "Type")]
    kind: String,
    name: String,
    source: String,
    destination: String,
    #[serde(rename = "RW")]
    rw: bool,
});

wire!(NetworkSettings { networks: BTreeMap<String, Endpoint>, });

wire!(Endpoint {
    #[serde(rename = "NetworkID")]
    network_id: String,
});

wire!(Inspected {
    id: String,
    name: String,
    image: String,
    created: String,
    restart_count: u64,
    state: State,
    config: Config,
    host_config: HostConfig,
    mounts: Vec<Mount>,
    network_settings: NetworkSettings,
});

wire!(State {
    status: String,
    #[serde(rename = "OOMKilled")]
    oom_killed: bool,
    pid: i32,
    exit_code: i64,
    error: String,
    started_at: String,
    finished_at: String,
    health: Option<Health>,
});

wire!(Health { status: String, failing_streak: u64 });

wire!(Config {
    image: String,
    env: Vec<String>,
    labels: BTreeMap<String, String>,
    healthcheck: Healthcheck,
});

wire!(
    /// Durations in nanoseconds; 0 is "docker's default".
    Healthcheck {
        test: Vec<String>,
        interval: u64,
        timeout: u64,
        start_period: u64,
        retries: u32,
    }
);

wire!(HostConfig {
    restart_policy: RestartPolicy,
    network_mode: String,
    ipc_mode: String,
    pid_mode: String,
    volumes_from: Vec<String>,
});

wire!(RestartPolicy { name: String, maximum_retry_count: u64 });

wire!(Manifests { manifests: Vec<Manifest>, });

wire!(Manifest { descriptor: Descriptor, available: bool });

wire!(
    /// `Created` is seconds since 1970 in a list and RFC 3339 in an inspection.
    Image {
        id: String,
        repo_tags: Vec<String>,
        repo_digests: Vec<String>,
        created: serde_json::Value,
        size: u64,
        architecture: String,
        os: String,
        config: ImageConfig,
    }
);

wire!(ImageConfig {
    volumes: BTreeMap<String, serde::de::IgnoredAny>,
    labels: BTreeMap<String, String>,
});

wire!(Network {
    id: String,
    name: String,
    labels: BTreeMap<String, String>,
    containers: BTreeMap<String, Attached>,
});

wire!(Attached { name: String });

/// One line of a pull's stream.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PullLine {
    pub id: String,
    pub status: String,
    pub progress_detail: Option<ProgressDetail>,
    pub error: String,
    pub error_detail: Option<ErrorDetail>,
}

/// How far one layer is.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ProgressDetail {
    pub current: u64,
    pub total: u64,
}

/// Why a pull failed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ErrorDetail {
    pub message: String,
}

/// The engine's own message in the body of a refusal, or the body itself.
pub(super) fn message_in(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Refusal {
        message: String,
    }
    match serde_json::from_slice::<Refusal>(body) {
        Ok(refusal) => refusal.message,
        Err(_) => String::from_utf8_lossy(body).trim().chars().take(1000).collect(),
    }
}
