//! What is said of trouble that stays: at once when it begins, changes or ends, and in between less and
//! less often.

use std::collections::BTreeMap;

use crate::problem::Problem;

/// What is worth a line now.
#[derive(Debug, PartialEq, Eq)]
pub enum Say {
    /// Nothing: it is as it was.
    Nothing,
    /// This trouble, seen so many times in a row.
    Trouble(u64),
    /// What was wrong is no longer, after so many times.
    Over(u64),
}

/// The trouble of each service.
#[derive(Debug, Default)]
pub struct Repeats {
    seen: BTreeMap<String, (String, u64)>,
}

impl Repeats {
    /// Takes in how a run ended. The same trouble is told at the 1st, 2nd, 4th, 8th … time.
    pub fn take(&mut self, service: &str, trouble: Option<&Problem>) -> Say {
        let Some(trouble) = trouble else {
            return self.seen.remove(service).map_or(Say::Nothing, |(_, times)| Say::Over(times));
        };
        let words = format!("{} {}", trouble.reason, trouble.message);
        let known = self.seen.entry(service.to_owned()).or_default();
        if known.0 != words {
            *known = (words, 0);
        }
        known.1 += 1;
        if known.1.is_power_of_two() { Say::Trouble(known.1) } else { Say::Nothing }
    }

    /// Whoever has trouble now.
    pub fn troubled(&self) -> impl Iterator<Item = &str> {
        self.seen.keys().map(String::as_str)
    }

    /// Forgets whoever is not known any more.
    pub fn retain(&mut self, known: impl Fn(&str) -> bool) {
        self.seen.retain(|service, _| known(service));
    }
}

#[cfg(test)]
mod tests {
    use super::{Repeats, Say};
    use crate::problem::Problem;

    #[test]
    fn the_same_again_is_said_less_and_less_often() {
        let mut repeats = Repeats::default();
        let down = Problem::engine("exited", "web exited", "look");
        let other = Problem::engine("exited", "db exited", "look");
        let mut said = Vec::new();
        for times in 1..=100 {
            match repeats.take("app", Some(&down)) {
                Say::Trouble(count) => said.push((times, count)),
                Say::Nothing => {}
                Say::Over(_) => panic!("it is not over"),
            }
        }
        assert_eq!(said, [1, 2, 4, 8, 16, 32, 64].map(|n| (n, n)));
        assert_eq!(repeats.take("app", Some(&other)), Say::Trouble(1), "something else");
        assert_eq!(repeats.take("side", None), Say::Nothing);
        assert_eq!(repeats.take("app", None), Say::Over(1));
        assert_eq!(repeats.take("app", None), Say::Nothing);
    }
}
