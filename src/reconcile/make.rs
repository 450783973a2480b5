//! Having compose make containers: how it is asked, out of which model, and whether it did what it
//! was asked. Used by `apply` alone.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::apply::{Apply, STOP_GRACE, Work};
use super::model::Model;
use super::stack::Stack;
use super::sweep;
use super::todo::key;
use crate::decide::plan::{Action, Reason, Step};
use crate::docker::compose::{Existing, Scope};
use crate::docker::engine::Container;
use crate::docker::redact::Secrets;
use crate::problem::Problem;
use crate::sys::exec::Exit;

impl Apply<'_> {
    /// What compose is to do about containers that exist. Compose sees by itself which have another
    /// image, and keeps the rest; of definitions and files the plan is the one who knows.
    pub fn existing(&self, work: &Work<'_>, action: &Action) -> Existing {
        let (project, name) = key(action);
        let past = self.sight.record.projects.get(&project).and_then(|p| p.services.get(&name));
        let declared = work.services.get(&name);
        let only_image = match (past, declared) {
            (Some(past), Some(declared)) => {
                past.definition_sha256 == declared.definition && past.files == declared.files
            }
            _ => true,
        };
        match (action.step, action.reason) {
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
        for last_try in [false, true] {
            sweep::sweep(self.host, work.stack.project())?;
            let done = compose.up(&work.scope, names, existing, deadline, &record)?;
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
        (now.len() < replicas).then(|| {
            let message = format!("{name} has {} of {replicas} containers", now.len());
            Problem::engine("not_created", message, "look at the log of this run")
        })
    }

    /// Writes the model that compose is given. It stays: it is what the labels of the containers
    /// point to.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep_model(&self, stack: &Stack, index: usize) -> Result<Scope, Problem> {
        let path = self.state.model(self.service.name.as_str(), index);
        let text = stack.resolved.model.to_string();
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
        let folder = stack.spec.files.first().and_then(|file| file.parent());
        let directory = self.top.join(folder.unwrap_or_else(|| "".as_ref()));
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

/// Everything in a stack that may be a secret: the environment of its services.
#[must_use]
pub fn secrets(stack: &Stack) -> Secrets {
    let mut secrets = Secrets::default();
    for (_, service) in stack.model().services() {
        for value in service["environment"].as_object().into_iter().flat_map(|all| all.values()) {
            secrets.add(value.as_str().unwrap_or_default());
        }
    }
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
