//! What became of the runs of a service: how it stands since when, what failed last, and the last
//! changes. For people; no run decides by it. A versioned format that is printed as it is stored.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{ServiceLock, StateDir, newer_format, not_written};
use crate::problem::Problem;
use crate::sys;

/// The format this renew writes. It reads this one and all before.
const FORMAT: u32 = 1;
/// So many changes are kept.
const ENTRIES_MAX: usize = 20;

/// What is told of the runs of one service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct History {
    format: u32,
    /// How the service stands since the run that first ended so.
    #[serde(default)]
    pub last: Option<Standing>,
    /// The same of the last time that it stood badly.
    #[serde(default)]
    pub last_failure: Option<Standing>,
    /// Runs that changed something or tried to, the newest last.
    #[serde(default)]
    pub entries: VecDeque<Entry>,
}

impl Default for History {
    fn default() -> Self {
        History { format: FORMAT, last: None, last_failure: None, entries: VecDeque::new() }
    }
}

/// How runs ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// The result of the run.
    pub result: String,
    /// What went wrong.
    pub error: Option<Told>,
    /// What the gate said.
    pub gate: String,
    /// What waits, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits: Vec<Waits>,
    /// When a run first ended so.
    pub since: DateTime<Utc>,
    /// When one first ended well again; only of a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
}

/// A compose service of which something is wanted and not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waits {
    /// Its compose project.
    pub project: String,
    /// Its name.
    pub compose_service: String,
    /// Why nothing is done.
    pub reason: String,
    /// The same in words.
    pub detail: String,
}

/// A problem as it was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The stable key.
    pub reason: String,
    /// What failed.
    pub message: String,
    /// What to do.
    pub resolution: String,
}

impl From<&Problem> for Told {
    fn from(problem: &Problem) -> Told {
        Told {
            reason: problem.reason.clone().into_owned(),
            message: problem.message.clone(),
            resolution: problem.resolution.clone(),
        }
    }
}

/// A problem as it was told, and since when it is so: an error as others read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Complaint {
    /// What.
    #[serde(flatten)]
    pub told: Told,
    /// Since it was met first.
    pub since: DateTime<Utc>,
}

impl Complaint {
    /// One that was met first at `since`.
    #[must_use]
    pub fn new(problem: &Problem, since: DateTime<Utc>) -> Complaint {
        Complaint { told: Told::from(problem), since }
    }
}

/// One run that changed something or tried to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The release that was in force once the run had ended; 0 while there is none.
    pub id: u64,
    /// When the run ended.
    pub at: DateTime<Utc>,
    /// When the last of `times` runs ended.
    pub last_at: DateTime<Utc>,
    /// How many runs in a row did the same and were good.
    pub times: u32,
    /// The commit that was worked towards.
    pub commit: String,
    /// The commit of the release before; nothing before the first.
    pub from: Option<String>,
    /// Who wrote the commit.
    pub author: Option<String>,
    /// The first line of its message.
    pub subject: Option<String>,
    /// What made the run happen.
    pub trigger: String,
    /// The result of the run.
    pub result: String,
    /// What the gate said.
    pub gate: String,
    /// What went wrong.
    pub error: Option<Told>,
    /// What was done or tried.
    pub actions: Vec<Done>,
    /// What failed and is remembered, so that it is not tried again by itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quarantined: Vec<Failed>,
}

/// A target that failed in a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// The compose project.
    pub project: String,
    /// The compose service.
    pub compose_service: String,
    /// The key of what went wrong.
    pub reason: String,
    /// What went wrong.
    pub message: String,
    /// The compose service that failed, if this one was only undone with it.
    pub with: Option<String>,
    /// When it is tried again, if the cause may pass by itself.
    pub until: Option<DateTime<Utc>>,
}

/// What was done to one compose service, or tried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Done {
    /// Its compose project.
    pub project: String,
    /// Its name.
    pub compose_service: String,
    /// What was done.
    pub action: String,
    /// Why.
    pub reason: String,
    /// Why, in words.
    pub detail: String,
    /// Its image.
    pub image: Images,
    /// From the end of its old container to the start of the new one; nothing if it is not known, as
    /// with several containers.
    pub down_ms: Option<u64>,
}

/// The image of a compose service before and after.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Images {
    /// The reference that was declared before.
    pub before: Option<String>,
    /// Id of the image that ran.
    pub running: Option<String>,
    /// The reference that is declared.
    pub declared: Option<String>,
    /// Id of the image that its container is made from now.
    pub now: Option<String>,
}

impl Entry {
    /// Whether two runs did the same for the same reason, and ended in the same way.
    fn same(&self, other: &Entry) -> bool {
        let bare = |entry: &Entry| {
            let mut bare =
                Entry { id: 0, times: 0, at: self.at, last_at: self.at, ..entry.clone() };
            bare.actions.iter_mut().for_each(|action| action.down_ms = None);
            // What a first run left behind is what the second one found.
            bare.from = None;
            bare
        };
        bare(self) == bare(other)
    }
}

impl Standing {
    fn same(&self, other: &Standing) -> bool {
        *self == Standing { since: self.since, until: self.until, ..other.clone() }
    }
}

/// How a run that ended now is to be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judged {
    /// It failed.
    Badly,
    /// It did not.
    Well,
}

impl History {
    /// Reads a history. One that does not parse is lost: nothing but telling depends on it.
    fn parse(text: &[u8], path: &Path) -> Result<History, Problem> {
        if let Some(newer) = newer_format(text, FORMAT, path) {
            return Err(newer);
        }
        Ok(serde_json::from_slice(text).unwrap_or_else(|cause| {
            log::debug!("{} is broken: {cause}", path.display());
            History::default()
        }))
    }

    /// Takes down how a run ended. The same as before changes nothing: `since` stays.
    pub fn end(&mut self, standing: Standing, judged: Judged) {
        if self.last.as_ref().is_some_and(|last| last.same(&standing)) {
            return;
        }
        match (judged, &mut self.last_failure) {
            (Judged::Badly, _) => self.last_failure = Some(standing.clone()),
            (Judged::Well, Some(failure)) if failure.until.is_none() => {
                failure.until = Some(standing.since);
            }
            (Judged::Well, _) => {}
        }
        self.last = Some(standing);
    }

    /// Takes down what a run did. A failure that repeats itself changes nothing, also when several take
    /// turns, and what is done over and over with success is counted, so that it does not push everything
    /// else out.
    pub fn add(&mut self, entry: Entry, judged: Judged) {
        let failed = |known: &&Entry| known.error.is_some() || known.same(&entry);
        let mut failures = self.entries.iter().rev().take_while(failed);
        let known = judged == Judged::Badly && failures.any(|known| known.same(&entry));
        match self.entries.back_mut() {
            _ if known => {}
            Some(newest) if newest.same(&entry) => {
                newest.times = newest.times.saturating_add(1);
                newest.last_at = entry.at;
            }
            _ => self.entries.push_back(entry),
        }
        while self.entries.len() > ENTRIES_MAX {
            self.entries.pop_front();
        }
    }
}

impl StateDir {
    fn history_path(&self, service: &str) -> PathBuf {
        self.root().join("history").join(format!("{service}.json"))
    }

    /// What is told of the runs of a service; nothing of one that never ran.
    ///
    /// # Errors
    /// When it was written by a newer renew, or cannot be read.
    pub fn history(&self, service: &str) -> Result<History, Problem> {
        let path = self.history_path(service);
        match fs::read(&path) {
            Ok(text) => History::parse(&text, &path),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(History::default()),
            Err(cause) => Err(Problem::setup(
                "state_unreadable",
                format!("cannot read {}: {cause}", path.display()),
                "check the state directory",
            )),
        }
    }

    /// Writes what is told of the runs of a service. The lock proves that nobody else does.
    ///
    /// # Errors
    /// When the file cannot be replaced; the old one is then still in place.
    pub fn store_history(&self, lock: &ServiceLock, history: &History) -> Result<(), Problem> {
        let path = self.history_path(lock.service());
        let mut text = serde_json::to_vec_pretty(history).unwrap_or_default();
        text.push(b'\n');
        sys::fs::replace(&path, &text).map_err(|cause| not_written(&path, &cause))
    }
}

#[cfg(test)]
mod tests;
