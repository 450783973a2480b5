//! Releases that were good and are no longer in force: what a change that goes bad is undone to. A
//! versioned format beside the record, read only when somebody goes back.

use std::fs;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Projects, Record, ServiceLock, StateDir, not_written};
use crate::problem::Problem;
use crate::sys;

/// The format this renew writes.
const FORMAT: u32 = 1;

/// A release as it was recorded when it was in force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Release {
    /// Its number, growing.
    pub id: u64,
    /// The commit it came with.
    pub commit: String,
    /// Since when it was in force.
    #[serde(default)]
    pub at: Option<DateTime<Utc>>,
    /// What ran.
    pub projects: Projects,
}

#[derive(Serialize, Deserialize)]
struct File {
    format: u32,
    releases: Vec<Release>,
}

impl StateDir {
    fn releases_path(&self, service: &str) -> PathBuf {
        self.root.join("releases").join(format!("{service}.json"))
    }

    /// The earlier releases of a service, the newest last. What cannot be read is not there to go
    /// back to; nothing else depends on it.
    #[must_use]
    pub fn releases(&self, service: &str) -> Vec<Release> {
        let path = self.releases_path(service);
        let Ok(text) = fs::read(&path) else { return Vec::new() };
        match serde_json::from_slice::<File>(&text) {
            Ok(file) if file.format <= FORMAT => file.releases,
            Ok(_) => Vec::new(),
            Err(cause) => {
                log::warn!("{} is broken: {cause}", path.display());
                Vec::new()
            }
        }
    }

    /// Keeps the release that is in force, before something else is; of all that are kept the
    /// `n_kept` newest stay.
    ///
    /// # Errors
    /// When the file cannot be replaced.
    pub fn keep_release(
        &self,
        lock: &ServiceLock,
        record: &Record,
        n_kept: usize,
    ) -> Result<(), Problem> {
        let mut releases = self.releases(lock.service());
        releases.retain(|known| known.id != record.release);
        releases.push(Release {
            id: record.release,
            commit: record.commit.clone(),
            at: record.at,
            projects: record.projects.clone(),
        });
        self.store_releases(lock, releases, n_kept)
    }

    /// Forgets all but the `n_kept` newest earlier releases.
    ///
    /// # Errors
    /// When the file cannot be replaced.
    pub fn forget_releases(&self, lock: &ServiceLock, n_kept: usize) -> Result<(), Problem> {
        let releases = self.releases(lock.service());
        if releases.len() <= n_kept {
            return Ok(());
        }
        self.store_releases(lock, releases, n_kept)
    }

    fn store_releases(
        &self,
        lock: &ServiceLock,
        mut releases: Vec<Release>,
        n_kept: usize,
    ) -> Result<(), Problem> {
        let excess = releases.len().saturating_sub(n_kept);
        releases.drain(..excess);
        let path = self.releases_path(lock.service());
        let text =
            serde_json::to_vec_pretty(&File { format: FORMAT, releases }).unwrap_or_default();
        if fs::read(&path).is_ok_and(|before| before == text) {
            return Ok(());
        }
        sys::fs::replace(&path, &text).map_err(|cause| not_written(&path, &cause))
    }
}
