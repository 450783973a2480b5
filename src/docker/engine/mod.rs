//! The docker engine, over its Unix socket. It reads containers, images and networks, and carries
//! out the few changes that compose does not; it decides nothing and never changes a volume.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::sys::exec::Cancel;
use crate::sys::http::{Cidr, Client, Http, HttpError, Method, Request, Response};

mod containers;
mod convert;
mod error;
mod events;
mod images;
mod networks;
mod pull;
mod types;
mod wire;

pub use error::EngineError;
pub use events::{Event, EventKind};
pub use pull::{PullError, PullFailure, PullProgress};
pub use types::{
    Container, ContainerId, Environment, Health, HealthStatus, Healthcheck, Image, ImageId, Info,
    InsecureRegistries, Inspected, Mount, Network, NetworkInspected, Platform, RestartPolicy,
    State,
};

/// Where the engine listens unless somebody says otherwise.
pub const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";
/// The newest API this was written against (engine 28).
const API_NEWEST: (u32, u32) = (1, 51);
/// The oldest that has all we need (engine 20.10).
const API_OLDEST: (u32, u32) = (1, 41);
/// A list of thousands of containers with long labels stays far below.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// How long requests may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// One that only reads.
    pub read: Duration,
    /// One that changes something; for a stop, on top of the grace period.
    pub change: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { read: Duration::from_secs(30), change: Duration::from_secs(120) }
    }
}

/// A running engine. Cheap to clone; clones share connections.
#[derive(Debug, Clone)]
pub struct Engine {
    http: Client,
    socket: PathBuf,
    limits: Limits,
    /// As in a path: `v1.41`.
    version: String,
}

impl Engine {
    /// Finds the engine at `host` (`unix://…`; none for [`DEFAULT_HOST`]) and agrees on a version.
    ///
    /// # Errors
    /// A host that is no Unix socket, an engine that is not there, refuses us or is too old.
    pub fn connect(host: Option<&str>) -> Result<Engine, EngineError> {
        Engine::connect_within(host, Limits::default())
    }

    /// Like [`Engine::connect`], with other limits than the usual ones.
    ///
    /// # Errors
    /// See [`Engine::connect`].
    pub fn connect_within(host: Option<&str>, limits: Limits) -> Result<Engine, EngineError> {
        let socket = socket_of(host.unwrap_or(DEFAULT_HOST))?;
        let http = Client::unix(&socket, &Cancel::default());
        let ping = Request::new(Method::Get, "http://engine/_ping", limits.read);
        let answer = http.send(&ping).map_err(|e| EngineError::from_http(&socket, e))?;
        if !answer.head.ok() {
            return Err(refusal("_ping", &answer));
        }
        let offered = answer.head.header("Api-Version").unwrap_or_default();
        let version = parse_version(offered)
            .ok_or_else(|| EngineError::unexpected("_ping", "no Api-Version in the answer"))?;
        if version < API_OLDEST {
            return Err(EngineError::TooOld { offered: offered.to_owned() });
        }
        let (major, minor) = version.min(API_NEWEST);
        Ok(Engine { http, socket, limits, version: format!("v{major}.{minor}") })
    }

    /// The API version agreed on, as in `1.41`.
    #[must_use]
    pub fn api_version(&self) -> &str {
        self.version.trim_start_matches('v')
    }

    /// What the engine says about itself and its host.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub fn info(&self) -> Result<Info, EngineError> {
        let info: wire::Info = self.read("/info")?;
        Ok(info.into())
    }

    /// The request for a path below the version.
    fn request(&self, method: Method, path: &str, timeout: Duration) -> Request {
        Request::new(method, format!("http://engine/{}{path}", self.version), timeout)
            .body_bytes_max(ANSWER_BYTES_MAX)
    }

    /// Reads a resource that must be there.
    fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T, EngineError> {
        match self.read_optional(path)? {
            Some(found) => Ok(found),
            None => Err(EngineError::unexpected(path, "404")),
        }
    }

    /// Reads a resource; `None` if the engine does not have it.
    fn read_optional<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, EngineError> {
        let answer = self.send(&self.request(Method::Get, path, self.limits.read))?;
        match answer.head.status {
            200 => serde_json::from_slice(&answer.body)
                .map(Some)
                .map_err(|cause| EngineError::unexpected(path, &cause.to_string())),
            404 => Ok(None),
            _ => Err(refusal(path, &answer)),
        }
    }

    /// Changes something.
    fn change(&self, method: Method, path: &str, extra: Duration) -> Result<(), EngineError> {
        let limit = self.limits.change.saturating_add(extra);
        let answer = self.send(&self.request(method, path, limit))?;
        match answer.head.status {
            // 304: it is already so.
            200..=299 | 304 => Ok(()),
            _ => Err(refusal(path, &answer)),
        }
    }

    fn send(&self, request: &Request) -> Result<Response, EngineError> {
        self.http.send(request).map_err(|cause| EngineError::from_http(&self.socket, cause))
    }
}

/// What the engine said when it did not do as asked.
fn refusal(path: &str, answer: &Response) -> EngineError {
    let message = wire::message_in(&answer.body);
    EngineError::Refused { path: path.to_owned(), status: answer.head.status, message }
}

fn socket_of(host: &str) -> Result<PathBuf, EngineError> {
    match host.strip_prefix("unix://") {
        Some(path) if Path::new(path).is_absolute() => Ok(PathBuf::from(path)),
        _ => Err(EngineError::BadHost(host.to_owned())),
    }
}

fn parse_version(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

impl InsecureRegistries {
    /// By name with port, whether the engine insists on a certificate; and by block of addresses.
    #[must_use]
    pub fn new(named: BTreeMap<String, bool>, blocks: Vec<Cidr>) -> InsecureRegistries {
        InsecureRegistries { named, blocks }
    }

    /// Whether the engine talks to this registry (`host` or `host:port`) without insisting on a
    /// certificate, or over plain http. This host is always among them, as in docker. Names are
    /// compared, not resolved: a name whose address lies in a listed block must be listed itself.
    #[must_use]
    pub fn contains(&self, registry: &str) -> bool {
        if let Some(secure) = self.named.get(registry) {
            return !*secure;
        }
        let host = match registry.strip_prefix('[') {
            Some(v6) => v6.split(']').next().unwrap_or(v6),
            None => registry.split(':').next().unwrap_or(registry),
        };
        if host == "localhost" {
            return true;
        }
        host.parse::<IpAddr>().is_ok_and(|address| {
            address.is_loopback() || self.blocks.iter().any(|block: &Cidr| block.contains(address))
        })
    }
}

#[cfg(test)]
mod tests;
