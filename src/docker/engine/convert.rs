//! From the engine's JSON to our types: labels become fields, words become enums, and what only
//! looks like a value (the year 1, `<none>`) is dropped. Nothing is asked of the engine here.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::types::{self, ContainerId, ImageId, Platform};
use super::wire::{
    self, Health, Healthcheck, Image, Info, Inspected, Listed, Mount, Network, NetworkSettings,
    RestartPolicy,
};
use crate::docker::digest::Digest;
use crate::gather::Gather;
use crate::sys::ports::{Port, Protocol};

impl From<Info> for types::Info {
    fn from(raw: Info) -> types::Info {
        let blocks = raw.registry_config.insecure_registry_cidrs.iter();
        let named = raw.registry_config.index_configs.into_iter();
        types::Info {
            server_version: raw.server_version,
            root_dir: raw.docker_root_dir,
            insecure_registries: types::InsecureRegistries {
                named: named.map(|(name, config)| (name, config.secure)).gather(),
                blocks: blocks.filter_map(|text| text.parse().ok()).collect(),
            },
            platform: Platform::from_machine(&raw.os_type, &raw.architecture),
            name: raw.name,
            in_a_swarm: raw.swarm.local_node_state == "active",
            containerd_store: raw.driver_status.iter().any(|(key, value)| {
                key == "driver-type" && value == "io.containerd.snapshotter.v1"
            }),
        }
    }
}

impl From<Listed> for types::Container {
    fn from(raw: Listed) -> types::Container {
        let label = |name: &str| raw.labels.get(&format!("com.docker.compose.{name}")).cloned();
        types::Container {
            name: own_name(&raw.names),
            project: label("project").unwrap_or_default(),
            compose_service: label("service").unwrap_or_default(),
            number: label("container-number").and_then(|text| text.parse().ok()),
            config_hash: label("config-hash"),
            working_dir: label("project.working_dir"),
            config_files: label("project.config_files"),
            id: ContainerId(raw.id),
            state: raw.state.as_str().into(),
            status: raw.status,
            image_id: ImageId(raw.image_id),
            image_ref: raw.image,
            image_manifest_digest: Digest::parse(&raw.image_manifest_descriptor.digest),
            created: seconds(raw.created),
            labels: raw.labels,
            mounts: raw.mounts.into_iter().map(types::Mount::from).collect(),
            networks: raw.network_settings.into(),
            ports: raw.ports.iter().filter_map(published).collect(),
        }
    }
}

/// A port of a container that is published; most are only exposed.
fn published(raw: &wire::Port) -> Option<Port> {
    let protocol = match raw.r#type.as_str() {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        _ => return None,
    };
    let (address, number) = (raw.ip.parse().ok(), raw.public_port);
    (number != 0).then_some(Port { address, number, protocol })
}

/// A link of another container adds names with two slashes; ours has one.
fn own_name(names: &[String]) -> String {
    let own = names.iter().find(|name| name.matches('/').count() == 1).or(names.first());
    own.map(|name| name.trim_start_matches('/').to_owned()).unwrap_or_default()
}

impl From<Inspected> for types::Inspected {
    fn from(raw: Inspected) -> types::Inspected {
        types::Inspected {
            id: ContainerId(raw.id),
            name: raw.name.trim_start_matches('/').to_owned(),
            image_id: ImageId(raw.image),
            image_ref: raw.config.image,
            state: raw.state.status.as_str().into(),
            pid: raw.state.pid,
            exit_code: raw.state.exit_code,
            oom_killed: raw.state.oom_killed,
            error: raw.state.error,
            created: time(&raw.created),
            started_at: time(&raw.state.started_at),
            finished_at: time(&raw.state.finished_at),
            restart_count: raw.restart_count,
            health: raw.state.health.and_then(Health::known),
            healthcheck: raw.config.healthcheck.known(),
            restart_policy: raw.host_config.restart_policy.into(),
            env: types::Environment(raw.config.env),
            labels: raw.config.labels,
            mounts: raw.mounts.into_iter().map(types::Mount::from).collect(),
            networks: raw.network_settings.into(),
            network_mode: raw.host_config.network_mode,
            ipc_mode: raw.host_config.ipc_mode,
            pid_mode: raw.host_config.pid_mode,
            volumes_from: raw.host_config.volumes_from,
        }
    }
}

impl From<&str> for types::State {
    fn from(text: &str) -> types::State {
        match text {
            "created" => types::State::Created,
            "running" => types::State::Running,
            "paused" => types::State::Paused,
            "restarting" => types::State::Restarting,
            "removing" => types::State::Removing,
            "exited" => types::State::Exited,
            "dead" => types::State::Dead,
            other => types::State::Unknown(other.to_owned()),
        }
    }
}

impl Health {
    fn known(self) -> Option<types::Health> {
        let status = match self.status.as_str() {
            "" | "none" => return None,
            "starting" => types::HealthStatus::Starting,
            "healthy" => types::HealthStatus::Healthy,
            "unhealthy" => types::HealthStatus::Unhealthy,
            other => types::HealthStatus::Unknown(other.to_owned()),
        };
        Some(types::Health { status, failing_streak: self.failing_streak })
    }
}

impl Healthcheck {
    fn known(self) -> Option<types::Healthcheck> {
        match self.test.first().map(String::as_str) {
            None | Some("NONE") => return None,
            Some(_) => {}
        }
        let or = |nanoseconds: u64, default: u64| match nanoseconds {
            0 => Duration::from_secs(default),
            given => Duration::from_nanos(given),
        };
        Some(types::Healthcheck {
            interval: or(self.interval, 30),
            timeout: or(self.timeout, 30),
            retries: if self.retries == 0 { 3 } else { self.retries },
            start_period: Duration::from_nanos(self.start_period),
        })
    }
}

impl From<RestartPolicy> for types::RestartPolicy {
    fn from(raw: RestartPolicy) -> types::RestartPolicy {
        match raw.name.as_str() {
            "" | "no" => types::RestartPolicy::No,
            "always" => types::RestartPolicy::Always,
            "unless-stopped" => types::RestartPolicy::UnlessStopped,
            "on-failure" => types::RestartPolicy::OnFailure(raw.maximum_retry_count),
            other => types::RestartPolicy::Unknown(other.to_owned()),
        }
    }
}

impl From<Mount> for types::Mount {
    fn from(raw: Mount) -> types::Mount {
        let Mount { kind, name, source, destination, rw: writable } = raw;
        types::Mount { kind, name, source, destination, writable }
    }
}

impl From<NetworkSettings> for Vec<types::Network> {
    fn from(raw: NetworkSettings) -> Vec<types::Network> {
        let networks = raw.networks.into_iter();
        networks.map(|(name, end)| types::Network { name, id: end.network_id }).collect()
    }
}

impl From<Network> for types::NetworkInspected {
    fn from(raw: Network) -> types::NetworkInspected {
        let containers = raw.containers.into_iter();
        types::NetworkInspected {
            id: raw.id,
            name: raw.name,
            labels: raw.labels,
            containers: containers.map(|(id, end)| (ContainerId(id), end.name)).gather(),
        }
    }
}

impl From<Image> for types::Image {
    fn from(raw: Image) -> types::Image {
        // Old engines write these for an image without a name.
        let real = |names: Vec<String>| -> Vec<String> {
            names.into_iter().filter(|name| !name.starts_with("<none>")).collect()
        };
        let created = match &raw.created {
            serde_json::Value::String(text) => time(text),
            other => other.as_i64().and_then(seconds),
        };
        types::Image {
            id: ImageId(raw.id),
            repo_tags: real(raw.repo_tags),
            repo_digests: real(raw.repo_digests),
            created,
            size: raw.size,
            architecture: Some(raw.architecture).filter(|text| !text.is_empty()),
            os: Some(raw.os).filter(|text| !text.is_empty()),
            volumes: raw.config.volumes.into_keys().collect(),
            labels: raw.config.labels,
        }
    }
}

/// A time in a list; 0 is "not known".
fn seconds(since_1970: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(since_1970, 0).filter(|time| time.timestamp() > 0)
}

/// A time of the engine; its zero (the year 1) is "never".
fn time(text: &str) -> Option<DateTime<Utc>> {
    let time = DateTime::parse_from_rfc3339(text).ok()?.to_utc();
    (time.timestamp() > 0).then_some(time)
}
