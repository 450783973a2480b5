//! Points in time and spans as people read them: in the time of this host, rounded.

use chrono::{DateTime, Local, TimeDelta, Utc};

/// To the minute.
pub fn minute(at: DateTime<Utc>) -> String {
    at.with_timezone(&Local).format("%Y-%m-%d %H:%M").to_string()
}

/// How long ago something was.
pub fn ago(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    match now - at {
        // The clock went back: no span would be true.
        past if past < TimeDelta::zero() => minute(at),
        past => format!("{} ago", rounded(past)),
    }
}

/// In how long something will be.
pub fn ahead(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    format!("in {}", rounded((at - now).max(TimeDelta::zero())))
}

/// A span of milliseconds that something took.
pub fn took(ms: u64) -> String {
    match ms {
        0..=9_999 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        _ => rounded(TimeDelta::milliseconds(i64::try_from(ms).unwrap_or(i64::MAX))),
    }
}

/// In the largest unit of which there are at least two.
fn rounded(span: TimeDelta) -> String {
    match span.num_seconds() {
        seconds @ ..=119 => format!("{seconds} s"),
        seconds @ 120..=7_199 => format!("{} min", seconds / 60),
        seconds @ 7_200..=172_799 => format!("{} h", seconds / 3_600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};

    use super::{ago, ahead, took};

    #[test]
    fn spans_are_rounded() {
        for (ms, text) in [
            (0, "0.0 s"),
            (2_140, "2.1 s"),
            (10_900, "10 s"),
            (119_999, "119 s"),
            (120_000, "2 min"),
            (7_200_000, "2 h"),
            (172_800_000, "2 d"),
        ] {
            assert_eq!(took(ms), text, "{ms}");
        }
        let (now, later) = (DateTime::UNIX_EPOCH, DateTime::UNIX_EPOCH + TimeDelta::seconds(150));
        assert_eq!(ago(now, later), "2 min ago");
        assert_eq!(ahead(later, now), "in 2 min");
        assert!(ago(later, now).starts_with("19"), "a clock that went back");
    }
}
