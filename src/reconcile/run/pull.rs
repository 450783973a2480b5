//! The part of a run before anything that runs is touched: plan, pull what the plan wants, plan again.

use super::{Deeds, Run};
use crate::decide::plan::{Action, Changes};
use crate::docker::engine::State;
use crate::problem::Problem;
use crate::reconcile::apply::Verdicts;
use crate::reconcile::policy;
use crate::reconcile::precheck::Doomed;
use crate::reconcile::prune::{Here, prune};
use crate::reconcile::pull::{Failed, Limits, pull};
use crate::reconcile::report::ServiceReport;
use crate::reconcile::todo::{before_pull, key, replanned, starts_again};
use crate::reconcile::topology::changes;

impl Run<'_> {
    /// Plans, pulls what the plan wants, and plans again: a pull that changes nothing is no drift.
    /// What needs no pull does not wait for one.
    ///
    /// # Errors
    /// When we are asked to stop, or the engine does not answer.
    pub(super) fn plan_and_pull(&mut self, report: &mut ServiceReport) -> Result<Deeds, Problem> {
        let sight = self.look()?;
        let (failed, unasked, verdicts) = (Failed::new(), Failed::new(), Verdicts::new());
        let (doomed, delayed) = (Doomed::new(), Doomed::new());
        let ran_before = sight.containers.iter().filter(|one| one.state == State::Running);
        let ran_before = ran_before.map(|one| one.id.clone()).collect();
        let (tried, put_off) = (Vec::new(), Vec::new());
        let mut deeds =
            Deeds { sight, failed, unasked, doomed, delayed, ran_before, tried, put_off, verdicts };
        report.actions = self.plan(&deeds.sight)?;
        let unset = self.unset(&report.actions);
        let refused =
            |action: &Action| unset.as_ref().is_some_and(|one| one.refused.contains(&key(action)));
        let wanted = report.actions.iter().filter(|action| action.pull && !refused(action));
        let wanted: Vec<Action> = wanted.cloned().collect();
        let (Some(lock), false) = (self.lock, wanted.is_empty()) else {
            return Ok(deeds);
        };
        let held = self.held()?;
        let record = &deeds.sight.record;
        let mut early =
            before_pull(&report.actions, &self.stacks.depends_on(), &held, self.kept_up().1);
        // A network that is to be made anew is made with everything on it, after the pull.
        early.retain(|a| starts_again(a) || !changes(&self.desired, record, &a.project));
        early.retain(|action| !refused(action));
        let doomed = self.doomed(&deeds.sight, &early)?;
        let stuck = doomed.keys().cloned().collect();
        let delayed = self.delayed(&early, &stuck, &deeds.sight);
        early.retain(|a| !doomed.contains_key(&key(a)) && !delayed.contains_key(&key(a)));
        if !early.is_empty() {
            self.change(lock, early, &held, &mut deeds, report)?;
        }
        let floor_bytes = self.pass.disk_floor_bytes();
        let limits = Limits { stall: self.service.timeouts.pull, floor_bytes };
        let here = Here::look(self.host, self.service);
        deeds.unasked = self.images_delayed(&wanted, &deeds.sight);
        deeds.failed = pull(self.host, &wanted, &deeds.unasked, limits);
        self.ask_again()?;
        deeds.sight = self.look()?;
        here.note(&mut self.record.images, &wanted, &deeds.failed, &deeds.sight);
        prune(self.pass, self.service, &mut self.record, &deeds.sight);
        if let Err(problem) = self.pass.state.store(lock, &self.record) {
            // Whatever is pulled and not written down is nobody's, and stays.
            log::debug!("{problem}");
        }
        let fresh = self.plan(&deeds.sight)?;
        report.actions = replanned(&report.actions, fresh, &deeds.failed, &deeds.tried);
        Ok(deeds)
    }

    /// A pull may take long: what the gate and the windows allowed before it may not be any more. What
    /// they did not allow was not pulled for, and waits for the next run.
    fn ask_again(&mut self) -> Result<(), Problem> {
        self.gate.forget_consent();
        if self.window.is_some() {
            return Ok(());
        }
        let (changes, no_time) =
            policy::changes(self.host, self.service, &self.stacks, &self.record)?;
        if let Changes::Deferred(until) = &changes {
            self.no_time = no_time;
            self.window = Some(until.clone());
            self.declare(&changes);
            self.keep_up(None)?;
        }
        Ok(())
    }
}
