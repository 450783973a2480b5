//! The part of a run that changes something: first what is begun is written down, then networks that
//! are to be made anew go, then actions are carried out.

use std::thread;

use super::{Deeds, Purpose, Run};
use crate::decide::plan::{Action, Sequence};
use crate::problem::Problem;
use crate::reconcile::apply::Apply;
use crate::reconcile::attempts::begin;
use crate::reconcile::held::Held;
use crate::reconcile::holders::{Holders, hold, outgoing};
use crate::reconcile::observe::Sight;
use crate::reconcile::report::ServiceReport;
use crate::reconcile::todo::{Key, key, makes, starts_again};
use crate::state::ServiceLock;

impl Run<'_> {
    /// Carries actions out, and looks at the result. What is begun is written down first: where that
    /// cannot be, nothing is made, and only what stands still is started.
    ///
    /// # Errors
    /// When we are asked to stop, or the engine does not answer any more.
    pub(super) fn change(
        &mut self,
        lock: &ServiceLock,
        mut todo: Vec<Action>,
        held: &Held,
        deeds: &mut Deeds,
        report: &mut ServiceReport,
    ) -> Result<(), Problem> {
        let sight = &deeds.sight;
        let (stacks, desired) = self.kept_up();
        let mut begun = begin(&self.record, &todo, stacks, desired, sight, held);
        let holders = match self.purpose {
            Purpose::Follow => {
                let changes = todo.iter().filter(|action| self.changes(action, deeds));
                outgoing(&self.record, changes, sight)
            }
            Purpose::Undo => Holders::new(),
        };
        begun.images.held.extend(holders.clone());
        if begun != self.record {
            match self.pass.state.store(lock, &begun) {
                Ok(()) => self.record = begun,
                Err(problem) => {
                    todo.retain(starts_again);
                    report.error.get_or_insert(problem);
                }
            }
        }
        if let Err(problem) = self.keep_release(lock, &todo, deeds) {
            todo.retain(starts_again);
            report.error.get_or_insert(problem);
        }
        if todo.is_empty() && deeds.sight.unproven.is_empty() {
            return Ok(());
        }
        if !self.host.stop.may_change() {
            return Err(Problem::interrupted());
        }
        let engine = self.host.engine()?;
        // What holds an image is made while compose starts: both take a while, and neither needs the
        // other. Until compose has removed a container, that container holds its image.
        let (left, unheld) = thread::scope(|threads| {
            let hold = || hold(engine, &holders);
            let holding = thread::Builder::new().spawn_scoped(threads, hold);
            // Where there can be no other thread, it comes first.
            let unheld = holding.is_err().then(hold);
            let left = self.apply_all(lock, &mut todo, deeds, report);
            let joined = holding.ok().and_then(|holding| holding.join().ok());
            (left, unheld.or(joined).unwrap_or_else(|| holders.keys().cloned().collect()))
        });
        self.record.images.held.retain(|id, _| !unheld.contains(id));
        let left = left?;
        let (put_off, tried): (Vec<Action>, Vec<Action>) =
            todo.into_iter().partition(|action| left.contains(&key(action)));
        deeds.tried.extend(tried);
        deeds.put_off.extend(put_off);
        deeds.sight = self.look()?;
        Ok(())
    }

    /// Carries actions out, and says which of them were left for another run.
    fn apply_all(
        &mut self,
        lock: &ServiceLock,
        todo: &mut Vec<Action>,
        deeds: &mut Deeds,
        report: &mut ServiceReport,
    ) -> Result<Vec<Key>, Problem> {
        self.release_networks(lock, todo, deeds, report);
        let mut apply = self.apply(&deeds.sight);
        if todo.iter().any(|action| self.restores(&key(action))) {
            apply.sequence = Sequence::Backward;
        }
        apply.run(todo, &mut deeds.verdicts)
    }

    /// Keeps what is in force for the day that it is gone back to, before it is replaced. A change that
    /// is not known to be good is none to go back to.
    fn keep_release(
        &self,
        lock: &ServiceLock,
        todo: &[Action],
        deeds: &Deeds,
    ) -> Result<(), Problem> {
        let now = self.host.clock.now();
        let probation = self.record.probation.as_ref().filter(|one| now < one.until);
        let unknown = probation.is_some_and(|one| one.unverified);
        let changes = todo.iter().any(|action| self.changes(action, deeds));
        if self.record.projects.is_empty() || unknown || !changes {
            return Ok(());
        }
        // The one before stays until it is known whether the change is good: else only what is in
        // force were left to go back to.
        self.pass.state.keep_release(lock, &self.record, self.n_earlier() + 1)
    }

    /// How many releases are kept beside the one in force: at least one.
    pub(super) fn n_earlier(&self) -> usize {
        self.service.keep_releases.saturating_sub(1).max(1)
    }

    fn apply<'r>(&'r self, sight: &'r Sight) -> Apply<'r> {
        let (stacks, desired) = self.kept_up();
        Apply {
            host: self.host,
            service: self.service,
            stacks,
            desired,
            sight,
            state: &self.pass.state,
            top: self.pass.git.top().to_path_buf(),
            sequence: Sequence::Forward,
        }
    }

    /// Lets go of networks that are to be made anew, and of what is recorded of them. Where they
    /// cannot go, nothing of the project is made.
    fn release_networks(
        &mut self,
        lock: &ServiceLock,
        todo: &mut Vec<Action>,
        deeds: &mut Deeds,
        report: &mut ServiceReport,
    ) {
        let released = self.apply(&deeds.sight).release(todo);
        let stored = released.and_then(|gone| {
            if gone.is_empty() {
                return Ok(());
            }
            for (project, name) in gone {
                for record in [&mut self.record, &mut deeds.sight.record] {
                    record.projects.get_mut(&project).map(|past| past.topology.remove(&name));
                }
            }
            self.pass.state.store(lock, &self.record)
        });
        if let Err(problem) = stored {
            todo.retain(|action| !makes(action));
            report.error.get_or_insert(problem);
        }
    }
}
