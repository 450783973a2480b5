//! Commits that a repository was met at. Which tree object the last one has: git tells both only
//! together, and one of them every time; a fact about that commit, so it may be lost, and never be
//! wrong. And which one passed the rules of the configuration last. Not for services.

use std::fs;
use std::path::PathBuf;

use super::{StateDir, not_written};
use crate::problem::Problem;
use crate::sys;
use crate::sys::lock::Lock;

impl StateDir {
    /// The names of cached stacks have dots in them.
    fn head_path(&self) -> PathBuf {
        self.root.join("cache").join("head")
    }

    /// The commit that was checked out when the repository was last looked at, and its tree.
    #[must_use]
    pub fn head(&self) -> Option<(String, String)> {
        let text = fs::read_to_string(self.head_path()).ok()?;
        let (commit, tree) = text.strip_suffix('\n')?.split_once(' ')?;
        let whole = commit.len() == tree.len() && commit.len() >= 40;
        whole.then(|| (commit.to_owned(), tree.to_owned()))
    }

    fn accepted_path(&self) -> PathBuf {
        self.root.join("accepted")
    }

    /// The last commit that passed `repo.allowed_signers` and `repo.fast_forward_only`. What is checked
    /// out says nothing of that: a person or a new clone put it there.
    #[must_use]
    pub fn accepted(&self) -> Option<String> {
        let text = fs::read_to_string(self.accepted_path()).ok()?;
        text.strip_suffix('\n').filter(|id| id.len() >= 40).map(str::to_owned)
    }

    /// Keeps it, if it is another one.
    ///
    /// # Errors
    /// When the file cannot be replaced.
    pub fn keep_accepted(&self, _held: &Lock, commit: &str) -> Result<(), Problem> {
        if self.accepted().as_deref() == Some(commit) {
            return Ok(());
        }
        let path = self.accepted_path();
        let text = format!("{commit}\n");
        sys::fs::replace(&path, text.as_bytes()).map_err(|cause| not_written(&path, &cause))
    }

    /// Keeps it, if it is another one. Whoever holds the lock of the repository writes it.
    ///
    /// # Errors
    /// When the file cannot be replaced.
    pub fn keep_head(&self, _held: &Lock, commit: &str, tree: &str) -> Result<(), Problem> {
        if self.head().is_some_and(|(known, its)| known == commit && its == tree) {
            return Ok(());
        }
        let path = self.head_path();
        let text = format!("{commit} {tree}\n");
        sys::fs::replace(&path, text.as_bytes()).map_err(|cause| not_written(&path, &cause))
    }
}
