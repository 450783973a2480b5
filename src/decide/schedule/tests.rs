//! Table tests of the reader and of next times in UTC. The oracles are in `tests/schedule`.

use chrono::{DateTime, TimeZone, Utc};

use super::{Schedule, ScheduleError};

fn at(text: &str) -> DateTime<Utc> {
    format!("{text}Z").parse().expect("a time")
}

fn next(expression: &str, after: &str) -> String {
    let schedule = Schedule::parse(expression).unwrap_or_else(|e| panic!("{expression}: {e}"));
    let anchor = at("2024-01-01T00:00:00");
    let next = schedule.next_after(at(after), &Utc, anchor).expect("a next time");
    next.format("%Y-%m-%dT%H:%M:%S%.f").to_string()
}

fn refusal(expression: &str) -> ScheduleError {
    match Schedule::parse(expression) {
        Ok(_) => panic!("`{expression}` was accepted"),
        Err(error) => error,
    }
}

#[test]
fn next_times() {
    // 1 January 2024 is a Monday.
    let table = [
        ("*/3 * * * *", "2024-01-01T00:00:00", "2024-01-01T00:03:00"),
        ("*/3 * * * *", "2024-01-01T00:02:59.999", "2024-01-01T00:03:00"),
        ("0 3 * * 1", "2024-01-01T03:00:00", "2024-01-08T03:00:00"),
        ("0 3 * * mon", "2024-01-01T03:00:00", "2024-01-08T03:00:00"),
        ("0 0 * * 0", "2024-01-01T00:00:00", "2024-01-07T00:00:00"),
        ("0 0 * * 7", "2024-01-01T00:00:00", "2024-01-07T00:00:00"),
        ("0 0 * * 5-7", "2024-01-06T00:00:00", "2024-01-07T00:00:00"),
        ("0 0 * * fri-sun", "2024-01-06T00:00:00", "2024-01-07T00:00:00"),
        ("0 0 * * Fri-SUN/2", "2024-01-05T00:00:00", "2024-01-07T00:00:00"),
        ("0 0 13 * 5", "2024-01-05T00:00:00", "2024-01-12T00:00:00"),
        ("0 0 13 * 5", "2024-01-12T00:00:00", "2024-01-13T00:00:00"),
        ("0 0 */2 * 1", "2024-01-01T00:00:00", "2024-01-15T00:00:00"),
        ("0 0 30 2 1", "2024-01-01T00:00:00", "2024-02-05T00:00:00"),
        ("1-59/3 * * * *", "2024-01-01T00:01:00", "2024-01-01T00:04:00"),
        ("0 0 1 jan,JUL *", "2024-01-01T00:00:00", "2024-07-01T00:00:00"),
        ("007 01 * * *", "2024-01-01T00:00:00", "2024-01-01T01:07:00"),
        ("0 0 29 2 *", "2024-02-29T00:00:00", "2028-02-29T00:00:00"),
        ("0 0 29 2 *", "2096-02-29T00:00:00", "2104-02-29T00:00:00"),
        ("0 0 29 2 */3", "2024-03-01T00:00:00", "2032-02-29T00:00:00"),
        ("59 23 31 12 *", "2099-12-31T23:59:00", "2100-12-31T23:59:00"),
        ("0 0 1 1 1", "2150-01-02T00:00:00", "2150-01-05T00:00:00"),
        ("0 0 1 3 *", "1960-01-01T00:00:00", "1960-03-01T00:00:00"),
        ("0 0 31 12 *", "1969-12-31T00:00:00", "1970-12-31T00:00:00"),
        ("@hourly", "2024-01-01T00:00:00", "2024-01-01T01:00:00"),
        ("@daily", "2024-01-01T00:00:00", "2024-01-02T00:00:00"),
        ("@midnight", "2024-01-01T00:00:00", "2024-01-02T00:00:00"),
        ("@weekly", "2024-01-01T00:00:00", "2024-01-07T00:00:00"),
        ("@monthly", "2024-01-01T00:00:00", "2024-02-01T00:00:00"),
        ("@yearly", "2024-01-01T00:00:00", "2025-01-01T00:00:00"),
        ("@annually", "2024-01-01T00:00:00", "2025-01-01T00:00:00"),
        ("  @daily\t", "2024-01-01T00:00:00", "2024-01-02T00:00:00"),
        ("\t0  0 1\t1 *  ", "2024-01-01T00:00:00", "2025-01-01T00:00:00"),
        ("@every 90s", "2024-01-01T00:00:00", "2024-01-01T00:01:30"),
        ("@every 1h30m", "2024-01-01T00:00:00", "2024-01-01T01:30:00"),
        ("@every 1.5h", "2024-01-01T00:00:00", "2024-01-01T01:30:00"),
        ("@every  2d", "2024-01-01T00:00:00", "2024-01-03T00:00:00"),
        ("@every 1500ms", "2024-01-01T00:00:01.5", "2024-01-01T00:00:03"),
        ("@every 1m1.25s", "2024-01-01T00:00:00", "2024-01-01T00:01:01.250"),
        ("@every 1s500us", "2024-01-01T00:00:00", "2024-01-01T00:00:01.000500"),
        ("@every .5h", "2024-01-01T00:00:00", "2024-01-01T00:30:00"),
        // The anchor is a fire as well, and so are the times before it.
        ("@every 90s", "2023-12-31T23:59:59", "2024-01-01T00:00:00"),
        ("@every 90s", "2023-12-31T23:58:00", "2023-12-31T23:58:30"),
        ("@every 7d", "1970-01-01T00:00:00", "1970-01-05T00:00:00"),
    ];
    for (expression, after, expected) in table {
        assert_eq!(next(expression, after), expected, "`{expression}` after {after}");
    }
}

/// Expression, byte offset of the error, a part of what it says.
const REFUSALS: &[(&str, usize, &str)] = &[
    ("5/15 * * * *", 0, "write `5-59/15`"),
    ("0 4/2 * * *", 2, "write `4-23/2`"),
    ("0 22-2 * * *", 2, "write `22-23,0-2`"),
    ("0 0 * * sat-mon", 8, "write `6-7,0-1`"),
    ("0 0 * * 5-0", 8, "write `5-7`"),
    ("0 0 * * sat-mon/2", 8, "two ranges"),
    ("MON 3 * * *", 0, "fifth field"),
    ("0 3 * jam *", 6, "1 to 12"),
    ("0 jan * * *", 2, "fourth field"),
    ("0 0 * * Monday", 8, "`mon`"),
    ("0 0 * * * *", 10, "no seconds"),
    ("0 0 0 * * * 2024", 10, "no seconds"),
    ("* * * *", 7, "found 4"),
    ("", 0, "empty"),
    ("   ", 3, "empty"),
    ("@reboot", 0, "run_on_start"),
    ("@hurly", 0, "`@hourly`"),
    ("@Daily", 0, "`@daily`"),
    ("@daily 5", 6, "stands alone"),
    ("@sometimes", 0, "known are"),
    ("@", 0, "known are"),
    ("*/0 * * * *", 2, "begin at 1"),
    ("*/60 * * * *", 2, "largest step here is 59"),
    ("* */24 * * *", 4, "largest step here is 23"),
    ("0 0 */99999999999999999999 * *", 6, "largest step here is 31"),
    ("*/x * * * *", 2, "not a number"),
    ("*/ * * * *", 2, "not a number"),
    ("1,,2 * * * *", 2, "extra comma"),
    ("1, * * * *", 2, "extra comma"),
    (",1 * * * *", 0, "extra comma"),
    ("60 * * * *", 0, "0 to 59"),
    ("0 24 * * *", 2, "0 to 23"),
    ("0 0 0 * *", 4, "1 to 31"),
    ("0 0 * 13 *", 6, "1 to 12"),
    ("0 0 * * 8", 8, "0 to 7"),
    ("999999999999 * * * *", 0, "0 to 59"),
    ("1- * * * *", 2, "missing"),
    ("-1 * * * *", 0, "missing"),
    ("1-2-3 * * * *", 2, "not a number"),
    ("** * * * *", 0, "not a number"),
    ("*-5 * * * *", 0, "not a number"),
    ("+4 * * * *", 0, "not a number"),
    ("0 0 L * *", 4, "Vixie"),
    ("0 0 15W * *", 4, "Vixie"),
    ("0 0 * * 5L", 8, "Vixie"),
    ("0 0 * * 1#2", 8, "Vixie"),
    ("0 0 ? * 1", 4, "Vixie"),
    ("~ * * * *", 0, "Vixie"),
    ("\u{e9} * * * *", 0, "not a number"),
    ("0 0 30 2 *", 4, "never runs"),
    ("0 0 31 4 *", 4, "never runs"),
    ("0 0 30-31 feb */2", 4, "never runs"),
    ("0 0 31 4,6,9,11 *", 4, "never runs"),
    ("CRON_TZ=UTC 0 0 * * *", 0, "time zone of the host"),
    (" 61 * * * *", 1, "0 to 59"),
    ("@every", 6, "needs a duration"),
    ("@every 0s", 7, "shortest period is 1s"),
    ("@every 999ms", 7, "shortest period is 1s"),
    ("@every 5", 8, "write `5s`"),
    ("@every 5x", 8, "units are"),
    ("@every 5 m", 8, "without blanks"),
    ("@every -5m", 7, "not a unit"),
    ("@every 1.2.3s", 7, "not a duration"),
    ("@every .s", 7, "not a duration"),
    ("@every 99999999999999999999999h", 7, "longest period"),
    ("@every 107000d", 7, "longest period"),
    ("@every5m", 0, "`@every`"),
];

#[test]
fn refusals_say_where_and_what_instead() {
    for (expression, offset, part) in REFUSALS {
        let error = refusal(expression);
        let text = error.to_string();
        assert!(text.contains(part), "`{expression}`: `{text}` should say `{part}`");
        assert_eq!(error.offset, *offset, "`{expression}`: {text}");
    }
}

#[test]
fn the_star_rule_is_warned_about() {
    let warned = |text: &str| !Schedule::parse(text).expect(text).warnings().is_empty();
    for text in ["0 0 */2 * 1", "0 0 1 * */2", "0 0 */2 * */3", "0 0 */2,5 * 1-5"] {
        assert!(warned(text), "{text}");
    }
    for text in ["0 0 */2 * *", "0 0 * * 1", "0 0 13 * 5", "0 0 */1 * 1", "@every 5m", "@daily"] {
        assert!(!warned(text), "{text}");
    }
    let schedule = Schedule::parse("0 0 */2 * 1").expect("legal");
    assert!(schedule.warnings()[0].starts_with("`*/2` in the day of month field"));
}

#[test]
fn every_needs_an_anchor_and_keeps_to_it() {
    let schedule = Schedule::parse("@every 7m").expect("legal");
    let anchor = at("2024-02-29T12:34:56.789");
    assert!(schedule.needs_anchor() && !Schedule::parse("@daily").expect("legal").needs_anchor());
    let far = at("2124-02-29T12:34:56.789");
    let next = schedule.next_after(far, &Utc, anchor).expect("a next time");
    assert!(next > far && next <= far + chrono::TimeDelta::minutes(7));
    assert_eq!((next - anchor).num_milliseconds() % 420_000, 0);
}

#[test]
fn the_ends_of_time_have_no_next_fire() {
    for text in ["* * * * *", "0 0 29 2 *", "@every 7d", "@yearly"] {
        let schedule = Schedule::parse(text).expect("legal");
        let anchor = DateTime::UNIX_EPOCH;
        assert_eq!(schedule.next_after(DateTime::<Utc>::MAX_UTC, &Utc, anchor), None, "{text}");
        // At the other end either answer will do, as long as it is an answer.
        let first = schedule.next_after(DateTime::<Utc>::MIN_UTC, &Utc, anchor);
        assert!(first.is_none_or(|first| first > DateTime::<Utc>::MIN_UTC), "{text}");
        let east = chrono::FixedOffset::east_opt(86_399).expect("an offset");
        let _ = schedule.next_after(DateTime::<Utc>::MAX_UTC, &east, DateTime::<Utc>::MIN_UTC);
        let _ = schedule.next_after(DateTime::<Utc>::MIN_UTC, &east, DateTime::<Utc>::MAX_UTC);
        let late = Utc.with_ymd_and_hms(9_999, 6, 1, 0, 0, 0).single().expect("a time");
        assert!(schedule.next_after(late, &Utc, anchor).is_some(), "{text}");
    }
}
