//! The durable record of a service: the release that is in force. A versioned format; a file of a
//! newer renew is never overwritten, a broken one never stops a run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::delays::Delays;
use super::failed::{Hold, Probation, Quarantines};
use super::images::Images;
use super::{newer_format, seal};
use crate::decide::plan::{Memory, ProjectMemory, ServiceMemory};
use crate::gather::Gather;
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
    pub projects: Projects,
    /// Paths of the repository that the release uses; a folder stands for all below it.
    #[serde(default)]
    pub paths: BTreeSet<String>,
    /// Changes that were begun and are not known to be good, by compose project and service.
    /// Written before the change: after a kill it proves what was done.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attempts: BTreeMap<String, BTreeMap<String, Attempt>>,
    /// Images that were pulled for it, and those it ran before.
    #[serde(default, skip_serializing_if = "Images::is_empty")]
    pub images: Images,
    /// Containers that a person stopped, and when each ended. The engine forgets that soon.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub stopped: BTreeMap<String, DateTime<Utc>>,
    /// `health.local_url`, once it has answered well: from then on its silence means something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_url_answered: Option<String>,
    /// Changes that renew does not make by itself and a person accepted, by their fingerprints.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub accepted: BTreeSet<String>,
    /// Whether something of the service is at a newer commit than that, and something is not.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub behind: bool,
    /// The number of the release in force.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub release: u64,
    /// The highest number that any release had.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub newest_release: u64,
    /// Targets that failed, by compose project and service.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub quarantine: Quarantines,
    /// What failed and is not tried again for a while.
    #[serde(default, skip_serializing_if = "Delays::is_empty")]
    pub delays: Delays,
    /// For how long the last change may still turn out to be bad.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probation: Option<Probation>,
    /// A person put the service back and wants it to stay there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
}

/// Compose projects as a record has them.
pub type Projects = BTreeMap<String, ProjectRecord>;

fn is_zero<T: Default + PartialEq>(number: &T) -> bool {
    *number == T::default()
}

/// One change of one compose service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// What it is made into; which containers it then has is not known beforehand.
    pub goal: ServiceRecord,
    /// The containers it had when the change began.
    #[serde(default)]
    pub before: BTreeSet<String>,
    /// How often this very change was begun and cut off before.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cut_off: u32,
    /// Whether its run came to an end, though not to a good one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub ended: bool,
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
            images: Images::default(),
            stopped: BTreeMap::new(),
            local_url_answered: None,
            accepted: BTreeSet::new(),
            behind: false,
            release: 0,
            newest_release: 0,
            quarantine: BTreeMap::new(),
            delays: Delays::default(),
            probation: None,
            hold: None,
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
    /// The registries' names of that image: `NAME@DIGEST`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub image_digests: BTreeSet<String>,
    /// SHA-256 of the definition.
    pub definition_sha256: String,
    /// The definition itself, secrets included.
    pub definition: Value,
    /// Object id per mounted path of the repository.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    /// A commit that has them like this; empty if it is that of the whole record.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub commit: String,
    /// SHA-256 of the secret env file that its containers were made with, or first seen with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env_sha256: Option<String>,
    /// How many containers were declared.
    pub replicas: u32,
    /// Whether it was a one-shot that had done its work when this was written.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub completed: bool,
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
        let broken = |cause: String| {
            log::warn!(
                "{} is broken ({cause}): what runs is adopted anew, nothing is restarted",
                path.display()
            );
            Record::default()
        };
        if !seal::holds(text) {
            return Ok(broken("it is not as it was written".to_owned()));
        }
        if let Some(newer) = newer_format(text, FORMAT, path) {
            return Err(newer);
        }
        Ok(serde_json::from_slice(text).unwrap_or_else(|cause| broken(cause.to_string())))
    }

    /// Whether a file does not parse, or is not as it was written.
    #[must_use]
    pub fn is_broken(text: &[u8]) -> bool {
        !seal::holds(text) || serde_json::from_slice::<Record>(text).is_err()
    }

    /// The bytes of the file.
    #[must_use]
    pub fn render(&self) -> Vec<u8> {
        let mut text = serde_json::to_vec_pretty(self).unwrap_or_default();
        text.push(b'\n');
        text
    }

    /// What is in force of one compose service.
    #[must_use]
    pub fn service(&self, project: &str, name: &str) -> Option<&ServiceRecord> {
        self.projects.get(project)?.services.get(name)
    }

    /// Name and id of the images in force.
    pub fn image_pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let services = self.projects.values().flat_map(|project| project.services.values());
        services.map(|service| (service.image.as_str(), service.image_id.as_str()))
    }

    /// What the planner may know of it.
    #[must_use]
    pub fn memory(&self) -> Memory {
        let service = |record: &ServiceRecord| ServiceMemory {
            definition: record.definition_sha256.clone(),
            files: record.files.clone(),
            env: record.env_sha256.clone(),
            replicas: record.replicas,
            completed: record.completed,
            difference: String::new(),
        };
        let project = |record: &ProjectRecord| ProjectMemory {
            topology: record.topology.clone(),
            services: record.services.iter().map(|(n, s)| (n.clone(), service(s))).gather(),
        };
        Memory {
            projects: self.projects.iter().map(|(n, p)| (n.clone(), project(p))).gather(),
            accepted: self.accepted.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{FORMAT, Record};

    const GOLDEN: &str = include_str!("../../tests/golden/service-record-v1.json");
    const BEGUN: &str = include_str!("../../tests/golden/service-record-v1-begun.json");
    const IMAGES: &str = include_str!("../../tests/golden/service-record-v1-images.json");
    const ENV: &str = include_str!("../../tests/golden/service-record-v1-env.json");
    const STOPPED: &str = include_str!("../../tests/golden/service-record-v1-stopped.json");
    const ACCEPTED: &str = include_str!("../../tests/golden/service-record-v1-accepted.json");

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
    fn images_are_part_of_the_first_format() {
        let record = Record::parse(IMAGES.as_bytes(), Path::new("golden")).unwrap();
        assert!(record.images.pulled["sha256:aa"].contains("registry.example/web:1"));
        assert_eq!(record.images.kept().collect::<Vec<_>>(), ["sha256:99"]);
        assert_eq!(String::from_utf8(record.render()).unwrap(), IMAGES);
    }

    #[test]
    fn the_env_file_of_a_service_is_part_of_the_first_format() {
        let old = Record::parse(GOLDEN.as_bytes(), Path::new("golden")).unwrap();
        assert_eq!(old.memory().projects["shop"].services["web"].env, None, "not known");
        let record = Record::parse(ENV.as_bytes(), Path::new("golden")).unwrap();
        assert_eq!(record.memory().projects["shop"].services["web"].env.as_deref(), Some("e1"));
        assert_eq!(String::from_utf8(record.render()).unwrap(), ENV);
    }

    #[test]
    fn who_was_stopped_is_part_of_the_first_format() {
        let record = Record::parse(STOPPED.as_bytes(), Path::new("golden")).unwrap();
        assert!(record.stopped.contains_key("c1"));
        assert_eq!(String::from_utf8(record.render()).unwrap(), STOPPED);
    }

    #[test]
    fn what_was_accepted_is_part_of_the_first_format() {
        let record = Record::parse(ACCEPTED.as_bytes(), Path::new("golden")).unwrap();
        assert_eq!(record.memory().accepted, record.accepted);
        assert_eq!(record.accepted.len(), 2);
        assert_eq!(String::from_utf8(record.render()).unwrap(), ACCEPTED);
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
