//! Exclusive locks between processes: flock(2) on a file, freed by the kernel with its holder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::sys::cancel::Cancel;
use crate::sys::clock::Clock;
use crate::sys::exec::Identity;

/// A held lock. Dropping it, or dying, frees it.
#[derive(Debug)]
pub struct Lock {
    #[expect(dead_code, reason = "held open: closing it frees the lock")]
    file: File,
    path: PathBuf,
}

/// Why a lock was not taken.
#[derive(Debug)]
pub enum LockError {
    /// Somebody else holds it; the text says who, as far as the kernel tells.
    Busy(String),
    /// The lock file could not be opened or locked.
    Io(PathBuf, io::Error),
}

impl std::fmt::Display for LockError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            LockError::Busy(holder) => write!(f, "busy: held by {holder}"),
            LockError::Io(path, cause) => write!(f, "cannot lock {}: {cause}", path.display()),
        }
    }
}

impl Lock {
    /// Takes the lock at `path` if it is free.
    ///
    /// # Errors
    /// [`LockError::Busy`] when another process or thread holds it, [`LockError::Io`] otherwise.
    pub fn try_take(path: &Path) -> Result<Lock, LockError> {
        Lock::try_take_for(path, None)
    }

    fn try_take_for(path: &Path, owner: Option<&Identity>) -> Result<Lock, LockError> {
        let fail = |cause| LockError::Io(path.to_path_buf(), cause);
        let file = open(path, owner).map_err(fail)?;
        match file.try_lock() {
            Ok(()) => Ok(Lock { file, path: path.to_path_buf() }),
            Err(TryLockError::WouldBlock) => Err(LockError::Busy(holder(&file))),
            Err(TryLockError::Error(cause)) => Err(fail(cause)),
        }
    }

    /// Takes the lock at `path`, waiting at most `patience` for another holder. A file that has to be
    /// made for it belongs to `owner`, so that they can take it as well.
    ///
    /// # Errors
    /// As [`Lock::try_take`]; [`LockError::Busy`] once `patience` is used up, or we are to stop.
    pub fn take(
        path: &Path,
        owner: Option<&Identity>,
        patience: Duration,
        waits: (&dyn Clock, &Cancel),
    ) -> Result<Lock, LockError> {
        let (clock, cancel) = waits;
        let start = clock.monotonic();
        loop {
            match Lock::try_take_for(path, owner) {
                Err(LockError::Busy(_))
                    if clock.monotonic() - start < patience && !cancel.is_set() =>
                {
                    clock.sleep(Duration::from_millis(20));
                }
                outcome => return outcome,
            }
        }
    }

    /// The file that carries the lock.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Opens a lock file, or makes it. A link in its place is refused: where it leads, its maker may not
/// be allowed to make anything.
fn open(path: &Path, owner: Option<&Identity>) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    match options.clone().create_new(true).open(path) {
        Ok(file) => {
            if let Some(owner) = owner {
                fchown(&file, Some(owner.uid), Some(owner.gid))?;
            }
            Ok(file)
        }
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {
            options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
            match options.open(path) {
                // A lock is held on the file, not in it: a file system that went read-only under us
                // does not keep us from healing.
                Err(cause) if cause.kind() == io::ErrorKind::ReadOnlyFilesystem => {
                    options.write(false).open(path)
                }
                outcome => outcome,
            }
        }
        Err(cause) => Err(cause),
    }
}

/// Who holds a lock: the kernel knows, so that nobody has to write it down (proc(5), `/proc/locks`).
fn holder(file: &File) -> String {
    let inode = file.metadata().map(|meta| meta.ino()).unwrap_or_default();
    let locks = std::fs::read_to_string("/proc/locks").unwrap_or_default();
    match holder_in(&locks, inode) {
        Some(pid) => format!("process {pid}"),
        None => "another process".to_owned(),
    }
}

/// Lines such as `4: FLOCK  ADVISORY  WRITE 812 fe:00:393 0 EOF`; one that waits has `->` in it.
fn holder_in(locks: &str, inode: u64) -> Option<u32> {
    let suffix = format!(":{inode}");
    locks.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, "FLOCK", _, _, pid, place, ..] = fields[..] else { return None };
        if place.ends_with(&suffix) { pid.parse().ok() } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::{Lock, LockError, holder_in};

    #[test]
    fn the_kernel_names_the_holder() {
        let locks = "1: POSIX  ADVISORY  WRITE 7 fe:00:39 0 EOF\n\
                     2: FLOCK  ADVISORY  WRITE 812 fe:00:39 0 EOF\n\
                     2: -> FLOCK  ADVISORY  WRITE 9 fe:00:39 0 EOF\n";
        assert_eq!(holder_in(locks, 39), Some(812));
        assert_eq!(holder_in(locks, 9), None);
    }

    #[test]
    fn a_link_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (path, elsewhere) = (dir.path().join("lock"), dir.path().join("elsewhere"));
        for made in [false, true] {
            if made {
                std::fs::write(&elsewhere, "").unwrap();
            } else {
                std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
            }
            assert!(matches!(Lock::try_take(&path), Err(LockError::Io(..))));
            assert_eq!(elsewhere.exists(), made);
        }
    }

    #[test]
    fn a_held_lock_is_busy_and_a_dropped_one_is_free() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = Lock::try_take(&path).unwrap();
        let Err(LockError::Busy(who)) = Lock::try_take(&path) else { panic!("taken twice") };
        assert_eq!(who, format!("process {}", std::process::id()));
        drop(held);
        assert!(Lock::try_take(&path).is_ok());
    }
}
