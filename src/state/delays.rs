//! What failed and is not tried again for a while, with how it failed.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::history::Told;
use crate::decide::backoff::HEAL;
use crate::problem::{Parts, Problem, Trouble};

/// Something that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delay {
    /// The compose project of what did not get good when it was started or made; empty for an image that
    /// could not be had.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub project: String,
    /// The compose service, or the reference of the image.
    pub name: String,
    /// What was tried, in one word: something else is tried at once. Empty where nobody can tell, which
    /// counts as the same.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub of: String,
    /// How often in a row.
    pub failures: u32,
    /// It is not tried again before that.
    pub until: DateTime<Utc>,
    /// How it failed.
    pub told: Told,
    /// Whether that was [`Trouble::Setup`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub setup: bool,
}

/// All that failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delays(pub Vec<Delay>);

impl Delays {
    /// Whether nothing failed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is known of a compose service, or of an image with no project.
    #[must_use]
    pub fn of(&self, project: &str, name: &str) -> Option<&Delay> {
        self.0.iter().find(|known| known.project == project && known.name == name)
    }

    /// What is not tried at `now`, in words: which, until when, and the way past that.
    pub fn notes(&self, service: &str, now: DateTime<Utc>) -> Vec<String> {
        self.0.iter().filter(|known| known.lasts(now)).map(|known| known.note(service)).collect()
    }
}

impl Delay {
    /// A failure of `name` at `now`, after those that are known of the same.
    #[must_use]
    pub fn after(
        known: Option<&Delay>,
        (project, name): (&str, &str),
        of: &str,
        problem: &Problem,
        now: DateTime<Utc>,
    ) -> Delay {
        let (told, setup) = (Told::from(problem), problem.trouble == Trouble::Setup);
        let (project, name) = (project.to_owned(), name.to_owned());
        let known = known.filter(|known| known.is_of(of));
        let failures = known.map_or(0, |known| known.failures).saturating_add(1);
        let until = now.checked_add_signed(HEAL.after(failures)).unwrap_or(now);
        Delay { project, name, of: of.to_owned(), failures, until, told, setup }
    }

    fn is_of(&self, of: &str) -> bool {
        self.of == of || self.of.is_empty() || of.is_empty()
    }

    /// Whether it is not tried at `now`. A clock that stepped back does not make that longer than it was
    /// meant to be.
    fn lasts(&self, now: DateTime<Utc>) -> bool {
        (self.until - HEAL.after(self.failures)..self.until).contains(&now)
    }

    /// The failure, word for word, as long as the same is not tried again.
    #[must_use]
    pub fn problem(&self, of: &str, now: DateTime<Utc>) -> Option<Problem> {
        if !self.is_of(of) || !self.lasts(now) {
            return None;
        }
        let Told { reason, message, resolution } = self.told.clone();
        let trouble = if self.setup { Trouble::Setup } else { Trouble::Engine };
        Some(Problem::of(Parts { reason: Cow::Owned(reason), message, resolution, trouble }))
    }

    /// Until when it is not tried, and the way past that.
    #[must_use]
    pub fn note(&self, service: &str) -> String {
        let (what, until) = (&self.name, self.until.format("%H:%M:%S UTC"));
        format!("{what} is tried again from {until} on; `renew retry {service}` tries it now")
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use chrono::{DateTime, TimeDelta, Utc};

    use super::Delay;
    use crate::problem::Problem;
    use crate::state::Record;

    const GOLDEN: &str = include_str!("../../tests/golden/service-record-v1-delays.json");

    #[test]
    fn delays_are_part_of_the_first_format() {
        let record = Record::parse(GOLDEN.as_bytes(), Path::new("golden")).unwrap();
        assert_eq!(record.delays.of("", "registry.example/web:2").unwrap().failures, 2);
        assert_eq!(record.delays.of("shop", "db").unwrap().told.reason, "exited");
        assert_eq!(String::from_utf8(record.render()).unwrap(), GOLDEN);
    }

    #[test]
    fn the_same_waits_and_something_else_does_not() {
        let start: DateTime<Utc> = "2026-03-01T12:00:00Z".parse().unwrap();
        let at = |seconds: i64| start + TimeDelta::seconds(seconds);
        let problem = Problem::engine("exited", "web exited with 1", "look at its logs");
        let once = Delay::after(None, ("shop", "web"), "a", &problem, at(0));
        assert_eq!(once.problem("a", at(0)), None, "the next run tries it again");
        let twice = Delay::after(Some(&once), ("shop", "web"), "a", &problem, at(10));
        assert_eq!(twice.problem("a", at(10)).as_ref(), Some(&problem), "word for word");
        assert_eq!(twice.problem("a", at(69)), Some(problem.clone()));
        assert_eq!(twice.problem("a", at(70)), None, "its time has come");
        assert_eq!(twice.problem("a", at(9)), None, "the clock was set back");
        assert_eq!(twice.problem("b", at(10)), None, "something else would run");
        let other = Delay::after(Some(&twice), ("shop", "web"), "b", &problem, at(20));
        assert_eq!((other.failures, other.until), (1, at(20)));
        let again = Delay::after(Some(&twice), ("shop", "web"), "a", &problem, at(80));
        assert_eq!((again.failures, again.until), (3, at(200)));
        assert_eq!(again.problem("", at(100)), Some(problem), "nobody knows what it would be");
    }
}
