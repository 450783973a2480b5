//! Days on which clocks change, against a simulation of cronie that looks at the wall clock once a
//! minute: it keeps the latest wall time it has seen; when the clock shows more than one minute
//! later, it runs the fixed-time jobs of all minutes it missed; when the clock shows an earlier
//! time, it runs only jobs that follow the clock. cronie gives up on jumps of more than three
//! hours; renew does not, and neither does this simulation.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, NaiveDateTime, TimeDelta, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use renew::decide::schedule::Schedule;

use crate::model::{Expression, Star};
use crate::random::Random;

/// Zone, and a day near the middle of the four that are played.
const CHANGES: &[(Tz, &str)] = &[
    (Tz::Europe__London, "2024-03-31"),
    (Tz::Europe__London, "2024-10-27"),
    (Tz::America__New_York, "2024-03-10"),
    (Tz::America__New_York, "2024-11-03"),
    // Midnight itself is skipped, and an evening comes twice.
    (Tz::America__Sao_Paulo, "2017-10-15"),
    (Tz::America__Sao_Paulo, "2018-02-18"),
    (Tz::America__Sao_Paulo, "2018-11-04"),
    // Half an hour.
    (Tz::Australia__Lord_Howe, "2024-04-07"),
    (Tz::Australia__Lord_Howe, "2024-10-06"),
    // Two hours.
    (Tz::Antarctica__Troll, "2024-03-31"),
    (Tz::Antarctica__Troll, "2024-10-27"),
    // A whole day that never was.
    (Tz::Pacific__Apia, "2011-12-30"),
    // No change at all.
    (Tz::Asia__Kolkata, "2024-03-31"),
];
const EXPRESSIONS: u64 = 200;
const FIRST_SEED: u64 = 0xC10C_0001;

/// One minute of a day on which the clock changes.
struct Minute {
    at: DateTime<Utc>,
    wall: NaiveDateTime,
}

fn minutes(zone: Tz, day: &str) -> Vec<Minute> {
    let noon: NaiveDateTime = format!("{day}T12:00:00").parse().expect("a day");
    let start = noon.and_utc() - TimeDelta::days(2);
    let shown = |at: DateTime<Utc>| at.with_timezone(&zone).naive_local();
    (0..4 * 1440)
        .map(|minute| start + TimeDelta::minutes(minute))
        .map(|at| Minute { at, wall: shown(at) })
        .collect()
}

fn matches(expression: &Expression, wall: NaiveDateTime) -> bool {
    let number = |value: u32| i64::from(value);
    expression.fields[0].numbers.contains(&number(wall.minute()))
        && expression.fields[1].numbers.contains(&number(wall.hour()))
        && expression.matches_day(
            number(wall.month()),
            number(wall.day()),
            number(wall.weekday().num_days_from_sunday()),
            Star::Leading,
        )
}

fn simulate(expression: &Expression, minutes: &[Minute]) -> Vec<DateTime<Utc>> {
    let wild = expression.follows_the_clock();
    let mut latest = minutes[0].wall - TimeDelta::minutes(1);
    let mut fires = Vec::new();
    for minute in minutes {
        let runs = match wild {
            true => matches(expression, minute.wall),
            false => {
                let mut missed = latest;
                let mut any = false;
                while missed < minute.wall {
                    missed += TimeDelta::minutes(1);
                    any |= matches(expression, missed);
                }
                any
            }
        };
        latest = latest.max(minute.wall);
        if runs {
            fires.push(minute.at);
        }
    }
    fires
}

/// All fires from `after` to the end of the simulated time.
fn ours(
    schedule: &Schedule,
    zone: Tz,
    after: DateTime<Utc>,
    end: DateTime<Utc>,
) -> Vec<DateTime<Utc>> {
    let mut found = Vec::new();
    let mut at = after;
    while let Some(next) = schedule.next_after(at, &zone, DateTime::UNIX_EPOCH) {
        assert!(next > at, "went from {at} to {next}");
        if next > end {
            break;
        }
        found.push(next);
        at = next;
    }
    found
}

#[test]
fn clock_changes_agree_with_a_simulation_of_cronie() {
    let (mut fires, mut skipped_or_repeated) = (0, 0);
    for (number, (zone, day)) in (0..).zip(CHANGES) {
        let minutes = minutes(*zone, day);
        let (first, last) = (minutes[0].at, minutes[minutes.len() - 1].at);
        for case in 0..EXPRESSIONS {
            let seed = FIRST_SEED + number * EXPRESSIONS + case;
            let random = &mut Random::new(seed);
            let expression = Expression::nightly(random);
            let text = expression.text();
            let Ok(schedule) = Schedule::parse(&text) else { continue };
            let expected = simulate(&expression, &minutes);
            // Step by step through all four days, or, where that is long, the day of the change.
            let (start, end) = match expected.len() {
                0..400 => (first, last),
                _ => (first + TimeDelta::hours(36), last - TimeDelta::hours(36)),
            };
            let wanted = expected.iter().filter(|at| (start..=end).contains(*at));
            let found = ours(&schedule, *zone, start - TimeDelta::nanoseconds(1), end);
            assert!(found.iter().eq(wanted), "seed {seed}: `{text}` in {zone}: {found:?}");
            fires += found.len();
            // From anywhere in between, at odd seconds, the answer is the same.
            for _ in 0..20 {
                let seconds = random.between(0, 4 * 86_400 - 120);
                let nanos = random.between(0, 999_999_999);
                let after = first + TimeDelta::seconds(seconds) + TimeDelta::nanoseconds(nanos);
                let next = schedule.next_after(after, zone, DateTime::UNIX_EPOCH);
                let wanted = expected.iter().find(|at| **at > after);
                let next = next.filter(|at| *at <= last);
                assert_eq!(next.as_ref(), wanted, "seed {seed}: `{text}` in {zone} after {after}");
            }
            let by_the_wall = minutes.iter().filter(|minute| matches(&expression, minute.wall));
            let by_the_wall: BTreeSet<DateTime<Utc>> =
                by_the_wall.map(|minute| minute.at).collect();
            skipped_or_repeated += usize::from(by_the_wall != expected.into_iter().collect());
        }
    }
    println!("{fires} fires compared, {skipped_or_repeated} expressions fell on a change");
    assert!(skipped_or_repeated > 300, "only {skipped_or_repeated} fell on a gap or a repeat");
}

/// Zone, schedule, and wall times with their offset: one to start from, and those that follow.
const BY_HAND: &[(Tz, &str, &str, &[&str])] = &[
    (
        Tz::America__New_York,
        "30 2 * * *",
        "2024-03-09T12:00-05:00",
        &["2024-03-10T03:00-04:00", "2024-03-11T02:30-04:00"],
    ),
    (
        Tz::America__New_York,
        "15 1,2,3 * * *",
        "2024-03-10T00:00-05:00",
        &[
            "2024-03-10T01:15-05:00",
            "2024-03-10T03:00-04:00",
            "2024-03-10T03:15-04:00",
            "2024-03-11T01:15-04:00",
        ],
    ),
    // Two missed times and one that falls on the end of the gap are one run.
    (
        Tz::America__New_York,
        "0,30 2,3 * * *",
        "2024-03-10T00:00-05:00",
        &["2024-03-10T03:00-04:00", "2024-03-10T03:30-04:00"],
    ),
    (Tz::America__New_York, "*/30 2 * * *", "2024-03-10T00:00-05:00", &["2024-03-11T02:00-04:00"]),
    (
        Tz::America__New_York,
        "30 1 * * *",
        "2024-11-03T00:00-04:00",
        &["2024-11-03T01:30-04:00", "2024-11-04T01:30-05:00"],
    ),
    (
        Tz::America__New_York,
        "15 1,2 * * *",
        "2024-11-03T00:00-04:00",
        &["2024-11-03T01:15-04:00", "2024-11-03T02:15-05:00", "2024-11-04T01:15-05:00"],
    ),
    (
        Tz::America__New_York,
        "*/30 * * * *",
        "2024-11-03T00:45-04:00",
        &[
            "2024-11-03T01:00-04:00",
            "2024-11-03T01:30-04:00",
            "2024-11-03T01:00-05:00",
            "2024-11-03T01:30-05:00",
            "2024-11-03T02:00-05:00",
        ],
    ),
    // In the second round a fixed time waits for the next day.
    (Tz::America__New_York, "30 1 * * *", "2024-11-03T01:10-05:00", &["2024-11-04T01:30-05:00"]),
    (
        Tz::America__New_York,
        "*/20 1 * * *",
        "2024-11-03T01:50-04:00",
        &["2024-11-03T01:00-05:00", "2024-11-03T01:20-05:00"],
    ),
    (
        Tz::America__Sao_Paulo,
        "@daily",
        "2017-10-14T12:00-03:00",
        &["2017-10-15T01:00-02:00", "2017-10-16T00:00-02:00"],
    ),
    (
        Tz::America__Sao_Paulo,
        "30 23 * * *",
        "2018-02-17T12:00-02:00",
        &["2018-02-17T23:30-02:00", "2018-02-18T23:30-03:00"],
    ),
    (
        Tz::Australia__Lord_Howe,
        "10 2 * * *",
        "2024-10-05T12:00+10:30",
        &["2024-10-06T02:30+11:00", "2024-10-07T02:10+11:00"],
    ),
    (
        Tz::Australia__Lord_Howe,
        "45 * * * *",
        "2024-04-07T01:00+11:00",
        &["2024-04-07T01:45+11:00", "2024-04-07T01:45+10:30", "2024-04-07T02:45+10:30"],
    ),
    (
        Tz::Europe__London,
        "30 1 * * sun",
        "2024-03-30T12:00+00:00",
        &["2024-03-31T02:00+01:00", "2024-04-07T01:30+01:00"],
    ),
    (
        Tz::Pacific__Apia,
        "0 12 30 12 *",
        "2011-12-29T00:00-10:00",
        &["2011-12-31T00:00+14:00", "2012-12-30T12:00+14:00"],
    ),
];

#[test]
fn clock_changes_by_hand() {
    for (zone, text, after, expected) in BY_HAND {
        let schedule = Schedule::parse(text).expect(text);
        let read =
            |text: &str| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M%:z").expect(text).to_utc();
        let mut at = read(after);
        for wanted in *expected {
            let next = schedule.next_after(at, zone, DateTime::UNIX_EPOCH).expect("a next time");
            let shown = zone.from_utc_datetime(&next.naive_utc()).format("%Y-%m-%dT%H:%M%:z");
            assert_eq!(shown.to_string(), *wanted, "`{text}` in {zone} after {at}");
            at = next;
        }
    }
}

#[test]
fn an_hour_that_is_always_skipped_has_no_next_time() {
    // The second Sunday of March from two to three: New York has skipped it since 2007.
    let schedule = Schedule::parse("*/5 2 8-14 3 */7").expect("legal");
    let after = "2024-01-01T00:00:00Z".parse().expect("a time");
    let next = |zone: Tz| schedule.next_after(after, &zone, after);
    assert_eq!(next(Tz::America__New_York), None);
    assert!(next(Tz::UTC).is_some());
}

#[test]
fn random_walks_through_years_of_changes_never_go_back() {
    const ZONES: [Tz; 6] = [
        Tz::Europe__London,
        Tz::America__New_York,
        Tz::America__Sao_Paulo,
        Tz::Australia__Lord_Howe,
        Tz::Africa__Casablanca,
        Tz::Asia__Gaza,
    ];
    for case in 0..1_000 {
        let seed = FIRST_SEED + 1_000_000 + case;
        let random = &mut Random::new(seed);
        let expression = Expression::nightly(random);
        let zone = random.pick(&ZONES);
        let Ok(schedule) = Schedule::parse(&expression.text()) else { continue };
        let mut at =
            DateTime::from_timestamp(random.between(86_400, 4_000_000_000), 0).expect("in range");
        for _ in 0..20 {
            let text = expression.text();
            let Some(next) = schedule.next_after(at, zone, at) else { break };
            assert!(next > at, "seed {seed}: `{text}` in {zone} went from {at} to {next}");
            // Asked from any point on the way, the answer is the same.
            let span = (next - at).num_seconds() - 1;
            let between = at + TimeDelta::seconds(random.between(0, span.max(0)));
            assert_eq!(
                schedule.next_after(between, zone, at),
                Some(next),
                "seed {seed}: `{text}` in {zone} from {between} on the way from {at}"
            );
            at = next;
        }
    }
}
