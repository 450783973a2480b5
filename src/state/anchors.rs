//! What `@every` counts from, stored once for each definition: a restart does not move the next time,
//! and a service that gets another period begins to count anew.

use std::fs;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{StateDir, seal};
use crate::sys;

#[derive(Serialize, Deserialize)]
struct Anchor {
    format: u32,
    schedule: String,
    anchor: DateTime<Utc>,
}

impl StateDir {
    fn anchor_path(&self, service: &str) -> PathBuf {
        self.root.join("anchors").join(format!("{service}.json"))
    }

    /// The stored anchor of a schedule, if it has one.
    #[must_use]
    pub fn stored_anchor(&self, service: &str, schedule: &str) -> Option<DateTime<Utc>> {
        let stored = fs::read(self.anchor_path(service)).ok().filter(|text| seal::holds(text))?;
        let known = serde_json::from_slice::<Anchor>(&stored).ok()?;
        (known.schedule == schedule).then_some(known.anchor)
    }

    /// The stored anchor of a schedule; `now` becomes the anchor of one that has none. Where that
    /// cannot be written it holds for this process.
    pub fn anchor(&self, service: &str, schedule: &str, now: DateTime<Utc>) -> DateTime<Utc> {
        if let Some(known) = self.stored_anchor(service, schedule) {
            return known;
        }
        let path = self.anchor_path(service);
        let fresh = Anchor { format: 1, schedule: schedule.to_owned(), anchor: now };
        let text = seal::seal(serde_json::to_vec_pretty(&fresh).unwrap_or_default());
        if let Err(cause) = sys::fs::replace(&path, &text) {
            log::debug!("cannot write {}: {cause}", path.display());
        }
        now
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};

    use crate::state::StateDir;

    #[test]
    fn a_definition_keeps_its_anchor() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::at(dir.path());
        state.prepare().unwrap();
        let [first, later] = [0, 100].map(|s| DateTime::UNIX_EPOCH + TimeDelta::seconds(s));
        assert_eq!(state.anchor("app", "@every 5m", first), first);
        assert_eq!(state.anchor("app", "@every 5m", later), first, "also after a restart");
        assert_eq!(state.anchor("app", "@every 6m", later), later, "another definition");
        assert_eq!(state.anchor("side", "@every 5m", later), later);
        std::fs::write(dir.path().join("anchors/app.json"), "{").unwrap();
        assert_eq!(state.anchor("app", "@every 6m", first), first, "a broken one is lost");
    }
}
