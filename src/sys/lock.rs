//! Exclusive locks between processes: flock(2) on a file, freed by the kernel with its holder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::sys::clock::Clock;

/// A held lock. Dropping it, or dying, frees it.
#[derive(Debug)]
pub struct Lock {
    file: File,
    path: PathBuf,
}

/// Why a lock was not taken.
#[derive(Debug)]
pub enum LockError {
    /// Somebody else holds it; the text says who, as far as the holder wrote it down.
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
        let fail = |cause| LockError::Io(path.to_path_buf(), cause);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(fail)?;
        match file.try_lock() {
            Ok(()) => Ok(Lock { file, path: path.to_path_buf() }),
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // The holder's own words are a courtesy: without them the lock is still busy.
                let _ = Read::by_ref(&mut file).take(200).read_to_string(&mut holder);
                let holder = holder.trim();
                let holder = if holder.is_empty() { "another process" } else { holder };
                Err(LockError::Busy(holder.to_owned()))
            }
            Err(TryLockError::Error(cause)) => Err(fail(cause)),
        }
    }

    /// Takes the lock at `path`, waiting at most `patience` for another holder.
    ///
    /// # Errors
    /// As [`Lock::try_take`]; [`LockError::Busy`] once `patience` is used up.
    pub fn take(path: &Path, patience: Duration, clock: &dyn Clock) -> Result<Lock, LockError> {
        let start = clock.monotonic();
        loop {
            match Lock::try_take(path) {
                Err(LockError::Busy(_)) if clock.monotonic() - start < patience => {
                    clock.sleep(Duration::from_millis(20));
                }
                outcome => return outcome,
            }
        }
    }

    /// Writes who holds the lock into its file, for the message others get. Only writes when the
    /// text differs from what the file says, so a settled tick costs no disk write.
    ///
    /// # Errors
    /// Any failure to write the file.
    pub fn say_holder(&mut self, holder: &str) -> io::Result<()> {
        let mut before = String::new();
        self.file.rewind()?;
        self.file.read_to_string(&mut before)?;
        if before == holder {
            return Ok(());
        }
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(holder.as_bytes())
    }

    /// The file that carries the lock.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}
