//! Many schedules at once: who fires next, and who is due. Every id has one next time, computed
//! when it last fired, so a wake-up costs as much as there is due and not as much as there is.
//! Never computes a time itself, and never looks at a clock.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

/// Ids by their next time. The order of ids breaks ties, so the same input gives the same order.
#[derive(Debug, Clone)]
pub struct Agenda<Id> {
    times: BTreeMap<Id, DateTime<Utc>>,
    /// Who fires at a time. Most services share few times, so the times are few; never empty.
    queue: BTreeMap<DateTime<Utc>, BTreeSet<Id>>,
}

impl<Id> Default for Agenda<Id> {
    fn default() -> Self {
        Agenda { times: BTreeMap::new(), queue: BTreeMap::new() }
    }
}

impl<Id: Ord + Clone> Agenda<Id> {
    /// Sets the next time of `id`, in place of the one it had.
    pub fn insert(&mut self, id: Id, next: DateTime<Utc>) {
        match self.times.insert(id.clone(), next) {
            Some(before) if before == next => return,
            Some(before) => self.leave(before, &id),
            None => {}
        }
        self.queue.entry(next).or_default().insert(id);
    }

    /// Forgets `id`; its next time if it had one.
    pub fn remove(&mut self, id: &Id) -> Option<DateTime<Utc>> {
        let next = self.times.remove(id)?;
        self.leave(next, id);
        Some(next)
    }

    fn leave(&mut self, time: DateTime<Utc>, id: &Id) {
        if let Entry::Occupied(mut group) = self.queue.entry(time) {
            group.get_mut().remove(id);
            if group.get().is_empty() {
                group.remove();
            }
        }
    }

    /// The earliest time and whose it is.
    #[must_use]
    pub fn next(&self) -> Option<(DateTime<Utc>, &Id)> {
        let (next, ids) = self.queue.first_key_value()?;
        ids.first().map(|id| (*next, id))
    }

    /// The next time of one id.
    #[must_use]
    pub fn next_of(&self, id: &Id) -> Option<DateTime<Utc>> {
        self.times.get(id).copied()
    }

    /// How many ids have a next time.
    #[must_use]
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether nothing is scheduled.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// Takes out whoever is due at `now`, earliest first. Each id comes once, however many of its
    /// times have passed: what was missed during suspend or a clock step becomes one run.
    pub fn pop_due(&mut self, now: DateTime<Utc>) -> Vec<Id> {
        let mut due = Vec::new();
        while let Some(group) = self.queue.first_entry().filter(|group| *group.key() <= now) {
            due.extend(group.remove());
        }
        for id in &due {
            self.times.remove(id);
        }
        due
    }

    /// Computes every next time again: after the wall clock was set, or a zone changed. `next`
    /// answers for one id; who has no next time leaves the agenda.
    pub fn reschedule(&mut self, mut next: impl FnMut(&Id) -> Option<DateTime<Utc>>) {
        self.queue.clear();
        for id in std::mem::take(&mut self.times).into_keys() {
            if let Some(time) = next(&id) {
                self.insert(id, time);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Agenda;
    use chrono::{DateTime, TimeDelta, Utc};

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    #[test]
    fn the_earliest_comes_first_and_ties_go_by_id() {
        let mut agenda = Agenda::default();
        for (id, seconds) in [("c", 5), ("b", 5), ("a", 9)] {
            agenda.insert(id, at(seconds));
        }
        assert_eq!(agenda.next(), Some((at(5), &"b")));
        assert_eq!(agenda.pop_due(at(4)), Vec::<&str>::new());
        assert_eq!(agenda.pop_due(at(9)), ["b", "c", "a"]);
        assert!(agenda.is_empty());
        assert_eq!(agenda.next(), None);
    }

    #[test]
    fn an_id_has_one_time() {
        let mut agenda = Agenda::default();
        agenda.insert(1, at(5));
        agenda.insert(1, at(8));
        assert_eq!((agenda.len(), agenda.next_of(&1)), (1, Some(at(8))));
        assert_eq!(agenda.pop_due(at(6)), Vec::<i32>::new());
        assert_eq!(agenda.remove(&1), Some(at(8)));
        assert_eq!(agenda.remove(&1), None);
        assert_eq!(agenda.next(), None);
    }

    #[test]
    fn a_clock_step_moves_everyone_and_drops_who_has_no_time() {
        let mut agenda = Agenda::default();
        for id in 1..=3 {
            agenda.insert(id, at(i64::from(id)));
        }
        agenda.reschedule(|id| (*id != 2).then(|| at(100 - i64::from(*id))));
        assert_eq!(agenda.next(), Some((at(97), &3)));
        assert_eq!((agenda.len(), agenda.next_of(&2)), (2, None));
        assert_eq!(agenda.pop_due(at(1_000)), [3, 1]);
    }
}
