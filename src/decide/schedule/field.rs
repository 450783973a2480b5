//! One cron field, from text to a set of numbers, as strict as Vixie cron and where Vixie cron
//! accepts what can only be a mistake (a range that runs backwards, a step beyond the field),
//! stricter. Never knows about the other fields.

use super::ScheduleError;

/// Which of the five fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Minute,
    Hour,
    DayOfMonth,
    Month,
    DayOfWeek,
}

/// The fields in the order in which they are written.
pub(super) const UNITS: [Unit; 5] =
    [Unit::Minute, Unit::Hour, Unit::DayOfMonth, Unit::Month, Unit::DayOfWeek];

const MONTHS: &[&str] =
    &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: &[&str] = &["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

impl Unit {
    pub(super) fn name(self) -> &'static str {
        match self {
            Unit::Minute => "minute",
            Unit::Hour => "hour",
            Unit::DayOfMonth => "day of month",
            Unit::Month => "month",
            Unit::DayOfWeek => "day of week",
        }
    }

    /// The smallest and the largest number; Sunday is both 0 and 7.
    fn limits(self) -> (u8, u8) {
        match self {
            Unit::Minute => (0, 59),
            Unit::Hour => (0, 23),
            Unit::DayOfMonth => (1, 31),
            Unit::Month => (1, 12),
            Unit::DayOfWeek => (0, 7),
        }
    }

    /// Names of the numbers, from the smallest on.
    fn names(self) -> &'static [&'static str] {
        match self {
            Unit::Month => MONTHS,
            Unit::DayOfWeek => WEEKDAYS,
            Unit::Minute | Unit::Hour | Unit::DayOfMonth => &[],
        }
    }
}

/// The numbers a field stands for, and how it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field {
    /// Bit n is set when the number n is in; Sunday is bit 0 alone.
    pub(super) bits: u64,
    /// Vixie's star flag: the text begins with `*`, so `*/2` has it too.
    pub(super) star: bool,
}

impl Field {
    /// Reads one field; `at` is where it begins in the whole text.
    pub(super) fn parse(unit: Unit, text: &str, at: usize) -> Result<Field, ScheduleError> {
        let mut bits = 0;
        let mut start = 0;
        for item in text.split(',') {
            bits |= parse_item(unit, item, at + start)?;
            start += item.len() + 1;
        }
        if unit == Unit::DayOfWeek && bits & (1 << 7) != 0 {
            bits = (bits & !(1 << 7)) | 1;
        }
        Ok(Field { bits, star: text.starts_with('*') })
    }

    /// The numbers, smallest first.
    pub(super) fn numbers(self) -> impl Iterator<Item = u8> {
        (0..64).filter(move |number| self.bits & (1 << number) != 0)
    }
}

/// One entry of a list: `*`, a number or a range, with a step behind all but a single number.
fn parse_item(unit: Unit, item: &str, at: usize) -> Result<u64, ScheduleError> {
    if item.is_empty() {
        return Err(fault(unit, at, "a list has an empty entry").hint("remove the extra comma"));
    }
    let (range, step) = match item.split_once('/') {
        Some((range, step)) => (range, Some(parse_step(unit, step, at + range.len() + 1)?)),
        None => (item, None),
    };
    let (low, high) = match (range, range.split_once('-'), step) {
        ("*", _, _) => unit.limits(),
        (_, Some((low, high)), _) => parse_range(unit, low, high, at, step)?,
        (_, None, None) => {
            let value = parse_value(unit, range, at)?;
            (value, value)
        }
        (_, None, Some(step)) => {
            let value = parse_value(unit, range, at)?;
            let end = unit.limits().1;
            return Err(fault(unit, at, &format!("`{item}` has a step without a range"))
                .hint(format!("write `{value}-{end}/{step}`")));
        }
    };
    let mut bits = 0;
    for number in (low..=high).step_by(usize::from(step.unwrap_or(1))) {
        bits |= 1 << number;
    }
    Ok(bits)
}

fn parse_range(
    unit: Unit,
    low_text: &str,
    high_text: &str,
    at: usize,
    step: Option<u8>,
) -> Result<(u8, u8), ScheduleError> {
    let low = parse_value(unit, low_text, at)?;
    let high = parse_value(unit, high_text, at + low_text.len() + 1)?;
    // A week that ends on Sunday, written in words: `fri-sun` is 5-7.
    let sunday_last = unit == Unit::DayOfWeek && high_text.eq_ignore_ascii_case("sun") && low > 0;
    let high = if sunday_last { 7 } else { high };
    if low <= high {
        return Ok((low, high));
    }
    let (min, max) = unit.limits();
    let error = fault(unit, at, &format!("the range `{low_text}-{high_text}` runs backwards"));
    Err(match (step, high) {
        (Some(_), _) => error.hint("write it as two ranges"),
        (None, 0) if unit == Unit::DayOfWeek => error.hint(format!("write `{low}-7`")),
        (None, _) => error.hint(format!("write `{low}-{max},{min}-{high}`")),
    })
}

fn parse_step(unit: Unit, text: &str, at: usize) -> Result<u8, ScheduleError> {
    let max = unit.limits().1;
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(fault(unit, at, &format!("the step `{text}` is not a number")));
    }
    match text.parse::<u64>() {
        Ok(0) => Err(fault(unit, at, "a step of 0 goes nowhere").hint("steps begin at 1")),
        Ok(step) if step <= u64::from(max) => Ok(u8::try_from(step).unwrap_or(max)),
        Ok(_) | Err(_) => {
            Err(fault(unit, at, &format!("the step {text} is larger than the field"))
                .hint(format!("the largest step here is {max}")))
        }
    }
}

fn parse_value(unit: Unit, word: &str, at: usize) -> Result<u8, ScheduleError> {
    let (min, max) = unit.limits();
    if word.is_empty() {
        return Err(fault(unit, at, "a number is missing"));
    }
    if word.bytes().all(|byte| byte.is_ascii_digit()) {
        return match word.parse::<u8>() {
            Ok(value) if (min..=max).contains(&value) => Ok(value),
            Ok(_) | Err(_) => Err(fault(unit, at, &format!("{word} is out of range"))
                .hint(format!("it goes from {min} to {max}"))),
        };
    }
    match unit.names().iter().zip(min..).find(|(name, _)| name.eq_ignore_ascii_case(word)) {
        Some((_, value)) => Ok(value),
        None => Err(bad_word(unit, word, at)),
    }
}

/// The error for a word that is neither a number nor a name of this field.
fn bad_word(unit: Unit, word: &str, at: usize) -> ScheduleError {
    let lower = word.to_ascii_lowercase();
    let bare = lower.trim_matches(|c: char| c.is_ascii_digit());
    if matches!(bare, "l" | "w" | "lw") || lower.contains(['#', '?', '~']) {
        return fault(unit, at, &format!("`{word}` is an extension of other crons"))
            .hint("renew reads plain Vixie fields: `*`, numbers, names, `a-b`, lists and `/step`");
    }
    let begins = |name: &&&str| lower.starts_with(**name);
    if let Some(name) = unit.names().iter().find(begins) {
        return fault(unit, at, &format!("`{word}` is not a name"))
            .hint(format!("names are their first three letters: `{name}`"));
    }
    let error = fault(unit, at, &format!("`{word}` is not a number of this field"));
    let elsewhere = [(Unit::Month, "fourth"), (Unit::DayOfWeek, "fifth")];
    match elsewhere.iter().find(|(other, _)| other.names().iter().any(|n| begins(&n))) {
        Some((other, place)) => error.hint(format!(
            "it is a {} and goes into the {place} field; `*` here means any {}",
            other.name(),
            unit.name()
        )),
        None => {
            let (min, max) = unit.limits();
            error.hint(format!("it takes {min} to {max}"))
        }
    }
}

fn fault(unit: Unit, at: usize, what: &str) -> ScheduleError {
    ScheduleError::new(at, format!("{} field: {what}", unit.name()))
}
