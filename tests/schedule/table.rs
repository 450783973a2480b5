//! The cases on which cron libraries disagree, one line each, with cronie's answer (and renew's own
//! where cronie accepts what can only be a mistake).

use chrono::{DateTime, Utc};
use renew::decide::schedule::Schedule;

/// 1 January 2024 was a Monday.
const START: &str = "2024-01-01T00:00:00Z";

#[test]
fn where_cron_libraries_disagree() {
    let table: &[(&str, &[&str])] = &[
        // Five fields, the first of them minutes.
        ("30 4 1 1 *", &["2024-01-01T04:30", "2025-01-01T04:30"]),
        // Day of week: 0 and 7 are Sunday, 1 is Monday.
        ("0 3 * * 1", &["2024-01-01T03:00", "2024-01-08T03:00"]),
        ("0 3 * * 0", &["2024-01-07T03:00", "2024-01-14T03:00"]),
        ("0 3 * * 7", &["2024-01-07T03:00", "2024-01-14T03:00"]),
        ("0 3 * * 5-7", &["2024-01-05T03:00", "2024-01-06T03:00", "2024-01-07T03:00"]),
        ("0 3 * * fri-sun", &["2024-01-05T03:00", "2024-01-06T03:00", "2024-01-07T03:00"]),
        ("0 3 * * fri-sun/2", &["2024-01-05T03:00", "2024-01-07T03:00", "2024-01-12T03:00"]),
        // Both day fields restricted: either.
        ("0 0 13 * 5", &["2024-01-05T00:00", "2024-01-12T00:00", "2024-01-13T00:00"]),
        // One of them begins with a star: both.
        ("0 0 */2 * 1", &["2024-01-15T00:00", "2024-01-29T00:00", "2024-02-05T00:00"]),
        // A date that does not exist leaves the weekday.
        ("0 0 30 2 1", &["2024-02-05T00:00", "2024-02-12T00:00"]),
        ("1-59/3 0 * * *", &["2024-01-01T00:01", "2024-01-01T00:04"]),
        ("5,10 0 * jan,MAR Tue", &["2024-01-02T00:05", "2024-01-02T00:10", "2024-01-09T00:05"]),
        ("@midnight", &["2024-01-02T00:00"]),
        ("@annually", &["2025-01-01T00:00"]),
    ];
    for (text, expected) in table {
        let schedule = Schedule::parse(text).expect(text);
        let mut at: DateTime<Utc> = START.parse().expect("a time");
        for wanted in *expected {
            at = schedule.next_after(at, &Utc, at).expect("a next time");
            assert_eq!(at.format("%Y-%m-%dT%H:%M").to_string(), *wanted, "`{text}`");
        }
    }
}

#[test]
fn leap_day_after_the_century() {
    let schedule = Schedule::parse("0 0 29 2 *").expect("legal");
    let mut at: DateTime<Utc> = "2092-03-01T00:00:00Z".parse().expect("a time");
    for year in [2096, 2104, 2108] {
        at = schedule.next_after(at, &Utc, at).expect("a next time");
        assert_eq!(at.format("%Y-%m-%d").to_string(), format!("{year}-02-29"));
    }
}

#[test]
fn what_only_some_libraries_refuse() {
    let table = [
        ("5/15 * * * *", "5-59/15"),
        ("MON 3 * * *", "day of week"),
        ("1,,2 * * * *", "empty entry"),
        ("1, * * * *", "empty entry"),
        ("0 0 * * sat-mon", "runs backwards"),
        ("0 22-2 * * *", "runs backwards"),
        ("0 0 L * *", "extension"),
        ("0 0 15W * *", "extension"),
        ("0 0 * * 5L", "extension"),
        ("0 0 * * 1#2", "extension"),
        ("@reboot", "run_on_start"),
        ("0 0 30 2 *", "never runs"),
        ("0 0 31 4 *", "never runs"),
        ("0 * * * * *", "no seconds"),
        ("0 * * * * * 2024", "no seconds"),
    ];
    for (text, part) in table {
        match Schedule::parse(text) {
            Ok(_) => panic!("`{text}` was accepted"),
            Err(error) => assert!(error.to_string().contains(part), "`{text}`: {error}"),
        }
    }
}
