//! What the daemon keeps of its runs: their ids, which go on, how the last ones ended.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::gather::Gather;
use crate::problem::Problem;
use crate::standing::{LiveEnd, LiveRun, LiveService};
use crate::state::history::Complaint;

/// The books of one daemon.
#[derive(Debug)]
pub struct Books {
    /// What its ids begin with.
    start: String,
    count: u64,
    services: BTreeMap<String, Book>,
}

#[derive(Debug, Default)]
struct Book {
    wanted: Option<String>,
    running: Option<LiveRun>,
    skipped: u64,
    last: Option<LiveEnd>,
}

impl Books {
    /// Empty ones of a daemon that began then: so the ids of two daemons differ.
    #[must_use]
    pub fn begin(at: DateTime<Utc>) -> Books {
        let start = at.format("%Y%m%dT%H%M%SZ").to_string();
        Books { start, count: 0, services: BTreeMap::new() }
    }

    /// Keeps books of these services and no others.
    pub fn keep<'s>(&mut self, services: impl Iterator<Item = &'s str>) {
        let mut before = std::mem::take(&mut self.services);
        let kept = services.map(|name| (name.to_owned(), before.remove(name).unwrap_or_default()));
        self.services = kept.gather();
        // Whoever left while it ran is written down until it ends.
        self.services.extend(before.into_iter().filter(|(_, book)| book.running.is_some()));
    }

    /// Somebody wants a run: the id it will have, which is the same for all who want it before it
    /// begins.
    pub fn wanted(&mut self, service: &str) -> String {
        if let Some(id) = self.services.get(service).and_then(|book| book.wanted.clone()) {
            return id;
        }
        let id = self.id();
        self.services.entry(service.to_owned()).or_default().wanted = Some(id.clone());
        id
    }

    /// A run begins: its id.
    pub fn begins(&mut self, service: &str, trigger: &str, at: DateTime<Utc>) -> String {
        let wanted = self.services.get_mut(service).and_then(|book| book.wanted.take());
        let id = wanted.unwrap_or_else(|| self.id());
        let run = LiveRun { run: id.clone(), trigger: trigger.to_owned(), since: at };
        self.services.entry(service.to_owned()).or_default().running = Some(run);
        id
    }

    /// A tick came to nothing.
    pub fn skipped(&mut self, service: &str) {
        self.services.entry(service.to_owned()).or_default().skipped += 1;
    }

    /// A run ended. What was wrong before already is so since then.
    pub fn ended(&mut self, service: &str, result: &str, bad: Option<&Problem>, at: DateTime<Utc>) {
        let Some(book) = self.services.get_mut(service) else { return };
        if let Some(run) = book.running.take() {
            let known = book.last.take().and_then(|last| last.error);
            let error = bad.map(|problem| {
                let new = Complaint::new(problem, at);
                known.filter(|known| known.told == new.told).unwrap_or(new)
            });
            book.last = Some(LiveEnd { run: run.run, result: result.to_owned(), at, error });
        }
    }

    /// A run begins anew, under the same id.
    pub fn restarts(&mut self, service: &str) {
        let Some(book) = self.services.get_mut(service) else { return };
        if let Some(run) = book.running.take() {
            book.wanted.get_or_insert(run.run);
        }
    }

    /// What is known of a service that is due `next`.
    #[must_use]
    pub fn live(&self, name: &str, next: Option<DateTime<Utc>>) -> LiveService {
        let book = self.services.get(name);
        LiveService {
            name: name.to_owned(),
            next,
            running: book.and_then(|book| book.running.clone()),
            wanted: book.and_then(|book| book.wanted.clone()),
            skipped: book.map_or(0, |book| book.skipped),
            last: book.and_then(|book| book.last.clone()),
        }
    }

    fn id(&mut self) -> String {
        self.count += 1;
        format!("{}-{}", self.start, self.count)
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::Books;
    use crate::problem::Problem;

    #[test]
    fn what_goes_on_being_wrong_is_so_since_it_began() {
        let mut books = Books::begin(DateTime::UNIX_EPOCH);
        let [gone, full] = ["gone", "full"].map(|reason| Problem::engine(reason, reason, "wait"));
        for (second, bad, since) in [
            (10, Some(&gone), Some(10)),
            (20, Some(&gone), Some(10)),
            (30, Some(&full), Some(30)),
            (40, None, None),
            (50, Some(&full), Some(50)),
        ] {
            let at = DateTime::from_timestamp(second, 0).unwrap();
            books.begins("app", "schedule", at);
            books.ended("app", "failed", bad, at);
            let error = books.live("app", None).last.and_then(|last| last.error);
            assert_eq!(error.map(|error| error.since.timestamp()), since, "{second}");
        }
    }

    #[test]
    fn who_asks_before_a_run_begins_gets_that_one_and_who_asks_later_the_next() {
        let at = DateTime::UNIX_EPOCH;
        let mut books = Books::begin(at);
        books.keep(["app", "side"].into_iter());
        let first = books.wanted("app");
        assert_eq!(first, "19700101T000000Z-1");
        assert_eq!(books.wanted("app"), first);
        assert_eq!(books.begins("app", "request", at), first);
        let second = books.wanted("app");
        assert_ne!(second, first);
        books.skipped("app");
        books.ended("app", "changed", None, at);
        let live = books.live("app", None);
        assert_eq!(live.last.map(|end| (end.run, end.result)), Some((first, "changed".into())));
        assert_eq!((live.wanted.as_ref(), live.skipped), (Some(&second), 1));
        assert_eq!(books.begins("app", "schedule", at), second);
        books.restarts("app");
        assert!(books.live("app", None).running.is_none());
        assert_eq!(books.begins("app", "schedule", at), second, "it goes on under its id");
        // It leaves the configuration while it runs.
        books.keep(["side"].into_iter());
        assert!(books.live("app", None).running.is_some());
        books.ended("app", "changed", None, at);
        books.keep(["side"].into_iter());
        assert!(books.live("app", None).last.is_none());
    }
}
