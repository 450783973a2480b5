//! The order of a change: compose started with `--no-deps` and several names ignores who depends on
//! whom, so the services of a change are cut into waves, each complete before the next begins.

use std::collections::{BTreeMap, BTreeSet};

use crate::gather::Gather;

/// What a service waits for on one it depends on: compose's `condition`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Nothing: both are made in one go, by a compose that knows the order.
    Together,
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
/// through others that do not change; except that it joins the wave of one that it is made together
/// with, if there is nothing else to wait for. Services in a circle, which compose refuses, share a
/// wave.
#[must_use]
pub fn waves(changing: &BTreeSet<String>, depends_on: &Dependencies) -> Vec<BTreeSet<String>> {
    let mut waiting: BTreeMap<&String, BTreeSet<String>> = changing
        .iter()
        .map(|name| {
            let below = reachable(name, depends_on);
            (name, below.intersection(changing).filter(|other| *other != name).cloned().collect())
        })
        .gather();
    let mut result = Vec::new();
    while !waiting.is_empty() {
        let ready: BTreeSet<String> = waiting
            .iter()
            .filter(|(_, needs)| needs.is_empty())
            .map(|(name, _)| (*name).clone())
            .gather();
        let wave = if ready.is_empty() {
            waiting.keys().map(|name| (*name).clone()).collect()
        } else {
            with_joining(ready, &waiting, depends_on)
        };
        waiting.retain(|name, _| !wave.contains(*name));
        for needs in waiting.values_mut() {
            needs.retain(|name| !wave.contains(name));
        }
        result.push(wave);
    }
    result
}

/// A wave, and those that wait for nothing but what they are made together with.
fn with_joining(
    mut wave: BTreeSet<String>,
    waiting: &BTreeMap<&String, BTreeSet<String>>,
    depends_on: &Dependencies,
) -> BTreeSet<String> {
    let joined = |name: &str, other: &String, wave: &BTreeSet<String>| {
        let mut together = reachable_by(name, depends_on, Condition::Together);
        let apart = depends_on.get(name).and_then(|on| on.get(other));
        wave.contains(other)
            && together.remove(other)
            && apart.is_none_or(|how| *how == Condition::Together)
    };
    loop {
        let next = waiting.iter().find(|(name, needs)| {
            !wave.contains(**name) && needs.iter().all(|other| joined(name, other, &wave))
        });
        let Some((name, _)) = next else { return wave };
        wave.insert((*name).clone());
    }
}

/// What is reached over dependencies of one kind alone.
fn reachable_by(name: &str, depends_on: &Dependencies, how: Condition) -> BTreeSet<String> {
    let of_kind = |on: &BTreeMap<String, Condition>| {
        on.iter().filter(|(_, one)| **one == how).map(|(n, c)| (n.clone(), *c)).gather()
    };
    let alone = depends_on.iter().map(|(name, on)| (name.clone(), of_kind(on))).gather();
    reachable(name, &alone)
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

    /// `a>b` reads: a depends on b; `a=b`: and both are made together.
    fn cut(edges: &str, changing: &str) -> String {
        let mut depends_on = Dependencies::new();
        for edge in edges.split_whitespace() {
            let (from, to) = edge.split_once(['>', '=']).unwrap();
            let together = edge.contains('=');
            let how = if together { Condition::Together } else { Condition::Started };
            depends_on.entry(from.into()).or_default().insert(to.into(), how);
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

    #[test]
    fn what_is_made_together_shares_a_wave_where_the_order_allows_it() {
        assert_eq!(cut("nm=x", "nm x"), "nm x");
        assert_eq!(cut("nm=x", "nm"), "nm");
        assert_eq!(cut("a=b b=c", "a b c"), "a b c", "a whole chain");
        assert_eq!(cut("a=b b=c a>c", "a b c"), "b c | a", "it waits for c in its own right");
        assert_eq!(cut("nm=x x>db", "nm x db"), "db | nm x");
        assert_eq!(cut("nm=x nm>db", "nm x db"), "db x | nm", "db has to be good first");
        assert_eq!(cut("nm=x nm>db db>x", "nm x db"), "x | db | nm", "the order has the last word");
        assert_eq!(cut("nm=x app>nm", "nm x app"), "nm x | app");
    }
}
