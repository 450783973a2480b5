//! Ordered maps out of pairs.

use std::collections::BTreeMap;

/// What `collect()` is for ordered maps. That one sorts what it was given first, with six kilobytes of
/// machine code for every kind of iterator: 192 kB of the whole binary.
pub trait Gather<K: Ord, V>: Iterator<Item = (K, V)> + Sized {
    /// Enters the pairs one after the other: of two with the same key the later one stays.
    fn gather(self) -> BTreeMap<K, V> {
        let mut all = BTreeMap::new();
        all.extend(self);
        all
    }
}

impl<K: Ord, V, I: Iterator<Item = (K, V)>> Gather<K, V> for I {}

#[cfg(test)]
mod tests {
    use super::Gather;

    #[test]
    fn pairs_are_put_in_order_and_the_later_one_stays() {
        let all = [("b", 1), ("a", 2), ("b", 3)].into_iter().gather();
        assert_eq!(all.into_iter().collect::<Vec<_>>(), [("a", 2), ("b", 3)]);
    }
}
