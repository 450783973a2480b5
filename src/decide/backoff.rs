//! How long is waited before something that failed is tried again: longer each time, up to a limit.

use chrono::TimeDelta;

/// Pauses that double.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    /// Failures in a row that cause no pause.
    pub free: u32,
    /// The pause after the next one.
    pub first: TimeDelta,
    /// No pause is longer.
    pub longest: TimeDelta,
}

/// Before a change is made once more whose cause of failure may pass. What was in force runs meanwhile.
pub const CHANGE: Backoff =
    Backoff { free: 0, first: TimeDelta::minutes(1), longest: TimeDelta::hours(1) };

/// Before something is started, or an image is asked for, once more. Somebody may be without a service
/// meanwhile, so the limit is low, that of kubelet for both (`MaxContainerBackOff` and
/// `maxImageBackOff` in pkg/kubelet/kubelet.go), and what failed once is simply tried again.
pub const HEAL: Backoff =
    Backoff { free: 1, first: TimeDelta::minutes(1), longest: TimeDelta::minutes(5) };

impl Backoff {
    /// The pause after so many failures in a row.
    #[must_use]
    pub fn after(&self, failures: u32) -> TimeDelta {
        let Some(doublings) = failures.checked_sub(self.free + 1) else {
            return TimeDelta::zero();
        };
        let pause = self.first.checked_mul(1 << doublings.min(16));
        pause.map_or(self.longest, |pause| pause.min(self.longest))
    }
}

#[cfg(test)]
mod tests {
    use super::{CHANGE, HEAL};

    #[test]
    fn pauses_double_up_to_a_limit() {
        let minutes = |one: super::Backoff, tries: &[u32]| -> Vec<i64> {
            tries.iter().map(|failures| one.after(*failures).num_minutes()).collect()
        };
        assert_eq!(minutes(CHANGE, &[0, 1, 2, 3, 6, 7, 8, u32::MAX]), [0, 1, 2, 4, 32, 60, 60, 60]);
        assert_eq!(minutes(HEAL, &[0, 1, 2, 3, 4, 5, 6, u32::MAX]), [0, 0, 1, 2, 4, 5, 5, 5]);
    }
}
