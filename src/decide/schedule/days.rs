//! The calendar: on which days a day of month, a month and a day of week meet. The `cron` crate
//! knows the calendar; it is only ever asked about days written out one by one, in its own
//! numbering, and never about times or zones, where its rules are not Vixie's.

use std::cell::RefCell;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, TimeDelta, Utc};

use super::ScheduleError;
use super::field::Field;

/// The years the crate can be asked about directly; it knows none before 1970 or after 2100.
const KNOWN: std::ops::RangeInclusive<i32> = 1970..=2099;

/// How many years may pass between two matches: 29 February on a given weekday waits 28 years, or
/// 40 across a century that is not a leap year. One more, because the first may have begun.
const YEARS_MAX: u32 = 41;

/// So many answers are kept of one moment: searching more takes as long as asking.
const ANSWERS_MAX: usize = 32;

/// Days, as an unrestricted set or as the union of what the schedules inside name.
#[derive(Debug, Clone)]
pub(super) enum Days {
    Every,
    Listed(Listed),
}

/// One schedule of the crate, or two when a date or a weekday is enough.
#[derive(Debug)]
pub(super) struct Listed {
    /// Shared: a configuration and the scheduler have the same, and each takes half a kilobyte.
    schedules: Arc<[cron::Schedule]>,
    /// Tells these days from others: all that they were made of.
    key: u64,
    last: LastAnswer,
}

impl Clone for Listed {
    fn clone(&self) -> Self {
        let (schedules, last) = (Arc::clone(&self.schedules), LastAnswer::default());
        Listed { schedules, key: self.key, last }
    }
}

impl Listed {
    fn next_from(&self, from: NaiveDate, answers: &Answers) -> Option<NaiveDate> {
        if let Some(day) = self.last.recall(from) {
            return Some(day);
        }
        let ask = || self.schedules.iter().filter_map(|schedule| next_from(schedule, from)).min();
        let found = answers.of(self.key, from, ask)?;
        self.last.keep(from, found);
        Some(found)
    }
}

/// What the calendar said to all schedules that were asked about one moment: of thousands, most name
/// the same few days.
#[derive(Debug, Clone, Default)]
pub(super) struct Answers(RefCell<Vec<(u64, NaiveDate, Option<NaiveDate>)>>);

impl Answers {
    fn of(
        &self,
        key: u64,
        from: NaiveDate,
        ask: impl FnOnce() -> Option<NaiveDate>,
    ) -> Option<NaiveDate> {
        let mut known = self.0.borrow_mut();
        if let Some((_, _, found)) = known.iter().find(|one| (one.0, one.1) == (key, from)) {
            return *found;
        }
        let found = ask();
        if known.len() < ANSWERS_MAX {
            known.push((key, from, found));
        }
        found
    }
}

/// The last question and its answer, in one word so that threads cannot tear it: the first listed
/// day from Monday on, if that is Friday, is Friday from Tuesday on too. The crate takes a good
/// half microsecond a question, and a daemon asks about the same few days over and over.
#[derive(Debug)]
struct LastAnswer(AtomicU64);

impl Default for LastAnswer {
    /// An answer before its question: no day lies between.
    fn default() -> Self {
        LastAnswer(AtomicU64::new(pack(1, 0)))
    }
}

impl LastAnswer {
    fn recall(&self, from: NaiveDate) -> Option<NaiveDate> {
        let [asked, answer] = unpack(self.0.load(Ordering::Relaxed));
        match (asked..=answer).contains(&from.num_days_from_ce()) {
            true => NaiveDate::from_num_days_from_ce_opt(answer),
            false => None,
        }
    }

    fn keep(&self, from: NaiveDate, found: NaiveDate) {
        let word = pack(from.num_days_from_ce(), found.num_days_from_ce());
        self.0.store(word, Ordering::Relaxed);
    }
}

fn pack(asked: i32, answer: i32) -> u64 {
    (u64::from(asked.cast_unsigned()) << 32) | u64::from(answer.cast_unsigned())
}

fn unpack(word: u64) -> [i32; 2] {
    let half = |bits: u64| u32::try_from(bits & 0xFFFF_FFFF).unwrap_or_default().cast_signed();
    [half(word >> 32), half(word)]
}

impl Days {
    /// `at` is where the day of month begins in the whole text.
    ///
    /// When neither day field begins with `*`, either is enough; otherwise both must match, which
    /// a bare `*` always does.
    pub(super) fn new(
        date: Field,
        month: Field,
        weekday: Field,
        at: usize,
    ) -> Result<Days, ScheduleError> {
        let every_date = Field { bits: 0xFFFF_FFFE, star: true };
        let every_weekday = Field { bits: 0x7F, star: true };
        let every_month = 0x1FFE;
        if (date.bits, month.bits, weekday.bits) == (every_date.bits, every_month, 0x7F) {
            return Ok(Days::Every);
        }
        let either = !date.star && !weekday.star;
        let mut listed = Vec::new();
        if exists(date, month) {
            let partner = if either { every_weekday } else { weekday };
            listed.push(ask_for(date, month, partner)?);
        }
        if either {
            listed.push(ask_for(every_date, month, weekday)?);
        }
        if listed.is_empty() {
            return Err(ScheduleError::new(at, "no month it names has such a day: it never runs")
                .hint("April, June, September and November have 30 days, February 28 or 29"));
        }
        let key = date.bits << 32 | month.bits << 16 | weekday.bits << 1 | u64::from(either);
        let (schedules, last) = (listed.into(), LastAnswer::default());
        Ok(Days::Listed(Listed { schedules, key, last }))
    }

    /// The first matching day, `from` included.
    pub(super) fn next_from(&self, from: NaiveDate, answers: &Answers) -> Option<NaiveDate> {
        match self {
            Days::Every => Some(from),
            Days::Listed(listed) => listed.next_from(from, answers),
        }
    }
}

/// Whether any of the dates comes in any of the months.
fn exists(date: Field, month: Field) -> bool {
    let first = date.numbers().next().unwrap_or(u8::MAX);
    month.numbers().any(|month| {
        first
            <= match month {
                2 => 29,
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            }
    })
}

/// Midnight on these days. Sunday is 1 in the crate's week.
fn ask_for(date: Field, month: Field, weekday: Field) -> Result<cron::Schedule, ScheduleError> {
    let list = |numbers: &mut dyn Iterator<Item = u8>| {
        numbers.map(|number| number.to_string()).collect::<Vec<_>>().join(",")
    };
    let text = format!(
        "0 0 0 {} {} {} *",
        list(&mut date.numbers()),
        list(&mut month.numbers()),
        list(&mut weekday.numbers().map(|number| number + 1)),
    );
    cron::Schedule::from_str(&text).map_err(|error| {
        ScheduleError::new(0, format!("the calendar does not take `{text}`: {error}"))
    })
}

fn next_from(schedule: &cron::Schedule, from: NaiveDate) -> Option<NaiveDate> {
    let mut start = from;
    for _ in 0..=YEARS_MAX {
        let year = stand_in(start.year())?;
        let found = ask(schedule, start.with_year(year)?);
        let direct = year == start.year();
        match found {
            Some(day) if direct && KNOWN.contains(&day.year()) => return Some(day),
            Some(day) if day.year() == year => return day.with_year(start.year()),
            Some(_) | None if direct => start = NaiveDate::from_ymd_opt(*KNOWN.end() + 1, 1, 1)?,
            Some(_) | None => start = NaiveDate::from_ymd_opt(start.year() + 1, 1, 1)?,
        }
    }
    None
}

fn ask(schedule: &cron::Schedule, from: NaiveDate) -> Option<NaiveDate> {
    let midnight: DateTime<Utc> = from.and_time(NaiveTime::MIN).and_utc();
    let before = midnight.checked_sub_signed(TimeDelta::seconds(1))?;
    schedule.after(&before).next().map(|found| found.date_naive())
}

/// A year with the same calendar that the crate knows. There are fourteen kinds of years, and any
/// 28 years in a row without an exception in them show all fourteen.
fn stand_in(year: i32) -> Option<i32> {
    if KNOWN.contains(&year) {
        return Some(year);
    }
    let kind = |year: i32| {
        let first = NaiveDate::from_ymd_opt(year, 1, 1)?;
        Some((first.weekday(), first.leap_year()))
    };
    (2000..2028).find(|known| kind(*known) == kind(year))
}
