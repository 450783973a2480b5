//! Ordered collections in little machine code. What the standard library has for them is made for
//! large ones, and made anew for every type: some six kilobytes of sorting each.

use std::cmp::Ordering;

/// What `collect()` is for ordered maps and sets. That one sorts what it was given first.
pub trait Gather: Iterator + Sized {
    /// Enters one after the other: of two with the same key the later one stays.
    fn gather<C: Default + Extend<Self::Item>>(self) -> C {
        let mut all = C::default();
        all.extend(self);
        all
    }
}

impl<I: Iterator> Gather for I {}

/// Puts a list in order; what compares equal stays in the order it had.
pub fn sort_by<T>(list: &mut Vec<T>, compare: impl Fn(&T, &T) -> Ordering) {
    let order = order(list.len(), &|a, b| compare(&list[a], &list[b]));
    let mut taken: Vec<Option<T>> = std::mem::take(list).into_iter().map(Some).collect();
    list.extend(order.into_iter().filter_map(|place| taken[place].take()));
}

/// As [`sort_by`], by a key.
pub fn sort_by_key<T, K: Ord>(list: &mut Vec<T>, key: impl Fn(&T) -> K) {
    sort_by(list, |a, b| key(a).cmp(&key(b)));
}

/// The one sort that there is: places, in the order of what is there.
fn order(places: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut order: Vec<usize> = (0..places).collect();
    order.sort_by(|a, b| compare(*a, *b));
    order
}

#[cfg(test)]
mod tests {
    use super::{Gather, sort_by_key};
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn pairs_are_put_in_order_and_the_later_one_stays() {
        let all: BTreeMap<_, _> = [("b", 1), ("a", 2), ("b", 3)].into_iter().gather();
        assert_eq!(all.into_iter().collect::<Vec<_>>(), [("a", 2), ("b", 3)]);
    }

    #[test]
    fn a_set_has_each_once_and_in_order() {
        let all: BTreeSet<_> = [2, 1, 2].into_iter().gather();
        assert_eq!(all.into_iter().collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn what_compares_equal_stays_in_its_order() {
        let mut list = vec![(2, 'a'), (1, 'b'), (2, 'c'), (1, 'd')];
        sort_by_key(&mut list, |(number, _)| *number);
        assert_eq!(list, [(1, 'b'), (1, 'd'), (2, 'a'), (2, 'c')]);
    }
}
