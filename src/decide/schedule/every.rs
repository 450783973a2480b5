//! `@every`: anchor plus whole multiples of a period. Never drifts, because nothing is added up,
//! and never knows about zones.

use chrono::{DateTime, TimeDelta, Utc};

use super::ScheduleError;

const NANOS_PER_SECOND: i128 = 1_000_000_000;

/// Shorter periods are refused: a tick fetches from git, which takes longer.
const PERIOD_MIN: i128 = NANOS_PER_SECOND;

/// About 292 years, the longest duration Go can express.
const PERIOD_MAX: i128 = i64::MAX as i128;

/// The units of Go's durations, and the day. Two spellings of micro are in use.
const UNITS: &[(&str, i128)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", NANOS_PER_SECOND),
    ("m", 60 * NANOS_PER_SECOND),
    ("h", 3_600 * NANOS_PER_SECOND),
    ("d", 86_400 * NANOS_PER_SECOND),
];

/// A period of at least one second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Every {
    nanos: i128,
}

impl Every {
    /// Reads a duration such as `90s`, `1h30m`, `1.5h` or `2d`; `at` is where it begins.
    pub(super) fn parse(text: &str, at: usize) -> Result<Every, ScheduleError> {
        let nanos = parse_duration(text, at)?;
        match nanos {
            PERIOD_MIN..=PERIOD_MAX => Ok(Every { nanos }),
            ..PERIOD_MIN => Err(ScheduleError::new(at, format!("`@every {text}` is too short"))
                .hint("the shortest period is 1s")),
            _ => Err(ScheduleError::new(at, format!("`@every {text}` is too long"))
                .hint("the longest period is about 292 years")),
        }
    }

    /// The first `anchor + k * period` strictly after `after`, for any whole k, negative ones too:
    /// a clock that was set back behind the anchor does not silence a service.
    pub(super) fn next_after(
        self,
        after: DateTime<Utc>,
        anchor: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        let passed = nanos_of(after.signed_duration_since(anchor));
        let next = (passed.div_euclid(self.nanos) + 1) * self.nanos;
        let seconds = i64::try_from(next.div_euclid(NANOS_PER_SECOND)).ok()?;
        let rest = u32::try_from(next.rem_euclid(NANOS_PER_SECOND)).ok()?;
        anchor.checked_add_signed(TimeDelta::new(seconds, rest)?)
    }
}

fn nanos_of(delta: TimeDelta) -> i128 {
    i128::from(delta.num_seconds()) * NANOS_PER_SECOND + i128::from(delta.subsec_nanos())
}

/// Numbers with units, one after the other, as in Go; the sum in nanoseconds.
fn parse_duration(text: &str, at: usize) -> Result<i128, ScheduleError> {
    if text.is_empty() {
        return Err(ScheduleError::new(at, "`@every` needs a duration")
            .hint("for example `@every 90s` or `@every 1h30m`"));
    }
    let mut nanos: i128 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let here = at + text.len() - rest.len();
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let size = unit_size(number, unit, here)?;
        let part = scaled(number, size).ok_or_else(|| {
            ScheduleError::new(here, format!("`{number}{unit}` is not a duration"))
                .hint("write `90s`, `1h30m`, `1.5h` or `2d`")
        })?;
        nanos = nanos.saturating_add(part);
        rest = tail;
    }
    Ok(nanos)
}

fn unit_size(number: &str, unit: &str, at: usize) -> Result<i128, ScheduleError> {
    match UNITS.iter().find(|(name, _)| *name == unit) {
        Some((_, size)) => Ok(*size),
        None if unit.is_empty() => {
            Err(ScheduleError::new(at + number.len(), format!("`{number}` has no unit"))
                .hint(format!("write `{number}s` for seconds or `{number}m` for minutes")))
        }
        None => Err(ScheduleError::new(
            at + number.len(),
            format!("`{}` is not a unit of time", unit.trim()),
        )
        .hint("units are ns, us, ms, s, m, h and d, without blanks: `1h30m`")),
    }
}

/// `number` times `size`, cut to whole nanoseconds; nothing when it is not a number.
fn scaled(number: &str, size: i128) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    // More digits than these cannot be told apart from the largest, and weigh less than a nanosecond.
    let whole = match whole.trim_start_matches('0') {
        "" => 0,
        digits if digits.len() > 19 => return Some(i128::MAX),
        digits => digits.parse::<i128>().ok()?,
    };
    let digits = &fraction[..fraction.len().min(18)];
    let scale = digits.bytes().fold(1_i128, |scale, _| scale * 10);
    let part = match digits {
        "" => 0,
        digits => digits.parse::<i128>().ok()? * size / scale,
    };
    Some(whole.saturating_mul(size).saturating_add(part))
}
