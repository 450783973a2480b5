//! What of a run went bad: whether a verdict is evidence against the target, what is undone together,
//! and until when a cause that may pass is waited for. Changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::{Deeds, Purpose, Run};
use crate::config::value::choice::OnFailure;
use crate::decide::backoff::CHANGE;
use crate::decide::plan::{Action, Lifetime, Wait, is_change, makes};
use crate::gather::Gather;
use crate::problem::{Problem, Trouble};
use crate::reconcile::remember::goal;
use crate::reconcile::todo::{Key, key};
use crate::reconcile::verify::Verdict;
use crate::state::{Quarantine, Record, ServiceRecord};

/// Verdicts that speak against a target (what else went wrong may pass by itself).
const EVIDENCE: &[&str] = &["exited", "restarting", "unhealthy", "local_url", "cut_off"];
/// Somebody else was at work on the same containers: the next run takes the change up.
const DISTURBED: &[&str] = &["vanished", "name_taken"];
/// A change that was cut off so often counts as failed.
const CUT_OFF_MAX: u32 = 3;

/// A change that is to be undone.
pub(super) struct Failure {
    /// What went wrong in whom.
    bad: BTreeMap<Key, Problem>,
    /// What was good and goes back with it.
    with: BTreeSet<Key>,
}

impl Run<'_> {
    /// What of the changes of this run is to be undone, if anything is. A run that only heals undoes
    /// nothing, nor does one without an earlier release.
    pub(super) fn failure(&self, deeds: &Deeds) -> Option<Failure> {
        if self.purpose == Purpose::Undo || self.record.projects.is_empty() {
            return None;
        }
        let changed = self.changed(deeds);
        // A migration cannot be taken back: what was written for stays. A server that ended with 0
        // is none.
        let migrates = |key: &Key| {
            let declared = self.desired.of(&key.0, &key.1);
            declared.is_some_and(|one| one.lifetime == Lifetime::OneShot)
                && deeds.sight.is_completed(key)
        };
        let migrated = changed.iter().any(|(key, made)| *made && migrates(key));
        let goes_back = |key: &&Key| match self.on_failure(&key.1) {
            Some(OnFailure::Keep) => false,
            Some(OnFailure::Rollback) => true,
            None => !migrated,
        };
        let bad: BTreeMap<Key, Problem> = changed
            .keys()
            .filter(goes_back)
            .filter_map(|key| match deeds.verdicts.get(key) {
                Some(Verdict::Bad(problem)) => Some((key.clone(), problem.clone())),
                _ => None,
            })
            .filter(|(_, problem)| !DISTURBED.contains(&&*problem.reason))
            .filter(|(key, _)| !self.is_in_force(key, deeds))
            .filter(|(key, problem)| is_evidence(problem) || is_down(key, deeds))
            .gather();
        if bad.is_empty() {
            return None;
        }
        // What was not reached waits as well: it was meant to come with what failed.
        let with = changed.keys().filter(goes_back);
        let with = with.filter(|key| !deeds.sight.is_completed(key) && !bad.contains_key(*key));
        Some(Failure { with: with.cloned().collect(), bad })
    }

    /// Whose target this run brought, or found brought by a run that was killed before it could see
    /// what became of it; and whether containers were made for it.
    pub(super) fn changed(&self, deeds: &Deeds) -> BTreeMap<Key, bool> {
        let meant = deeds.tried.iter().chain(&deeds.put_off);
        let tried = meant.filter(|action| self.changes(action, deeds));
        let mut changed: BTreeMap<Key, bool> =
            tried.map(|action| (key(action), makes(action))).gather();
        if !self.record.projects.is_empty() {
            let found = deeds.sight.unproven.iter().filter(|key| !self.restores(key));
            // What became of others was seen, and decided upon.
            let open = |key: &&Key| {
                let attempts = self.record.attempts.get(&key.0);
                attempts.and_then(|all| all.get(&key.1)).is_some_and(|attempt| !attempt.ended)
            };
            let found = found.filter(open).filter(|key| {
                let is = deeds.sight.record.service(&key.0, &key.1);
                !self.recorded(key).zip(is).is_some_and(|(was, is)| is.runs_as(&was))
            });
            changed.extend(found.map(|key| (key.clone(), true)));
        }
        changed
    }

    /// What is in force of a compose service, as compose reads it now.
    fn recorded(&self, key: &Key) -> Option<ServiceRecord> {
        let past = self.record.service(&key.0, &key.1)?;
        let reading = self.stacks.reading(&key.0, &key.1, past);
        Some(ServiceRecord { definition_sha256: reading, ..past.clone() })
    }

    /// Whether an action brings something of the target into force, instead of keeping up what is: also
    /// one that only makes what is missing, if it is made otherwise than it was. Of those that wait
    /// nothing does.
    pub(super) fn changes(&self, action: &Action, deeds: &Deeds) -> bool {
        let key = key(action);
        if self.in_force.as_ref().is_some_and(|kept| kept.waits.get(&key).is_some()) {
            return false;
        }
        let Some(past) = self.recorded(&key) else {
            return is_change(action, &self.desired, &self.stacks.memory(&self.record));
        };
        let target = || self.target_of(&key, Some(action), deeds);
        is_change(action, &self.desired, &self.stacks.memory(&self.record))
            || makes(action) && target().is_some_and(|target| !target.runs_as(&past))
    }

    /// Whether what was tried is what is in force already: somebody changed it by hand, or git wants
    /// more containers of it. There is nothing else to go back to.
    fn is_in_force(&self, key: &Key, deeds: &Deeds) -> bool {
        let tried = deeds.tried.iter().find(|action| self::key(action) == *key);
        let target = tried.and_then(|action| self.target_of(key, Some(action), deeds));
        target.zip(self.recorded(key)).is_some_and(|(target, past)| target.runs_as(&past))
    }

    /// The same for changes that were cut off too often to be tried once more.
    pub(super) fn cut_off(&self, todo: &[Action]) -> Option<Failure> {
        if self.purpose == Purpose::Undo || self.record.projects.is_empty() {
            return None;
        }
        let often = |action: &&Action| {
            let attempts = self.record.attempts.get(&action.project);
            let attempt = attempts.and_then(|all| all.get(&action.compose_service));
            let known = self.record.projects.get(&action.project);
            makes(action)
                && known.is_some()
                && attempt.is_some_and(|one| !one.ended && one.cut_off + 1 >= CUT_OFF_MAX)
                && self.on_failure(&action.compose_service) != Some(OnFailure::Keep)
        };
        let problem = |name: &str| {
            Problem::engine(
                "cut_off",
                format!(
                    "the change of {name} was cut off {CUT_OFF_MAX} times before it was through"
                ),
                "look what ends renew or compose meanwhile (`journalctl -k` tells of memory)",
            )
        };
        let bad: BTreeMap<Key, Problem> = todo
            .iter()
            .filter(often)
            .map(|action| (key(action), problem(&action.compose_service)))
            .gather();
        (!bad.is_empty()).then(|| Failure { bad, with: BTreeSet::new() })
    }

    /// Whether a compose service is kept on, or put back to, what is in force.
    pub(super) fn restores(&self, key: &Key) -> bool {
        let waits = self.in_force.as_ref().map(|kept| &kept.waits.of);
        waits.and_then(|waits| waits.get(key)).is_some_and(Wait::restores)
    }

    pub(super) fn on_failure(&self, compose_service: &str) -> Option<OnFailure> {
        self.service.for_compose_service(compose_service).on_failure
    }

    /// The record with what failed in it, so that the next plan puts back what was in force.
    pub(super) fn condemned(&self, failure: &Failure, deeds: &Deeds) -> Record {
        let mut record = self.record.clone();
        let now = self.host.clock.now();
        let first = failure.bad.iter().next();
        for key in failure.bad.keys().chain(&failure.with) {
            let (project, name) = key;
            let tried = deeds.tried.iter().find(|action| self::key(action) == *key);
            let own = failure.bad.get(key);
            let Some((reason, message)) = own
                .or(first.map(|(_, problem)| problem))
                .map(|p| (p.reason.clone(), p.message.clone()))
            else {
                continue;
            };
            let mut failed = Quarantine {
                target: self.target_of(key, tried, deeds).unwrap_or_default(),
                absent: self.desired.of(project, name).is_none(),
                commit: self.pass.target.id.clone(),
                since: now,
                reason: reason.into_owned(),
                message,
                with: own.is_none().then(|| first.map(|(key, _)| key.clone())).flatten(),
                until: None,
                tries: 1,
            };
            if own.is_some_and(|problem| !is_evidence(problem)) {
                failed.tries = self.tried_before(key, &failed.target) + 1;
                failed.until = Some(now + CHANGE.after(failed.tries));
            }
            record.quarantine(project, name, failed);
            if let Some(attempts) = record.attempts.get_mut(project) {
                attempts.remove(name);
            }
        }
        record.attempts.retain(|_, services| !services.is_empty());
        record
    }

    /// What a compose service was to become, with the image it got or would have got.
    fn target_of(&self, key: &Key, tried: Option<&Action>, deeds: &Deeds) -> Option<ServiceRecord> {
        let declared = self.desired.of(&key.0, &key.1)?;
        let attempt = self.record.attempts.get(&key.0).and_then(|all| all.get(&key.1));
        let made = || {
            goal(&self.stacks, &self.desired, &deeds.sight.record, tried?, &super::Held::default())
        };
        let goal = made().or_else(|| attempt.map(|one| one.goal.clone()))?;
        let image = deeds.sight.observed.images.get(&declared.image);
        let id = image.and_then(|image| image.local_id.clone()).unwrap_or_default();
        let digests = image.map(|image| image.digests.clone()).unwrap_or_default();
        Some(ServiceRecord {
            image_id: id,
            image_digests: digests,
            files: declared.files.clone(),
            ..goal
        })
    }

    fn tried_before(&self, key: &Key, target: &ServiceRecord) -> u32 {
        let all = self.record.quarantine.get(&key.0).and_then(|services| services.get(&key.1));
        let same = all.into_iter().flatten().find(|one| one.target.runs_as(target));
        same.map_or(0, |one| one.tries)
    }
}

/// Whether it speaks against the target, and not against what happened to it.
fn is_evidence(problem: &Problem) -> bool {
    EVIDENCE.contains(&&*problem.reason)
}

/// Whether nothing of it runs any more.
fn is_down(key: &Key, deeds: &Deeds) -> bool {
    use crate::docker::engine::State;
    let runs = |state: &State| matches!(state, State::Running | State::Paused);
    !deeds.sight.of(key).any(|container| runs(&container.state))
}

impl Failure {
    /// What went wrong, as the run ends with it.
    pub(super) fn problem(&self) -> Option<Problem> {
        let mut problem = self.bad.values().next()?.clone();
        problem.trouble = Trouble::Engine;
        Some(problem)
    }

    /// Whose change is undone.
    pub(super) fn names(&self) -> Vec<&str> {
        self.bad.keys().chain(&self.with).map(|(_, name)| name.as_str()).collect()
    }
}
