//! Time. Wall time is for schedules and records, monotonic time for deadlines and delays.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

/// The two clocks and the wait. Tests put their own in.
pub trait Clock: Send + Sync {
    /// Wall time. It may step in either direction.
    fn now(&self) -> DateTime<Utc>;
    /// Time since some fixed point of this process; never goes backwards.
    fn monotonic(&self) -> Duration;
    /// Waits at least `pause`.
    fn sleep(&self, pause: Duration);
}

/// The clocks of the operating system.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    start: Instant,
}

impl Default for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    fn default() -> Self {
        SystemClock { start: Instant::now() }
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that waits")]
    fn sleep(&self, pause: Duration) {
        std::thread::sleep(pause);
    }
}

/// The local time of day for a log line, with its offset.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
pub fn local_time() -> String {
    chrono::Local::now().format("%Y-%m-%dT%H:%M:%S%:z").to_string()
}
