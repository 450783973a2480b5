//! What must survive a restart: one record per service, one lock per service, and a cache that may
//! be lost. Written only through the lock of its service, by atomic replacement.

mod anchors;
mod cache;
mod delays;
mod failed;
mod head;
pub mod history;
mod images;
mod pause;
mod record;
mod releases;
mod seal;
mod troubles;

pub use cache::Resolved;
pub use delays::{Delay, Delays};
pub use failed::{Hold, Probation, Quarantine, Quarantines};
pub use history::History;
pub use images::Images;
pub use pause::Pause;
pub use record::{Attempt, FORMAT, ProjectRecord, Projects, Record, ServiceRecord};
pub use releases::Release;

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::problem::{Problem, Trouble};
use crate::sys;
use crate::sys::clock::Clock;
use crate::sys::exec::Cancel;
use crate::sys::lock::{Lock, LockError};
use crate::sys::trust::{self, Distrust};

/// How many stacks of a service are looked through for what compose last made of one.
const STACKS_MAX: usize = 64;

/// The state directory.
#[derive(Debug, Clone)]
pub struct StateDir {
    root: PathBuf,
}

/// The lock of one service: whoever holds it may write the service's state.
#[derive(Debug)]
pub struct ServiceLock {
    lock: Lock,
    service: String,
}

impl ServiceLock {
    /// The service it locks.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.service
    }
}

impl StateDir {
    /// The state directory at `root`, which need not exist yet.
    #[must_use]
    pub fn at(root: &Path) -> StateDir {
        StateDir { root: root.to_path_buf() }
    }

    /// Where it is.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Makes the directory and its folders, private to us, and checks that it is.
    ///
    /// # Errors
    /// When it cannot be made or written, or others can write it.
    pub fn prepare(&self) -> Result<(), Problem> {
        let fail = |cause: io::Error| {
            Problem::setup(
                "state_dir",
                format!("cannot use the state directory {}: {cause}", self.root.display()),
                "make it writable for the user that runs renew, or set state_dir",
            )
        };
        self.check()?;
        const FOLDERS: &[&str] = &[
            "", "services", "paused", "history", "locks", "cache", "models", "releases", "running",
            "anchors", "tmp",
        ];
        for folder in FOLDERS {
            let path = self.root.join(folder);
            if !path.is_dir() {
                sys::fs::create_private_dir(&path).map_err(fail)?;
            }
            sys::fs::sweep_dead(&path).map_err(fail)?;
        }
        // Once more: where anybody may make folders, somebody else may have made this one first.
        self.check()?;
        // Inside a working tree it must not show up as work to be committed.
        let ignore = self.root.join(".gitignore");
        if !ignore.exists() {
            fs::write(&ignore, "*\n").map_err(fail)?;
        }
        Ok(())
    }

    /// Refuses a directory that others can write, or, as root, put another in the place of. Changes
    /// nothing; one that is not there yet is judged by where it would be.
    ///
    /// # Errors
    /// Who could change it, and the command that mends it.
    pub fn check(&self) -> Result<(), Problem> {
        let shown = self.root.display();
        let open = |why: String, mend: String| Err(Problem::setup("state_dir_open", why, mend));
        let others_write = |mode: u32| mode & 0o022 != 0;
        if fs::metadata(&self.root).is_ok_and(|meta| others_write(meta.mode())) {
            return open(
                format!("others can write the state directory {shown}"),
                format!("run `chmod 0700 {shown}`"),
            );
        }
        match trust::check_way(&self.root) {
            Ok(()) => Ok(()),
            Err(Distrust { why, mend: None }) => open(
                format!("the state directory {shown} {why}"),
                "set state_dir to one that can be looked at".to_owned(),
            ),
            Err(Distrust { why, mend: Some(mend) }) => open(
                format!("the state directory {shown} {why}"),
                format!("run `{mend}`, or set state_dir to a place that only root can write"),
            ),
        }
    }

    /// Takes the lock of a service for one run.
    ///
    /// # Errors
    /// [`Trouble::Busy`] when another run has it; a setup problem when it cannot be taken.
    pub fn lock(&self, service: &str) -> Result<ServiceLock, Problem> {
        let path = self.root.join("locks").join(service);
        match Lock::try_take(&path) {
            Ok(lock) => Ok(ServiceLock { lock, service: service.to_owned() }),
            Err(LockError::Busy(holder)) => Err(Problem::new(
                Trouble::Busy,
                "busy",
                format!("{service} is being worked on by {holder}"),
                "wait for that run to end",
            )),
            Err(error @ LockError::Io(..)) => {
                Err(Problem::setup("lock", error.to_string(), "check the state directory"))
            }
        }
    }

    /// Takes the turn of one compose at a project. Services may share one: two composes at once would
    /// both make its networks (the engine takes a name twice), and take each other's half-made
    /// containers for leftovers.
    ///
    /// # Errors
    /// When another has it for longer than `patience`, it cannot be taken, or we are to stop.
    pub fn turn_at(
        &self,
        project: &str,
        patience: Duration,
        waits: (&dyn Clock, &Cancel),
    ) -> Result<Lock, Problem> {
        // No service has such a name.
        let path = self.root.join("locks").join(format!("project@{project}"));
        Lock::take(&path, None, patience, waits).map_err(|error| match error {
            LockError::Busy(_) if waits.1.is_set() => Problem::interrupted(),
            LockError::Busy(holder) => Problem::engine(
                "project_busy",
                format!("the compose project {project} is being worked on by {holder}"),
                "the next run tries again",
            ),
            LockError::Io(..) => {
                Problem::setup("lock", error.to_string(), "check the state directory")
            }
        })
    }

    /// Where the child that a run of this service has in flight is written down.
    #[must_use]
    pub fn running(&self, service: &str) -> PathBuf {
        self.root.join("running").join(service)
    }

    /// Where the git process that works on the repository is written down. No service has such a name.
    #[must_use]
    pub fn running_git(&self) -> PathBuf {
        self.root.join("running").join("git~")
    }

    /// Where the model that is applied for one stack of a service is kept.
    #[must_use]
    pub fn model(&self, service: &str, stack: usize) -> PathBuf {
        self.models().join(format!("{service}.{stack}.json"))
    }

    /// Where all applied models are: containers made from one of them have it in their labels.
    #[must_use]
    pub fn models(&self) -> PathBuf {
        self.root.join("models")
    }

    /// Where temporary things of runs live.
    #[must_use]
    pub fn temp(&self) -> PathBuf {
        self.root.join("tmp")
    }

    fn record_path(&self, service: &str) -> PathBuf {
        self.root.join("services").join(format!("{service}.json"))
    }

    /// The record of a service; a service never seen has an empty one.
    ///
    /// # Errors
    /// When it was written by a newer renew, or cannot be read. A broken one is not an error: see
    /// [`Record::parse`].
    pub fn record(&self, service: &str) -> Result<Record, Problem> {
        let path = self.record_path(service);
        match fs::read(&path) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(Record::default()),
            Err(cause) => Err(Problem::setup(
                "state_unreadable",
                format!("cannot read {}: {cause}", path.display()),
                "check the state directory",
            )),
            Ok(text) => Record::parse(&text, &path),
        }
    }

    /// Writes the record of a service, if it says anything new. The lock proves that nobody else
    /// writes it. A record that does not parse is kept aside, not overwritten unseen.
    ///
    /// # Errors
    /// When the file cannot be replaced; the old one is then still in place.
    pub fn store(&self, lock: &ServiceLock, record: &Record) -> Result<(), Problem> {
        let path = self.record_path(&lock.service);
        debug_assert!(lock.lock.path().starts_with(&self.root), "a lock of another state");
        let before = fs::read(&path).ok();
        if let Some(text) = &before {
            match Record::parse(text, &path) {
                Ok(old) if old == *record => return Ok(()),
                Ok(_) => {}
                Err(newer) => return Err(newer),
            }
            if Record::is_broken(text) {
                // Best effort: what matters is that the good record takes its place.
                let _ = fs::rename(&path, path.with_extension("json.corrupt"));
            }
        }
        let text = seal::seal(record.render());
        sys::fs::replace(&path, &text).map_err(|cause| not_written(&path, &cause))
    }

    fn cache_path(&self, service: &str, stack: usize) -> PathBuf {
        self.root.join("cache").join(format!("{service}.{stack}.json"))
    }

    /// What compose last made of a stack, if it is still there and readable.
    #[must_use]
    pub fn cached(&self, service: &str, stack: usize) -> Option<Resolved> {
        let text = fs::read(self.cache_path(service, stack)).ok()?;
        seal::holds(&text).then(|| serde_json::from_slice(&text).ok())?
    }

    /// What compose last made of a stack, wherever it then stood in the configuration.
    #[must_use]
    pub fn last_resolved(&self, service: &str, spec: &str) -> Option<Resolved> {
        let mut kept = (0..STACKS_MAX).filter_map(|stack| self.cached(service, stack));
        kept.find(|kept| kept.spec == spec)
    }

    /// Keeps what compose made of a stack.
    ///
    /// # Errors
    /// When the file cannot be replaced.
    pub fn cache(
        &self,
        lock: &ServiceLock,
        stack: usize,
        resolved: &Resolved,
    ) -> Result<(), Problem> {
        let path = self.cache_path(&lock.service, stack);
        let text = seal::seal(serde_json::to_vec(resolved).unwrap_or_default());
        sys::fs::replace(&path, &text).map_err(|cause| not_written(&path, &cause))
    }
}

fn not_written(path: &Path, cause: &io::Error) -> Problem {
    Problem::setup(
        "state_write",
        format!("cannot write {}: {cause}", path.display()),
        "free space or make the state directory writable; nothing was lost",
    )
}

/// Why a file must not be used or overwritten, if a newer renew wrote it.
fn newer_format(text: &[u8], known: u32, path: &Path) -> Option<Problem> {
    #[derive(Deserialize)]
    struct Version {
        format: u32,
    }
    let Version { format } = serde_json::from_slice(text).ok()?;
    (format > known).then(|| {
        Problem::setup(
            "state_newer",
            format!(
                "{} has format {format}, and this renew knows formats up to {known}",
                path.display()
            ),
            "upgrade renew; the file was left as it is",
        )
    })
}
