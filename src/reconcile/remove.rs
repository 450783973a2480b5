//! Removing containers one by one over the engine: orphans, and those beyond the declared number.
//! Used by `apply` alone. Volumes stay.

use std::time::Duration;

use super::apply::Apply;
use super::report::WHY;
use super::stack::Stack;
use crate::decide::plan::Action;
use crate::docker::engine::{ContainerId, EngineError};
use crate::problem::Problem;

/// How long a container that nobody declares any more may take to stop: docker's own default.
pub const STOP_GRACE: Duration = Duration::from_secs(10);

impl Apply<'_> {
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
