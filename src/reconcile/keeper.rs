//! Git work of a sync: one renew at a time, past locks of a git that was killed, and past damage that
//! the remote can make good. A plan has no keeper: it leaves all as it is.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::git::Git;
use crate::problem::Problem;
use crate::sys::child_record::ChildRecord;
use crate::sys::clock::Clock;
use crate::sys::exec::Cancel;
use crate::sys::lock::{Lock, LockError};

/// Keeps the repository of a pass fit for work.
#[derive(Clone, Copy)]
pub struct Keeper<'a> {
    /// The repository.
    pub git: &'a Git<'a>,
    /// Tells how old a lock is.
    pub clock: &'a dyn Clock,
    /// Where damaged objects are had again from.
    pub remote: &'a str,
    /// The branch that is followed.
    pub branch: &'a str,
    /// Set when we are to stop.
    pub cancel: &'a Cancel,
    /// How long another renew is waited for.
    pub patience: Duration,
    /// Where the git process in flight is written down.
    pub child: &'a Path,
}

/// How long the git of a killed run may take to end after TERM: it removes its locks then.
const LEFTOVER_PATIENCE: Duration = Duration::from_secs(10);

impl Keeper<'_> {
    /// Takes the lock of the repository, which lies in its git directory and belongs to its owner. A
    /// git that a killed run left is ended, and what it left is removed.
    ///
    /// # Errors
    /// When another renew has it for too long, or it cannot be made.
    pub fn lock(&self) -> Result<Lock, Problem> {
        let lock = self.take()?;
        if let Some(since) = ChildRecord::made_at(self.child) {
            if ChildRecord::end(self.child, LEFTOVER_PATIENCE, self.clock) {
                log::warn!("ended a git of a run that was killed");
            }
            self.git.clear_left(since);
            ChildRecord::clear(self.child);
        }
        Ok(lock)
    }

    fn take(&self) -> Result<Lock, Problem> {
        let path = self.path();
        let owner = self.git.identity();
        let waits = (self.clock, self.cancel);
        Lock::take(&path, owner, self.patience, waits).map_err(|error| match error {
            LockError::Busy(_) if self.cancel.is_set() => Problem::interrupted(),
            LockError::Busy(_) => Problem::setup(
                "git_lock",
                format!("the repository is being worked on: {} is {error}", path.display()),
                "wait for the other renew to end",
            ),
            LockError::Io(..) => Problem::setup(
                "git_lock",
                error.to_string(),
                "let renew and its user write in the git directory; remove what is in the way",
            ),
        })
    }

    /// Does some work under the lock, which the caller holds.
    ///
    /// # Errors
    /// What the work says once neither a stale lock nor damage that can be mended stops it.
    pub fn work<T>(
        &self,
        _held: &Lock,
        mut work: impl FnMut(&Git<'_>) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        self.git.past_damage(self.remote, self.branch, |git| {
            git.past_stale_locks(self.clock, |git| work(git))
        })
    }

    /// Does some work that only reads. The lock is taken if there is damage to mend.
    ///
    /// # Errors
    /// As [`Keeper::work`].
    pub fn reading<T>(
        &self,
        mut work: impl FnMut(&Git<'_>) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        match work(self.git) {
            Err(problem) if problem.reason == "git_corrupt" => self.work(&self.lock()?, work),
            outcome => outcome,
        }
    }

    fn path(&self) -> PathBuf {
        self.git.git_dir().join("renew.lock")
    }
}
