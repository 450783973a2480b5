//! Many schedules at once: who fires next, and who is due. Every id has one next time, computed
//! when it last fired, so a wake-up costs as much as there is due and not as much as there is.
//! Never computes a time itself, and never looks at a clock.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

/// Ids by their next time. The order of ids breaks ties, so the same input gives the same order.
#[derive(Debug, Clone)]
pub struct Agenda<Id> {
    times: BTreeMap<Id, DateTime<Utc>>,
    queue: BTreeSet<(DateTime<Utc>, Id)>,
}

impl<Id> Default for Agenda<Id> {
    fn default() -> Self {
        Agenda { times: BTreeMap::new(), queue: BTreeSet::new() }
    }
}

impl<Id: Ord + Clone> Agenda<Id> {
    /// Sets the next time of `id`, in place of the one it had.
    pub fn insert(&mut self, id: Id, next: DateTime<Utc>) {
        self.remove(&id);
        self.queue.insert((next, id.clone()));
        self.times.insert(id, next);
    }

    /// Forgets `id`; its next time if it had one.
    pub fn remove(&mut self, id: &Id) -> Option<DateTime<Utc>> {
        let (id, next) = self.times.remove_entry(id)?;
        self.queue.remove(&(next, id));
        Some(next)
    }

    /// The earliest time and whose it is.
    #[must_use]
    pub fn next(&self) -> Option<(DateTime<Utc>, &Id)> {
        self.queue.first().map(|(next, id)| (*next, id))
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
        while self.queue.first().is_some_and(|(next, _)| *next <= now) {
            let Some((_, id)) = self.queue.pop_first() else { break };
            self.times.remove(&id);
            due.push(id);
        }
        due
    }

    /// Computes every next time again: after the wall clock was set, or a zone changed. `next`
    /// answers for one id; who has no next time leaves the agenda.
    pub fn reschedule(&mut self, mut next: impl FnMut(&Id) -> Option<DateTime<Utc>>) {
        let ids: Vec<Id> = std::mem::take(&mut self.times).into_keys().collect();
        let timed = ids.into_iter().filter_map(|id| next(&id).map(|time| (id, time)));
        self.times = timed.collect();
        self.queue = self.times.iter().map(|(id, time)| (*time, id.clone())).collect();
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
