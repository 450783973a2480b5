//! Change windows: `Mon-Fri 19:00-07:00`. Times are local wall-clock times; a window that ends at
//! or before its start runs into the next day and belongs to the day it starts on.

use chrono::{Datelike, NaiveDateTime, Timelike, Weekday};

use crate::config::value::Problem;

const DAYS: &[&str] = &["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const DAY_MIN: u32 = 24 * 60;

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

impl Window {
    /// Parses `DAYS HH:MM-HH:MM`; DAYS is `daily` (or nothing), a day, a range that may run over
    /// the weekend (`Fri-Mon`), or a list of these (`Mon,Wed-Fri`).
    ///
    /// # Errors
    /// Any other text, and a window of no length.
    pub fn parse(text: &str) -> Result<Window, Problem> {
        let bad = |why: String| {
            let hint =
                "write days and times, like \"Mon-Fri 19:00-07:00\" or \"daily 02:00-04:00\"";
            Problem::new(format!("{text:?} is not a window: {why}"), hint)
        };
        let words: Vec<&str> = text.split_whitespace().collect();
        let (days, times) = match words.as_slice() {
            [times] => ("daily", *times),
            [days, times] => (*days, *times),
            _ => return Err(bad("it needs days and times".to_owned())),
        };
        let days = parse_days(days).map_err(bad)?;
        let Some((start, end)) = times.split_once('-') else {
            return Err(bad(format!("{times:?} is not a span of times")));
        };
        let start_min = minutes(start).filter(|m| *m < DAY_MIN);
        let start_min = start_min.ok_or_else(|| bad(format!("{start:?} is not a time")))?;
        let end_min = minutes(end).ok_or_else(|| bad(format!("{end:?} is not a time")))?;
        if start_min == end_min {
            return Err(bad("it ends when it starts; a whole day is 00:00-24:00".to_owned()));
        }
        Ok(Window { days, start_min, end_min })
    }

    /// Whether the window is open at a local time.
    #[must_use]
    pub fn is_open(&self, local: NaiveDateTime) -> bool {
        let minute = local.hour() * 60 + local.minute();
        let (today, yesterday) = (local.weekday(), local.weekday().pred());
        if self.start_min < self.end_min {
            return self.on(today) && (self.start_min..self.end_min).contains(&minute);
        }
        self.on(today) && minute >= self.start_min || self.on(yesterday) && minute < self.end_min
    }

    fn on(&self, day: Weekday) -> bool {
        self.days & (1 << day.num_days_from_monday()) != 0
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
mod tests {
    use chrono::NaiveDateTime;

    use super::Window;

    #[test]
    fn open_and_closed() {
        // 2026-01-05 is a Monday.
        for (window, at, open) in [
            ("Mon-Fri 19:00-07:00", "2026-01-05 18:59", false),
            ("Mon-Fri 19:00-07:00", "2026-01-05 19:00", true),
            ("Mon-Fri 19:00-07:00", "2026-01-06 06:59", true),
            ("Mon-Fri 19:00-07:00", "2026-01-06 07:00", false),
            ("Mon-Fri 19:00-07:00", "2026-01-05 06:00", false),
            ("Mon-Fri 19:00-07:00", "2026-01-10 06:00", true),
            ("Mon-Fri 19:00-07:00", "2026-01-10 19:30", false),
            ("Sat,sun 00:00-24:00", "2026-01-11 23:59", true),
            ("Sat,sun 00:00-24:00", "2026-01-12 00:00", false),
            ("Fri-Mon 01:00-02:00", "2026-01-05 01:30", true),
            ("Fri-Mon 01:00-02:00", "2026-01-06 01:30", false),
            ("daily 02:00-04:00", "2026-01-07 03:00", true),
            ("02:00-04:00", "2026-01-07 04:00", false),
        ] {
            let local = NaiveDateTime::parse_from_str(at, "%Y-%m-%d %H:%M").unwrap();
            assert_eq!(Window::parse(window).unwrap().is_open(local), open, "{window} at {at}");
        }
    }

    #[test]
    fn what_is_refused() {
        for text in [
            "",
            "Mon",
            "Mon-Fri",
            "Mon 7:00-8:00",
            "Mon 07:00",
            "Mon 24:00-07:00",
            "Mon 07:60-08:00",
            "Mon 07:00-24:01",
            "Mon 07:00-07:00",
            "Noday 01:00-02:00",
            "Mon- 01:00-02:00",
            "Mon Tue 01:00-02:00",
            ", 01:00-02:00",
        ] {
            assert!(Window::parse(text).is_err(), "{text:?}");
        }
    }
}
