//! Removing containers one by one over the engine: orphans, and those beyond the declared number.
//! Used by `apply` alone. Volumes stay.

use std::time::Duration;

use super::apply::{Apply, Verdicts};
use super::precheck::has_what_it_needs;
use super::report::WHY;
use super::stack::Stack;
use super::todo::{Key, key, makes};
use super::verify::Verdict;
use crate::decide::plan::{Action, Reason, Sequence};
use crate::docker::engine::{Container, ContainerId, EngineError};
use crate::problem::Problem;

/// How long a container that nobody declares any more may take to stop: docker's own default.
pub const STOP_GRACE: Duration = Duration::from_secs(10);

impl Apply<'_> {
    /// Removes the containers of some actions. What the engine refuses is a verdict.
    pub fn remove_all(&self, actions: &[&Action], verdicts: &mut Verdicts) {
        for action in actions {
            if let Err(problem) = self.remove(action) {
                verdicts.insert(key(action), Verdict::Bad(problem));
            }
        }
    }

    /// Whether what leaves has a port or the name of something that is made: then it goes first.
    pub fn is_in_the_way(&self, leaving: &Action, actions: &[Action]) -> bool {
        let stacks = &self.stacks.list;
        let declared = actions.iter().filter(|action| makes(action)).filter_map(|action| {
            let of_project = stacks.iter().filter(|stack| stack.project() == action.project);
            of_project.filter_map(|stack| stack.model().service(&action.compose_service)).next()
        });
        let leaves = |one: &&Container| leaving.containers.contains(&one.id.0);
        let leaving: Vec<&Container> = self.sight.containers.iter().filter(leaves).collect();
        declared.into_iter().any(|one| leaving.iter().any(|c| has_what_it_needs(c, one)))
    }

    /// Whether something of the project went bad: an orphan may be what it was before under another
    /// name, and stays until its successor is good.
    pub fn is_still_needed(&self, leaving: &Action, verdicts: &Verdicts) -> bool {
        let bad = |(key, verdict): (&Key, &Verdict)| {
            key.0 == leaving.project && matches!(verdict, Verdict::Bad(_))
        };
        leaving.reason == Reason::Orphan
            && self.sequence == Sequence::Forward
            && verdicts.iter().any(bad)
    }

    /// Removes orphans, or containers beyond the declared number, one by one. Volumes stay.
    ///
    /// # Errors
    /// When the engine does not do it.
    pub fn remove(&self, action: &Action) -> Result<(), Problem> {
        let of_project = |stack: &&Stack| stack.project() == action.project;
        let name = action.compose_service.as_str();
        let grace = self.stacks.list.iter().filter(of_project);
        let grace = grace.map(|stack| stack.model().longest_stop(&[name])).max();
        for id in &action.containers {
            log::info!(
                "{}: remove a container of {name}{WHY}({})",
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
