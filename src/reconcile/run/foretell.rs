//! The part of a run that says what it would do, for `renew plan`. Changes nothing.

use super::Run;
use crate::decide::plan::Step;
use crate::problem::Problem;
use crate::reconcile::disk::lacking;
use crate::reconcile::gate::stops;
use crate::reconcile::report::ServiceReport;
use crate::reconcile::script::Scripts;
use crate::reconcile::todo::key;

impl Run<'_> {
    /// What a plan says of a service.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub(super) fn foretell(mut self) -> Result<ServiceReport, Problem> {
        let mut sight = self.look()?;
        let mut report = self.report();
        report.actions = self.plan(&sight)?;
        let unasked = self.images_delayed(&report.actions, &sight);
        self.keep_up_unmade(&mut sight, (&unasked, &[]), &mut report)?;
        report.gate = self.gate.said();
        report.actions.retain(|action| self.pass.siblings.is_first_to_remove(action));
        let unset = self.unset(&report.actions);
        let doomed = self.doomed(&sight, &report.actions)?;
        let stuck = self.stuck(&report.actions, &unasked, &doomed, unset.as_ref());
        let mut delayed = self.delayed(&report.actions, &stuck, &sight);
        // What is pulled may be another image by then.
        for pulled in report.actions.iter().filter(|action| action.pull) {
            delayed.remove(&key(pulled));
        }
        report.error = report.error.or_else(|| Some(unset?.problem));
        self.note_delays(&unasked, &delayed, &mut report.notes);
        let lost = unasked.into_values().chain(doomed.into_values()).chain(delayed.into_values());
        report.error = report.error.or(lost.into_iter().next());
        if report.actions.iter().any(|action| stops(action, &sight)) {
            let scripts = Scripts::new(self.pass, self.service, &self.record.commit);
            report.error = report.error.or_else(|| scripts.unusable());
        }
        let floor_bytes = self.pass.disk_floor_bytes();
        report.error = report.error.or_else(|| lacking(self.host, &report.actions, floor_bytes));
        let replaced = report.actions.iter().filter(|action| action.step == Step::Recreate);
        self.pass.foresee(replaced.flat_map(|action| sight.ids_of(&key(action))));
        report.notes.extend(self.pass.shared_paths(self.service.name.as_str(), &self.stacks));
        Ok(report)
    }
}
