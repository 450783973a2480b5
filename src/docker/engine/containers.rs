//! Containers: what there is, and the changes that compose does not make for us. Removing one
//! never removes its volumes.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::types::{Container, ContainerId, ImageId, Inspected};
use super::{Engine, EngineError, refusal, wire};
use crate::gather::sort_by;
use crate::sys::http::{Method, escape};

/// Set on every container of a compose project.
pub(super) const PROJECT: &str = "com.docker.compose.project";
/// `True` on what `compose run` made.
const ONE_OFF: &str = "com.docker.compose.oneoff";
/// Set on what runs a lifecycle hook.
const HOOK: &str = "com.docker.compose.hook";

impl Engine {
    /// All containers of a compose project, running or not, without those of `compose run` and of
    /// lifecycle hooks.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub fn containers(&self, project: &str) -> Result<Vec<Container>, EngineError> {
        self.list(&format!("{PROJECT}={project}"))
    }

    /// The same for all compose projects of the host, in one request.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub fn all_compose_containers(&self) -> Result<Vec<Container>, EngineError> {
        self.list(PROJECT)
    }

    /// The images that containers of any kind were made from, running or not.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub fn images_in_use(&self) -> Result<BTreeSet<ImageId>, EngineError> {
        let listed: Vec<wire::Listed> = self.read("/containers/json?all=1")?;
        Ok(listed.into_iter().map(|container| ImageId(container.image_id)).collect())
    }

    /// All running containers of the host, of compose projects or not, with their ports.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub fn running_containers(&self) -> Result<Vec<Container>, EngineError> {
        let listed: Vec<wire::Listed> = self.read("/containers/json")?;
        Ok(listed.into_iter().map(Container::from).collect())
    }

    fn list(&self, label: &str) -> Result<Vec<Container>, EngineError> {
        let filters = serde_json::json!({ "label": [label] }).to_string();
        let path = format!("/containers/json?all=1&filters={}", escape(&filters));
        let listed: Vec<wire::Listed> = self.read(&path)?;
        let mut containers: Vec<Container> =
            listed.into_iter().filter(is_of_a_service).map(Container::from).collect();
        sort_by(&mut containers, |a, b| {
            (&a.project, &a.compose_service, a.number, &a.name).cmp(&(
                &b.project,
                &b.compose_service,
                b.number,
                &b.name,
            ))
        });
        Ok(containers)
    }

    /// Everything about one container, by id or name; `None` if there is none.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub fn inspect(&self, id: &ContainerId) -> Result<Option<Inspected>, EngineError> {
        let path = format!("/containers/{}/json", escape(id.as_str()));
        Ok(self.read_optional::<wire::Inspected>(&path)?.map(Inspected::from))
    }

    /// Starts a container; one that runs is left as it is.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub fn start(&self, id: &ContainerId) -> Result<(), EngineError> {
        self.post(id, "start", Duration::ZERO)
    }

    /// Stops a container: its stop signal, then KILL after `grace`. One that is not running is left
    /// as it is.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub fn stop(&self, id: &ContainerId, grace: Duration) -> Result<(), EngineError> {
        self.post(id, &format!("stop?t={}", grace.as_secs()), grace)
    }

    /// Stops a container if it runs, as [`Engine::stop`] does, and starts it. It joins anew what it
    /// shares with others, by their ids: where one of them is gone it stays stopped.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub fn restart(&self, id: &ContainerId, grace: Duration) -> Result<(), EngineError> {
        self.post(id, &format!("restart?t={}", grace.as_secs()), grace)
    }

    /// Removes a container that is not running, but not its volumes.
    ///
    /// # Errors
    /// See [`EngineError`]; a running one is a conflict.
    pub fn remove(&self, id: &ContainerId) -> Result<(), EngineError> {
        self.delete(id, "v=false&force=false")
    }

    /// Kills a container if it runs and removes it, but not its volumes.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub fn remove_by_force(&self, id: &ContainerId) -> Result<(), EngineError> {
        self.delete(id, "v=false&force=true")
    }

    /// Gives a container another name.
    ///
    /// # Errors
    /// See [`EngineError`]; a name in use is a conflict.
    pub fn rename(&self, id: &ContainerId, name: &str) -> Result<(), EngineError> {
        self.post(id, &format!("rename?name={}", escape(name)), Duration::ZERO)
    }

    /// Sends a signal, as in `HUP`, to the first process of a container.
    ///
    /// # Errors
    /// See [`EngineError`]; one that is not running is a conflict.
    pub fn kill(&self, id: &ContainerId, signal: &str) -> Result<(), EngineError> {
        self.post(id, &format!("kill?signal={}", escape(signal)), Duration::ZERO)
    }

    /// Whether somebody stopped a container between two instants, as far as the engine remembers:
    /// it keeps its last 256 events (moby `daemon/events`), so `false` proves nothing.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub fn was_stopped(
        &self,
        id: &ContainerId,
        since: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<bool, EngineError> {
        let filters = serde_json::json!({"container": [id.as_str()], "event": ["stop"]});
        let path = format!(
            "/events?since={}&until={}&filters={}",
            instant(since),
            instant(until.max(since)),
            escape(&filters.to_string())
        );
        let answer = self.send(&self.request(Method::Get, &path, self.limits.read))?;
        match answer.head.status {
            // One JSON object for each event, and none is an empty body.
            200 => Ok(!answer.body.trim_ascii().is_empty()),
            _ => Err(refusal(&path, &answer)),
        }
    }

    fn post(&self, id: &ContainerId, what: &str, extra: Duration) -> Result<(), EngineError> {
        let path = format!("/containers/{}/{what}", escape(id.as_str()));
        self.change(Method::Post, &path, extra)
    }

    fn delete(&self, id: &ContainerId, query: &str) -> Result<(), EngineError> {
        let path = format!("/containers/{}?{query}", escape(id.as_str()));
        self.change(Method::Delete, &path, Duration::ZERO)
    }
}

/// Seconds and nanoseconds since 1970, as the engine wants them.
pub(super) fn instant(at: DateTime<Utc>) -> String {
    format!("{}.{:09}", at.timestamp(), at.timestamp_subsec_nanos())
}

fn is_of_a_service(listed: &wire::Listed) -> bool {
    let one_off = listed.labels.get(ONE_OFF).is_some_and(|v| v.eq_ignore_ascii_case("true"));
    !one_off && !listed.labels.contains_key(HOOK)
}
