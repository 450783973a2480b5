//! Having compose make containers: how it is asked, out of which model, and whether it did what it
//! was asked. Used by `apply` alone.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::apply::{Apply, Work};
use super::env::Env;
use super::model::{Model, drop_external, referred};
use super::remove::STOP_GRACE;
use super::stack::Stack;
use super::sweep;
use super::todo::key;
use crate::decide::plan::{Action, Parent, Reason, Shared, Step, Tie};
use crate::docker::compose::{Existing, Scope};
use crate::docker::engine::{Container, Network, State};
use crate::docker::redact::Secrets;
use crate::problem::Problem;
use crate::sys::exec::Exit;
use crate::sys::fs::read_bounded;

/// No env file that people write comes near.
const ENV_BYTES_MAX: u64 = 1 << 20;

impl Apply<'_> {
    /// What compose is to do about containers that exist. Compose sees by itself which have another
    /// image, and keeps the rest; of definitions and files the plan is the one who knows.
    pub fn existing(&self, work: &Work<'_>, action: &Action) -> Existing {
        let (project, name) = key(action);
        let past = self.sight.record.projects.get(&project).and_then(|p| p.services.get(&name));
        let declared = work.services.get(&name);
        let only_image = match (past, declared) {
            (Some(past), Some(declared)) => {
                past.definition_sha256 == declared.definition
                    && past.files == declared.files
                    && past.env_sha256 == declared.env
            }
            _ => true,
        };
        match (action.step, action.reason) {
            // Compose compares well, but each flag is an `up` of its own, and these must share one.
            _ if work.is_made_together(&name) => Existing::Replace,
            // Beside containers that run. Of half-made ones nobody knows what they are made from.
            (Step::Start, _) if action.image.running.is_some() => Existing::Keep,
            (_, Reason::Image) if only_image => Existing::Compare,
            _ => Existing::Replace,
        }
    }

    /// One `up`, repeated once when a leftover or another compose was in its way. Returns what
    /// compose complained about; whether it matters is for the containers to tell.
    ///
    /// # Errors
    /// When compose cannot be run or did not end in time, and when we are asked to stop.
    pub fn up(
        &self,
        work: &Work<'_>,
        names: &[&str],
        existing: Existing,
    ) -> Result<String, Problem> {
        let compose = self.host.compose()?;
        let record = self.state.running(self.service.name.as_str());
        let deadline = self.service.timeouts.up + work.stack.model().longest_stop(names);
        let scope = match work.scope.files.as_slice() {
            // Only starts were planned, and one of them turned out to need compose.
            [] => self.keep_model(work.stack, work.index, names)?,
            _ => work.scope.clone(),
        };
        let waits = (self.host.clock, &self.host.cancel);
        let _turn = match self.state.turn_at(work.stack.project(), deadline, waits) {
            // What is down is started also where nothing can be written.
            Err(problem) if problem.reason == "lock" => {
                log::warn!("{problem}");
                None
            }
            turn => Some(turn?),
        };
        self.stop_first(work, names);
        for last_try in [false, true] {
            sweep::sweep(self.host, work.stack.project())?;
            let done = compose.up(&scope, names, existing, deadline, &record)?;
            if done.ok() {
                break;
            }
            let words = work.secrets.hide(&last_words(&done.complaint()));
            let in_the_way = words.contains("is already in use by container")
                || matches!(done.exit, Exit::Signal(_));
            if last_try || !in_the_way {
                return Ok(words);
            }
            log::info!("compose was disturbed, trying once more: {words}");
        }
        Ok(String::new())
    }

    /// Stops who lives in the process namespace of another that compose is about to stop: it dies with
    /// it, and a compose that stops both at once gives up when one ends under its hands.
    fn stop_first(&self, work: &Work<'_>, names: &[&str]) {
        let goes_with = |tie: &Tie| match &tie.parent {
            Parent::Service(parent) => {
                tie.shared == Shared::Processes && names.contains(&parent.as_str())
            }
            Parent::Container(_) => false,
        };
        let dies = |name: &&str| {
            work.services.get(*name).is_some_and(|one| one.ties.iter().any(goes_with))
        };
        for name in names.iter().copied().filter(dies) {
            let grace = work.stack.model().longest_stop(&[name]);
            for container in self.sight.of(&work.key(name)).filter(|c| c.state == State::Running) {
                let engine = self.host.engine();
                let stopped = engine.and_then(|engine| Ok(engine.stop(&container.id, grace)?));
                if let Err(problem) = stopped {
                    log::debug!("cannot stop {} beforehand: {problem}", container.name);
                }
            }
        }
    }

    /// Whether compose left undone what it was asked for, by what there is now: its exit code is not
    /// trusted, and the old container that still runs is no success.
    pub fn undone(
        &self,
        work: &Work<'_>,
        action: &Action,
        existing: Existing,
        now: &[&Container],
    ) -> Option<Problem> {
        let name = &action.compose_service;
        let before: BTreeSet<String> = self.sight.ids_of(&key(action));
        let image = action.image.declared.as_ref();
        let wanted = image.and_then(|image| self.sight.observed.images.get(image));
        let wanted = wanted.and_then(|image| image.local_id.as_deref());
        let replicas = work.services.get(name).map_or(1, |declared| declared.replicas as usize);
        let stays = |c: &&Container| match existing {
            Existing::Keep => false,
            Existing::Compare => wanted.is_some_and(|id| c.image_id.0 != id),
            Existing::Replace => before.contains(&c.id.0),
        };
        if now.iter().copied().any(|container| stays(&container)) {
            let message = format!("{name} still has its old container");
            return Some(Problem::engine("not_replaced", message, "look at the log of this run"));
        }
        if now.len() < replicas {
            let message = format!("{name} has {} of {replicas} containers", now.len());
            return Some(Problem::engine("not_created", message, "look at the log of this run"));
        }
        now.iter().find_map(|container| outside_a_network(work, name, container))
    }

    /// Writes the model that compose is given to make the named services. It stays: it is what the
    /// labels of the containers point to.
    ///
    /// # Errors
    /// When it cannot be written, or the engine does not answer.
    pub fn keep_model(
        &self,
        stack: &Stack,
        index: usize,
        names: &[&str],
    ) -> Result<Scope, Problem> {
        let path = self.state.model(self.service.name.as_str(), index);
        let text = self.without_what_others_miss(stack, names)?.to_string();
        let same = fs::read(&path).is_ok_and(|before| before == text.as_bytes());
        if !same {
            crate::sys::fs::replace(&path, text.as_bytes()).map_err(|cause| {
                Problem::setup(
                    "state_write",
                    format!("cannot write {}: {cause}", path.display()),
                    "free space or make the state directory writable; nothing was changed",
                )
            })?;
        }
        let directory = stack.folder(&self.top);
        let directory = if directory.is_dir() { directory } else { self.top.clone() };
        Ok(Scope {
            project: Some(stack.project().to_owned()),
            directory,
            files: vec![path],
            // Naming an empty one keeps compose from reading `.env` a second time.
            env_files: vec![PathBuf::from("/dev/null")],
            ..Scope::default()
        })
    }
}

/// A network that a container should be in and is not: such a container runs, looks good, and cannot
/// be reached.
fn outside_a_network(work: &Work<'_>, name: &str, container: &Container) -> Option<Problem> {
    let model = work.stack.model();
    let missing = model.networks_of(name).into_iter().find(|network| {
        let is_in = |one: &Network| one.name == *network;
        !container.networks.iter().any(is_in)
    })?;
    let message = format!("{name} is not in its network {missing}");
    let resolution = format!("look at `docker network inspect {missing}`");
    Some(Problem::engine("not_connected", message, resolution))
}

impl Apply<'_> {
    /// The model as it was planned. Compose insists on the external networks and volumes of all
    /// services, those included that it is told to leave alone: what only they miss is left out, so
    /// that they keep nobody else from being made.
    fn without_what_others_miss(&self, stack: &Stack, names: &[&str]) -> Result<Value, Problem> {
        let engine = self.host.engine()?;
        let mut model = stack.resolved.model.clone();
        for section in ["networks", "volumes"] {
            for (key, name) in stack.model().all_external(section) {
                let used = |named: &&str| {
                    let service = stack.model().service(named);
                    service.is_some_and(|service| referred(&service[section]).contains(key))
                };
                let there = match section {
                    "networks" => engine.has_network(&name)?,
                    _ => engine.has_volume(&name)?,
                };
                if !there && !names.iter().any(used) {
                    drop_external(&mut model, section, key);
                }
            }
        }
        Ok(model)
    }
}

/// Everything in a stack that may be a secret: the environment of its services, and whatever is in
/// the env file and in the `.env` of its folder, since that may have come into a command or a label.
#[must_use]
pub fn secrets(stack: &Stack, env: &Env, top: &Path) -> Secrets {
    let mut secrets = Secrets::default();
    for (_, service) in stack.model().services() {
        for value in service["environment"].as_object().into_iter().flat_map(|all| all.values()) {
            let value = value.as_str().unwrap_or_default();
            secrets.add(value);
            // As compose writes a `$` in a model, and as the container has it.
            secrets.add(&value.replace("$$", "$"));
        }
    }
    secrets.add_env_file(&env.text());
    let own = read_bounded(&stack.folder(top).join(".env"), ENV_BYTES_MAX).unwrap_or_default();
    secrets.add_env_file(&String::from_utf8_lossy(&own));
    secrets
}

/// The end of what compose printed, without its progress lines.
fn last_words(complaint: &str) -> String {
    let noise = |line: &&str| {
        let line = line.trim();
        line.is_empty() || line.starts_with("Container ") || line.starts_with("Network ")
    };
    let lines: Vec<&str> = complaint.lines().filter(|line| !noise(line)).collect();
    lines[lines.len().saturating_sub(5)..].join("; ")
}

impl Model<'_> {
    /// How long the slowest of the named services may take to stop: `stop_grace_period`, 10 s when
    /// not said (compose specification).
    #[must_use]
    pub fn longest_stop(&self, names: &[&str]) -> Duration {
        let of = |service: &serde_json::Value| {
            service["stop_grace_period"]
                .as_str()
                .and_then(|text| crate::config::value::duration::parse(text).ok())
                .unwrap_or(STOP_GRACE)
        };
        let named = self.services().filter(|(name, _)| names.contains(&name.as_str()));
        named.map(|(_, service)| of(service)).max().unwrap_or(STOP_GRACE)
    }
}
