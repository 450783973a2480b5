//! Durations as Go writes them (`1h30m`, `1.5s`, `300ms`), plus `d` for 24 hours.

use std::time::Duration;

use crate::config::value::Problem;
use crate::decide::duration::parse_ns;

/// Longer than any sensible setting, and far from every overflow downstream.
const DAYS_MAX: u128 = 36_500;
const NS_MAX: u128 = DAYS_MAX * 24 * 3_600 * 1_000_000_000;

/// Parses a duration. `0` needs no unit, as in Go.
///
/// # Errors
/// Text that is not a duration, is negative, or is longer than a hundred years.
pub fn parse(text: &str) -> Result<Duration, Problem> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    if text.starts_with('-') {
        return Err("a duration cannot be negative".into());
    }
    let bad = || {
        let hint = "write a number and a unit (d, h, m, s, ms), like \"90s\" or \"1h30m\"";
        Problem::new(format!("{text:?} is not a duration"), hint)
    };
    let too_long = || Problem::from(format!("{text:?} is longer than {DAYS_MAX} days"));
    let total_ns = parse_ns(text).map_err(|_| bad())?;
    if total_ns > NS_MAX {
        return Err(too_long());
    }
    let seconds = u64::try_from(total_ns / 1_000_000_000).map_err(|_| too_long())?;
    let nanoseconds = u32::try_from(total_ns % 1_000_000_000).map_err(|_| too_long())?;
    Ok(Duration::new(seconds, nanoseconds))
}

/// The shortest exact text for a duration in whole units of `d`, `h`, `m`, `s`, `ms`.
#[must_use]
pub fn show(duration: Duration) -> String {
    let mut rest_ms = duration.as_millis();
    if rest_ms == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (unit, unit_ms) in
        [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)]
    {
        if rest_ms >= unit_ms {
            text.push_str(&format!("{}{unit}", rest_ms / unit_ms));
            rest_ms %= unit_ms;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{parse, show};

    #[test]
    fn go_syntax_and_days() {
        for (text, ms) in [
            ("0", 0),
            ("0s", 0),
            ("90d", 90 * 86_400_000),
            ("1h30m", 5_400_000),
            ("1.5h", 5_400_000),
            (".5s", 500),
            ("1.s", 1_000),
            ("300ms", 300),
            ("1d12h0m1s1ms", 129_601_001),
            ("1500us", 1),
            ("1500µs", 1),
            ("1500000ns", 1),
        ] {
            let parsed = parse(text).unwrap();
            assert_eq!(parsed.as_millis(), ms, "{text}");
        }
        assert_eq!(parse("1ns").unwrap(), Duration::from_nanos(1));
    }

    #[test]
    fn what_is_refused() {
        for text in [
            "", " ", "5", "m", "5 m", "5min", "1h30", ".s", "1..5s", "-1s", "1M", "1w", "1e3s",
            "٣s",
        ] {
            assert!(parse(text).is_err(), "{text:?}");
        }
        assert!(parse("36501d").unwrap_err().message.contains("longer"));
        assert!(parse("99999999999999999999999999999999999999999h").is_err());
    }

    #[test]
    fn shown_as_it_would_be_written() {
        for text in ["0s", "1h30m", "90d", "2m", "300ms", "1d1s"] {
            assert_eq!(show(parse(text).unwrap()), text);
        }
    }
}
