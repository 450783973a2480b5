//! The order of magnitude of "next fire over 10,000 services in 1 ms". The figure itself comes
//! from `cargo bench`; this fails when something makes it ten times worse.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use renew::decide::schedule::agenda::Agenda;
use renew::decide::schedule::{Moment, Schedule};

const SERVICES: usize = 10_000;

/// Unoptimised code takes some thirty times as long; both bounds leave room for a busy machine.
const BOUND: Duration = match cfg!(debug_assertions) {
    true => Duration::from_millis(300),
    false => Duration::from_millis(5),
};

#[expect(clippy::disallowed_methods, reason = "a stopwatch")]
fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

#[test]
fn ten_thousand_services_are_scheduled_in_no_time() {
    let zone = chrono_tz::America::New_York;
    let start: DateTime<Utc> = "2024-05-15T21:59:30Z".parse().expect("a time");
    let texts =
        ["*/3 * * * *", "@every 5m", "0 3 * * *", "30 4 * * 1-5", "0 0 1 * *", "0 0 13 * 5"];
    let schedules: Vec<Schedule> = (0..SERVICES)
        .map(|number| Schedule::parse(texts[number % texts.len()]).expect("legal"))
        .collect();
    let mut agenda = Agenda::default();
    // The best of several runs: a busy machine makes runs slower, never faster.
    let best = (0..10)
        .map(|run| {
            let moment = Moment::new(start + TimeDelta::seconds(run * 61), &zone);
            timed(|| {
                for (id, schedule) in schedules.iter().enumerate() {
                    let next = schedule.next_at(&moment, start).expect("a next time");
                    agenda.insert(id, next);
                }
            })
        })
        .min();
    assert_eq!(agenda.len(), SERVICES);
    assert!(best.is_some_and(|best| best < BOUND), "{best:?} for {SERVICES} services");
}

#[test]
fn a_moment_answers_as_the_schedule_does() {
    let zone = chrono_tz::America::New_York;
    for text in ["*/3 * * * *", "@every 7m", "30 2 * * *", "0 1 * * 0", "*/30 1 * * *"] {
        let schedule = Schedule::parse(text).expect("legal");
        let anchor: DateTime<Utc> = "2024-01-01T00:00:00Z".parse().expect("a time");
        for hour in 0..24 * 366 {
            let at = anchor + TimeDelta::hours(hour) + TimeDelta::seconds(hour % 3_600);
            let found = schedule.next_at(&Moment::new(at, &zone), anchor);
            // A clone has nothing remembered from the question before.
            assert_eq!(found, schedule.clone().next_after(at, &zone, anchor), "`{text}` {at}");
        }
    }
}
