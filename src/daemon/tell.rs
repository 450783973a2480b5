//! What the daemon says: to the log what is wrong, to systemd how all is.

use std::time::Duration;

use super::Daemon;
use super::repeat::Say;
use crate::problem::Problem;
use crate::reconcile::Report;

impl Daemon<'_> {
    /// What was done has been said while it was done; what is wrong is said here.
    /// Answers with it.
    pub(super) fn tell(&mut self, service: &str, report: &Report) -> Option<Problem> {
        let of_services = report.services.iter().filter_map(|one| one.error.as_ref());
        let trouble = of_services.chain(&report.problems).next();
        if self.stopping.is_none() {
            self.say(service, trouble);
        }
        trouble.cloned()
    }

    pub(super) fn say(&mut self, service: &str, trouble: Option<&Problem>) {
        if !self.config.here().any(|known| known.name.as_str() == service) {
            // It left the configuration while it ran.
            return;
        }
        match (self.repeats.take(service, trouble), trouble) {
            (Say::Trouble(1), Some(problem)) => log::warn!("{service}: {problem}"),
            (Say::Trouble(times), Some(problem)) => {
                log::warn!("{service}: {problem} ({times} times in a row)");
            }
            (Say::Over(times), _) => log::info!("{service}: well again, after {times} bad runs"),
            (Say::Trouble(_) | Say::Nothing, _) => {}
        }
    }

    /// How long until systemd is to hear that we are alive; `None` if it does not ask.
    pub(super) fn alive_in(&self) -> Option<Duration> {
        let (every, now) = (self.notify.watchdog()?, self.clock.monotonic());
        let passed = self.told_alive.map_or(every, |told| now.saturating_sub(told));
        Some(every.saturating_sub(passed))
    }

    /// How all is, when it is not as it was; and that we are alive.
    pub(super) fn tell_systemd(&mut self) {
        let troubled: Vec<&str> = self.repeats.troubled().collect();
        let mut status = match troubled.len() {
            0 => format!("{}, all well", self.counted()),
            bad => {
                format!(
                    "{bad} of {} in trouble: {}",
                    self.config.here().count(),
                    troubled.join(", ")
                )
            }
        };
        if self.follow.rejected_since.is_some() {
            status.push_str("; renew.json does not load");
        }
        if status != self.status {
            self.notify.tell(&format!("STATUS={status}"));
            self.status = status;
        }
        // A worker that is stuck keeps its service waiting; when all are, only a new start helps.
        let now = self.clock.monotonic();
        if self.alive_in().is_some_and(|left| left.is_zero()) && !self.board.all_stuck() {
            self.notify.tell("WATCHDOG=1");
            self.told_alive = Some(now);
        }
    }
}
