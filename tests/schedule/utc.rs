//! Random expressions at random instants in UTC, five fires each, against the day-by-day model and
//! against croner, whose known differences are listed, counted and nothing else is let pass.

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
fn random_expressions_agree_with_croner_but_for_known_differences() {
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    let (mut same, mut unexplained) = (0, Vec::new());
    let (mut star_rule, mut star_in_list, mut sunday_to_sunday) = (0, 0, 0);
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
        let bare = expression.next_minutes(after, FIRES, Star::Bare);
        match known_difference(&expression) {
            Some(Difference::StarInList) if theirs.is_err() => star_in_list += 1,
            Some(Difference::SundayToSunday)
                if theirs.as_deref() == Ok(&as_whole_week(&expression, after)[..]) =>
            {
                sunday_to_sunday += 1;
            }
            Some(Difference::StarRule) if theirs.as_deref() == Ok(&bare[..]) => star_rule += 1,
            _ => unexplained.push(format!("seed {seed}: `{text}` {mine:?} {theirs:?}")),
        }
    }
    println!(
        "{same} the same; different by the star rule {star_rule}, by a star in a list \
         {star_in_list}, by a range from Sunday to Sunday {sunday_to_sunday}"
    );
    let count = unexplained.len();
    unexplained.truncate(20);
    assert!(count == 0, "{count} unexplained, the first are\n{}", unexplained.join("\n"));
    assert!(star_rule > 100, "only {star_rule} by the star rule: is croner compared at all?");
    assert!(same > 15_000, "only {same} compared");
}

/// Where croner is known to differ.
enum Difference {
    /// To croner only a bare `*` leaves a day field unrestricted.
    StarRule,
    /// croner refuses `*` as an entry of a list, cronie takes it.
    StarInList,
    /// `sun-sun` and `0-sun` are the whole week to croner and one day to cronie.
    SundayToSunday,
}

/// The next fires when a range from Sunday to Sunday means the whole week.
fn as_whole_week(expression: &Expression, after: i64) -> Vec<i64> {
    let mut read = expression.clone();
    let weekday = &mut read.fields[4];
    for item in weekday.text.to_ascii_lowercase().split(',') {
        let (range, step) = item.split_once('/').unwrap_or((item, "1"));
        if range == "sun-sun" || range == "0-sun" {
            weekday.numbers.extend((0..=7).step_by(step.parse().expect("a number")));
        }
    }
    read.next_minutes(after, FIRES, Star::Bare)
}

fn known_difference(expression: &Expression) -> Option<Difference> {
    let texts = || expression.fields.iter().map(|field| field.text.as_str());
    if texts().any(|text| text.contains(',') && text.split(',').any(|item| item == "*")) {
        return Some(Difference::StarInList);
    }
    let [_, _, date, _, weekday] = &expression.fields;
    let lower = weekday.text.to_ascii_lowercase();
    if lower.split([',', '/']).any(|range| range == "sun-sun" || range == "0-sun") {
        return Some(Difference::SundayToSunday);
    }
    let both = date.text != "*" && weekday.text != "*";
    let stepped = date.text.starts_with('*') || weekday.text.starts_with('*');
    (both && stepped).then_some(Difference::StarRule)
}
