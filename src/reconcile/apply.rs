//! Carrying a plan out, in waves along `depends_on`. The only place that changes containers.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::Host;
use super::model::Model;
use super::stack::{Stack, Stacks};
use super::sweep;
use super::verify::{Subject, Verdict, verify};
use crate::config::Service;
use crate::decide::plan::{Action, Desired, Reason, Step};
use crate::decide::waves::{Condition, Dependencies, waves};
use crate::docker::compose::{Existing, Scope};
use crate::docker::engine::ContainerId;
use crate::problem::Problem;
use crate::state::StateDir;

/// How long a container that nobody declares any more may take to stop: docker's own default.
const STOP_GRACE: Duration = Duration::from_secs(10);

/// The judgement on every compose service that was acted on: project and name.
pub type Verdicts = BTreeMap<(String, String), Verdict>;

/// Carries out the plan of one service.
pub struct Apply<'a> {
    /// The outside.
    pub host: &'a Host<'a>,
    /// The service of the configuration.
    pub service: &'a Service,
    /// Its stacks.
    pub stacks: &'a Stacks,
    /// What they declare.
    pub desired: &'a Desired,
    /// Where the applied model and the running child are kept.
    pub state: &'a StateDir,
    /// The root of the working tree.
    pub top: PathBuf,
}

impl Apply<'_> {
    /// Does what the actions say, stack by stack. A stack in which something goes bad is left as it
    /// is; the next one is still done.
    ///
    /// # Errors
    /// When the engine does not answer, compose cannot be run, or we are asked to stop.
    pub fn run(&self, actions: &[Action]) -> Result<Verdicts, Problem> {
        let mut verdicts = Verdicts::new();
        for stack in &self.stacks.list {
            let of_stack = |action: &&Action| {
                action.project == stack.project()
                    && stack.model().services().any(|(name, _)| *name == action.compose_service)
            };
            let own: Vec<&Action> = actions.iter().filter(of_stack).collect();
            self.run_stack(stack, &own, &mut verdicts)?;
        }
        for action in actions.iter().filter(|action| action.step == Step::Remove) {
            self.remove(action)?;
        }
        Ok(verdicts)
    }

    fn run_stack(
        &self,
        stack: &Stack,
        actions: &[&Action],
        verdicts: &mut Verdicts,
    ) -> Result<(), Problem> {
        let acts = |action: &&&Action| matches!(action.step, Step::Recreate | Step::Start);
        let by_name: BTreeMap<&str, &Action> = actions
            .iter()
            .filter(acts)
            .map(|action| (action.compose_service.as_str(), *action))
            .collect();
        if by_name.is_empty() {
            return Ok(());
        }
        let depends_on = stack.model().depends_on();
        let changing = by_name.keys().map(|name| (*name).to_owned()).collect();
        let scope = self.keep_model(stack)?;
        for wave in waves(&changing, &depends_on) {
            let of_wave: Vec<&Action> =
                wave.iter().filter_map(|name| by_name.get(name.as_str()).copied()).collect();
            let judged = self.run_wave(stack, &scope, &of_wave, &depends_on)?;
            let all_good = judged.values().all(|verdict| *verdict == Verdict::Good);
            for (name, verdict) in judged {
                verdicts.insert((stack.project().to_owned(), name), verdict);
            }
            if !all_good {
                break;
            }
        }
        Ok(())
    }

    /// Starts what only stands still, lets compose make the rest, and waits until all of it is good.
    fn run_wave(
        &self,
        stack: &Stack,
        scope: &Scope,
        actions: &[&Action],
        depends_on: &Dependencies,
    ) -> Result<BTreeMap<String, Verdict>, Problem> {
        let mut by_compose: BTreeMap<u8, (Existing, Vec<&str>)> = BTreeMap::new();
        for action in actions {
            let name = action.compose_service.as_str();
            log::info!(
                "{}: {} {name} ({}: {})",
                self.service.name.as_str(),
                action.step.name(),
                action.reason.name(),
                action.detail
            );
            let (order, existing) = match (action.step, action.reason) {
                (Step::Start, _) if !action.containers.is_empty() => {
                    for id in &action.containers {
                        self.host.engine()?.start(&ContainerId(id.clone()))?;
                    }
                    continue;
                }
                (Step::Start, _) => (0, Existing::Keep),
                // Compose sees by itself which containers have another image, and keeps the rest.
                (_, Reason::Image) => (1, Existing::Compare),
                _ => (2, Existing::Replace),
            };
            by_compose.entry(order).or_insert((existing, Vec::new())).1.push(name);
        }
        let mut complaint = String::new();
        for (existing, names) in by_compose.values() {
            complaint.push_str(&self.up(stack, scope, names, *existing)?);
        }
        let subjects = self.subjects(stack, actions, depends_on)?;
        let mut verdicts = verify(self.host, &subjects, self.service.verify.timeout)?;
        for verdict in verdicts.values_mut() {
            if let (Verdict::Bad(problem), false) = (verdict, complaint.is_empty()) {
                problem.message = format!("{}; compose said: {complaint}", problem.message);
            }
        }
        Ok(verdicts)
    }

    /// One `up`, repeated once when a leftover or another compose was in its way. Returns what
    /// compose complained about; whether it matters is for the containers to tell.
    fn up(
        &self,
        stack: &Stack,
        scope: &Scope,
        names: &[&str],
        existing: Existing,
    ) -> Result<String, Problem> {
        let compose = self.host.compose()?;
        let record = self.state.running(self.service.name.as_str());
        let deadline = self.service.timeouts.up + stack.model().longest_stop(names);
        for last_try in [false, true] {
            sweep::sweep(self.host, stack.project())?;
            let done = compose.up(scope, names, existing, deadline, &record)?;
            if done.ok() {
                break;
            }
            let words = last_words(&done.complaint());
            let in_the_way = words.contains("is already in use by container")
                || matches!(done.exit, crate::sys::exec::Exit::Signal(_));
            if last_try || !in_the_way {
                return Ok(words);
            }
            log::info!("compose was disturbed, trying once more: {words}");
        }
        Ok(String::new())
    }

    /// Writes the model that compose is given. It stays: it is what the labels of the containers
    /// point to, and what `renew compose` reads.
    fn keep_model(&self, stack: &Stack) -> Result<Scope, Problem> {
        let path = self.state.model(self.service.name.as_str(), stack.project());
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

    /// What has to become good: the containers that the wave's services have now.
    fn subjects(
        &self,
        stack: &Stack,
        actions: &[&Action],
        depends_on: &Dependencies,
    ) -> Result<Vec<Subject>, Problem> {
        let containers = self.host.engine()?.containers(stack.project())?;
        let desired = self.desired.stacks.iter().find(|d| {
            d.project == stack.project()
                && actions.iter().all(|a| d.services.contains_key(&a.compose_service))
        });
        let awaited =
            |name: &str| depends_on.values().any(|on| on.get(name) == Some(&Condition::Completed));
        let subject = |action: &&Action| {
            let name = &action.compose_service;
            let ids: BTreeSet<ContainerId> = containers
                .iter()
                .filter(|c| c.compose_service == *name && !sweep::is_temporary(&c.name))
                .map(|c| c.id.clone())
                .collect();
            let declared = desired.and_then(|stack| stack.services.get(name))?;
            Some(Subject {
                name: name.clone(),
                lifetime: declared.lifetime,
                must_end: awaited(name),
                containers: ids.into_iter().collect(),
            })
        };
        Ok(actions.iter().filter_map(subject).collect())
    }

    /// Removes orphans, or containers beyond the declared number, one by one. Volumes stay.
    fn remove(&self, action: &Action) -> Result<(), Problem> {
        for id in &action.containers {
            log::info!(
                "{}: removing a container of {} ({})",
                self.service.name.as_str(),
                action.compose_service,
                action.detail
            );
            let engine = self.host.engine()?;
            let id = ContainerId(id.clone());
            engine.stop(&id, STOP_GRACE)?;
            engine.remove_by_force(&id)?;
        }
        Ok(())
    }
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
        let preset = STOP_GRACE;
        let of = |service: &serde_json::Value| {
            service["stop_grace_period"]
                .as_str()
                .and_then(|text| crate::config::value::duration::parse(text).ok())
                .unwrap_or(preset)
        };
        let named = self.services().filter(|(name, _)| names.contains(&name.as_str()));
        named.map(|(_, service)| of(service)).max().unwrap_or(preset)
    }
}
