//! Change windows: `Mon-Fri 19:00-07:00`, and whether one is open. Times are those of the clock on
//! the wall; a window that ends at or before its start runs into the next day and belongs to the day
//! it starts on. Never asks what time it is: the instant and the zone are handed in.
//!
//! A window that a zone skips as a whole, because its clocks are set forward over it, opens right
//! after the gap for as long as it would have been: a weekly window must not wait a second week.
//! An hour that comes twice is in the window both times.

use chrono::{DateTime, Datelike, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Timelike, Utc};
use chrono::{Days, NaiveDate, Weekday};

use super::schedule::Schedule;
use super::schedule::wall::{Clock, instant_at};

const DAYS: &[&str] = &["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const DAY_MIN: u32 = 24 * 60;
/// A window comes at least once in so many days.
const WEEK_DAYS: u64 = 8;
/// A schedule that fires less than daily is looked at for this many times.
const FIRES_MIN: usize = 12;

/// One window of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Bit 0 is Monday.
    days: u8,
    /// Minutes after midnight.
    start_min: u32,
    /// Minutes after midnight; at most 1440.
    end_min: u32,
}

/// Whether changes may be made at an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opening {
    /// They may: a window is open, or there is none.
    Open,
    /// They wait.
    Closed {
        /// The first instant at which one is open again.
        opens: Option<DateTime<Utc>>,
    },
}

/// Whether one of the windows is open at `now` on the clocks of `zone`; none at all is always open.
pub fn opening<Z: TimeZone>(windows: &[Window], now: DateTime<Utc>, zone: &Z) -> Opening {
    let clock = Clock { zone };
    if windows.is_empty() || is_open(windows, now, &clock) {
        return Opening::Open;
    }
    Opening::Closed { opens: next_opening(windows, now, &clock) }
}

/// Whether a schedule ever fires while a window is open: in the eight days from `now`, or in its
/// next dozen times if it fires rarely.
pub fn is_reached<Z: TimeZone>(
    windows: &[Window],
    schedule: &Schedule,
    now: DateTime<Utc>,
    zone: &Z,
) -> bool {
    let clock = Clock { zone };
    let last = now.checked_add_days(Days::new(WEEK_DAYS)).unwrap_or(now);
    let (mut fires, mut after) = (0, now);
    while after < last || fires < FIRES_MIN {
        let Some(fire) = schedule.next_after(after, zone, now) else { return false };
        if is_open(windows, fire, &clock) {
            return true;
        }
        fires += 1;
        after = fire;
    }
    windows.is_empty()
}

fn is_open<Z: TimeZone>(windows: &[Window], at: DateTime<Utc>, clock: &Clock<'_, Z>) -> bool {
    let Some(shown) = clock.wall(at) else { return false };
    windows.iter().any(|window| window.holds(shown)) || makes_up(windows, at, clock) == Some(true)
}

/// Whether a window that the last change of the clock skipped is made up for at `at`.
fn makes_up<Z: TimeZone>(
    windows: &[Window],
    at: DateTime<Utc>,
    clock: &Clock<'_, Z>,
) -> Option<bool> {
    let change = clock.change_between(at.checked_sub_days(Days::new(1))?, at)?;
    let (from, to) = (change.wall_before()?, change.wall_after()?);
    let skipped = windows.iter().filter_map(|window| window.within(from, to));
    Some(skipped.max().is_some_and(|length| at < change.at + length))
}

/// The first instant after `now` at which a window opens: when the clock shows the start of one, or
/// when the clock is changed. Every candidate is asked, so that none has to be exact.
fn next_opening<Z: TimeZone>(
    windows: &[Window],
    now: DateTime<Utc>,
    clock: &Clock<'_, Z>,
) -> Option<DateTime<Utc>> {
    let horizon = now.checked_add_days(Days::new(WEEK_DAYS + 1))?;
    let offsets = [clock.offset(now), clock.offset(horizon)];
    let today = clock.wall(now)?.date();
    let starts = windows.iter().flat_map(|window| {
        let days = (0..=WEEK_DAYS).filter_map(|n| today.checked_add_days(Days::new(n)));
        days.filter_map(|day| window.span(day)).map(|(start, _)| start)
    });
    starts
        .flat_map(|start| offsets.map(|offset| instant_at(start, offset)))
        .chain([clock.change_between(now, horizon).map(|change| change.at)])
        .flatten()
        .filter(|at| *at > now && is_open(windows, *at, clock))
        .min()
}

impl Window {
    /// Parses `DAYS HH:MM-HH:MM`; DAYS is `daily` (or nothing), a day, a range that may run over
    /// the weekend (`Fri-Mon`), or a list of these (`Mon,Wed-Fri`).
    ///
    /// # Errors
    /// Any other text, and a window of no length; why.
    pub fn parse(text: &str) -> Result<Window, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let (days, times) = match words.as_slice() {
            [times] => ("daily", *times),
            [days, times] => (*days, *times),
            _ => return Err("it needs days and times".to_owned()),
        };
        let days = parse_days(days)?;
        let Some((start, end)) = times.split_once('-') else {
            return Err(format!("{times:?} is not a span of times"));
        };
        let start_min = minutes(start).filter(|m| *m < DAY_MIN);
        let start_min = start_min.ok_or_else(|| format!("{start:?} is not a time"))?;
        let end_min = minutes(end).ok_or_else(|| format!("{end:?} is not a time"))?;
        if start_min == end_min {
            return Err("it ends when it starts; a whole day is 00:00-24:00".to_owned());
        }
        Ok(Window { days, start_min, end_min })
    }

    /// Whether a clock that shows `shown` is in the window.
    fn holds(&self, shown: NaiveDateTime) -> bool {
        let minute = shown.hour() * 60 + shown.minute();
        let (today, yesterday) = (shown.weekday(), shown.weekday().pred());
        if self.start_min < self.end_min {
            return self.on(today) && (self.start_min..self.end_min).contains(&minute);
        }
        self.on(today) && minute >= self.start_min || self.on(yesterday) && minute < self.end_min
    }

    fn on(&self, day: Weekday) -> bool {
        self.days & (1 << day.num_days_from_monday()) != 0
    }

    /// From when to when it is open on a day, if it starts on that day.
    fn span(&self, day: NaiveDate) -> Option<(NaiveDateTime, NaiveDateTime)> {
        let midnight = day.and_time(NaiveTime::MIN);
        let at = |min: u32| midnight.checked_add_signed(TimeDelta::minutes(i64::from(min)));
        let next_day = if self.end_min <= self.start_min { DAY_MIN } else { 0 };
        self.on(day.weekday()).then_some((at(self.start_min)?, at(self.end_min + next_day)?))
    }

    /// How long it is, if it lies between two times as a whole.
    fn within(&self, from: NaiveDateTime, to: NaiveDateTime) -> Option<TimeDelta> {
        let first = from.date().pred_opt()?;
        let days = first.iter_days().take_while(|day| *day <= to.date());
        let inside = |span: &(NaiveDateTime, NaiveDateTime)| from <= span.0 && span.1 <= to;
        days.filter_map(|day| self.span(day)).filter(inside).map(|(start, end)| end - start).max()
    }
}

fn parse_days(text: &str) -> Result<u8, String> {
    if text.eq_ignore_ascii_case("daily") {
        return Ok(0b111_1111);
    }
    let mut days = 0;
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (mut day, last) = (day(first)?, day(last)?);
        loop {
            days |= 1 << day;
            if day == last {
                break;
            }
            day = (day + 1) % DAYS.len();
        }
    }
    Ok(days)
}

fn day(text: &str) -> Result<usize, String> {
    let lower = text.to_ascii_lowercase();
    let found = DAYS.iter().position(|name| *name == lower);
    found.ok_or_else(|| format!("{text:?} is not a day (Mon, Tue, Wed, Thu, Fri, Sat, Sun)"))
}

/// `HH:MM` up to 24:00.
fn minutes(text: &str) -> Option<u32> {
    let (hours, minutes) = text.split_once(':')?;
    let digits = |s: &str| s.len() == 2 && s.bytes().all(|b| b.is_ascii_digit());
    if !digits(hours) || !digits(minutes) {
        return None;
    }
    let (hours, minutes): (u32, u32) = (hours.parse().ok()?, minutes.parse().ok()?);
    let total = hours * 60 + minutes;
    (minutes < 60 && total <= DAY_MIN).then_some(total)
}

#[cfg(test)]
mod tests;
