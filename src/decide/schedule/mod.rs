//! When a service is due: five cron fields as Vixie cron reads them, their `@` names, and
//! `@every`. Never asks what time it is and never reads a zone by itself: both are handed in.
//!
//! - [`field`]: one cron field, from text to a set of numbers.
//! - [`vixie`]: the five fields together: the next wall-clock time.
//! - [`days`]: the calendar: on which days a pair of day fields and a month field meet.
//! - [`wall`]: from wall-clock times to instants, through the gaps and repeats of a zone.
//! - [`every`]: `@every`, whole arithmetic on an anchor.
//! - [`agenda`]: many schedules at once: who is next, and who is due.

pub mod agenda;
mod days;
mod error;
mod every;
mod field;
mod vixie;
pub(super) mod wall;

use std::fmt;

use chrono::{DateTime, TimeZone, Utc};

use every::Every;
use vixie::Cron;

use crate::nearest::nearest;

pub use error::ScheduleError;
pub use wall::Moment;

/// A parsed schedule. Two schedules are equal when their texts are.
#[derive(Debug, Clone)]
pub struct Schedule {
    text: String,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    Cron(Cron),
    Every(Every),
}

/// The names crontab(5) gives to common expressions. `@reboot` and `@every` are not expressions.
const NAMED: &[(&str, &str)] = &[
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

impl Schedule {
    /// Reads a schedule: five cron fields, a name such as `@daily`, or `@every DURATION`.
    ///
    /// # Errors
    /// When the text is not one of these, and when no calendar has a day that matches it (30
    /// February): a schedule that was accepted has a next time.
    pub fn parse(text: &str) -> Result<Schedule, ScheduleError> {
        let trimmed = text.trim();
        let at = text.len() - text.trim_start().len();
        let kind = match trimmed.strip_prefix('@') {
            Some(_) => parse_named(trimmed, at)?,
            None => Kind::Cron(Cron::parse(trimmed, at)?),
        };
        Ok(Schedule { text: trimmed.to_owned(), kind })
    }

    /// The first time this schedule fires strictly after `after`.
    ///
    /// Cron fields are read on the clock on the wall of `zone`. `anchor` matters to `@every` alone:
    /// it fires at `anchor` plus whole multiples of its period, before the anchor too.
    ///
    /// `None` when there is none: at the end of the years that `chrono` can express, or for a
    /// schedule that follows the clock into an hour that this zone skips every single time.
    pub fn next_after<Z: TimeZone>(
        &self,
        after: DateTime<Utc>,
        zone: &Z,
        anchor: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        match &self.kind {
            Kind::Cron(cron) => Moment::new(after, zone).next_of(cron),
            Kind::Every(every) => every.next_after(after, anchor),
        }
    }

    /// The same as [`Schedule::next_after`], for many schedules at one moment: the zone is asked
    /// once for all of them.
    pub fn next_at<Z: TimeZone>(
        &self,
        moment: &Moment<'_, Z>,
        anchor: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        match &self.kind {
            Kind::Cron(cron) => moment.next_of(cron),
            Kind::Every(every) => every.next_after(moment.after(), anchor),
        }
    }

    /// What is legal here and yet likely to surprise, one sentence each.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        match &self.kind {
            Kind::Cron(cron) => cron.warning().into_iter().collect(),
            Kind::Every(_) => Vec::new(),
        }
    }

    /// The text as it was written, without surrounding blanks.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether this is `@every`, the one kind whose times depend on an anchor.
    #[must_use]
    pub fn needs_anchor(&self) -> bool {
        matches!(self.kind, Kind::Every(_))
    }
}

impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Schedule {}

impl fmt::Display for Schedule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

fn parse_named(text: &str, at: usize) -> Result<Kind, ScheduleError> {
    let word = text.split_whitespace().next().unwrap_or(text);
    if let Some((_, fields)) = NAMED.iter().find(|(name, _)| *name == text) {
        return Ok(Kind::Cron(Cron::parse(fields, at)?));
    }
    match word {
        "@every" => {
            let rest = &text[word.len()..];
            let duration = rest.trim_start();
            let skipped = word.len() + rest.len() - duration.len();
            Ok(Kind::Every(Every::parse(duration, at + skipped)?))
        }
        "@reboot" => Err(ScheduleError::new(at, "`@reboot` is not supported")
            .hint("set `run_on_start` to true to run once when renew starts")),
        _ => Err(unknown_name(text, word, at)),
    }
}

fn unknown_name(text: &str, word: &str, at: usize) -> ScheduleError {
    let lower = word.to_ascii_lowercase();
    let known = NAMED.iter().map(|(name, _)| *name).chain(["@every"]);
    let error = match NAMED.iter().any(|(name, _)| *name == word) {
        true => ScheduleError::new(
            at + word.len(),
            format!("`{word}` stands alone, `{text}` has more behind it"),
        ),
        false => ScheduleError::new(at, format!("`{word}` is not a schedule")),
    };
    match nearest(&lower, known) {
        Some(name) if name != word => error.hint(format!("did you mean `{name}`?")),
        Some(name) => error.hint(format!("write `{name}`")),
        None => error.hint(
            "known are @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually and \
             `@every DURATION`",
        ),
    }
}

#[cfg(test)]
mod tests;
