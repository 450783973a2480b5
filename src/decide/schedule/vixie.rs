//! The five fields together, read as Vixie cron reads them (cronie's entry.c): the next wall-clock
//! time that matches. Never maps wall clock to instants: that is the business of `wall`.

use chrono::{Days as DayCount, NaiveDateTime, NaiveTime, Timelike};

use super::ScheduleError;
use super::days::{Answers, Days};
use super::field::{Field, UNITS, Unit};

/// Five parsed fields.
#[derive(Debug, Clone)]
pub(super) struct Cron {
    /// Bit n: minute n of an hour. Never empty.
    minutes: u64,
    /// Bit n: hour n of a day. Never empty.
    hours: u64,
    days: Days,
    pace: Pace,
    warning: Option<String>,
}

/// What a change of the clock does to a job, cronie's rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// Neither the minute nor the hour begins with `*`: runs once for each time it names, right
    /// after the gap if the clock skips that time, the first time round if the clock repeats it.
    FixedTime,
    /// Runs whenever the clock shows a matching time, and only then.
    FollowsClock,
}

impl Cron {
    /// Reads five fields; `at` is where they begin in the whole text.
    pub(super) fn parse(text: &str, at: usize) -> Result<Cron, ScheduleError> {
        let words = split(text, at)?;
        let mut fields = [Field { bits: 0, star: false }; 5];
        for ((unit, (start, word)), slot) in UNITS.iter().zip(&words).zip(&mut fields) {
            *slot = Field::parse(*unit, word, *start)?;
        }
        let [minute, hour, date, month, weekday] = fields;
        let pace = match minute.star || hour.star {
            true => Pace::FollowsClock,
            false => Pace::FixedTime,
        };
        let days = Days::new(date, month, weekday, words[2].0)?;
        let warning = star_rule_warning(words[2].1, words[4].1, date, weekday);
        Ok(Cron { minutes: minute.bits, hours: hour.bits, days, pace, warning })
    }

    pub(super) fn pace(&self) -> Pace {
        self.pace
    }

    pub(super) fn warning(&self) -> Option<String> {
        self.warning.clone()
    }

    /// The first matching wall-clock time strictly after `wall`.
    pub(super) fn next_wall(
        &self,
        wall: NaiveDateTime,
        answers: &Answers,
    ) -> Option<NaiveDateTime> {
        // The calendar is asked once: from today on only if there is still a time today.
        let today = wall.date();
        let rest_of_today = self.next_time(wall.time());
        let from = match rest_of_today {
            Some(_) => today,
            None => today.checked_add_days(DayCount::new(1))?,
        };
        let day = self.days.next_from(from, answers)?;
        let time = match rest_of_today {
            Some(time) if day == today => time,
            Some(_) | None => clock(self.hours.trailing_zeros(), self.minutes.trailing_zeros())?,
        };
        Some(day.and_time(time))
    }

    /// The first matching time of the same day strictly after `time`.
    fn next_time(&self, time: NaiveTime) -> Option<NaiveTime> {
        let this_hour = self.hours & (1 << time.hour()) != 0;
        if let (true, Some(minute)) = (this_hour, next_bit(self.minutes, time.minute())) {
            return clock(time.hour(), minute);
        }
        let hour = next_bit(self.hours, time.hour())?;
        clock(hour, self.minutes.trailing_zeros())
    }
}

/// The lowest bit above `above` (at most 59), if there is one.
fn next_bit(bits: u64, above: u32) -> Option<u32> {
    let rest = bits >> (above + 1);
    (rest != 0).then(|| above + 1 + rest.trailing_zeros())
}

fn clock(hour: u32, minute: u32) -> Option<NaiveTime> {
    NaiveTime::from_hms_opt(hour, minute, 0)
}

/// Exactly five words, each with where it begins.
fn split(text: &str, at: usize) -> Result<[(usize, &str); 5], ScheduleError> {
    let mut words = Vec::new();
    let mut rest = text;
    while !rest.trim_start().is_empty() {
        rest = rest.trim_start();
        let start = text.len() - rest.len();
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        words.push((at + start, &rest[..end]));
        rest = &rest[end..];
    }
    let count = words.len();
    if let Some((start, word)) = words.first().filter(|(_, word)| word.contains('=')) {
        return Err(ScheduleError::new(*start, format!("`{word}`: a schedule has no settings"))
            .hint("all schedules follow the time zone of the host, or `TZ` of renew itself"));
    }
    <[(usize, &str); 5]>::try_from(words).map_err(|words| match count {
        0 => ScheduleError::new(at, "the schedule is empty").hint("for example `*/3 * * * *`"),
        1..=4 => ScheduleError::new(
            at + text.len(),
            format!("a schedule has five fields, found {count}"),
        )
        .hint("minute, hour, day of month, month, day of week: for example `*/3 * * * *`"),
        _ => ScheduleError::new(
            words.get(5).map_or(at, |(start, _)| *start),
            format!("a schedule has five fields, no seconds and no year, found {count}"),
        )
        .hint("minute, hour, day of month, month, day of week"),
    })
}

/// `*/2` beside a weekday: many crons read "either", Vixie's star flag makes it "both".
fn star_rule_warning(
    date_text: &str,
    weekday_text: &str,
    date: Field,
    weekday: Field,
) -> Option<String> {
    const EVERY_DATE: u64 = 0xFFFF_FFFE;
    const EVERY_WEEKDAY: u64 = 0x7F;
    let stepped_date = date.star && date.bits != EVERY_DATE;
    let stepped_weekday = weekday.star && weekday.bits != EVERY_WEEKDAY;
    let (stepped, unit, other) = match (stepped_date, stepped_weekday) {
        (true, _) if weekday.bits != EVERY_WEEKDAY => (date_text, Unit::DayOfMonth, weekday_text),
        (_, true) if date.bits != EVERY_DATE => (weekday_text, Unit::DayOfWeek, date_text),
        _ => return None,
    };
    Some(format!(
        "`{stepped}` in the {} field begins with `*`, so a day must match it and `{other}`, as in \
         Vixie cron; write the numbers out if either is meant to do",
        unit.name()
    ))
}
