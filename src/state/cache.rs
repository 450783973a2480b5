//! What compose made of a stack, kept so that an unchanged stack costs no compose process. Losing
//! it costs one resolve.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::sys::fs::Stamp;

/// How long an answer is trusted at the most.
const AGE_HOURS_MAX: i64 = 24;

/// One resolved stack. Holds secrets: its file is private.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resolved {
    /// SHA-256 of everything known beforehand: tree, files, flags, environment, compose itself.
    pub key: String,
    /// Which stack it is, as the configuration describes it.
    #[serde(default)]
    pub spec: String,
    /// When it was made.
    pub made_at: DateTime<Utc>,
    /// The model as compose printed it, with the paths of the real tree.
    pub model: Value,
    /// All compose services of the files, those of inactive profiles included.
    pub services: BTreeSet<String>,
    /// The version of compose that made it.
    pub compose_version: String,
    /// The compose that has this version, by its executable.
    #[serde(default)]
    pub compose: String,
    /// What compose read of the repository: path and object id.
    pub tracked: BTreeMap<String, String>,
    /// What it read beside: path and stamp; an absent one could have been read.
    pub untracked: Vec<(PathBuf, Stamp)>,
    /// SHA-256 of the secret env file that it was made with.
    #[serde(default)]
    pub env_sha256: Option<String>,
    /// Mounted, config and secret sources inside the repository: path and object id.
    pub sources: BTreeMap<String, String>,
    /// What compose warned about.
    pub warnings: Vec<String>,
}

impl Resolved {
    /// Whether the answer still holds: same key, nothing it read has changed, not too old. A clock
    /// that stepped back makes it too new, which is as good as too old.
    #[must_use]
    pub fn holds(&self, key: &str, now: DateTime<Utc>) -> bool {
        let age = now - self.made_at;
        self.key == key
            && age >= TimeDelta::zero()
            && age < TimeDelta::hours(AGE_HOURS_MAX)
            && self.untracked.iter().all(|(path, stamp)| Stamp::of(path) == *stamp)
    }
}
