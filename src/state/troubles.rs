//! What went wrong for passes as a whole, since when: git, the configuration, the engine. One small
//! file, there only while something is wrong. For people; no run decides by it.

use std::fs;
use std::io;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::history::Complaint;
use super::{StateDir, newer_format, not_written};
use crate::problem::Problem;
use crate::sys;

/// The format this renew writes. It reads this one and all before.
const FORMAT: u32 = 1;

#[derive(Debug, Default, Serialize, Deserialize)]
struct File {
    format: u32,
    #[serde(default)]
    troubles: Vec<Complaint>,
}

impl StateDir {
    fn troubles_path(&self) -> PathBuf {
        self.root().join("troubles.json")
    }

    /// What the last pass found wrong.
    ///
    /// # Errors
    /// When it was written by a newer renew, or cannot be read.
    pub fn troubles(&self) -> Result<Vec<Complaint>, Problem> {
        let path = self.troubles_path();
        match fs::read(&path) {
            Ok(text) => match newer_format(&text, FORMAT, &path) {
                Some(newer) => Err(newer),
                // One that does not parse is lost: the next pass that fails writes another.
                None => Ok(serde_json::from_slice::<File>(&text).unwrap_or_default().troubles),
            },
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(cause) => Err(Problem::setup(
                "state_unreadable",
                format!("cannot read {}: {cause}", path.display()),
                "check the state directory",
            )),
        }
    }

    /// Takes down what a pass found wrong. The same as before writes nothing: `since` stays. Of two
    /// passes at the same time the later one is right.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn store_troubles<'p>(
        &self,
        problems: impl Iterator<Item = &'p Problem>,
        now: DateTime<Utc>,
    ) -> Result<(), Problem> {
        let before = self.troubles()?;
        let since = |problem: &Problem| {
            let new = Complaint::new(problem, now);
            before.iter().find(|known| known.told == new.told).cloned().unwrap_or(new)
        };
        let troubles: Vec<Complaint> = problems.map(since).collect();
        if troubles == before {
            return Ok(());
        }
        let path = self.troubles_path();
        if troubles.is_empty() {
            return match fs::remove_file(&path) {
                Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
                    Err(not_written(&path, &cause))
                }
                Ok(()) | Err(_) => Ok(()),
            };
        }
        let file = File { format: FORMAT, troubles };
        let mut text = serde_json::to_vec_pretty(&file).unwrap_or_default();
        text.push(b'\n');
        sys::fs::replace(&path, &text).map_err(|cause| not_written(&path, &cause))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use chrono::{DateTime, TimeDelta};

    use crate::problem::Problem;
    use crate::state::StateDir;

    const GOLDEN: &str = include_str!("../../tests/golden/troubles-v1.json");

    #[test]
    fn what_goes_on_keeps_its_beginning_and_what_is_over_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::at(dir.path());
        let file = dir.path().join("troubles.json");
        let at = |minutes| DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes);
        let [one, other] =
            ["git_fetch", "config"].map(|key| Problem::setup(key, "what", "mend it"));
        state.store_troubles(std::iter::empty(), at(0)).unwrap();
        assert!(!file.exists(), "nothing is wrong, and nothing is written");
        state.store_troubles([&one].into_iter(), at(1)).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), GOLDEN, "the first format");
        state.store_troubles([&other, &one].into_iter(), at(2)).unwrap();
        let found: Vec<_> =
            state.troubles().unwrap().into_iter().map(|t| (t.told.reason, t.since)).collect();
        assert_eq!(found, [("config".to_owned(), at(2)), ("git_fetch".to_owned(), at(1))]);
        state.store_troubles(std::iter::empty(), at(3)).unwrap();
        assert!(!file.exists());
        fs::write(&file, "{\"format\": 2}").unwrap();
        assert_eq!(state.troubles().unwrap_err().reason, "state_newer");
        assert!(state.store_troubles([&one].into_iter(), at(4)).is_err(), "it is left as it is");
    }
}
