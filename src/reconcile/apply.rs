//! Carrying a plan out, in waves along `depends_on`. The only place that changes containers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use super::Host;
use super::make::secrets;
use super::observe::Sight;
use super::stack::{Stack, Stacks};
use super::sweep;
use super::todo::{Key, key, makes, starts_again};
use super::verify::{Subject, Verdict, verify};
use crate::config::Service;
use crate::decide::plan::{Action, ContainerState, Desired, DesiredService, Lifetime, Step};
use crate::decide::waves::{Condition, Dependencies, reachable, waves};
use crate::docker::compose::{Existing, Scope};
use crate::docker::engine::{Container, ContainerId, EngineError, State};
use crate::docker::redact::Secrets;
use crate::problem::{Problem, Trouble};
use crate::state::StateDir;

/// How long a container that nobody declares any more may take to stop: docker's own default.
pub const STOP_GRACE: Duration = Duration::from_secs(10);

/// The judgement on every compose service that was acted on or watched: project and name.
pub type Verdicts = BTreeMap<Key, Verdict>;

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
    /// The world before.
    pub sight: &'a Sight,
    /// Where the applied model and the running child are kept.
    pub state: &'a StateDir,
    /// The root of the working tree.
    pub top: PathBuf,
}

/// One stack while it is changed.
pub struct Work<'a> {
    /// The stack.
    pub stack: &'a Stack,
    /// How compose is asked about it.
    pub scope: Scope,
    /// What it declares.
    pub services: &'a BTreeMap<String, DesiredService>,
    /// What must not be said.
    pub secrets: Secrets,
    depends_on: Dependencies,
}

impl Work<'_> {
    fn key(&self, name: &str) -> Key {
        (self.stack.project().to_owned(), name.to_owned())
    }

    fn is_awaited(&self, name: &str) -> bool {
        self.depends_on.values().any(|on| on.get(name) == Some(&Condition::Completed))
    }
}

impl Apply<'_> {
    /// Does what the actions say, stack by stack, and looks again at changes that nobody has seen to
    /// be good. What depends on something that is not good is left as it is; all else is done.
    ///
    /// # Errors
    /// When we are asked to stop. Everything else is a verdict on a compose service.
    pub fn run(&self, actions: &[Action], verdicts: &mut Verdicts) -> Result<(), Problem> {
        for (index, stack) in self.stacks.list.iter().enumerate() {
            let Some(desired) = self.desired.stacks.get(index) else { continue };
            let acting: BTreeMap<&str, &Action> = actions
                .iter()
                .filter(|a| a.project == stack.project() && a.step != Step::Remove)
                .filter(|a| desired.services.contains_key(&a.compose_service))
                .map(|action| (action.compose_service.as_str(), action))
                .collect();
            let depends_on = stack.model().depends_on();
            let mut work = Work {
                stack,
                scope: Scope::default(),
                services: &desired.services,
                depends_on,
                secrets: secrets(stack),
            };
            let changing = self.with_watched(&work, &acting, verdicts);
            if changing.is_empty() {
                continue;
            }
            if acting.values().any(|action| makes(action)) {
                match self.keep_model(stack, index) {
                    Ok(scope) => work.scope = scope,
                    Err(problem) => {
                        let bad = |name: &&str| (work.key(name), Verdict::Bad(problem.clone()));
                        verdicts.extend(acting.keys().map(bad));
                        continue;
                    }
                }
            }
            self.run_stack(&work, &acting, &changing, verdicts)?;
        }
        for action in actions.iter().filter(|action| action.step == Step::Remove) {
            if let Err(problem) = self.remove(action) {
                verdicts.insert(key(action), Verdict::Bad(problem));
            }
        }
        Ok(())
    }

    /// The services that are acted on, and beside them those that must be good first: changes of a
    /// run that was cut off or went bad, and one-shots that still run and that others wait for.
    fn with_watched(
        &self,
        work: &Work<'_>,
        acting: &BTreeMap<&str, &Action>,
        verdicts: &Verdicts,
    ) -> BTreeSet<String> {
        let below: BTreeSet<String> =
            acting.keys().flat_map(|name| reachable(name, &work.depends_on)).collect();
        let watched = |name: &String, declared: &DesiredService| {
            let key = work.key(name);
            let still_runs = self.sight.observed.containers.iter().any(|c| {
                c.project == key.0
                    && c.compose_service == key.1
                    && c.state == ContainerState::Running
            });
            let awaited = below.contains(name)
                && work.is_awaited(name)
                && declared.lifetime == Lifetime::OneShot
                && still_runs;
            !verdicts.contains_key(&key) && (awaited || self.sight.unproven.contains(&key))
        };
        let names = acting.keys().map(|name| (*name).to_owned());
        names
            .chain(work.services.iter().filter(|(n, d)| watched(n, d)).map(|(n, _)| n.clone()))
            .collect()
    }

    fn run_stack(
        &self,
        work: &Work<'_>,
        acting: &BTreeMap<&str, &Action>,
        changing: &BTreeSet<String>,
        verdicts: &mut Verdicts,
    ) -> Result<(), Problem> {
        for wave in waves(changing, &work.depends_on) {
            let reached: BTreeMap<&str, Option<&Action>> = wave
                .iter()
                .map(|name| (name.as_str(), acting.get(name.as_str()).copied()))
                .filter(|(name, action)| {
                    let below = reachable(name, &work.depends_on);
                    let waits = below.iter().any(|other| {
                        let verdict = verdicts.get(&work.key(other));
                        // In `changing` without a verdict: it waits itself.
                        verdict.map_or(changing.contains(other), |v| *v != Verdict::Good)
                    });
                    !waits || action.is_some_and(starts_again)
                })
                .collect();
            for (name, verdict) in self.run_wave(work, &reached)? {
                verdicts.insert(work.key(&name), verdict);
            }
        }
        Ok(())
    }

    /// Starts what only stands still, lets compose make the rest, and waits until all of it is good.
    fn run_wave(
        &self,
        work: &Work<'_>,
        wave: &BTreeMap<&str, Option<&Action>>,
    ) -> Result<BTreeMap<String, Verdict>, Problem> {
        let mut bad: BTreeMap<&str, Problem> = BTreeMap::new();
        let mut by_compose: BTreeMap<Existing, Vec<&str>> = BTreeMap::new();
        for (name, action) in wave {
            let Some(action) = action else { continue };
            log::info!(
                "{}: {} {name} ({}: {})",
                self.service.name.as_str(),
                action.step.name(),
                action.reason.name(),
                action.detail
            );
            if !starts_again(action) {
                by_compose.entry(self.existing(work, action)).or_default().push(name);
            } else if let Err(mut problem) = self.start(action) {
                problem.message = work.secrets.hide(&problem.message);
                bad.insert(name, problem);
            }
        }
        let mut complaints: BTreeMap<&str, String> = BTreeMap::new();
        for (existing, names) in &by_compose {
            let words = match self.up(work, names, *existing) {
                Err(problem) if problem.trouble == Trouble::Interrupted => return Err(problem),
                Err(problem) => problem.message,
                Ok(words) => words,
            };
            complaints.extend(names.iter().map(|name| (*name, words.clone())));
        }
        let there = match self.host.engine()?.containers(work.stack.project()) {
            Ok(there) => there,
            Err(error) => return Ok(all_bad(wave, &error.into())),
        };
        let now = |name: &str| -> Vec<&Container> {
            let mine = |c: &&Container| c.compose_service == name && !sweep::is_temporary(&c.name);
            there.iter().filter(mine).collect()
        };
        for (existing, name) in
            by_compose.iter().flat_map(|(e, names)| names.iter().map(|n| (*e, *n)))
        {
            let action = wave.get(name).copied().flatten();
            let undone = action.and_then(|action| self.undone(work, action, existing, &now(name)));
            bad.extend(undone.map(|problem| (name, problem)));
        }
        let rest = wave.iter().filter(|(name, _)| !bad.contains_key(**name));
        let subjects: Vec<Subject> = rest
            .filter_map(|(name, action)| self.subject(work, name, *action, &now(name)))
            .collect();
        let judged = match verify(self.host, &subjects, self.service.verify.timeout, &work.secrets)
        {
            Err(problem) if problem.trouble == Trouble::Interrupted => return Err(problem),
            Err(problem) => return Ok(all_bad(wave, &problem)),
            Ok(judged) => judged,
        };
        let bad = bad.into_iter().map(|(name, problem)| (name.to_owned(), Verdict::Bad(problem)));
        let mut verdicts: BTreeMap<String, Verdict> = judged.into_iter().chain(bad).collect();
        for (name, words) in complaints.iter().filter(|(_, words)| !words.is_empty()) {
            if let Some(Verdict::Bad(problem)) = verdicts.get_mut(*name) {
                problem.message = format!("{}; compose said: {words}", problem.message);
            }
        }
        Ok(verdicts)
    }

    fn start(&self, action: &Action) -> Result<(), Problem> {
        for id in &action.containers {
            self.host.engine()?.start(&ContainerId(id.clone()))?;
        }
        Ok(())
    }

    /// What has to become good: the containers that a service of the wave has now.
    fn subject(
        &self,
        work: &Work<'_>,
        name: &str,
        action: Option<&Action>,
        now: &[&Container],
    ) -> Option<Subject> {
        let started = |id: &ContainerId| action.is_some_and(|a| a.containers.contains(&id.0));
        let ran = |c: &&Container| c.state == State::Running || c.state == State::Restarting;
        let before: BTreeSet<ContainerId> =
            self.sight.of(&work.key(name)).filter(ran).map(|c| c.id.clone()).collect();
        Some(Subject {
            name: name.to_owned(),
            lifetime: work.services.get(name)?.lifetime,
            must_end: work.is_awaited(name),
            containers: now.iter().map(|c| c.id.clone()).collect(),
            ran_before: before.into_iter().filter(|id| !started(id)).collect(),
        })
    }

    /// Removes orphans, or containers beyond the declared number, one by one. Volumes stay.
    fn remove(&self, action: &Action) -> Result<(), Problem> {
        let of_project = |stack: &&Stack| stack.project() == action.project;
        let name = action.compose_service.as_str();
        let grace = self.stacks.list.iter().filter(of_project);
        let grace = grace.map(|stack| stack.model().longest_stop(&[name])).max();
        for id in &action.containers {
            log::info!(
                "{}: removing a container of {name} ({})",
                self.service.name.as_str(),
                action.detail
            );
            let engine = self.host.engine()?;
            let id = ContainerId(id.clone());
            gone_is_fine(engine.stop(&id, grace.unwrap_or(STOP_GRACE)))?;
            gone_is_fine(engine.remove_by_force(&id))?;
        }
        Ok(())
    }
}

/// What is to be removed may have gone by itself.
fn gone_is_fine(done: Result<(), EngineError>) -> Result<(), EngineError> {
    match done {
        Err(EngineError::Refused { status: 404, .. }) => Ok(()),
        other => other,
    }
}

/// The engine does not answer any more: nothing is known of the whole wave.
fn all_bad(wave: &BTreeMap<&str, Option<&Action>>, problem: &Problem) -> BTreeMap<String, Verdict> {
    wave.keys().map(|name| ((*name).to_owned(), Verdict::Bad(problem.clone()))).collect()
}
