//! Whether the configuration file has changed: asked of its metadata every few seconds, and of its
//! content where the metadata cannot tell. Never takes a file that is just being written.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};

use crate::config::FILE_BYTES_MAX;
use crate::sys;

/// A file system may keep times in steps as long as this (FAT: two seconds). A file that is younger may
/// change once more without showing it.
const YOUNG: TimeDelta = TimeDelta::seconds(3);

/// What metadata tells of a file, symbolic links followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    dev: u64,
    ino: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> Option<Stamp> {
        let meta = fs::metadata(path).ok()?;
        Some(Stamp {
            dev: meta.dev(),
            ino: meta.ino(),
            size: meta.size(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        })
    }

    fn is_young(self, now: DateTime<Utc>) -> bool {
        let at = self.modified.0.max(self.changed.0);
        // Also one of the future: somebody set a clock.
        DateTime::from_timestamp(at, 0).is_none_or(|at| now - at < YOUNG)
    }
}

/// What a look found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// The same as before.
    Same,
    /// Something else than before, perhaps not yet all of it: look again soon.
    Moving,
    /// Another content, and the same as at the last look.
    Changed,
    /// It is not there any more.
    Gone,
}

/// A file that is looked at again and again.
#[derive(Debug)]
pub struct Watch {
    path: PathBuf,
    stamp: Option<Stamp>,
    hash: Option<[u8; 32]>,
    /// What a look found that nobody was told of yet.
    moving: Option<Option<[u8; 32]>>,
}

impl Watch {
    /// Takes the file as it is now for known.
    #[must_use]
    pub fn begin(path: &Path) -> Watch {
        let stamp = Stamp::of(path);
        Watch { path: path.to_owned(), stamp, hash: hash(path), moving: None }
    }

    /// Looks.
    pub fn look(&mut self, now: DateTime<Utc>) -> Seen {
        let stamp = Stamp::of(&self.path);
        let certain = stamp == self.stamp && !stamp.is_some_and(|stamp| stamp.is_young(now));
        if certain && self.moving.is_none() {
            return Seen::Same;
        }
        self.stamp = stamp;
        let found = hash(&self.path);
        if found == self.hash {
            self.moving = None;
            return Seen::Same;
        }
        if self.moving != Some(found) {
            self.moving = Some(found);
            return Seen::Moving;
        }
        self.moving = None;
        self.hash = found;
        if found.is_some() { Seen::Changed } else { Seen::Gone }
    }
}

/// Of the content, or of why that cannot be read: it may be too large, or no file at all. Nothing if
/// nothing is there.
fn hash(path: &Path) -> Option<[u8; 32]> {
    match sys::fs::read_bounded(path, FILE_BYTES_MAX) {
        Ok(text) => Some(Sha256::digest(text).into()),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => None,
        Err(cause) => Some(Sha256::digest(cause.to_string()).into()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use chrono::{TimeDelta, Utc};

    use super::{Seen, Watch};

    /// Looks until there is news, at most three times.
    #[expect(clippy::disallowed_methods, reason = "files have the time of the system's clock")]
    fn news(watch: &mut Watch) -> Seen {
        let looks = (0..3).map(|_| watch.look(Utc::now()));
        let mut looks = looks.filter(|seen| !matches!(seen, Seen::Same | Seen::Moving));
        looks.next().unwrap_or(Seen::Same)
    }

    #[test]
    fn a_file_may_change_in_every_way() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("renew.json");
        let write = |text: &str| fs::write(&path, text).unwrap();
        write("one");
        let mut watch = Watch::begin(&path);
        assert_eq!(news(&mut watch), Seen::Same);
        write("two");
        assert_eq!(news(&mut watch), Seen::Changed, "in place, of the same size, at once");
        write("two");
        assert_eq!(news(&mut watch), Seen::Same, "touched");
        fs::write(dir.path().join("new"), "owt").unwrap();
        fs::rename(dir.path().join("new"), &path).unwrap();
        assert_eq!(news(&mut watch), Seen::Changed, "renamed over");
        fs::remove_file(&path).unwrap();
        assert_eq!(news(&mut watch), Seen::Gone);
        assert_eq!(news(&mut watch), Seen::Same);
        write("owt");
        assert_eq!(news(&mut watch), Seen::Changed, "back");
        fs::write(dir.path().join("other"), "three").unwrap();
        fs::remove_file(&path).unwrap();
        symlink(dir.path().join("other"), &path).unwrap();
        assert_eq!(news(&mut watch), Seen::Changed, "a link to another one");
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "files have the time of the system's clock")]
    fn what_is_just_being_written_is_looked_at_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("renew.json");
        fs::write(&path, "whole").unwrap();
        let mut watch = Watch::begin(&path);
        fs::write(&path, "").unwrap();
        assert_eq!(watch.look(Utc::now()), Seen::Moving);
        fs::write(&path, "wh").unwrap();
        assert_eq!(watch.look(Utc::now()), Seen::Moving);
        fs::write(&path, "whole").unwrap();
        assert_eq!(watch.look(Utc::now()), Seen::Same, "truncated for a moment");
        // An old file is not even read.
        let later = Utc::now() + TimeDelta::hours(1);
        assert_eq!(watch.look(later), Seen::Same);
    }
}
