//! Services that a person paused, each in a file of its own. Written by a command beside whatever run
//! is in flight, and only under the lock that all pauses share; a run reads it once, at its beginning.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{StateDir, newer_format, not_written};
use crate::problem::Problem;
use crate::sys;
use crate::sys::clock::Clock;
use crate::sys::exec::Cancel;
use crate::sys::lock::Lock;

/// The format this renew writes. It reads this one and all before.
const FORMAT: u32 = 1;
/// Carries the lock. No service can have that name.
const LOCK: &str = "~pauses";
/// Whoever holds it writes one small file.
const PATIENCE: Duration = Duration::from_secs(10);

/// That nothing at all is done to a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    format: u32,
    /// When a person said so.
    pub since: DateTime<Utc>,
    /// When it ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
    /// Why, in that person's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Pause {
    /// A pause that begins now.
    #[must_use]
    pub fn new(
        since: DateTime<Utc>,
        until: Option<DateTime<Utc>>,
        reason: Option<String>,
    ) -> Pause {
        Pause { format: FORMAT, since, until, reason }
    }

    /// Whether it still holds.
    #[must_use]
    pub fn holds(&self, now: DateTime<Utc>) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    /// Reads a pause. One that does not parse was meant by somebody and holds: that nobody knows for
    /// how long is no leave to touch what they are working on.
    fn parse(text: &[u8], path: &Path) -> Result<Pause, Problem> {
        if let Some(newer) = newer_format(text, FORMAT, path) {
            return Err(newer);
        }
        Ok(serde_json::from_slice(text).unwrap_or_else(|cause| {
            log::warn!("{} is broken ({cause}): the service stays paused", path.display());
            Pause::new(DateTime::UNIX_EPOCH, None, Some(format!("{} is broken", path.display())))
        }))
    }
}

impl StateDir {
    fn pauses(&self) -> PathBuf {
        self.root().join("paused")
    }

    fn pause_path(&self, service: &str) -> PathBuf {
        self.pauses().join(format!("{service}.json"))
    }

    fn pause_lock(&self, clock: &dyn Clock) -> Result<Lock, Problem> {
        let waits = (clock, &Cancel::default());
        Lock::take(&self.root().join("locks").join(LOCK), None, PATIENCE, waits)
            .map_err(|error| Problem::setup("lock", error.to_string(), "check the state directory"))
    }

    fn read_pause(&self, service: &str) -> Result<Option<Pause>, Problem> {
        let path = self.pause_path(service);
        match fs::read(&path) {
            Ok(text) => Pause::parse(&text, &path).map(Some),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(Problem::setup(
                "state_unreadable",
                format!("cannot read {}: {cause}", path.display()),
                "check the state directory",
            )),
        }
    }

    /// The pause that holds for a service now.
    ///
    /// # Errors
    /// When it cannot be told whether there is one.
    pub fn paused(&self, service: &str, now: DateTime<Utc>) -> Result<Option<Pause>, Problem> {
        Ok(self.read_pause(service)?.filter(|pause| pause.holds(now)))
    }

    /// The services that have a pause, over or not.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn pauses_of(&self) -> Result<Vec<String>, Problem> {
        let dir = self.pauses();
        let unreadable = |cause: io::Error| {
            Problem::setup(
                "state_unreadable",
                format!("cannot read {}: {cause}", dir.display()),
                "check the state directory",
            )
        };
        let entries = match fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(cause) => return Err(unreadable(cause)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.map_err(unreadable)?.file_name();
            let name = name.to_str().and_then(|name| name.strip_suffix(".json"));
            names.extend(name.map(str::to_owned));
        }
        names.sort();
        Ok(names)
    }

    /// Pauses a service, whatever pause it had.
    ///
    /// # Errors
    /// When that cannot be written.
    pub fn pause(&self, service: &str, pause: &Pause, clock: &dyn Clock) -> Result<(), Problem> {
        let _lock = self.pause_lock(clock)?;
        let path = self.pause_path(service);
        let mut text = serde_json::to_vec_pretty(pause).unwrap_or_default();
        text.push(b'\n');
        sys::fs::replace(&path, &text).map_err(|cause| not_written(&path, &cause))
    }

    /// Ends the pause of a service. Says which one there was.
    ///
    /// # Errors
    /// When it cannot be read or removed.
    pub fn resume(&self, service: &str, clock: &dyn Clock) -> Result<Option<Pause>, Problem> {
        if self.read_pause(service)?.is_none() {
            return Ok(None);
        }
        let _lock = self.pause_lock(clock)?;
        let pause = self.read_pause(service)?;
        self.forget_pause(service)?;
        Ok(pause)
    }

    /// Removes a pause that is over. Says whether there was one.
    ///
    /// # Errors
    /// When it cannot be read or removed.
    pub fn sweep_pause(&self, service: &str, clock: &dyn Clock) -> Result<bool, Problem> {
        let over = |pause: &Pause| !pause.holds(clock.now());
        if !self.read_pause(service)?.as_ref().is_some_and(over) {
            return Ok(false);
        }
        let _lock = self.pause_lock(clock)?;
        // Once more: somebody may have paused it again in between.
        let still = self.read_pause(service)?.as_ref().is_some_and(over);
        if still {
            self.forget_pause(service)?;
        }
        Ok(still)
    }

    fn forget_pause(&self, service: &str) -> Result<(), Problem> {
        let path = self.pause_path(service);
        match fs::remove_file(&path) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
                Err(not_written(&path, &cause))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use chrono::{DateTime, TimeDelta, Utc};

    use super::{FORMAT, Pause};
    use crate::state::StateDir;
    use crate::sys::clock::SystemClock;

    const GOLDEN: &str = include_str!("../../tests/golden/pause-v1.json");

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn the_first_format_is_read_for_ever() {
        let pause = Pause::parse(GOLDEN.as_bytes(), Path::new("golden")).unwrap();
        let until = at("2026-11-21T05:00:00Z");
        let expected =
            Pause::new(at("2026-11-21T03:00:00Z"), Some(until), Some("a new disk".to_owned()));
        assert_eq!(pause, expected);
        let written = serde_json::to_string_pretty(&pause).unwrap();
        assert_eq!(written + "\n", GOLDEN, "and written so");
        for (now, holds) in [(until - TimeDelta::seconds(1), true), (until, false)] {
            assert_eq!(pause.holds(now), holds, "{now}");
        }
    }

    #[test]
    fn a_newer_format_is_refused_and_a_broken_file_keeps_the_pause() {
        let newer = format!("{{\"format\": {}}}", FORMAT + 1);
        assert_eq!(
            Pause::parse(newer.as_bytes(), Path::new("f")).unwrap_err().reason,
            "state_newer"
        );
        for cut in 0..GOLDEN.trim_end().len() {
            let pause = Pause::parse(&GOLDEN.as_bytes()[..cut], Path::new("f")).unwrap();
            assert!(pause.until.is_none() && pause.holds(at("2100-01-01T00:00:00Z")), "{cut}");
        }
    }

    #[test]
    fn what_is_over_is_swept_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let (state, clock) = (StateDir::at(&dir.path().join("state")), SystemClock::default());
        assert_eq!(state.paused("a", at("2026-11-21T03:00:00Z")), Ok(None), "nothing is there yet");
        assert_eq!(state.pauses_of(), Ok(Vec::new()));
        state.prepare().unwrap();
        let over = Pause::new(at("2020-01-01T00:00:00Z"), Some(at("2020-01-02T00:00:00Z")), None);
        let held = Pause::new(at("2020-01-01T00:00:00Z"), None, None);
        state.pause("a", &over, &clock).unwrap();
        state.pause("b", &held, &clock).unwrap();
        assert_eq!(state.paused("a", at("2020-01-01T23:00:00Z")), Ok(Some(over)));
        assert_eq!(state.sweep_pause("a", &clock), Ok(true));
        assert_eq!(state.sweep_pause("a", &clock), Ok(false));
        assert_eq!(state.sweep_pause("b", &clock), Ok(false));
        assert_eq!(state.pauses_of(), Ok(vec!["b".to_owned()]));
        assert_eq!(state.resume("b", &clock), Ok(Some(held)));
        assert_eq!(state.resume("b", &clock), Ok(None));
    }
}
