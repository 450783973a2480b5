//! Telling containers of their new files by a signal. Used by `apply` alone; stops nothing.

use super::apply::{Apply, Work};
use crate::decide::plan::{Action, FilesAction};
use crate::docker::engine::{ContainerId, Inspected};
use crate::problem::Problem;
use crate::sys::signal;

impl Apply<'_> {
    /// Sends what runs the signal of its `files_action`. Whether it survived that is for verify to
    /// see.
    ///
    /// # Errors
    /// When the engine does not answer, or a container does not run any more.
    pub fn tell(&self, work: &Work<'_>, action: &Action) -> Result<(), Problem> {
        let declared = work.services.get(&action.compose_service);
        let Some(FilesAction::Signal(name)) = declared.map(|one| &one.policy.files) else {
            return Ok(());
        };
        let engine = self.host.engine()?;
        for id in &action.containers {
            let id = ContainerId(id.clone());
            let seen = engine.inspect(&id)?;
            if !seen.is_some_and(|seen| directly(&seen, name)) {
                engine.kill(&id, name)?;
            }
        }
        Ok(())
    }
}

/// Signals the first process of a container past the engine. To the engine any signal is a person
/// who stops the container: from then on it does not restart it by itself, whatever its restart
/// policy says (moby `daemon/kill.go`, `HasBeenManuallyStopped`; moby/moby#41302).
fn directly(seen: &Inspected, name: &str) -> bool {
    match signal::send(seen.pid, seen.id.as_str(), name) {
        Ok(()) => true,
        Err(cause) => {
            log::warn!(
                "{} gets its signal from the engine ({cause}), which will not restart it by itself \
                 any more until it is started anew: run renew as root, on the host of the engine",
                seen.name
            );
            false
        }
    }
}
