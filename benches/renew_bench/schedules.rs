//! Next fire over 10,000 services with the schedules people write: what the daemon does at a
//! wake-up (take who is due, compute their next times, see who is next), and, so that nothing is
//! hidden, all 10,000 computed from scratch, as after a start or a clock step.

use std::hint::black_box;
use std::time::Duration;

use chrono::{DateTime, Local, TimeDelta, TimeZone, Utc};
use renew::decide::schedule::agenda::Agenda;
use renew::decide::schedule::{Moment, Schedule};

use crate::table::{Table, timed};

const SERVICES: usize = 10_000;
const BUDGET: Duration = Duration::from_millis(1);

#[derive(Clone)]
struct Service {
    schedule: Schedule,
    anchor: DateTime<Utc>,
}

/// Out of 40: the default for most, the rest spread by number as people spread nightly jobs.
fn services(start: DateTime<Utc>) -> Vec<Service> {
    let text = |number: usize| {
        let (minute, hour, day) = (number % 60, number / 60 % 6, number % 7);
        match number % 40 {
            0..16 => "*/3 * * * *".to_owned(),
            16..22 => "*/5 * * * *".to_owned(),
            22..25 => format!("{minute} * * * *"),
            25..30 => format!("@every {}s", 60 + number % 240),
            30..34 => format!("{minute} {hour} * * *"),
            34 => format!("{minute} {hour} * * {day}"),
            35..37 => "*/15 8-18 * * mon-fri".to_owned(),
            37 => format!("{minute} 4 1,15 * *"),
            38 => format!("{minute} {hour} 13 * 5"),
            _ => "@weekly".to_owned(),
        }
    };
    (0..SERVICES)
        .map(|number| Service {
            schedule: Schedule::parse(&text(number)).expect("a schedule"),
            anchor: start + TimeDelta::milliseconds(i64::try_from(number).expect("small") * 37),
        })
        .collect()
}

fn from_scratch<Z: TimeZone>(
    services: &[Service],
    now: DateTime<Utc>,
    zone: &Z,
) -> Option<DateTime<Utc>> {
    let moment = Moment::new(now, zone);
    services.iter().filter_map(|service| service.schedule.next_at(&moment, service.anchor)).min()
}

fn fill<Z: TimeZone>(services: &[Service], now: DateTime<Utc>, zone: &Z) -> Agenda<usize> {
    let moment = Moment::new(now, zone);
    let mut agenda = Agenda::default();
    for (id, service) in services.iter().enumerate() {
        if let Some(next) = service.schedule.next_at(&moment, service.anchor) {
            agenda.insert(id, next);
        }
    }
    agenda
}

/// One wake-up at `now`; how many were due.
fn wake<Z: TimeZone>(
    agenda: &mut Agenda<usize>,
    services: &[Service],
    now: DateTime<Utc>,
    zone: &Z,
) -> usize {
    let due = agenda.pop_due(now);
    let count = due.len();
    let moment = Moment::new(now, zone);
    for id in due {
        let service = &services[id];
        if let Some(next) = service.schedule.next_at(&moment, service.anchor) {
            agenda.insert(id, next);
        }
    }
    black_box(agenda.next());
    count
}

pub fn measure(table: &mut Table) {
    let start: DateTime<Utc> = "2024-05-15T21:59:30Z".parse().expect("a time");
    let services = services(start);
    let new_york = chrono_tz::America::New_York;

    let mut agenda = fill(&services, start, &new_york);
    let (mut peeks, mut wakes, mut busy, mut busiest) = (Vec::new(), Vec::new(), Vec::new(), 0);
    let end = start + TimeDelta::hours(3);
    while let Some((now, _)) = agenda.next().filter(|(now, _)| *now < end) {
        peeks.push(timed(|| black_box(agenda.next().map(|(at, id)| (at, *id)))).0);
        let (took, due) = timed(|| wake(&mut agenda, &services, now, &new_york));
        if due >= 1_000 {
            busy.push(took);
        }
        wakes.push(took);
        busiest = busiest.max(due);
    }
    table.row("next fire over 10,000 services: look at the agenda", peeks, Some(BUDGET));
    table.row("  one wake-up, the due computed again and put back", wakes, Some(BUDGET));
    table.row("  such a wake-up when 1,000 or more are due", busy, None);

    // A clone has asked its calendar nothing yet, like a schedule that was just read.
    let first = (0..50)
        .map(|_| {
            let fresh = services.clone();
            timed(|| black_box(from_scratch(&fresh, start, &Local))).0
        })
        .collect();
    table.row("  all 10,000 computed, for the first time", first, Some(BUDGET));
    let again = (0..50)
        .map(|run| {
            let now = start + TimeDelta::seconds(run * 97);
            timed(|| black_box(from_scratch(&services, now, &Local))).0
        })
        .collect();
    table.row("  all 10,000 computed, as after a clock step", again, Some(BUDGET));
    let filled = (0..50).map(|_| timed(|| fill(&services, start, &Local)).0).collect();
    table.row("  all 10,000 computed and a new agenda filled", filled, None);
    println!("schedules: the worst wake-up had {busiest} services due at once");
}
