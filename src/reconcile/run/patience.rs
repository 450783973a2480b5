//! What failed more than once is not tried again in every run: neither images that cannot be had nor
//! containers that do not get good. Another target is tried at once. Changes no container.

use std::collections::BTreeSet;

use super::{Deeds, Purpose, Run};
use crate::decide::plan::{Action, Reason, Step, makes};
use crate::decide::waves::reachable;
use crate::gather::Gather;
use crate::problem::{Problem, Trouble};
use crate::reconcile::model::sha256;
use crate::reconcile::observe::Sight;
use crate::reconcile::precheck::Doomed;
use crate::reconcile::pull::Failed;
use crate::reconcile::todo::{Key, key, starts_again};
use crate::reconcile::unset::Unset;
use crate::reconcile::verify::Verdict;
use crate::state::{Delay, Delays};

/// What this host tells by itself costs nobody anything to ask again.
const ASKED_ALWAYS: &[&str] = &["disk_low", "image_reference"];

impl Run<'_> {
    /// Images that are wanted and not asked for yet, and why. Who undoes does not wait.
    pub(super) fn images_delayed(&self, wanted: &[Action], sight: &Sight) -> Failed {
        let (known, now) = (&self.record.delays, self.host.clock.now());
        let delayed = |action: &Action| {
            let image = action.image.declared.clone().filter(|_| action.pull)?;
            let problem = known.of("", &image)?.problem(&meant(&image, sight), now)?;
            Some((image, problem))
        };
        match self.purpose {
            Purpose::Follow => wanted.iter().filter_map(delayed).gather(),
            Purpose::Undo => Failed::new(),
        }
    }

    /// Compose services that would be started or made and are not yet, and why. One that fails for want
    /// of another is tried as soon as something is done about that one, which those that are stuck do
    /// not let happen.
    pub(super) fn delayed(
        &self,
        actions: &[Action],
        stuck: &BTreeSet<Key>,
        sight: &Sight,
    ) -> Doomed {
        if self.purpose == Purpose::Undo || self.record.delays.is_empty() {
            return Doomed::new();
        }
        let now = self.host.clock.now();
        let delayed = |action: &Action| {
            let key = key(action);
            let known = self.record.delays.of(&key.0, &key.1)?;
            let problem = known.problem(&self.would_run(&key, sight), now)?;
            Some((key, problem))
        };
        let mut delayed: Doomed =
            actions.iter().filter(|one| is_tried(one)).filter_map(delayed).gather();
        let acting = actions.iter().filter(|one| one.step != Step::Nothing).map(key);
        let acting: BTreeSet<Key> = acting.filter(|key| !stuck.contains(key)).gather();
        loop {
            let acts = |other: &Key| acting.contains(other) && !delayed.contains_key(other);
            let helped = |key: &Key| self.below(key).iter().any(acts);
            let Some(key) = delayed.keys().find(|key| helped(key)).cloned() else {
                return delayed;
            };
            delayed.remove(&key);
        }
    }

    /// Everything that a compose service depends on. Only asked about what failed.
    fn below(&self, (project, name): &Key) -> Vec<Key> {
        let all = self.stacks.depends_on();
        let names = all.get(project).map(|all| reachable(name, all)).unwrap_or_default();
        names.into_iter().map(|name| (project.clone(), name)).collect()
    }

    /// Who cannot be made, whatever else is done: for want of an image or a variable, or as is known
    /// beforehand.
    pub(super) fn stuck(
        &self,
        actions: &[Action],
        failed: &Failed,
        doomed: &Doomed,
        unset: Option<&Unset>,
    ) -> BTreeSet<Key> {
        let lost = |action: &&Action| {
            let image = action.image.declared.as_ref().filter(|_| action.pull);
            image.is_some_and(|image| failed.contains_key(image))
        };
        let lost = actions.iter().filter(lost).map(key);
        let unset = unset.into_iter().flat_map(|unset| unset.refused.iter().cloned());
        lost.chain(doomed.keys().cloned()).chain(unset).gather()
    }

    /// Until when what was not tried is left alone.
    pub(super) fn note_delays(&self, unasked: &Failed, delayed: &Doomed, notes: &mut Vec<String>) {
        let images = unasked.keys().map(|image| ("", image.as_str()));
        let services = delayed.keys().map(|(project, name)| (project.as_str(), name.as_str()));
        let known = images.chain(services).filter_map(|(p, name)| self.record.delays.of(p, name));
        notes.extend(known.map(|delay| delay.note(self.service.name.as_str())));
    }

    /// What would run of a compose service, in one word: all that makes a difference to whether it gets
    /// good.
    fn would_run(&self, key: &Key, sight: &Sight) -> String {
        let declared = self.kept_up().1.of(&key.0, &key.1);
        let image = declared.and_then(|one| sight.observed.images.get(&one.image));
        let id = image.and_then(|image| image.local_id.as_ref());
        let parts = declared.map(|one| (&one.definition, &one.files, &one.env, one.replicas));
        sha256(&format!("{parts:?} {id:?}"))
    }

    /// What is put off from now on: what failed in this run, and what it did not get to again. All else
    /// is forgotten. A look at what an earlier run made is no try.
    pub(super) fn delays(&self, deeds: &Deeds, actions: &[Action]) -> Delays {
        let (known, now) = (&self.record.delays, self.host.clock.now());
        let mut delays = Vec::new();
        let asked = deeds.failed.iter().filter(|(_, one)| !ASKED_ALWAYS.contains(&&*one.reason));
        for (image, problem) in asked {
            let before = known.of("", image);
            let stopped = problem.trouble == Trouble::Interrupted;
            let delay = match stopped || deeds.unasked.contains_key(image) {
                true => before.cloned(),
                false => {
                    let meant = meant(image, &deeds.sight);
                    Some(Delay::after(before, ("", image), &meant, problem, now))
                }
            };
            delays.extend(delay);
        }
        let tried: BTreeSet<Key> = deeds.tried.iter().map(key).gather();
        // It may have failed for want of what has just begun to come up.
        let lacks = |other: &Key| deeds.verdicts.get(other).is_some_and(|v| *v != Verdict::Good);
        let waits = |key: &Key| self.below(key).iter().any(lacks);
        for key in actions.iter().filter(|one| is_tried(one)).map(key) {
            let before = known.of(&key.0, &key.1);
            let delay = match deeds.verdicts.get(&key) {
                Some(Verdict::Bad(problem))
                    if tried.contains(&key) && is_its_own(problem) && !waits(&key) =>
                {
                    let would_run = self.would_run(&key, &deeds.sight);
                    Some(Delay::after(before, (&key.0, &key.1), &would_run, problem, now))
                }
                Some(Verdict::Good | Verdict::Starting) => None,
                Some(Verdict::Bad(_)) | None => before.cloned(),
            };
            delays.extend(delay);
        }
        Delays(delays)
    }
}

/// Whether it is a failure of what was tried, and not of what it was tried with: renew's own files, or
/// an engine that does not answer.
fn is_its_own(problem: &Problem) -> bool {
    problem.trouble == Trouble::Engine && !problem.reason.starts_with("engine")
}

/// Whether an action is one that is put off once it has failed: not one that only follows another.
fn is_tried(action: &Action) -> bool {
    (makes(action) || starts_again(action)) && action.reason != Reason::Dependent
}

/// What the registry has under this name, if that is known.
fn meant(image: &str, sight: &Sight) -> String {
    let fact = sight.observed.images.get(image);
    fact.and_then(|fact| fact.meant.clone()).unwrap_or_default()
}
