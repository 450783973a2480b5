//! A request to stop that spares what must not be cut in two: who has begun to change something comes
//! to an end, all else is cancelled at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::exec::Cancel;

/// One piece of work that can be asked to stop.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    asked: Arc<AtomicBool>,
    changing: Arc<AtomicBool>,
    cancel: Cancel,
}

impl Stop {
    /// Set when nothing more may happen.
    #[must_use]
    pub fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// Asks: what has not begun to change anything is cancelled. Answers whether it is.
    pub fn ask(&self) -> bool {
        self.asked.store(true, Ordering::SeqCst);
        let idle = !self.changing.load(Ordering::SeqCst);
        if idle {
            self.cancel.set();
        }
        idle
    }

    /// Whether somebody asked.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }

    /// Whether a change may begin now; from then on asking does not cancel it.
    #[must_use]
    pub fn may_change(&self) -> bool {
        // Each side writes its own flag before it reads the other's: one of the two sees both.
        let changing = self.changing.swap(true, Ordering::SeqCst);
        if !changing && self.asked.load(Ordering::SeqCst) {
            self.changing.store(false, Ordering::SeqCst);
            self.cancel.set();
        }
        !self.cancel.is_set()
    }

    /// The change is over, and written down.
    pub fn changed(&self) {
        self.changing.store(false, Ordering::SeqCst);
        if self.asked.load(Ordering::SeqCst) {
            self.cancel.set();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Stop;

    #[test]
    fn a_change_that_has_begun_comes_to_its_end() {
        let stop = Stop::default();
        assert!(stop.may_change());
        assert!(!stop.ask() && stop.is_asked());
        assert!(!stop.cancel().is_set());
        assert!(stop.may_change(), "it may go on with it");
        stop.changed();
        assert!(stop.cancel().is_set());
    }

    #[test]
    fn what_has_not_begun_is_cancelled_and_does_not_begin() {
        let stop = Stop::default();
        assert!(stop.ask());
        assert!(stop.cancel().is_set() && !stop.may_change());
    }
}
