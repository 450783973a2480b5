//! Table tests of change windows: plain days, the gap and the repeated hour of a zone, and schedules
//! that never meet a window.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::{Opening, Window, is_reached, opening};
use crate::decide::schedule::Schedule;

fn windows(texts: &[&str]) -> Vec<Window> {
    texts.iter().map(|text| Window::parse(text).unwrap()).collect()
}

fn utc(text: &str) -> DateTime<Utc> {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap().and_utc()
}

/// `open`, or when it opens, on the clocks of the zone with their offset.
fn at(texts: &[&str], zone: Tz, now: &str) -> String {
    match opening(&windows(texts), utc(now), &zone) {
        Opening::Open => "open".to_owned(),
        Opening::Closed { opens: None } => "never".to_owned(),
        Opening::Closed { opens: Some(opens) } => {
            opens.with_timezone(&zone).format("%Y-%m-%d %H:%M %:z").to_string()
        }
    }
}

#[test]
fn open_and_closed() {
    // 2026-01-05 is a Monday.
    for (window, now, expected) in [
        ("Mon-Fri 19:00-07:00", "2026-01-05 18:59", "2026-01-05 19:00 +00:00"),
        ("Mon-Fri 19:00-07:00", "2026-01-05 19:00", "open"),
        ("Mon-Fri 19:00-07:00", "2026-01-06 06:59", "open"),
        ("Mon-Fri 19:00-07:00", "2026-01-06 07:00", "2026-01-06 19:00 +00:00"),
        ("Mon-Fri 19:00-07:00", "2026-01-05 06:00", "2026-01-05 19:00 +00:00"),
        ("Mon-Fri 19:00-07:00", "2026-01-10 06:00", "open"),
        ("Mon-Fri 19:00-07:00", "2026-01-10 19:30", "2026-01-12 19:00 +00:00"),
        ("Sat,sun 00:00-24:00", "2026-01-11 23:59", "open"),
        ("Sat,sun 00:00-24:00", "2026-01-12 00:00", "2026-01-17 00:00 +00:00"),
        ("Fri-Mon 01:00-02:00", "2026-01-05 01:30", "open"),
        ("Fri-Mon 01:00-02:00", "2026-01-06 01:30", "2026-01-09 01:00 +00:00"),
        ("Mon 01:00-02:00", "2026-01-05 02:00", "2026-01-12 01:00 +00:00"),
        ("daily 22:00-00:00", "2026-01-07 23:59", "open"),
        ("daily 22:00-00:00", "2026-01-07 00:00", "2026-01-07 22:00 +00:00"),
        ("daily 02:00-04:00", "2026-01-07 03:00", "open"),
        ("02:00-04:00", "2026-01-07 04:00", "2026-01-08 02:00 +00:00"),
    ] {
        assert_eq!(at(&[window], Tz::UTC, now), expected, "{window} at {now}");
    }
    assert_eq!(at(&[], Tz::UTC, "2026-01-07 03:00"), "open", "no window is no limit");
    let two = ["Mon 01:00-02:00", "Thu 05:00-06:00"];
    assert_eq!(at(&two, Tz::UTC, "2026-01-07 03:00"), "2026-01-08 05:00 +00:00");
    assert_eq!(at(&two, Tz::UTC, "2026-01-08 05:30"), "open");
}

/// In Berlin 02:00 becomes 03:00 on Sunday 2026-03-29 at 01:00 UTC.
#[test]
fn a_window_that_the_clock_skips_is_made_up_for() {
    for (window, now, expected) in [
        ("Sun 02:00-03:00", "2026-03-29 00:59", "2026-03-29 03:00 +02:00"),
        ("Sun 02:00-03:00", "2026-03-29 01:00", "open"),
        ("Sun 02:00-03:00", "2026-03-29 01:59", "open"),
        ("Sun 02:00-03:00", "2026-03-29 02:00", "2026-04-05 02:00 +02:00"),
        ("Sun 02:10-02:20", "2026-03-29 01:09", "open"),
        ("Sun 02:10-02:20", "2026-03-29 01:10", "2026-04-05 02:10 +02:00"),
        // Only a part of it is skipped: the rest is there.
        ("Sun 01:30-02:30", "2026-03-29 00:59", "open"),
        ("Sun 01:30-02:30", "2026-03-29 01:00", "2026-04-05 01:30 +02:00"),
        ("Sun 02:30-03:30", "2026-03-29 00:59", "2026-03-29 03:00 +02:00"),
        ("Sun 02:30-03:30", "2026-03-29 01:29", "open"),
        ("Sun 02:30-03:30", "2026-03-29 01:30", "2026-04-05 02:30 +02:00"),
        ("Sat 22:00-04:00", "2026-03-29 01:59", "open"),
        ("Sat 22:00-04:00", "2026-03-29 02:00", "2026-04-04 22:00 +02:00"),
        ("Mon 02:00-03:00", "2026-03-29 01:30", "2026-03-30 02:00 +02:00"),
    ] {
        assert_eq!(at(&[window], Tz::Europe__Berlin, now), expected, "{window} at {now}");
    }
    // The day that Samoa left out: Friday, 30 December 2011.
    for (now, expected) in [
        ("2011-12-30 09:59", "2011-12-31 00:00 +14:00"),
        ("2011-12-30 10:00", "open"),
        ("2011-12-30 11:59", "open"),
        ("2011-12-30 12:00", "2012-01-06 10:00 +14:00"),
    ] {
        assert_eq!(at(&["Fri 10:00-12:00"], Tz::Pacific__Apia, now), expected, "at {now}");
    }
}

/// In Berlin 03:00 becomes 02:00 on Sunday 2026-10-25 at 01:00 UTC.
#[test]
fn an_hour_that_comes_twice_is_in_the_window_twice() {
    for (window, now, expected) in [
        ("Sun 02:00-03:00", "2026-10-24 23:59", "2026-10-25 02:00 +02:00"),
        ("Sun 02:00-03:00", "2026-10-25 00:59", "open"),
        ("Sun 02:00-03:00", "2026-10-25 01:59", "open"),
        ("Sun 02:00-03:00", "2026-10-25 02:00", "2026-11-01 02:00 +01:00"),
        ("Sun 02:15-02:30", "2026-10-25 00:20", "open"),
        ("Sun 02:15-02:30", "2026-10-25 00:30", "2026-10-25 02:15 +01:00"),
        ("Sun 02:15-02:30", "2026-10-25 01:20", "open"),
        ("Sat 23:00-02:30", "2026-10-25 00:45", "2026-10-25 02:00 +01:00"),
    ] {
        assert_eq!(at(&[window], Tz::Europe__Berlin, now), expected, "{window} at {now}");
    }
}

/// In steps of five minutes over four weeks with a change of the clock: every week has its window, and what
/// is announced is when it opens.
#[test]
fn no_window_is_lost_and_none_is_announced_wrongly() {
    for (zone, start) in [
        (Tz::Europe__Berlin, "2026-03-20 00:00"),
        (Tz::Europe__Berlin, "2026-10-16 00:00"),
        (Tz::Australia__Lord_Howe, "2024-09-27 00:00"),
        (Tz::America__Sao_Paulo, "2018-10-26 00:00"),
        (Tz::Antarctica__Troll, "2024-03-22 00:00"),
    ] {
        for window in ["Sun 02:00-03:00", "Sun 00:00-00:30", "Sun 02:05-02:25", "Sat 23:00-01:30"] {
            let (mut now, end) = (utc(start), utc(start) + TimeDelta::days(28));
            let mut openings = 0;
            let mut announced = None;
            while now < end {
                match opening(&windows(&[window]), now, &zone) {
                    Opening::Open => {
                        let right = announced.take().is_none_or(|opens| opens == now);
                        assert!(right, "{window} in {zone} opens at {now}");
                        now += TimeDelta::minutes(5);
                    }
                    Opening::Closed { opens } => {
                        let opens = opens.unwrap();
                        if announced.is_none() {
                            openings += 1;
                        }
                        let same = announced.is_none_or(|before| before == opens);
                        assert!(same && opens > now, "{window} in {zone} at {now}: {opens}");
                        announced = Some(opens);
                        now += TimeDelta::minutes(5);
                    }
                }
            }
            assert!((4..=6).contains(&openings), "{window} in {zone}: {openings} openings");
        }
    }
}

#[test]
fn a_schedule_that_never_meets_a_window_is_seen() {
    for (window, schedule, reached) in [
        ("Mon 01:00-02:00", "*/3 * * * *", true),
        ("Mon 01:01-01:02", "*/3 * * * *", false),
        ("daily 02:00-04:00", "0 12 * * *", false),
        ("daily 02:00-04:00", "0 3 * * *", true),
        ("Sat 02:00-04:00", "0 3 * * 1-5", false),
        ("Sat,Sun 00:00-24:00", "@monthly", true),
        ("daily 12:00-13:00", "@monthly", false),
        ("daily 02:00-04:00", "@hourly", true),
        ("daily 02:10-02:50", "@hourly", false),
    ] {
        let schedule = Schedule::parse(schedule).unwrap();
        let now = utc("2026-01-07 05:00");
        let answer = is_reached(&windows(&[window]), &schedule, now, &Tz::UTC);
        assert_eq!(answer, reached, "{window} with {schedule}");
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
