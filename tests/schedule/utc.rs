//! Random expressions at random instants in UTC, five fires each, against the day-by-day model and
//! against croner with its one known difference: there only a bare `*` leaves a day field
//! unrestricted, so `0 0 */2 * 1` means either to croner and both to Vixie cron.

use chrono::{DateTime, Utc};
use croner::parser::{CronParser, Seconds, Year};
use renew::decide::schedule::Schedule;

use crate::model::{Expression, Star};
use crate::random::Random;

const CASES: u64 = 20_000;
const FIRES: usize = 5;
const FIRST_SEED: u64 = 0x5EED_0001;

/// The start of 1971 and of 2150, in minutes since the start of 1970.
const INSTANTS: (i64, i64) = (525_600, 94_672_800);

fn instant(minute: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(minute * 60, 0).expect("in range")
}

fn ours(schedule: &Schedule, after: i64, count: usize) -> Vec<i64> {
    let mut found = Vec::new();
    let mut at = instant(after);
    while found.len() < count {
        let Some(next) = schedule.next_after(at, &Utc, instant(0)) else { break };
        assert!(next > at, "not after {at}: {next}");
        assert_eq!(next.timestamp_subsec_nanos(), 0);
        assert_eq!(next.timestamp() % 60, 0);
        found.push(next.timestamp() / 60);
        at = next;
    }
    found
}

fn croners(parser: &CronParser, text: &str, after: i64, count: usize) -> Result<Vec<i64>, String> {
    let cron = parser.parse(text).map_err(|error| error.to_string())?;
    let found = cron.iter_after(instant(after)).take(count);
    Ok(found.map(|at| at.timestamp() / 60).collect())
}

#[test]
fn random_expressions_agree_with_a_day_by_day_reading() {
    let mut fires = 0;
    let mut never = 0;
    for case in 0..CASES {
        let seed = FIRST_SEED + case;
        let random = &mut Random::new(seed);
        let expression = Expression::random(random);
        let after = random.between(INSTANTS.0, INSTANTS.1);
        let text = expression.text();
        let expected = expression.next_minutes(after, FIRES, Star::Leading);
        match Schedule::parse(&text) {
            Ok(schedule) => {
                let found = ours(&schedule, after, FIRES);
                let wanted = &expected[..];
                assert!(!wanted.is_empty(), "seed {seed}: `{text}` never fires, yet was accepted");
                // The model stops looking after 90 years.
                let found = &found[..wanted.len().min(found.len())];
                assert_eq!(found, wanted, "seed {seed}: `{text}` after {}", instant(after));
                fires += wanted.len();
            }
            Err(error) => {
                assert!(expected.is_empty(), "seed {seed}: `{text}` refused: {error}");
                never += 1;
            }
        }
    }
    println!("{CASES} expressions, {fires} fires compared, {never} refused as never firing");
    assert!(fires > 95 * usize::try_from(CASES).expect("small") * FIRES / 100, "{fires} fires");
    assert!(never > 0, "no expression that never fires was tried");
}

#[test]
fn random_expressions_agree_with_croner_but_for_its_star_rule() {
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    let (mut same, mut explained, mut unexplained) = (0, 0, Vec::new());
    for case in 0..CASES {
        let seed = FIRST_SEED + CASES + case;
        let random = &mut Random::new(seed);
        let expression = Expression::random(random);
        let after = random.between(INSTANTS.0, INSTANTS.1);
        let text = expression.text();
        let Ok(schedule) = Schedule::parse(&text) else { continue };
        let mine = ours(&schedule, after, FIRES);
        let theirs = croners(&parser, &text, after, FIRES);
        if theirs.as_deref() == Ok(&mine[..]) {
            same += 1;
            continue;
        }
        let restricted = |place: usize| expression.fields[place].text != "*";
        let stepped =
            |place: usize| restricted(place) && expression.fields[place].text.starts_with('*');
        let star_rule = restricted(2) && restricted(4) && (stepped(2) || stepped(4));
        let bare = expression.next_minutes(after, FIRES, Star::Bare);
        match star_rule && theirs.as_deref() == Ok(&bare[..]) {
            true => explained += 1,
            false => unexplained.push(format!("seed {seed}: `{text}` {mine:?} {theirs:?}")),
        }
    }
    println!("{same} the same, {explained} different by the star rule");
    assert!(
        unexplained.is_empty(),
        "{} unexplained:\n{}",
        unexplained.len(),
        unexplained.join("\n")
    );
    assert!(
        explained > 100,
        "only {explained} differ by the star rule: is croner compared at all?"
    );
    assert!(same > 15_000, "only {same} compared");
}
