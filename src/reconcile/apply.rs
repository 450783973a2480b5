//! Carrying a plan out, in waves along `depends_on`. The only place that changes containers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::Host;
use super::make::secrets;
use super::observe::Sight;
use super::order::order;
use super::report::WHY;
use super::stack::{Stack, Stacks};
use super::sweep;
use super::todo::{Key, key, makes, restarts, starts_again};
use super::verify::{Subject, Verdict, verify};
use crate::config::Service;
use crate::decide::plan::{
    Action, ContainerState, Desired, DesiredService, Lifetime, Sequence, Step, Ties, stack_order,
    ties,
};
use crate::decide::waves::{Condition, Dependencies, reachable, waves};
use crate::docker::complaint::way_out;
use crate::docker::compose::{Existing, Scope};
use crate::docker::engine::{Container, ContainerId, State};
use crate::docker::redact::Secrets;
use crate::gather::Gather;
use crate::problem::{Problem, Trouble};
use crate::state::StateDir;

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
    /// Which stack is the first.
    pub sequence: Sequence,
}

/// One stack while it is changed.
pub struct Work<'a> {
    /// The stack.
    pub stack: &'a Stack,
    /// Which one of the service it is.
    pub index: usize,
    /// How compose is asked about it.
    pub scope: Scope,
    /// What it declares.
    pub services: &'a BTreeMap<String, DesiredService>,
    /// What must not be said.
    pub secrets: Secrets,
    /// Who waits for whom.
    pub depends_on: Dependencies,
    /// Who shares what with whom, over all stacks.
    pub ties: &'a Ties,
    /// What is done in all stacks.
    pub actions: &'a [Action],
}

impl Work<'_> {
    /// Project and name.
    #[must_use]
    pub fn key(&self, name: &str) -> Key {
        (self.stack.project().to_owned(), name.to_owned())
    }

    fn is_awaited(&self, name: &str) -> bool {
        self.depends_on.values().any(|on| on.get(name) == Some(&Condition::Completed))
    }
}

impl Apply<'_> {
    /// Does what the actions say, stack by stack, and looks again at changes that nobody has seen to
    /// be good. What depends on something that is not good is left as it is; all else is done. Returns
    /// those of the actions that were left for another run.
    ///
    /// # Errors
    /// When we are asked to stop. Everything else is a verdict on a compose service.
    pub fn run(&self, actions: &[Action], verdicts: &mut Verdicts) -> Result<Vec<Key>, Problem> {
        let removals = actions.iter().filter(|action| action.step == Step::Remove);
        let (first, last): (Vec<&Action>, Vec<&Action>) =
            removals.partition(|action| self.is_in_the_way(action, actions));
        self.remove_all(&first, verdicts);
        let ties = ties(self.desired);
        for index in stack_order(self.desired, self.sequence) {
            let (Some(stack), Some(desired)) =
                (self.stacks.list.get(index), self.desired.stacks.get(index))
            else {
                continue;
            };
            let acting: BTreeMap<&str, &Action> = actions
                .iter()
                .filter(|a| a.project == stack.project() && a.step != Step::Remove)
                .filter(|a| desired.services.contains_key(&a.compose_service))
                .map(|action| (action.compose_service.as_str(), action))
                .gather();
            let mut work = Work {
                stack,
                index,
                scope: Scope::default(),
                services: &desired.services,
                depends_on: order(stack.model(), &desired.services, &acting),
                secrets: secrets(stack, &self.stacks.env, &self.top),
                ties: &ties,
                actions,
            };
            let changing = self.with_watched(&work, &acting, verdicts);
            if changing.is_empty() {
                continue;
            }
            if acting.values().any(|action| makes(action)) {
                let made = acting.values().filter(|action| makes(action));
                let names: Vec<&str> = made.map(|a| a.compose_service.as_str()).collect();
                match self.keep_model(stack, index, &names) {
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
        let (stay, go): (Vec<&Action>, Vec<&Action>) =
            last.into_iter().partition(|action| self.is_still_needed(action, verdicts));
        self.remove_all(&go, verdicts);
        Ok(stay.into_iter().map(key).collect())
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
            acting.keys().flat_map(|name| reachable(name, &work.depends_on)).gather();
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
                    let mut before = below.iter().filter(|other| !wave.contains(*other));
                    let waits = before.any(|other| {
                        let verdict = verdicts.get(&work.key(other));
                        // In `changing` without a verdict: it waits itself.
                        verdict.map_or(changing.contains(other), |v| *v != Verdict::Good)
                    });
                    let waits = waits || work.waits_elsewhere(name, verdicts);
                    !waits || action.is_some_and(|a| starts_again(a) && !restarts(a))
                })
                .gather();
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
            self.announce(action);
            let done = match action.step {
                Step::Signal => self.tell(work, action),
                _ if starts_again(action) => self.start(work, action),
                _ => {
                    by_compose.entry(self.existing(work, action)).or_default().push(name);
                    continue;
                }
            };
            match done {
                Err(problem) if self.lost_its_network(work, action, &problem) => {
                    by_compose.entry(Existing::Replace).or_default().push(name);
                }
                Err(mut problem) => {
                    problem.message = work.secrets.hide(&problem.message);
                    bad.insert(name, problem);
                }
                Ok(()) => {}
            }
        }
        let mut complaints: BTreeMap<&str, String> = BTreeMap::new();
        for (existing, names) in &by_compose {
            let words = match self.up(work, names, *existing) {
                Err(problem) if problem.trouble == Trouble::Interrupted => return Err(problem),
                Err(problem) => problem.into_parts().message,
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
        let mut verdicts: BTreeMap<String, Verdict> = judged.into_iter().chain(bad).gather();
        tell(&mut verdicts, &complaints);
        Ok(verdicts)
    }

    fn announce(&self, action: &Action) {
        let (step, reason) = (action.step.name(), action.reason.name());
        let (service, name) = (self.service.name.as_str(), &action.compose_service);
        log::info!("{service}: {step} {name}{WHY}({reason}: {})", action.detail);
    }

    fn start(&self, work: &Work<'_>, action: &Action) -> Result<(), Problem> {
        let engine = self.host.engine()?;
        for id in action.containers.iter().map(|id| ContainerId(id.clone())) {
            if restarts(action) {
                let grace = work.stack.model().longest_stop(&[&action.compose_service]);
                engine.restart(&id, grace)?;
            } else {
                engine.start(&id)?;
            }
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
        // The engine does not forget the restarts of a container that is restarted by hand.
        let from_rest = action.filter(|a| a.step == Step::Start && !restarts(a));
        let started = |id: &ContainerId| from_rest.is_some_and(|a| a.containers.contains(&id.0));
        let ran = |c: &&Container| c.state == State::Running || c.state == State::Restarting;
        let before: BTreeSet<ContainerId> =
            self.sight.of(&work.key(name)).filter(ran).map(|c| c.id.clone()).gather();
        Some(Subject {
            name: name.to_owned(),
            lifetime: work.services.get(name)?.lifetime,
            must_end: work.is_awaited(name),
            containers: now.iter().map(|c| c.id.clone()).collect(),
            ran_before: before.into_iter().filter(|id| !started(id)).collect(),
        })
    }
}

/// Adds compose's words to what went wrong, and the way out if they name one.
fn tell(verdicts: &mut BTreeMap<String, Verdict>, complaints: &BTreeMap<&str, String>) {
    for (name, words) in complaints.iter().filter(|(_, words)| !words.is_empty()) {
        if let Some(Verdict::Bad(problem)) = verdicts.get_mut(*name) {
            problem.message = format!("{}; compose said: {words}", problem.message);
            if let Some((reason, way)) = way_out(words) {
                problem.reason = reason.into();
                problem.resolution = way;
            }
        }
    }
}

/// The engine does not answer any more: nothing is known of the whole wave.
fn all_bad(wave: &BTreeMap<&str, Option<&Action>>, problem: &Problem) -> BTreeMap<String, Verdict> {
    wave.keys().map(|name| ((*name).to_owned(), Verdict::Bad(problem.clone()))).gather()
}
