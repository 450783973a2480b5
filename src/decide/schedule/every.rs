//! `@every`: anchor plus whole multiples of a period. Never drifts, because nothing is added up,
//! and never knows about zones.

use chrono::{DateTime, TimeDelta, Utc};

use super::ScheduleError;
use crate::decide::duration::{BadDuration, Fault, parse_ns};

const NANOS_PER_SECOND: i128 = 1_000_000_000;

/// Shorter periods are refused: a tick fetches from git, which takes longer.
const PERIOD_MIN: i128 = NANOS_PER_SECOND;

/// About 292 years, the longest duration Go can express.
const PERIOD_MAX: i128 = i64::MAX as i128;

/// A period of at least one second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Every {
    nanos: i128,
}

impl Every {
    /// Reads a duration such as `90s`, `1h30m`, `1.5h` or `2d`; `at` is where it begins.
    pub(super) fn parse(text: &str, at: usize) -> Result<Every, ScheduleError> {
        let nanos = parse_ns(text).map_err(|bad| explain(bad, at))?;
        let nanos = i128::try_from(nanos).unwrap_or(i128::MAX);
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

/// What is wrong with a period, in words; `at` is where its text begins.
fn explain(bad: BadDuration, at: usize) -> ScheduleError {
    let at = at + bad.offset;
    match bad.fault {
        Fault::Empty => ScheduleError::new(at, "`@every` needs a duration")
            .hint("for example `@every 90s` or `@every 1h30m`"),
        Fault::NotANumber(part) => ScheduleError::new(at, format!("`{part}` is not a duration"))
            .hint("write `90s`, `1h30m`, `1.5h` or `2d`"),
        Fault::NoUnit(number) => ScheduleError::new(at, format!("`{number}` has no unit"))
            .hint(format!("write `{number}s` for seconds or `{number}m` for minutes")),
        Fault::UnknownUnit(unit) => {
            ScheduleError::new(at, format!("`{}` is not a unit of time", unit.trim()))
                .hint("units are ns, us, ms, s, m, h and d, without blanks: `1h30m`")
        }
    }
}
