//! Files that a checkout of ours left half written, by a kill or on a full disk. Git does not know them
//! yet, but nobody else made them either. Says which they are, and removes none.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{Blob, Git};
use crate::sys::child_record::ChildRecord;
use crate::sys::fs::read_bounded;

/// Larger ones are left to a person: both sides are held in memory.
const BYTES_MAX: u64 = 64 << 20;

impl Git<'_> {
    /// Beside the record of the git at work: since when a checkout is not known to have ended well.
    fn torn(&self) -> Option<PathBuf> {
        self.record.as_ref().map(|record| record.with_file_name("checkout~"))
    }

    /// A checkout is about to begin. What an earlier one left is still told by the time of that one.
    pub(super) fn checkout_begins(&self) {
        if let Some(torn) = self.torn().filter(|torn| !torn.exists()) {
            ChildRecord::announce(&torn);
        }
    }

    /// There is nothing half written any more.
    pub(super) fn checkout_is_whole(&self) {
        if let Some(torn) = self.torn().filter(|torn| torn.exists()) {
            ChildRecord::clear(&torn);
        }
    }

    /// Whether an untracked file is what such a checkout left: made since it began, and nothing but
    /// the beginning of what comes.
    pub(super) fn is_torn(&self, name: &Path, to: &Blob) -> bool {
        let Some(since) = self.torn().and_then(|torn| ChildRecord::made_at(&torn)) else {
            return false;
        };
        let path = self.top.join(name);
        let made_since = |meta: fs::Metadata| meta.mtime() >= since.saturating_sub(1);
        if !path.symlink_metadata().is_ok_and(made_since) {
            return false;
        }
        let mut as_path = OsString::from("--path=");
        as_path.push(name);
        let args = ["cat-file".into(), "--filters".into(), as_path, OsString::from(&to.oid)];
        match (read_bounded(&path, BYTES_MAX), self.check(&args)) {
            (Ok(there), Ok(comes)) => comes.stdout.starts_with(&there),
            (Err(_), _) | (_, Err(_)) => false,
        }
    }
}
