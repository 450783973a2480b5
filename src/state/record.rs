//! The durable record of a service: the release that is in force. A versioned format; a file of a
//! newer renew is never overwritten, a broken one never stops a run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::decide::plan::{Memory, ProjectMemory, ServiceMemory};
use crate::problem::Problem;

/// The format this renew writes. It reads this one and all before.
pub const FORMAT: u32 = 1;

/// Everything remembered of one service of the configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The version of this format.
    pub format: u32,
    /// The commit of the last change or adoption; empty before the first.
    #[serde(default)]
    pub commit: String,
    /// When that was.
    #[serde(default)]
    pub at: Option<DateTime<Utc>>,
    /// By compose project.
    #[serde(default)]
    pub projects: BTreeMap<String, ProjectRecord>,
    /// Paths of the repository that the release uses; a folder stands for all below it.
    #[serde(default)]
    pub paths: BTreeSet<String>,
    /// Changes that were begun and are not known to be good, by compose project and service.
    /// Written before the change: after a kill it proves what was done.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attempts: BTreeMap<String, BTreeMap<String, Attempt>>,
    /// `health.local_url`, once it has answered well: from then on its silence means something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_url_answered: Option<String>,
}

/// One change of one compose service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// What it is made into; which containers it then has is not known beforehand.
    pub goal: ServiceRecord,
    /// The containers it had when the change began.
    #[serde(default)]
    pub before: BTreeSet<String>,
}

impl Default for Record {
    fn default() -> Self {
        Record {
            format: FORMAT,
            commit: String::new(),
            at: None,
            projects: BTreeMap::new(),
            paths: BTreeSet::new(),
            attempts: BTreeMap::new(),
            local_url_answered: None,
        }
    }
}

/// One compose project of a release.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ProjectRecord {
    /// SHA-256 per top-level network and volume.
    #[serde(default)]
    pub topology: BTreeMap<String, String>,
    /// By compose service.
    #[serde(default)]
    pub services: BTreeMap<String, ServiceRecord>,
}

/// One compose service of a release.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ServiceRecord {
    /// The image reference as declared.
    pub image: String,
    /// The id of the image that its containers were made from.
    pub image_id: String,
    /// SHA-256 of the definition.
    pub definition_sha256: String,
    /// The definition itself, secrets included.
    pub definition: Value,
    /// Object id per mounted path of the repository.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    /// How many containers were declared.
    pub replicas: u32,
    /// The containers that renew made or adopted.
    #[serde(default)]
    pub containers: BTreeSet<String>,
    /// Values of compose's own config-hash label that mean this definition.
    #[serde(default)]
    pub labels: BTreeSet<String>,
    /// SHA-256 of what compose read to make the definition.
    #[serde(default)]
    pub inputs: String,
    /// The version of compose that resolved it.
    #[serde(default)]
    pub compose_version: String,
}

impl Record {
    /// Reads a record. One that does not parse counts as lost: the world is observed and adopted
    /// anew, which never restarts anything.
    ///
    /// # Errors
    /// When a newer renew wrote it: acting without its memory could undo what that renew decided.
    pub fn parse(text: &[u8], path: &Path) -> Result<Record, Problem> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        match serde_json::from_slice::<Version>(text) {
            Ok(Version { format }) if format > FORMAT => Err(Problem::setup(
                "state_newer",
                format!(
                    "{} has format {format}, and this renew knows formats up to {FORMAT}",
                    path.display()
                ),
                "upgrade renew; the file was left as it is",
            )),
            _ => Ok(serde_json::from_slice(text).unwrap_or_else(|cause| {
                log::warn!(
                    "{} is broken ({cause}): what runs is adopted anew, nothing is restarted",
                    path.display()
                );
                Record::default()
            })),
        }
    }

    /// Whether a file does not parse.
    #[must_use]
    pub fn is_broken(text: &[u8]) -> bool {
        serde_json::from_slice::<Record>(text).is_err()
    }

    /// The bytes of the file.
    #[must_use]
    pub fn render(&self) -> Vec<u8> {
        let mut text = serde_json::to_vec_pretty(self).unwrap_or_default();
        text.push(b'\n');
        text
    }

    /// What the planner may know of it.
    #[must_use]
    pub fn memory(&self) -> Memory {
        let service = |record: &ServiceRecord| ServiceMemory {
            definition: record.definition_sha256.clone(),
            files: record.files.clone(),
            replicas: record.replicas,
            difference: String::new(),
        };
        let project = |record: &ProjectRecord| ProjectMemory {
            topology: record.topology.clone(),
            services: record.services.iter().map(|(n, s)| (n.clone(), service(s))).collect(),
        };
        Memory { projects: self.projects.iter().map(|(n, p)| (n.clone(), project(p))).collect() }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{FORMAT, Record};

    const GOLDEN: &str = include_str!("../../tests/golden/service-record-v1.json");
    const BEGUN: &str = include_str!("../../tests/golden/service-record-v1-begun.json");

    #[test]
    fn the_first_format_is_read_for_ever() {
        let record = Record::parse(GOLDEN.as_bytes(), Path::new("golden")).unwrap();
        let web = &record.projects["shop"].services["web"];
        assert_eq!(web.image, "registry.example/web:1");
        assert_eq!(web.files["nginx.conf"].len(), 40);
        assert_eq!(record.memory().projects["shop"].services["web"].replicas, 2);
        assert_eq!(String::from_utf8(record.render()).unwrap(), GOLDEN, "and written so");
    }

    #[test]
    fn a_change_that_was_begun_is_part_of_the_first_format() {
        let record = Record::parse(BEGUN.as_bytes(), Path::new("golden")).unwrap();
        let attempt = &record.attempts["shop"]["web"];
        assert!(attempt.before.contains("c1"));
        assert_eq!(attempt.goal.definition_sha256, "ee");
        assert_eq!(String::from_utf8(record.render()).unwrap(), BEGUN);
    }

    #[test]
    fn a_newer_format_is_refused_and_a_broken_file_is_lost() {
        let newer = format!("{{\"format\": {}}}", FORMAT + 1);
        let problem = Record::parse(newer.as_bytes(), Path::new("f")).unwrap_err();
        assert_eq!(problem.reason, "state_newer");
        for cut in 0..GOLDEN.trim_end().len() {
            let record = Record::parse(&GOLDEN.as_bytes()[..cut], Path::new("f")).unwrap();
            assert_eq!(record, Record::default(), "cut at byte {cut}");
        }
    }
}
