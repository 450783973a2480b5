//! Sizes in bytes: `1GiB` (binary), `500MB` (decimal), or a plain number of bytes.

use crate::config::value::Problem;
use crate::decide::duration::scaled;

const UNITS: &[(&str, u128)] = &[
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("B", 1),
    ("", 1),
];

/// Parses a size into bytes.
///
/// # Errors
/// Text that is not a size, or does not fit 64 bits.
pub fn parse(text: &str) -> Result<u64, Problem> {
    let bad = || {
        let hint = "write a number and a unit (KiB, MiB, GiB, kB, MB, GB), like \"64MiB\"";
        Problem::new(format!("{text:?} is not a size"), hint)
    };
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit.trim_start()).ok_or_else(bad)?;
    let bytes = scaled(number, *factor).ok_or_else(bad)?;
    u64::try_from(bytes).map_err(|_| format!("{text:?} is too large").into())
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn binary_decimal_and_plain() {
        for (text, bytes) in [
            ("1GiB", 1 << 30),
            ("64MiB", 64 << 20),
            ("1.5KiB", 1_536),
            ("500MB", 500_000_000),
            ("10 kB", 10_000),
            ("7B", 7),
            ("0", 0),
            ("4096", 4_096),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
        for text in ["", "GiB", "1G", "1gib", "-1", "1.2.3MB", "1e9", "99999999999TiB"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
