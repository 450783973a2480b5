//! The order of a change: compose started with `--no-deps` and several names ignores who depends on
//! whom, so the services of a change are cut into waves, each complete before the next begins.

use std::collections::{BTreeMap, BTreeSet};

/// What a service waits for on one it depends on: compose's `condition`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// `service_started`.
    Started,
    /// `service_healthy`.
    Healthy,
    /// `service_completed_successfully`.
    Completed,
}

/// For every compose service what it depends on, and how far that must be.
pub type Dependencies = BTreeMap<String, BTreeMap<String, Condition>>;

/// Cuts `changing` into waves: a service comes after all services it depends on, directly or
/// through others that do not change. Services in a circle, which compose refuses, share a wave.
#[must_use]
pub fn waves(changing: &BTreeSet<String>, depends_on: &Dependencies) -> Vec<BTreeSet<String>> {
    let mut waiting: BTreeMap<&String, BTreeSet<String>> = changing
        .iter()
        .map(|name| {
            let below = reachable(name, depends_on);
            (name, below.intersection(changing).filter(|other| *other != name).cloned().collect())
        })
        .collect();
    let mut result = Vec::new();
    while !waiting.is_empty() {
        let ready: BTreeSet<String> = waiting
            .iter()
            .filter(|(_, needs)| needs.is_empty())
            .map(|(name, _)| (*name).clone())
            .collect();
        let wave = if ready.is_empty() {
            waiting.keys().map(|name| (*name).clone()).collect()
        } else {
            ready
        };
        waiting.retain(|name, _| !wave.contains(*name));
        for needs in waiting.values_mut() {
            needs.retain(|name| !wave.contains(name));
        }
        result.push(wave);
    }
    result
}

/// Everything `name` depends on, at any distance.
#[must_use]
pub fn reachable(name: &str, depends_on: &Dependencies) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![name.to_owned()];
    while let Some(next) = open.pop() {
        for other in depends_on.get(&next).into_iter().flat_map(BTreeMap::keys) {
            if found.insert(other.clone()) {
                open.push(other.clone());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{Condition, Dependencies, waves};

    /// `a>b` reads: a depends on b.
    fn cut(edges: &str, changing: &str) -> String {
        let mut depends_on = Dependencies::new();
        for edge in edges.split_whitespace() {
            let (from, to) = edge.split_once('>').unwrap();
            depends_on.entry(from.into()).or_default().insert(to.into(), Condition::Started);
        }
        let changing = changing.split_whitespace().map(str::to_owned).collect();
        let join = |wave: &std::collections::BTreeSet<String>| {
            wave.iter().cloned().collect::<Vec<_>>().join(" ")
        };
        waves(&changing, &depends_on).iter().map(join).collect::<Vec<_>>().join(" | ")
    }

    #[test]
    fn a_service_comes_after_what_it_depends_on() {
        assert_eq!(cut("", "a b"), "a b");
        assert_eq!(cut("app>migrate app>db migrate>db", "app migrate db"), "db | migrate | app");
        assert_eq!(cut("app>migrate migrate>db", "app db"), "db | app", "through one that stays");
        assert_eq!(cut("a>c b>c", "a b c"), "c | a b");
        assert_eq!(cut("a>b b>a c>a", "a b c"), "a b c", "a circle does not hang");
        assert_eq!(cut("a>b", ""), "");
    }
}
