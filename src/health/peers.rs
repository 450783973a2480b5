//! All peers at once, in a bounded number of threads, without this host. It asks each once and
//! never again.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::gather::sort_by_key;
use crate::problem::Problem;

use super::own::Who;
use super::{Own, Probe, Prober, Target, Verdict, Why};

/// Peers asked at the same time. A fleet of 50 hosts takes two rounds at worst.
pub(super) const PARALLEL_MAX: usize = 32;

/// What the peers said, in the order in which they are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Peers {
    /// Those that were asked.
    pub probes: Vec<Probe>,
    /// Those that turned out to be this host, and were not.
    pub own: Vec<Own>,
}

impl Peers {
    /// How many are healthy.
    #[must_use]
    pub fn healthy(&self) -> usize {
        self.probes.iter().filter(|probe| matches!(probe.verdict, Verdict::Healthy(_))).count()
    }
}

/// What became of one entry of the list.
enum Seen {
    Own(Own),
    Asked(Probe),
}

impl Prober<'_> {
    /// Asks all peers but this host. Takes about `timeout` for every [`PARALLEL_MAX`] of them.
    ///
    /// # Errors
    /// We were asked to stop.
    pub fn peers(&self, targets: &[Target], timeout: Duration) -> Result<Peers, Problem> {
        self.go_on()?;
        let next = AtomicUsize::new(0);
        let mut seen = thread::scope(|scope| {
            let work = || self.work(targets, timeout, &next);
            let mut helpers = Vec::new();
            // The calling thread is one of them: without any other it still gets done.
            for _ in 1..targets.len().min(PARALLEL_MAX) {
                match thread::Builder::new().name("probe".to_owned()).spawn_scoped(scope, work) {
                    Ok(helper) => helpers.push(helper),
                    Err(cause) => {
                        log::debug!("probing with fewer threads: {cause}");
                        break;
                    }
                }
            }
            let mut seen = work();
            for helper in helpers {
                match helper.join() {
                    Ok(more) => seen.extend(more),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            seen
        });
        self.go_on()?;
        sort_by_key(&mut seen, |(number, _)| *number);
        let mut peers = Peers::default();
        for (_, seen) in seen {
            match seen {
                Seen::Own(own) => peers.own.push(own),
                Seen::Asked(probe) => peers.probes.push(probe),
            }
        }
        Ok(peers)
    }

    /// Takes entries until there are none left.
    fn work(&self, all: &[Target], timeout: Duration, next: &AtomicUsize) -> Vec<(usize, Seen)> {
        let mut seen = Vec::new();
        while !self.cancel.is_set() {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(target) = all.get(number) else { break };
            seen.push((number, self.peer(target, timeout)));
        }
        seen
    }

    fn peer(&self, target: &Target, timeout: Duration) -> Seen {
        if let Some(own) = self.identity.by_name(target) {
            return Seen::Own(own);
        }
        let start = self.clock.monotonic();
        let unhealthy = |why| Seen::Asked(self.seen(target, Verdict::Unhealthy(why), start));
        let found = match self.names.addresses(target.host(), timeout) {
            Ok(found) => found,
            Err(cause) => return unhealthy(Why::Name(cause)),
        };
        match self.identity.by_address(target, &found) {
            Who::Own(own) => Seen::Own(own),
            Who::Unknown(why) => unhealthy(Why::PerhapsOwn(why)),
            Who::Other => Seen::Asked(self.send(target, timeout, start)),
        }
    }
}
