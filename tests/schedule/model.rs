//! A random cron expression that is made from its meaning instead of being parsed, and the plain
//! way to find its next times: look at every day. Shares nothing with the product.

use std::collections::BTreeSet;

use crate::random::Random;

pub const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
pub const WEEKDAYS: [&str; 8] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// When a day field counts as unrestricted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Star {
    /// Vixie and cronie: when it begins with `*`.
    Leading,
    /// croner: when it is `*` and nothing else.
    Bare,
}

#[derive(Clone)]
pub struct Field {
    pub text: String,
    pub numbers: BTreeSet<i64>,
}

/// The five fields in order.
#[derive(Clone)]
pub struct Expression {
    pub fields: [Field; 5],
}

const LIMITS: [(i64, i64); 5] = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)];

impl Expression {
    pub fn random(random: &mut Random) -> Expression {
        let star = [20, 25, 45, 55, 50];
        Expression { fields: std::array::from_fn(|place| field(random, place, star[place])) }
    }

    /// Most of its times lie in the small hours, where clocks change.
    pub fn nightly(random: &mut Random) -> Expression {
        let mut made = Expression::random(random);
        if random.chance(80) {
            let hours: Vec<i64> = (0..random.between(1, 4))
                .map(|_| *random.pick(&[0, 0, 1, 1, 2, 2, 3, 23]))
                .collect();
            let text: Vec<String> = hours.iter().map(ToString::to_string).collect();
            made.fields[1] = Field { text: text.join(","), numbers: hours.into_iter().collect() };
        }
        for place in [2, 3, 4] {
            if random.chance(70) {
                made.fields[place] = whole(place);
            }
        }
        made
    }

    pub fn text(&self) -> String {
        let words: Vec<String> = self.fields.iter().map(|field| field.text.clone()).collect();
        words.join(" ")
    }

    pub fn follows_the_clock(&self) -> bool {
        self.fields[..2].iter().any(|field| field.text.starts_with('*'))
    }

    fn is_star(&self, place: usize, star: Star) -> bool {
        match star {
            Star::Leading => self.fields[place].text.starts_with('*'),
            Star::Bare => self.fields[place].text == "*",
        }
    }

    /// `weekday` counts from Sunday, 0.
    pub fn matches_day(&self, month: i64, day: i64, weekday: i64, star: Star) -> bool {
        let [_, _, days, months, weekdays] = &self.fields;
        let date_fits = days.numbers.contains(&day);
        let weekday_fits =
            weekdays.numbers.contains(&weekday) || (weekday == 0 && weekdays.numbers.contains(&7));
        let days_fit = if self.is_star(2, star) || self.is_star(4, star) {
            date_fits && weekday_fits
        } else {
            date_fits || weekday_fits
        };
        months.numbers.contains(&month) && days_fit
    }

    /// The next `count` minutes (counted from the start of 1970) after `after`, by looking at every
    /// day of the next 90 years.
    pub fn next_minutes(&self, after: i64, count: usize, star: Star) -> Vec<i64> {
        let mut found = Vec::new();
        let mut today = Calendar::at(after.div_euclid(1440));
        for _ in 0..90 * 366 {
            if self.matches_day(today.month, today.day, today.weekday, star) {
                for hour in &self.fields[1].numbers {
                    for minute in &self.fields[0].numbers {
                        let at = today.number * 1440 + hour * 60 + minute;
                        if at > after {
                            found.push(at);
                        }
                        if found.len() == count {
                            return found;
                        }
                    }
                }
            }
            today.step();
        }
        found
    }
}

/// A day, moved on by counting, as one does on fingers.
struct Calendar {
    /// Days since the first of January 1970, a Thursday.
    number: i64,
    year: i64,
    month: i64,
    day: i64,
    weekday: i64,
}

impl Calendar {
    fn at(number: i64) -> Calendar {
        let mut found = Calendar { number: 0, year: 1970, month: 1, day: 1, weekday: 4 };
        while found.number + 366 < number && found.month == 1 && found.day == 1 {
            let days = if leap(found.year) { 366 } else { 365 };
            found.number += days;
            found.year += 1;
            found.weekday = (found.weekday + days) % 7;
        }
        while found.number < number {
            found.step();
        }
        found
    }

    fn step(&mut self) {
        let length = match self.month {
            2 if leap(self.year) => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        self.number += 1;
        self.weekday = (self.weekday + 1) % 7;
        self.day += 1;
        if self.day > length {
            (self.day, self.month) = (1, self.month + 1);
        }
        if self.month > 12 {
            (self.month, self.year) = (1, self.year + 1);
        }
    }
}

fn leap(year: i64) -> bool {
    (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
}

fn whole(place: usize) -> Field {
    let (low, high) = LIMITS[place];
    Field { text: "*".to_owned(), numbers: (low..=high).collect() }
}

fn field(random: &mut Random, place: usize, star_percent: i64) -> Field {
    if random.chance(star_percent) {
        return whole(place);
    }
    let count = *random.pick(&[1, 1, 1, 2, 3]);
    let items: Vec<Field> = (0..count).map(|_| item(random, place)).collect();
    let texts: Vec<&str> = items.iter().map(|item| item.text.as_str()).collect();
    Field {
        text: texts.join(","),
        numbers: items.iter().flat_map(|item| item.numbers.iter().copied()).collect(),
    }
}

fn item(random: &mut Random, place: usize) -> Field {
    let (min, max) = LIMITS[place];
    let low = random.between(min, max);
    let high = random.between(low, max);
    let step_max = random.between(1, max);
    let step = random.between(1, step_max);
    let stepped = |from: i64, to: i64, step: i64| {
        (from..=to).filter(|number| (number - from) % step == 0).collect()
    };
    match random.between(1, 100) {
        1..=35 => Field { text: word(random, place, low), numbers: BTreeSet::from([low]) },
        36..=60 => {
            let text =
                format!("{}-{}", word(random, place, low), word_high(random, place, low, high));
            Field { text, numbers: stepped(low, high, 1) }
        }
        61..=80 => {
            let ends =
                format!("{}-{}", word(random, place, low), word_high(random, place, low, high));
            Field { text: format!("{ends}/{step}"), numbers: stepped(low, high, step) }
        }
        81..=98 => Field { text: format!("*/{step}"), numbers: stepped(min, max, step) },
        _ => whole(place),
    }
}

/// A number, or its name where it has one, in any case.
fn word(random: &mut Random, place: usize, number: i64) -> String {
    let index = usize::try_from(number).expect("not negative");
    let name = match place {
        3 => MONTHS[index - 1],
        4 if number < 7 => WEEKDAYS[index],
        _ => return number.to_string(),
    };
    match random.between(0, 5) {
        0 => name.to_owned(),
        1 => name.to_uppercase(),
        2 => name[..1].to_uppercase() + &name[1..],
        _ => number.to_string(),
    }
}

/// The end of a range; Sunday at the end of a week may be written as a name as well.
fn word_high(random: &mut Random, place: usize, low: i64, high: i64) -> String {
    match (place, high, low) {
        (4, 7, 1..) if random.chance(30) => "sun".to_owned(),
        _ => word(random, place, high),
    }
}
