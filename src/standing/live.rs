//! What only a running daemon knows; it is told over its control socket and stored nowhere.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::state::history::Complaint;

/// A running daemon.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Live {
    /// Its version.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// Since when it runs.
    pub since: DateTime<Utc>,
    /// Whether it was asked to stop.
    pub stopping: bool,
    /// The configuration that it works from.
    pub config: LiveConfig,
    /// Its workers.
    pub workers: LiveWorkers,
    /// Its parts, and how they are.
    pub components: Vec<LiveComponent>,
    /// The services, in the order of the configuration.
    pub services: Vec<LiveService>,
}

impl Live {
    /// This process, in which nothing has happened yet.
    #[must_use]
    pub fn of_this_process(since: DateTime<Utc>) -> Live {
        Live {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            since,
            stopping: false,
            config: LiveConfig { path: String::new(), rejected_since: None },
            workers: LiveWorkers { size: 0, busy: 0, waiting: 0 },
            components: Vec::new(),
            services: Vec::new(),
        }
    }
}

/// What a daemon works from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveConfig {
    /// The file.
    pub path: String,
    /// Since when the file does not load, so that the one before it is in use.
    pub rejected_since: Option<DateTime<Utc>>,
}

/// The worker pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveWorkers {
    /// How many services may run at once.
    pub size: usize,
    /// How many do.
    pub busy: usize,
    /// How many wait for a worker.
    pub waiting: usize,
}

/// A part of the daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveComponent {
    /// Its name.
    pub name: String,
    /// `running`, `degraded`, `backoff:<duration>` or `stopped`.
    pub state: String,
    /// Since when.
    pub since: DateTime<Utc>,
    /// What is wrong, or was last.
    pub error: Option<Complaint>,
}

/// A service in the daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveService {
    /// Its name.
    pub name: String,
    /// When it is due.
    pub next: Option<DateTime<Utc>>,
    /// The run that goes on.
    pub running: Option<LiveRun>,
    /// The id of the run that was asked for and has not begun.
    pub wanted: Option<String>,
    /// How many of its ticks came to nothing since the daemon began, for a run was going on.
    pub skipped: u64,
    /// The last run that ended.
    pub last: Option<LiveEnd>,
}

/// A run that goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveRun {
    /// Its id.
    pub run: String,
    /// Why it began: `schedule`, `start`, `request`.
    pub trigger: String,
    /// When.
    pub since: DateTime<Utc>,
}

/// A run that ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveEnd {
    /// Its id.
    pub run: String,
    /// How: the service's result, or `panicked`.
    pub result: String,
    /// When.
    pub at: DateTime<Utc>,
    /// What went wrong.
    pub error: Option<Complaint>,
}
