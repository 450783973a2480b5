//! POSIX time zone rules such as `EST5EDT,M3.2.0,M11.1.0`, read as strictly as chrono reads them.
//! Never says what a rule means, only whether it is one.

/// Which hours the time of a change may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hours {
    /// 0 to 24, as POSIX has it and chrono wants it in `TZ`.
    OfOneDay,
    /// -167 to 167, as RFC 9636 allows it in zone data.
    OfOneWeek,
}

/// Whether `text` is a whole rule. Summer time without its two dates is none.
pub(super) fn is_rule(text: &str, hours: Hours) -> bool {
    read_rule(text, hours) == Some("")
}

/// What is left behind the rule.
fn read_rule(text: &str, hours: Hours) -> Option<&str> {
    let rest = read_offset(read_name(text)?)?;
    if rest.is_empty() {
        return Some(rest);
    }
    let rest = read_name(rest)?;
    let rest = if rest.starts_with(',') { rest } else { read_offset(rest)? };
    let rest = read_date(rest.strip_prefix(',')?, hours)?;
    read_date(rest.strip_prefix(',')?, hours)
}

/// Three to seven letters, or more kinds of characters in angle brackets.
fn read_name(text: &str) -> Option<&str> {
    let (name, rest) = match text.strip_prefix('<') {
        Some(quoted) => quoted.split_once('>')?,
        None => {
            let end = text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len());
            text.split_at(end)
        }
    };
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'-';
    ((3..=7).contains(&name.len()) && name.bytes().all(legal)).then_some(rest)
}

fn read_offset(text: &str) -> Option<&str> {
    read_time(text.strip_prefix(['+', '-']).unwrap_or(text), 23)
}

/// `h`, `h:m` or `h:m:s`.
fn read_time(text: &str, hours_max: u32) -> Option<&str> {
    let mut rest = read_number(text, 0, hours_max)?;
    for _ in 0..2 {
        let Some(more) = rest.strip_prefix(':') else { break };
        rest = read_number(more, 0, 59)?;
    }
    Some(rest)
}

/// `Mm.w.d`, `Jn` or `n`, with a time behind a slash.
fn read_date(text: &str, hours: Hours) -> Option<&str> {
    let rest = match (text.strip_prefix('M'), text.strip_prefix('J')) {
        (Some(month), _) => {
            let week = read_number(month, 1, 12)?.strip_prefix('.')?;
            let day = read_number(week, 1, 5)?.strip_prefix('.')?;
            read_number(day, 0, 6)?
        }
        (None, Some(day)) => read_number(day, 1, 365)?,
        (None, None) => read_number(text, 0, 365)?,
    };
    match (rest.strip_prefix('/'), hours) {
        (None, _) => Some(rest),
        (Some(time), Hours::OfOneDay) => read_time(time, 24),
        (Some(time), Hours::OfOneWeek) => {
            read_time(time.strip_prefix(['+', '-']).unwrap_or(time), 167)
        }
    }
}

/// A number from `min` to `max`; the text behind it.
fn read_number(text: &str, min: u32, max: u32) -> Option<&str> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let value: u32 = digits.parse().ok()?;
    (min..=max).contains(&value).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::{Hours, is_rule};

    #[test]
    fn rules() {
        let table = [
            ("UTC0", true),
            ("EST5", true),
            ("<+03>-3", true),
            ("EST5EDT,M3.2.0,M11.1.0", true),
            ("CET-1CEST,M3.5.0,M10.5.0/3", true),
            ("LHST-10:30LHDT-11,M10.1.0,M4.1.0", true),
            ("IST-1GMT0,M10.5.0,M3.5.0/1", true),
            ("AAA3BBB,J60,300/24:00:00", true),
            ("", false),
            ("5", false),
            ("UTC", false),
            ("Bogus", false),
            ("Europe/Rom", false),
            ("ES5", false),
            ("ABCDEFGH5", false),
            ("<+0>5", false),
            ("<+03-3", false),
            ("EST24", false),
            ("EST5:60", false),
            ("EST5EDT", false),
            ("EST5EDT,M3.2.0", false),
            ("EST5EDT,M13.2.0,M11.1.0", false),
            ("EST5EDT,M3.6.0,M11.1.0", false),
            ("EST5EDT,M3.2.7,M11.1.0", false),
            ("EST5EDT,M3.2.0,M11.1.0,", false),
            ("EST5EDT,J0,J365", false),
            ("EST5EDT,M3.2.0/25,M11.1.0", false),
        ];
        for (text, expected) in table {
            assert_eq!(is_rule(text, Hours::OfOneDay), expected, "{text}");
        }
        // Greenland's own: a change at minus one o'clock.
        let nuuk = "<-02>2<-01>,M3.5.0/-1,M10.5.0/0";
        assert!(is_rule(nuuk, Hours::OfOneWeek) && !is_rule(nuuk, Hours::OfOneDay));
    }
}
