//! What failed more than once is not tried again in every run: neither images that cannot be had nor
//! containers that do not get good. Another target is tried at once. Changes no container.

use std::collections::BTreeMap;

use super::{Deeds, Purpose, Run};
use crate::decide::plan::{Action, makes};
use crate::gather::Gather;
use crate::problem::Problem;
use crate::reconcile::model::sha256;
use crate::reconcile::observe::Sight;
use crate::reconcile::precheck::Doomed;
use crate::reconcile::pull::Failed;
use crate::reconcile::todo::{Key, key, starts_again};
use crate::reconcile::verify::Verdict;
use crate::state::{Delay, Delays};

/// What this host tells by itself costs nobody anything to ask again.
const ASKED_ALWAYS: &[&str] = &["disk_low", "image_reference"];

impl Run<'_> {
    /// Images that are wanted and not asked for yet, and why. Who undoes does not wait.
    pub(super) fn images_delayed(&self, wanted: &[Action]) -> Failed {
        let (known, now) = (&self.record.delays.images, self.host.clock.now());
        let delayed = |action: &Action| {
            let image = action.image.declared.clone().filter(|_| action.pull)?;
            let problem = known.get(&image)?.problem("", now)?;
            Some((image, problem))
        };
        match self.purpose {
            Purpose::Follow => wanted.iter().filter_map(delayed).gather(),
            Purpose::Undo => Failed::new(),
        }
    }

    /// Compose services that would be started or made and are not yet, and why.
    pub(super) fn delayed(&self, actions: &[Action], sight: &Sight) -> Doomed {
        let now = self.host.clock.now();
        let delayed = |action: &Action| {
            let key = key(action);
            let known = self.record.delays.services.get(&key.0)?.get(&key.1)?;
            let would_run = self.would_run(&key, sight);
            Some((key, known.problem(&would_run, now)?))
        };
        match self.purpose {
            Purpose::Follow => {
                actions.iter().filter(|a| makes(a) || starts_again(a)).filter_map(delayed).gather()
            }
            Purpose::Undo => Doomed::new(),
        }
    }

    /// Until when what was not tried is left alone.
    pub(super) fn note_delays(&self, unasked: &Failed, delayed: &Doomed, notes: &mut Vec<String>) {
        let known = &self.record.delays;
        let images = unasked.keys().filter_map(|image| Some((image, known.images.get(image)?)));
        let services = delayed.keys().filter_map(|(project, name)| {
            let all = known.services.get(project)?;
            Some((name, all.get(name)?))
        });
        let service = self.service.name.as_str();
        notes.extend(images.chain(services).map(|(what, delay)| delay.note(what, service)));
    }

    /// What would run of a compose service, in one word: all that makes a difference to whether it gets
    /// good.
    fn would_run(&self, key: &Key, sight: &Sight) -> String {
        let declared = self.kept_up().1.of(&key.0, &key.1);
        let image = declared.and_then(|one| sight.observed.images.get(&one.image));
        let id = image.and_then(|image| image.local_id.as_ref());
        let parts = declared.map(|one| (&one.definition, &one.files, &one.env));
        sha256(&format!("{parts:?} {id:?}"))
    }

    /// What is put off from now on: what failed in this run, and what it did not get to again. All else
    /// is forgotten.
    pub(super) fn delays(&self, deeds: &Deeds, actions: &[Action]) -> Delays {
        let (known, now) = (&self.record.delays, self.host.clock.now());
        let mut images: BTreeMap<String, Delay> = BTreeMap::new();
        let asked = deeds.failed.iter().filter(|(_, one)| !ASKED_ALWAYS.contains(&&*one.reason));
        for (image, problem) in asked {
            let before = known.images.get(image);
            let kept = before.filter(|_| deeds.unasked.contains_key(image)).cloned();
            let delay = kept.unwrap_or_else(|| Delay::after(before, "", problem, now));
            images.insert(image.clone(), delay);
        }
        let mut services: BTreeMap<String, BTreeMap<String, Delay>> = BTreeMap::new();
        let acting = actions.iter().filter(|action| makes(action) || starts_again(action));
        for key in acting.map(key).chain(deeds.verdicts.keys().cloned()) {
            let before = known.services.get(&key.0).and_then(|all| all.get(&key.1));
            let delay = match deeds.verdicts.get(&key) {
                Some(Verdict::Bad(problem)) => {
                    Some(self.failed_again(&key, before, problem, deeds))
                }
                Some(Verdict::Good | Verdict::Starting) => None,
                None => before.cloned(),
            };
            if let Some(delay) = delay {
                services.entry(key.0).or_default().insert(key.1, delay);
            }
        }
        Delays { images, services }
    }

    fn failed_again(
        &self,
        key: &Key,
        before: Option<&Delay>,
        problem: &Problem,
        deeds: &Deeds,
    ) -> Delay {
        let would_run = self.would_run(key, &deeds.sight);
        Delay::after(before, &would_run, problem, self.host.clock.now())
    }
}
