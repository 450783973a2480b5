//! Text that is mostly nonsense: never a panic, an error points into the text, and what is
//! accepted has a next time and is no nonsense to croner either, which accepts more.

use chrono::{DateTime, Utc};
use croner::parser::{CronParser, Seconds, Year};
use renew::decide::schedule::Schedule;

use crate::model::Expression;
use crate::random::Random;

const CASES: u64 = 30_000;
const FIRST_SEED: u64 = 0xBAD_0001;
const PIECES: &[&str] = &[
    "*",
    "*",
    "*",
    "/",
    "/",
    "-",
    "-",
    ",",
    ",",
    " ",
    "0",
    "1",
    "2",
    "3",
    "5",
    "7",
    "9",
    "12",
    "23",
    "31",
    "59",
    "60",
    "99",
    "007",
    "4294967296",
    "mon",
    "SUN",
    "fri",
    "jan",
    "Dec",
    "monday",
    "L",
    "W",
    "#",
    "?",
    "~",
    "@",
    "@daily",
    "@every ",
    "5m",
    "1h",
    "+",
    ".",
    "\t",
    "\u{e9}",
    "\u{1f980}",
    "%",
    "\"",
    "\\",
    "\0",
];

fn mangled(random: &mut Random) -> String {
    let mut text = match random.between(0, 3) {
        0 => String::new(),
        1 => "@every 1h30m".to_owned(),
        _ => Expression::random(random).text(),
    };
    for _ in 0..random.between(1, 3) {
        let places: Vec<usize> = (0..=text.len()).filter(|at| text.is_char_boundary(*at)).collect();
        let at = *random.pick(&places);
        match random.between(0, 2) {
            0 if at < text.len() => {
                text.remove(at);
            }
            _ => {
                let piece: &&str = random.pick(PIECES);
                text.insert_str(at, piece);
            }
        }
    }
    text
}

#[test]
fn malformed_text_is_refused_or_has_a_next_time() {
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    let now: DateTime<Utc> = "2024-02-29T23:59:30Z".parse().expect("a time");
    let (mut accepted, mut refused, mut excused) = (0, 0, 0);
    for case in 0..CASES {
        let seed = FIRST_SEED + case;
        let text = mangled(&mut Random::new(seed));
        match Schedule::parse(&text) {
            Ok(schedule) => {
                accepted += 1;
                let next = schedule.next_after(now, &Utc, now);
                assert!(next.is_some_and(|next| next > now), "seed {seed}: {text:?} never fires");
                if schedule.as_str().starts_with('@') {
                    continue;
                }
                match parser.parse(&text) {
                    Ok(_) => {}
                    // croner knows no `*` in a list.
                    Err(_) if text.contains(",*") || text.contains("*,") => excused += 1,
                    Err(error) => panic!("seed {seed}: {text:?} is accepted, croner says {error}"),
                }
            }
            Err(error) => {
                refused += 1;
                assert!(error.offset <= text.len(), "seed {seed}: {text:?}: {error:?}");
                assert!(text.is_char_boundary(error.offset), "seed {seed}: {text:?}: {error:?}");
                assert!(!error.message.is_empty(), "seed {seed}: {text:?}");
            }
        }
    }
    println!("{accepted} accepted, {refused} refused, {excused} with a list that croner refuses");
    assert!(accepted > 1_000 && refused > 20_000, "{accepted} accepted, {refused} refused");
}
