//! Durations as Go writes them (`1h30m`, `1.5s`, `300ms`), plus `d` for 24 hours. Says where a text
//! goes wrong and in which way; what to say about it is for the caller.

/// The units in nanoseconds. Two spellings of micro are in use.
const UNITS_NS: &[(&str, u128)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

/// Where and how a text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadDuration {
    /// Byte offset into the text.
    pub offset: usize,
    /// What is wrong there.
    pub fault: Fault,
}

/// What is wrong with a duration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// There is nothing.
    Empty,
    /// This part has no number that can be read.
    NotANumber(String),
    /// This number has no unit.
    NoUnit(String),
    /// This is no unit of time.
    UnknownUnit(String),
}

/// Numbers with units, one after the other; the sum in nanoseconds, saturating.
///
/// # Errors
/// The first place where the text is not a duration.
pub fn parse_ns(text: &str) -> Result<u128, BadDuration> {
    let bad = |offset: usize, fault: Fault| BadDuration { offset, fault };
    if text.is_empty() {
        return Err(bad(0, Fault::Empty));
    }
    let mut sum_ns: u128 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let here = text.len() - rest.len();
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let at_unit = here + number.len();
        let unit_ns = match UNITS_NS.iter().find(|(name, _)| *name == unit) {
            Some((_, unit_ns)) => *unit_ns,
            None if unit.is_empty() => return Err(bad(at_unit, Fault::NoUnit(number.to_owned()))),
            None => return Err(bad(at_unit, Fault::UnknownUnit(unit.to_owned()))),
        };
        let part_ns = scaled(number, unit_ns)
            .ok_or_else(|| bad(here, Fault::NotANumber(format!("{number}{unit}"))))?;
        sum_ns = sum_ns.saturating_add(part_ns);
        rest = tail;
    }
    Ok(sum_ns)
}

/// `number` (digits with at most one point) times `unit`, rounded down; overflow saturates.
#[must_use]
pub fn scaled(number: &str, unit: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let whole = digits(whole)?;
    // More digits than this are below a nanosecond, or a byte, of any unit.
    let fraction = &fraction[..fraction.len().min(15)];
    let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    Some(whole.saturating_mul(unit).saturating_add(digits(fraction)? * unit / scale))
}

fn digits(text: &str) -> Option<u128> {
    text.bytes().try_fold(0_u128, |sum, byte| match byte {
        b'0'..=b'9' => Some(sum.saturating_mul(10).saturating_add(u128::from(byte - b'0'))),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::{BadDuration, Fault, parse_ns};

    #[test]
    fn sums_of_numbers_with_units() {
        let cases: &[(&str, u128)] = &[
            ("0s", 0),
            ("1h30m", 5_400_000_000_000),
            (".5s", 500_000_000),
            ("1.s", 1_000_000_000),
            ("1500\u{b5}s", 1_500_000),
            ("0.0000000001s", 0),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_ns(text), Ok(*expected), "{text}");
        }
        assert_eq!(parse_ns(&format!("{}h", "9".repeat(60))), Ok(u128::MAX));
    }

    #[test]
    fn faults_say_where() {
        let cases = [
            ("", 0, Fault::Empty),
            ("1h30", 4, Fault::NoUnit("30".into())),
            ("5x", 1, Fault::UnknownUnit("x".into())),
            ("5 m", 1, Fault::UnknownUnit(" m".into())),
            ("1s1..2s", 2, Fault::NotANumber("1..2s".into())),
            ("m", 0, Fault::NotANumber("m".into())),
            ("\u{663}s", 0, Fault::UnknownUnit("\u{663}s".into())),
        ];
        for (text, offset, fault) in cases {
            assert_eq!(parse_ns(text), Err(BadDuration { offset, fault }), "{text:?}");
        }
    }
}
