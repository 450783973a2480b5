//! When an internal service that failed is started again: after pauses that grow while it goes on
//! failing. It knows no thread and no clock.

use std::time::Duration;

/// The constants of a supervision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pauses {
    /// After the first crash; each further one in a row doubles it.
    pub first: Duration,
    /// No pause is longer.
    pub longest: Duration,
    /// Whoever ran this long has stood: the next crash is a first one again.
    pub stable: Duration,
    /// Each so many crashes in a row are worth an alarm.
    pub alarm_every: u32,
}

impl Default for Pauses {
    fn default() -> Pauses {
        Pauses {
            first: Duration::from_secs(5),
            longest: Duration::from_secs(5 * 60),
            stable: Duration::from_secs(60),
            alarm_every: 5,
        }
    }
}

/// How something under supervision is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It runs.
    Running,
    /// It runs, but not as it should: since its last crash it has not yet stood.
    Degraded,
    /// It failed, and is started again after this pause.
    Backoff(Duration),
    /// It ended because it was asked to.
    Stopped,
}

impl State {
    /// Its public name: `running`, `degraded`, `backoff:20s`, `stopped`.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            State::Running => "running".to_owned(),
            State::Degraded => "degraded".to_owned(),
            State::Backoff(pause) => format!("backoff:{}s", pause.as_secs()),
            State::Stopped => "stopped".to_owned(),
        }
    }
}

/// What is to be done after a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crash {
    /// Start it again after this.
    pub pause: Duration,
    /// How many there were in a row.
    pub count: u32,
    /// Somebody should be told that it does not get better.
    pub alarm: bool,
}

/// What is known of one internal service. Times are monotonic.
#[derive(Debug, Clone)]
pub struct Supervision {
    pauses: Pauses,
    crashes: u32,
    phase: Phase,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    Up { since: Duration },
    Down { pause: Duration },
    Stopped,
}

impl Supervision {
    /// One that is being started for the first time.
    #[must_use]
    pub fn begin(pauses: Pauses, now: Duration) -> Supervision {
        Supervision { pauses, crashes: 0, phase: Phase::Up { since: now } }
    }

    /// It is started once more.
    pub fn restarted(&mut self, now: Duration) {
        self.phase = Phase::Up { since: now };
    }

    /// It failed.
    pub fn crashed(&mut self, now: Duration) -> Crash {
        if self.has_stood(now) {
            self.crashes = 0;
        }
        self.crashes = self.crashes.saturating_add(1);
        let Pauses { first, longest, alarm_every, .. } = self.pauses;
        let doubled = 1_u32.checked_shl(self.crashes - 1).unwrap_or(u32::MAX);
        let pause = first.checked_mul(doubled).map_or(longest, |pause| pause.min(longest));
        self.phase = Phase::Down { pause };
        Crash { pause, count: self.crashes, alarm: self.crashes.is_multiple_of(alarm_every) }
    }

    /// It ended on request.
    pub fn stopped(&mut self) {
        self.phase = Phase::Stopped;
    }

    /// How it is.
    #[must_use]
    pub fn state(&self, now: Duration) -> State {
        match self.phase {
            Phase::Down { pause } => State::Backoff(pause),
            Phase::Stopped => State::Stopped,
            Phase::Up { .. } if self.crashes == 0 || self.has_stood(now) => State::Running,
            Phase::Up { .. } => State::Degraded,
        }
    }

    fn has_stood(&self, now: Duration) -> bool {
        match self.phase {
            Phase::Up { since } => now.saturating_sub(since) >= self.pauses.stable,
            Phase::Down { .. } | Phase::Stopped => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Pauses, State, Supervision};

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn pauses_double_up_to_five_minutes_and_every_fifth_crash_is_an_alarm() {
        let mut supervision = Supervision::begin(Pauses::default(), s(0));
        let mut seen = Vec::new();
        for crash in 1..=70 {
            let what = supervision.crashed(s(crash));
            assert_eq!(what.count, u32::try_from(crash).unwrap());
            assert_eq!(what.alarm, crash % 5 == 0, "{crash}");
            assert_eq!(supervision.state(s(crash)), State::Backoff(what.pause));
            supervision.restarted(s(crash));
            assert_eq!(supervision.state(s(crash)), State::Degraded);
            seen.push(what.pause.as_secs());
        }
        assert_eq!(seen[..8], [5, 10, 20, 40, 80, 160, 300, 300]);
        assert!(seen[8..].iter().all(|pause| *pause == 300), "{seen:?}");
    }

    #[test]
    fn a_minute_of_standing_makes_the_next_crash_a_first_one() {
        let mut supervision = Supervision::begin(Pauses::default(), s(0));
        assert_eq!(supervision.state(s(1)), State::Running);
        for at in [10, 20, 30] {
            supervision.crashed(s(at));
            supervision.restarted(s(at));
        }
        assert_eq!(supervision.state(s(89)), State::Degraded);
        assert_eq!(supervision.state(s(90)), State::Running);
        assert_eq!(supervision.crashed(s(90)).pause, s(5));
        supervision.restarted(s(100));
        assert_eq!(supervision.crashed(s(159)).pause, s(10), "not quite a minute");
        supervision.stopped();
        assert_eq!(supervision.state(s(1_000)).name(), "stopped");
        assert_eq!(State::Backoff(s(20)).name(), "backoff:20s");
    }
}
