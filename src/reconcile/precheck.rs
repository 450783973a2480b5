//! What can be known before anything stops: whether the name, the image, the networks, volumes, paths
//! and ports of a container that is to be made can be had. Only asked when one is. Changes nothing.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::Host;
use super::model::Model;
use super::observe::Sight;
use super::pull::parse;
use super::stack::{Stack, Stacks};
use super::todo::{Key, key, makes};
use crate::decide::plan::{Action, Step};
use crate::docker::engine::{Container, ContainerId, Platform};
use crate::docker::reference::Reference;
use crate::problem::Problem;
use crate::sys;

mod paths;
mod ports;

pub use ports::has_what_it_needs;

/// Compose services that cannot be made now, and why.
pub type Doomed = BTreeMap<Key, Problem>;

/// Everything a check may look at.
pub struct Precheck<'a> {
    host: &'a Host<'a>,
    stacks: &'a Stacks,
    sight: &'a Sight,
    actions: &'a [Action],
    top: &'a Path,
    /// All running containers of the host, once somebody asked.
    running: OnceCell<Vec<Container>>,
}

/// One compose service that is to be made.
struct Candidate<'p> {
    action: &'p Action,
    key: Key,
    stack: &'p Stack,
    declared: &'p Value,
}

impl Candidate<'_> {
    fn name(&self) -> &str {
        &self.action.compose_service
    }

    fn model(&self) -> Model<'_> {
        self.stack.model()
    }

    /// Whether a container is one of this compose service.
    fn owns(&self, labels: &BTreeMap<String, String>) -> bool {
        let label = |name: &str| labels.get(&format!("com.docker.compose.{name}"));
        let one_off = label("oneoff").is_some_and(|text| text.eq_ignore_ascii_case("true"));
        label("project") == Some(&self.key.0) && label("service") == Some(&self.key.1) && !one_off
    }
}

impl<'a> Precheck<'a> {
    /// A check of the actions that are about to be carried out; `top` is the root of the working tree.
    #[must_use]
    pub fn new(
        host: &'a Host<'a>,
        stacks: &'a Stacks,
        sight: &'a Sight,
        actions: &'a [Action],
        top: &'a Path,
    ) -> Precheck<'a> {
        Precheck { host, stacks, sight, actions, top, running: OnceCell::new() }
    }

    /// Looks at everything that is to be made.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub fn doomed(&self) -> Result<Doomed, Problem> {
        let mut doomed = Doomed::new();
        for action in self.actions.iter().filter(|action| makes(action)) {
            let key = key(action);
            let Some((stack, declared)) = self.declared(&key) else { continue };
            let candidate = Candidate { action, key, stack, declared };
            if let Some(problem) = self.look(&candidate)? {
                doomed.insert(candidate.key, problem);
            }
        }
        Ok(doomed)
    }

    fn declared(&self, key: &Key) -> Option<(&Stack, &Value)> {
        let mut stacks = self.stacks.list.iter().filter(|stack| stack.project() == key.0);
        stacks.find_map(|stack| Some((stack, stack.model().service(&key.1)?)))
    }

    /// The first obstacle, the cheapest question first.
    fn look(&self, candidate: &Candidate<'_>) -> Result<Option<Problem>, Problem> {
        if let Some(problem) = self.path(candidate) {
            return Ok(Some(problem));
        }
        for check in [Self::image, Self::platform, Self::network, Self::volume, Self::taken_name] {
            if let Some(problem) = check(self, candidate)? {
                return Ok(Some(problem));
            }
        }
        self.port(candidate)
    }

    fn image(&self, candidate: &Candidate<'_>) -> Result<Option<Problem>, Problem> {
        let Some(image) = candidate.action.image.declared.as_deref() else { return Ok(None) };
        if let Err(problem) = parse(image) {
            return Ok(Some(problem));
        }
        let here = self.sight.observed.images.get(image);
        let absent = here.is_some_and(|fact| fact.local_id.is_none()) && !candidate.action.pull;
        let problem = || {
            Problem::engine(
                "image_not_found",
                format!("{} needs the image {image}, which is not on this host", candidate.name()),
                format!("`docker pull {image}`, or build it"),
            )
        };
        Ok(absent.then(problem))
    }

    /// An image of another processor starts and ends at once: the old container would be gone.
    fn platform(&self, candidate: &Candidate<'_>) -> Result<Option<Problem>, Problem> {
        let image = candidate.action.image.declared.as_deref().unwrap_or_default();
        // Who names a platform knows what this host can do.
        if candidate.declared["platform"].is_string() {
            return Ok(None);
        }
        let (Ok(reference), Some(info)) = (Reference::parse(image), self.host.info()) else {
            return Ok(None);
        };
        let Some(local) = self.host.engine()?.image(&reference)? else { return Ok(None) };
        let Some(made_for) = local.architecture.filter(|made| !runs(&info.platform, made)) else {
            return Ok(None);
        };
        let Platform { os, architecture, .. } = &info.platform;
        Ok(Some(Problem::engine(
            "image_platform",
            format!(
                "{image} is made for the processor {made_for}, and this host is {os}/{architecture}"
            ),
            format!(
                "push the image for {os}/{architecture} too, or set `platform:` if it is emulated"
            ),
        )))
    }

    fn network(&self, candidate: &Candidate<'_>) -> Result<Option<Problem>, Problem> {
        // A node of a swarm learns of a network of the swarm when it is first used there.
        if self.host.info().is_some_and(|info| info.in_a_swarm) {
            return Ok(None);
        }
        for name in candidate.model().external("networks", candidate.declared) {
            if !self.host.engine()?.has_network(&name)? {
                return Ok(Some(Problem::engine(
                    "network_missing",
                    format!(
                        "{} needs the external network {name}, which does not exist",
                        candidate.name()
                    ),
                    format!("`docker network create {name}`"),
                )));
            }
        }
        Ok(None)
    }

    fn volume(&self, candidate: &Candidate<'_>) -> Result<Option<Problem>, Problem> {
        for name in candidate.model().external("volumes", candidate.declared) {
            if !self.host.engine()?.has_volume(&name)? {
                return Ok(Some(Problem::engine(
                    "volume_missing",
                    format!(
                        "{} needs the external volume {name}, which does not exist",
                        candidate.name()
                    ),
                    format!("`docker volume create {name}`, or bring back the one with the data"),
                )));
            }
        }
        Ok(None)
    }

    /// A name that somebody else's container has. Compose learns of it only when the old one is gone.
    fn taken_name(&self, candidate: &Candidate<'_>) -> Result<Option<Problem>, Problem> {
        for wanted in self.names(candidate) {
            let id = ContainerId(wanted.clone());
            let Some(found) = self.host.engine()?.inspect(&id)? else { continue };
            let stays = found.name == wanted && !self.goes(&found.id);
            if !stays || candidate.owns(&found.labels) {
                continue;
            }
            return Ok(Some(Problem::engine(
                "name_taken",
                format!(
                    "{} needs the container name {wanted}, which {} has",
                    candidate.name(),
                    who(found.id.short(), &found.labels)
                ),
                format!(
                    "`docker rename {wanted} OTHER`, remove it, or choose another `container_name:`"
                ),
            )));
        }
        Ok(None)
    }

    /// The names its containers will have. The numbers of further ones are compose's own choice.
    fn names(&self, candidate: &Candidate<'_>) -> Vec<String> {
        if let Some(fixed) = candidate.declared["container_name"].as_str() {
            return vec![plain(fixed)];
        }
        match self.sight.of(&candidate.key).next() {
            Some(_) => Vec::new(),
            None => vec![format!("{}-{}-1", candidate.key.0, candidate.key.1)],
        }
    }

    /// All running containers of the host.
    fn running(&self) -> Result<&[Container], Problem> {
        if self.running.get().is_none() {
            let found = self.host.engine()?.running_containers()?;
            let _ = self.running.set(found);
        }
        Ok(self.running.get().map(Vec::as_slice).unwrap_or_default())
    }

    /// Whether a container is removed in this run.
    fn goes(&self, id: &ContainerId) -> bool {
        let removes = |action: &&Action| action.step == Step::Remove;
        self.actions.iter().filter(removes).any(|action| action.containers.contains(&id.0))
    }

    /// The action of this run that replaces the containers of a compose service.
    fn replacing(&self, key: &Key) -> Option<&Action> {
        let of = |action: &&Action| action.project == key.0 && action.compose_service == key.1;
        self.actions.iter().filter(|action| action.step == Step::Recreate).find(of)
    }
}

/// A container as people find it again: its short id, and whose it is.
fn who(id: &str, labels: &BTreeMap<String, String>) -> String {
    let label = |name: &str| labels.get(&format!("com.docker.compose.{name}"));
    match (label("project"), label("service")) {
        (Some(project), Some(service)) => format!("{service} of project {project} ({id})"),
        _ => format!("the container {id}"),
    }
}

/// A text of compose's JSON, in which a dollar is written twice.
fn plain(text: &str) -> String {
    text.replace("$$", "$")
}

/// Whether this host runs programs for a processor: its own, the smaller one of its family, or one
/// that it emulates (Linux `binfmt_misc`).
fn runs(host: &Platform, made_for: &str) -> bool {
    let family = match host.architecture.as_str() {
        "amd64" => ["amd64", "386"],
        "arm64" => ["arm64", "arm"],
        other => [other, other],
    };
    made_for.is_empty() || family.contains(&made_for) || sys::env::emulates(made_for)
}

#[cfg(test)]
mod tests;
