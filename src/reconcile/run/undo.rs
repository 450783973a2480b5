//! Undoing a change that went bad: what failed is written down, and a plan that knows of it puts back
//! what was in force. Killed at any point, the next run plans the very same.

use super::failure::Failure;
use super::{Deeds, Purpose, Run};
use crate::decide::plan::{Action, Step};
use crate::problem::Problem;
use crate::reconcile::report::{Outcome, ServiceReport};
use crate::reconcile::script::Scripts;
use crate::reconcile::todo::key;
use crate::state::ServiceLock;

impl Run<'_> {
    /// Puts back what was in force before this run, once: whether that is good is told, and nothing
    /// follows from it.
    ///
    /// # Errors
    /// When we are asked to stop, or the engine does not answer.
    pub(super) fn undo(
        &self,
        lock: &ServiceLock,
        failure: &Failure,
        deeds: &Deeds,
        report: &mut ServiceReport,
    ) -> Result<(), Problem> {
        let name = self.service.name.as_str();
        let record = self.condemned(failure, deeds);
        report.error = failure.problem();
        report.result = Some(Outcome::Failed);
        log::warn!(
            "{name}: {} went bad, putting back what was in force",
            failure.names().join(", ")
        );
        if let Err(problem) = self.pass.state.store(lock, &record) {
            // Without it the same is tried again some day; what is down must come up all the same.
            log::warn!("{name}: {problem}");
        }
        let mut run = Run::open(self.pass, self.service, Some(lock), record, Purpose::Undo)?;
        let mut undone = ServiceReport::new(name);
        let mut back = run.plan_and_pull(&mut undone)?;
        let scripts = Scripts::new(self.pass, self.service, &self.record.commit);
        run.deploy(lock, &scripts, &mut back, &mut undone)?;
        report.notes.extend(undone.notes);
        let not_back = undone.error.filter(|problem| problem.reason != "quarantined");
        let not_back = not_back.filter(|problem| problem.reason != "retried_later");
        match not_back {
            // Whatever failed, all that was in force still is.
            None if back.tried.is_empty() => {}
            None => {
                report.result = Some(Outcome::RolledBack);
                report.notes.push(format!("put back: {}", failure.names().join(", ")));
                // Its container is gone, and `docker logs` would show those of the one put back.
                report.error = report.error.take().map(|error| {
                    error.mended_by(format!(
                        "push another target, or `renew retry {name}` tries this one again; what its \
                         container wrote is gone with it, but for what docker's log driver keeps"
                    ))
                });
            }
            Some(problem) => {
                let told = format!("what was in force could not be put back: {}", problem.message);
                let message = report.error.as_ref().map(|error| error.message.clone());
                let message = format!("{}; {told}", message.unwrap_or_default());
                let reason = match &*problem.reason {
                    "rollback_impossible" => "rollback_impossible",
                    _ => "rollback_failed",
                };
                report.error =
                    Some(Problem::engine(reason, message, problem.into_parts().resolution));
            }
        }
        Ok(())
    }

    /// Whether any of what was done put something back, and did not only start what was down.
    pub(super) fn has_restored(&self, deeds: &Deeds) -> bool {
        let back = |action: &&Action| action.step != Step::Start && self.restores(&key(action));
        deeds.tried.iter().filter(back).any(|action| deeds.verdicts.contains_key(&key(action)))
    }
}
