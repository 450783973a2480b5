//! Locks that a killed git left behind. Removes none that is young, or that some git may still hold.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Git;
use super::command::LOCKED;
use crate::problem::Problem;
use crate::sys::clock::Clock;

/// A lock this old is stale when no git holds it, in seconds. The longest that git holds one is a
/// checkout or a repack of a large repository on a slow card.
const STALE_S: i64 = 600;

/// The files of a git directory that git locks (gitrepository-layout(5)), besides the references.
const LOCKABLE: [&str; 7] =
    ["index", "HEAD", "ORIG_HEAD", "FETCH_HEAD", "config", "packed-refs", "shallow"];

impl Git<'_> {
    /// Does some work. When it is stopped by a lock of git, removes the locks that are stale and
    /// does it once more. The caller holds `renew.lock`, so no other renew is at work.
    ///
    /// # Errors
    /// What the work says, with the age of the lock when it is not stale yet.
    pub fn past_stale_locks<T>(
        &self,
        clock: &dyn Clock,
        mut work: impl FnMut(&Self) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        match work(self) {
            Err(problem) if problem.reason == LOCKED => {
                self.clear_stale_locks(clock, &problem)?;
                work(self)
            }
            outcome => outcome,
        }
    }

    /// Removes what a git of ours left that was killed: locks and unfinished objects that are not
    /// older than its record, made at `since` (seconds since 1970). The caller holds `renew.lock`,
    /// and has ended that git.
    pub fn clear_left(&self, since: i64) {
        let mut left = self.locks();
        find_unfinished(&self.common_dir().join("objects"), &mut left);
        // The record is written again once the process is known; a lock may be older than that.
        let is_of_it = |path: &PathBuf| {
            path.symlink_metadata().is_ok_and(|meta| meta.mtime() >= since.saturating_sub(1))
        };
        for path in left.into_iter().filter(is_of_it) {
            if self.holder_of(&path).is_none() && fs::remove_file(&path).is_ok() {
                log::warn!("removed {}, which a killed git of ours left", path.display());
            }
        }
    }

    fn clear_stale_locks(&self, clock: &dyn Clock, problem: &Problem) -> Result<(), Problem> {
        let now = clock.now().timestamp();
        let mut removed = 0;
        let mut kept = Vec::new();
        for lock in self.locks() {
            // One that vanished was in use.
            let Ok(meta) = lock.symlink_metadata() else { continue };
            let age = now.saturating_sub(meta.mtime());
            let shown = lock.display();
            if age <= STALE_S {
                kept.push(format!("{shown} is {} s old", age.max(0)));
            } else if let Some(holder) = self.holder_of(&lock) {
                kept.push(format!("{shown} may be held by process {holder}"));
            } else if let Err(cause) = fs::remove_file(&lock) {
                kept.push(format!("{shown} cannot be removed: {cause}"));
            } else {
                log::warn!("removed {shown}, the lock of a git that is gone, {age} s old");
                removed += 1;
            }
        }
        if removed > 0 || kept.is_empty() {
            return Ok(());
        }
        Err(Problem::setup(
            "git_locked",
            format!("{}; {}", problem.message, kept.join(", ")),
            format!(
                "wait: once a lock is {} minutes old and no git works in {}, it is removed",
                STALE_S / 60,
                self.top.display()
            ),
        ))
    }

    fn locks(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut dirs = vec![self.git_dir.clone(), self.common_dir()];
        dirs.dedup();
        for dir in dirs {
            let named = LOCKABLE.iter().map(|name| dir.join(format!("{name}.lock")));
            found.extend(named.filter(|path| path.symlink_metadata().is_ok()));
            find_locks(&dir.join("refs"), &mut found);
        }
        found
    }

    /// A process that has the lock open, or a git that works in this tree: git may close a lock
    /// that it still holds, such as that of the index while somebody writes a commit message.
    fn holder_of(&self, lock: &Path) -> Option<u32> {
        let processes = fs::read_dir("/proc").ok()?.flatten();
        processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).find(|pid: &u32| {
            let proc = Path::new("/proc").join(pid.to_string());
            let open = fs::read_dir(proc.join("fd"));
            let mut open = open.into_iter().flatten().flatten();
            open.any(|fd| fs::read_link(fd.path()).is_ok_and(|path| path == lock))
                || self.is_git_here(&proc)
        })
    }

    fn is_git_here(&self, proc: &Path) -> bool {
        let name = fs::read_to_string(proc.join("comm")).unwrap_or_default();
        if !name.starts_with("git") {
            return false;
        }
        match fs::read_link(proc.join("cwd")) {
            Ok(cwd) => [&self.top, &self.git_dir].iter().any(|dir| cwd.starts_with(dir)),
            // Of another user, it might work here; one that has ended does not.
            Err(cause) => cause.kind() == io::ErrorKind::PermissionDenied,
        }
    }
}

/// Objects and packs that were not written to their end: `tmp_obj_*`, `tmp_pack_*`, `tmp_idx_*`
/// (git `object-file.c`, `pack-write.c`).
fn find_unfinished(objects: &Path, found: &mut Vec<PathBuf>) {
    let folders = fs::read_dir(objects).into_iter().flatten().flatten().map(|entry| entry.path());
    for folder in folders.filter(|path| path.is_dir()) {
        let files = fs::read_dir(folder).into_iter().flatten().flatten();
        let unfinished =
            files.filter(|file| file.file_name().as_encoded_bytes().starts_with(b"tmp_"));
        found.extend(unfinished.map(|file| file.path()));
    }
}

/// No reference may end in `.lock` (git-check-ref-format(1)), so every such file is one.
fn find_locks(dir: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => find_locks(&path, found),
            Ok(_) if path.extension().is_some_and(|ext| ext == "lock") => found.push(path),
            Ok(_) | Err(_) => {}
        }
    }
}
