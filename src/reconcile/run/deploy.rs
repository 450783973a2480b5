//! The part of a run from its plan to its end: everybody is asked, the files move, what is to change
//! changes, and what became of it is written down.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;

use super::{Deeds, Purpose, Run};
use crate::decide::plan::{Action, Reason, Step, Waits};
use crate::gather::Gather;
use crate::problem::{Problem, Trouble};
use crate::reconcile::accept::{refuses, still_accepted};
use crate::reconcile::gate::stops;
use crate::reconcile::held::Held;
use crate::reconcile::observe::Sight;
use crate::reconcile::outcome::{bad, outcome, unreached, waiting_for_files};
use crate::reconcile::policy::{self, Moving};
use crate::reconcile::prune::supersede;
use crate::reconcile::remember::{Facts, remember};
use crate::reconcile::report::{Outcome, ServiceReport};
use crate::reconcile::script::Scripts;
use crate::reconcile::todo::{Key, Obstacles, key, makes};
use crate::reconcile::unset::Unset;
use crate::reconcile::verify::Verdict;
use crate::state::{Probation, Record, ServiceLock};

/// What stands in the way of a plan as a whole, and where the files are.
struct Ground {
    /// A variable that nothing sets.
    unset: Option<Unset>,
    /// Why nothing that runs may be stopped: `pre_script` objects.
    objection: Option<Problem>,
    /// Why the files did not move.
    unmoved: Option<Problem>,
    /// Files that are not as the target has them.
    held: Held,
}

impl Run<'_> {
    /// Carries the plan of the report out as far as that is possible, and writes down what came of it.
    ///
    /// # Errors
    /// When we are asked to stop before anything changed, or the engine does not answer.
    pub(super) fn deploy(
        &mut self,
        lock: &ServiceLock,
        scripts: &Scripts<'_>,
        deeds: &mut Deeds,
        report: &mut ServiceReport,
    ) -> Result<(), Problem> {
        let refused = refuses(&report.actions, &self.stacks, &self.desired, &deeds.sight);
        let ground = self.prepare(scripts, deeds, report, refused)?;
        let obstacles = self.obstacles(deeds, &ground.held, ground.unset.as_ref());
        // Nothing that runs is replaced where its files did not come; what is down is started.
        let may = |action: &Action| {
            let agreed = ground.objection.is_none() || !stops(action, &deeds.sight);
            agreed && (ground.unmoved.is_none() || action.step == Step::Start)
        };
        let todo = deeds.possible(&report.actions, &obstacles, may);
        report.notes.extend(waiting_for_files(&report.actions, &obstacles));
        report.error = ground.unmoved.or(report.error.take());
        if let Some(failure) = self.cut_off(&todo) {
            return self.undo(lock, &failure, deeds, report);
        }
        if todo.iter().any(makes) {
            self.gate.listen_before()?;
        }
        let changed = self.change(lock, todo, &ground.held, deeds, report);
        if let Err(problem) = changed.and_then(|()| self.soak(deeds)) {
            report.error = Some(problem);
            report.result = Some(Outcome::Failed);
            return Ok(());
        }
        if let Some(failure) = self.failure(deeds) {
            return self.undo(lock, &failure, deeds, report);
        }
        let said = report.error.take().or_else(|| bad(&deeds.verdicts, &deeds.delayed));
        let unreached = || unreached(&deeds.tried, &deeds.verdicts);
        report.error = said.or_else(unreached).or(ground.objection).or_else(|| self.waiting());
        self.write_down(lock, &ground.held, deeds, report);
        let result = outcome(report, &deeds.tried, &deeds.verdicts, refused);
        report.result = Some(self.told(result, report, deeds));
        Ok(())
    }

    /// The result, as far as it says that somebody waits.
    fn told(&self, result: Outcome, report: &ServiceReport, deeds: &Deeds) -> Outcome {
        let is = |reason: &str| report.error.as_ref().is_some_and(|error| error.reason == reason);
        match result {
            Outcome::Failed if is("quarantined") || is("retried_later") => {
                match (self.has_restored(deeds), is("quarantined")) {
                    (true, _) => Outcome::RolledBack,
                    (false, true) => Outcome::Quarantined,
                    (false, false) => Outcome::Failed,
                }
            }
            Outcome::Ok | Outcome::Changed if self.record.hold.is_some() => Outcome::Held,
            told => told,
        }
    }

    /// Sees what cannot be, asks `pre_script` if something that runs would stop, and moves the files
    /// unless something keeps the service where it is.
    fn prepare(
        &self,
        scripts: &Scripts<'_>,
        deeds: &mut Deeds,
        report: &mut ServiceReport,
        refused: bool,
    ) -> Result<Ground, Problem> {
        let unset = self.unset(&report.actions);
        let tried = |action: &Action| deeds.tried.iter().any(|tried| key(tried) == key(action));
        let left: Vec<Action> = report.actions.iter().filter(|a| !tried(a)).cloned().collect();
        deeds.doomed = self.doomed(&deeds.sight, &left)?;
        let Deeds { failed, doomed, .. } = deeds;
        let stuck = self.stuck(&left, failed, doomed, unset.as_ref());
        deeds.delayed = self.delayed(&left, &stuck, &deeds.sight);
        self.note_delays(&deeds.unasked, &deeds.delayed, &mut report.notes);
        let first_lost = deeds.failed.values().chain(deeds.doomed.values()).next().cloned();
        let lost = self.no_way_back(&report.actions, deeds).or(first_lost);
        report.error =
            report.error.take().or_else(|| Some(unset.as_ref()?.problem.clone())).or(lost);
        let none = Waits::default();
        let waits = self.in_force.as_ref().map_or(&none, |kept| &kept.waits);
        let moving = policy::moving(&self.desired, waits);
        let moves = report.error.is_none() && !refused && moving != Moving::Nothing;
        let held = if moves { Held::default() } else { self.held()? };
        let obstacles = self.obstacles(deeds, &held, unset.as_ref());
        let objection = match deeds.possible(&report.actions, &obstacles, |_| true) {
            todo if self.asks_first(&todo, &deeds.sight) => scripts.before(&self.stacks, &todo)?,
            _ => None,
        };
        let unmoved = match moves && objection.is_none() {
            true => self.pass.move_files(self.service, &self.stacks, &moving).err(),
            false => None,
        };
        let unmoved = unmoved.or(self.move_back(&moving).err());
        match unmoved {
            Some(problem) if problem.trouble == Trouble::Interrupted => Err(problem),
            unmoved => Ok(Ground { unset, objection, unmoved, held: self.held()? }),
        }
    }

    /// That an image in force cannot be had any more, with what was to go back to it.
    fn no_way_back(&self, actions: &[Action], deeds: &Deeds) -> Option<Problem> {
        actions.iter().filter(|action| self.restores(&key(action))).find_map(|action| {
            let problem = deeds.failed.get(action.image.declared.as_ref()?)?;
            let name = &action.compose_service;
            let message = format!(
                "{name} went bad and cannot go back to what is in force: {}",
                problem.message
            );
            let resolution = problem.resolution.clone();
            Some(Problem::engine("rollback_impossible", message, resolution))
        })
    }

    /// Whether a script has a say: where something that runs would stop to follow git.
    fn asks_first(&self, todo: &[Action], sight: &Sight) -> bool {
        let follows = |action: &&Action| !self.restores(&key(action));
        self.purpose == Purpose::Follow
            && todo.iter().filter(follows).any(|action| stops(action, sight))
    }

    /// Files that those mount who are put back are as they were, and so are all others of the service
    /// where nothing of it follows git.
    fn move_back(&self, moving: &Moving) -> Result<(), Problem> {
        let Some(kept) = self.in_force.as_ref().filter(|_| self.lock.is_some()) else {
            return Ok(());
        };
        // What others mount as well has moved with them.
        let theirs = match moving {
            Moving::AllBut(_) => self.files_of_followers(&kept.waits),
            Moving::Nothing => BTreeSet::new(),
        };
        let mut back: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        let mut mounted = BTreeSet::new();
        for (project, name) in kept.waits.of.iter().filter(|(_, w)| w.restores()).map(|(k, _)| k) {
            let past = self.record.service(project, name);
            let declared = self.desired.of(project, name).map(|declared| &declared.files);
            let files = past.map(|past| &past.files).into_iter().chain(declared);
            let files: BTreeSet<String> = files.flat_map(BTreeMap::keys).cloned().gather();
            mounted.extend(files.iter().cloned());
            let own = past.map(|past| past.commit.as_str()).filter(|commit| !commit.is_empty());
            back.entry(own.unwrap_or(&self.record.commit)).or_default().extend(&files - &theirs);
        }
        if *moving == Moving::Nothing && !back.is_empty() {
            let rest = &self.record.paths - &mounted;
            back.entry(&self.record.commit).or_default().extend(rest);
        }
        let mut to =
            back.into_iter().filter(|(commit, paths)| !commit.is_empty() && !paths.is_empty());
        to.try_for_each(|(commit, paths)| self.pass.move_back(self.service, &paths, commit))
    }

    /// The files of those who do not wait.
    fn files_of_followers(&self, waits: &Waits) -> BTreeSet<String> {
        let follow = self.desired.stacks.iter().flat_map(|stack| {
            let waits =
                |name: &str| waits.of.contains_key(&(stack.project.clone(), name.to_owned()));
            stack.services.iter().filter(move |(name, _)| !waits(name)).map(|(_, one)| one)
        });
        follow.flat_map(|service| service.files.keys().cloned()).collect()
    }

    fn obstacles<'o>(
        &'o self,
        deeds: &'o Deeds,
        held: &'o Held,
        unset: Option<&'o Unset>,
    ) -> Obstacles<'o> {
        let Deeds { failed, doomed, delayed, .. } = deeds;
        let record = &deeds.sight.record;
        let (desired, depends_on) = (self.kept_up().1, self.stacks.depends_on());
        let restored = self.in_force.as_ref().map(|kept| &kept.waits);
        Obstacles { failed, doomed, delayed, unset, held, desired, record, depends_on, restored }
    }

    /// Writes the record as it is after this run; the same as before writes nothing.
    fn write_down(
        &self,
        lock: &ServiceLock,
        held: &Held,
        deeds: &Deeds,
        report: &mut ServiceReport,
    ) {
        let (stacks, desired) = self.kept_up();
        let stays = |action: &Action| {
            matches!(action.reason, Reason::Refused | Reason::Deferred | Reason::Held)
        };
        let arrived = self.in_force.is_none()
            && report.error.is_none()
            && held.0.is_empty()
            && !report.actions.iter().any(stays);
        let facts = Facts {
            stacks,
            desired,
            actions: &report.actions,
            verdicts: &deeds.verdicts,
            sight: &deeds.sight,
            commit: &self.pass.target.id,
            arrived,
            held,
        };
        let mut record = remember(&self.record, &facts, self.host.clock.now());
        record.local_url_answered = self.gate.answered();
        record.delays = self.delays(deeds, &report.actions);
        record.accepted = still_accepted(&record, &self.stacks, &self.desired, &deeds.sight);
        self.number(&mut record, deeds);
        supersede(self.pass, self.service, &self.record, &mut record, &deeds.sight);
        let came = record.release != self.record.release;
        let stored = self.pass.state.store(lock, &record).and_then(|()| match came {
            true => self.pass.state.forget_releases(lock, self.n_earlier()),
            false => Ok(()),
        });
        if let Err(problem) = stored {
            report.error.get_or_insert(problem);
        }
    }

    /// Gives a release that came into force its number, and puts what was changed on probation.
    fn number(&self, record: &mut Record, deeds: &Deeds) {
        let first = self.record.projects.is_empty() && !record.projects.is_empty();
        let mut changes = self.changed(deeds);
        changes.retain(|key, _| {
            matches!(deeds.verdicts.get(key), Some(Verdict::Good | Verdict::Starting))
        });
        let went = |action: &Action| {
            let key = key(action);
            action.step == Step::Remove
                && self.changes(action, deeds)
                && self.record.service(&key.0, &key.1).is_some()
                && !deeds.verdicts.contains_key(&key)
        };
        if changes.is_empty() && !first && !deeds.tried.iter().any(went) {
            return;
        }
        record.newest_release = record.newest_release.max(record.release) + 1;
        record.release = record.newest_release;
        let starting = |key: &Key| deeds.verdicts.get(key) == Some(&Verdict::Starting);
        let mut services: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for ((project, name), _) in changes.iter().filter(|(_, made)| **made) {
            services.entry(project.clone()).or_default().insert(name.clone());
        }
        let time = TimeDelta::from_std(self.service.verify.probation).unwrap_or(TimeDelta::MAX);
        let until = self.host.clock.now().checked_add_signed(time);
        record.probation =
            until.filter(|_| !services.is_empty() && !time.is_zero()).map(|until| Probation {
                until,
                unverified: changes.keys().any(starting),
                services,
                ran_before: deeds.ran_before.iter().map(|id| id.0.clone()).collect(),
            });
        // What was tried again and is good now is no failure any more.
        for (project, name) in changes.keys() {
            let of_project = record.quarantine.get_mut(project);
            let list = of_project.and_then(|all| all.get_mut(name));
            if let Some(list) = list {
                list.retain(|one| one.until.is_none());
            }
        }
        record.quarantine.values_mut().for_each(|all| all.retain(|_, list| !list.is_empty()));
        record.quarantine.retain(|_, all| !all.is_empty());
    }
}
