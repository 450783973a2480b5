//! What is remembered of changes that went bad, or may still turn out to be: targets that are not tried
//! again, and what is on probation.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::record::{Record, ServiceRecord};

/// So many failed targets of one compose service are remembered; the oldest is forgotten first.
const REMEMBERED_MAX: usize = 10;

/// A target of one compose service that failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Quarantine {
    /// What would run, without the definition itself.
    pub target: ServiceRecord,
    /// Whether it was to be gone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub absent: bool,
    /// The commit it came with.
    pub commit: String,
    /// When it failed.
    pub since: DateTime<Utc>,
    /// The key of what went wrong.
    pub reason: String,
    /// What went wrong.
    pub message: String,
    /// It did not fail itself and was undone together with this one: project and compose service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<(String, String)>,
    /// The cause may pass: it is tried again then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
    /// How often it was tried.
    #[serde(default)]
    pub tries: u32,
}

/// Failed targets by compose project and service, the oldest first.
pub type Quarantines = BTreeMap<String, BTreeMap<String, Vec<Quarantine>>>;

/// For how long a change may still turn out to be bad.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probation {
    /// Until when.
    pub until: DateTime<Utc>,
    /// Whether it was still starting when its run ended: then it is no release to go back to.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unverified: bool,
    /// What was changed, by project.
    pub services: BTreeMap<String, BTreeSet<String>>,
    /// Containers that ran before the change: their restarts so far are not its doing.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub ran_before: BTreeSet<String>,
}

/// A person put the service back to an earlier release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// The release it is held on.
    pub release: u64,
    /// Since when.
    pub since: DateTime<Utc>,
}

impl Record {
    /// Remembers a failed target in the place of what was known of the same one.
    pub fn quarantine(&mut self, project: &str, compose_service: &str, failed: Quarantine) {
        let services = self.quarantine.entry(project.to_owned()).or_default();
        let all = services.entry(compose_service.to_owned()).or_default();
        let failed = Quarantine {
            target: ServiceRecord { definition: Value::Null, ..failed.target },
            ..failed
        };
        all.retain(|one| one.absent != failed.absent || !one.target.runs_as(&failed.target));
        all.push(failed);
        let excess = all.len().saturating_sub(REMEMBERED_MAX);
        all.drain(..excess);
    }
}

impl ServiceRecord {
    /// Whether the very same would run.
    #[must_use]
    pub fn runs_as(&self, other: &ServiceRecord) -> bool {
        self.definition_sha256 == other.definition_sha256
            && self.image_id == other.image_id
            && self.files == other.files
            && self.env_sha256 == other.env_sha256
    }
}
