//! How the daemon stops: what has begun to change something comes to its end, within bounds.

use std::time::Duration;

use super::Daemon;
use crate::decide::scheduler::Event;

/// How long a change that has begun may take to its end once we are asked to stop.
pub const DRAIN: Duration = Duration::from_secs(75);
/// How long runs may take to end once they are cancelled: their children get TERM, 10 s and KILL.
const CANCELLED: Duration = Duration::from_secs(25);

/// How far a stop has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Drain {
    /// Changes come to their end.
    Gently,
    /// All is cancelled.
    Cancelled,
}

impl Daemon<'_> {
    /// Asks all runs to stop: first those that have changed nothing yet, at the second time all.
    pub(super) fn stop(&mut self) {
        let now = self.clock.monotonic();
        let (until, drain) = match self.stopping {
            None => (now + DRAIN, Drain::Gently),
            Some((_, Drain::Gently)) => (now + CANCELLED, Drain::Cancelled),
            Some(stopping) => stopping,
        };
        self.stopping = Some((until, drain));
        self.notify.tell("STOPPING=1");
        for job in self.jobs.values() {
            match drain {
                Drain::Gently => drop(job.stop.ask()),
                Drain::Cancelled => job.stop.cancel().set(),
            }
        }
        let names: Vec<&str> = self.jobs.keys().map(String::as_str).collect();
        if !names.is_empty() {
            log::info!("stopping: waiting for {}", names.join(", "));
        }
        self.on(Event::Stop);
    }

    /// Ends what takes too long to stop.
    pub(super) fn hurry(&mut self) {
        let late = self.stopping.filter(|(until, _)| *until <= self.clock.monotonic());
        match late {
            Some((_, Drain::Gently)) => self.stop(),
            Some((_, Drain::Cancelled)) if !self.over => {
                let names: Vec<&str> = self.jobs.keys().map(String::as_str).collect();
                log::error!("left behind: {}; the next start ends it", names.join(", "));
                self.over = true;
            }
            Some(_) | None => {}
        }
    }
}
