//! `@every` against its definition, in whole nanoseconds: later than asked, a whole number of
//! periods from the anchor, and no such time skipped.

use chrono::{DateTime, TimeDelta, Utc};
use renew::decide::schedule::Schedule;

use crate::random::Random;

const FIRST_SEED: u64 = 0xE7E7_0001;

fn random_instant(random: &mut Random) -> DateTime<Utc> {
    // From the year 1900 to 2500, now and then on a whole second.
    let nanos = if random.chance(30) { 0 } else { random.between(0, 999_999_999) };
    let nanos = u32::try_from(nanos).expect("below a second");
    DateTime::from_timestamp(random.between(-2_208_988_800, 16_725_225_600), nanos).expect("a time")
}

fn random_period(random: &mut Random) -> (String, i128) {
    let (unit, size, most) = *random.pick(&[
        ("ms", 1_000_000_i128, 100_000_000),
        ("us", 1_000, 100_000_000_000),
        ("s", 1_000_000_000, 100_000),
        ("m", 60_000_000_000, 100_000),
        ("h", 3_600_000_000_000, 10_000),
        ("d", 86_400_000_000_000, 10_000),
    ]);
    let count = random.between(1, most);
    let extra = random.between(0, 999);
    let nanos = i128::from(count) * size + 1_000_000_000 + i128::from(extra) * 1_000_000;
    (format!("@every {count}{unit}1.{extra:03}s"), nanos)
}

fn nanos_between(from: DateTime<Utc>, to: DateTime<Utc>) -> i128 {
    i128::from(to.timestamp() - from.timestamp()) * 1_000_000_000
        + i128::from(to.timestamp_subsec_nanos())
        - i128::from(from.timestamp_subsec_nanos())
}

#[test]
fn every_fires_on_whole_multiples_of_its_period() {
    let mut before_the_anchor = 0;
    for case in 0..50_000 {
        let seed = FIRST_SEED + case;
        let random = &mut Random::new(seed);
        let (text, period) = random_period(random);
        let schedule = Schedule::parse(&text).unwrap_or_else(|e| panic!("seed {seed}: {text} {e}"));
        let anchor = random_instant(random);
        let after = match random.between(0, 3) {
            0 => anchor,
            _ => random_instant(random),
        };
        let next = schedule.next_after(after, &Utc, anchor).expect("a next time");
        let gap = nanos_between(after, next);
        assert!(0 < gap && gap <= period, "seed {seed}: `{text}` {gap} ns after {after}");
        let since_anchor = nanos_between(anchor, next);
        assert_eq!(since_anchor % period, 0, "seed {seed}: `{text}` from {anchor}: {next}");
        before_the_anchor += usize::from(next <= anchor);
        // The zone has no say in it.
        let zoned = schedule.next_after(after, &chrono_tz::America::New_York, anchor);
        assert_eq!(zoned, Some(next), "seed {seed}");
    }
    assert!(before_the_anchor > 1_000, "only {before_the_anchor} before the anchor");
}

#[test]
fn every_does_not_drift_when_it_is_late_each_time() {
    let schedule = Schedule::parse("@every 1.1s").expect("legal");
    let anchor: DateTime<Utc> = "2024-01-01T00:00:00Z".parse().expect("a time");
    let mut at = anchor;
    for count in 1..=10_000 {
        at = schedule.next_after(at, &Utc, anchor).expect("a next time");
        assert_eq!(at, anchor + TimeDelta::milliseconds(1_100 * count));
        // Woken up late, by less than a period.
        let late = at + TimeDelta::milliseconds(count % 1_000);
        assert_eq!(
            schedule.next_after(late, &Utc, anchor),
            Some(at + TimeDelta::milliseconds(1_100))
        );
    }
}
