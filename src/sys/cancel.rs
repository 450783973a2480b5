//! Being asked to stop, and being seen to be alive: whoever works looks at its flag before and during
//! every wait, and each look is remembered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A flag that asks a piece of work and all its children to end; seen at every wait.
#[derive(Debug, Clone)]
pub struct Cancel(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    set: AtomicBool,
    made: Instant,
    /// When it was looked at last, in milliseconds since it was made.
    looked_ms: AtomicU64,
}

impl Default for Cancel {
    #[expect(clippy::disallowed_methods, reason = "a deadline of sys itself")]
    fn default() -> Cancel {
        Cancel(Arc::new(Inner {
            set: AtomicBool::new(false),
            made: Instant::now(),
            looked_ms: AtomicU64::new(0),
        }))
    }
}

impl Cancel {
    /// Asks.
    pub fn set(&self) {
        self.0.set.store(true, Ordering::SeqCst);
    }

    /// Whether somebody asked.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.looked_ms.store(self.age_ms(), Ordering::Relaxed);
        self.0.set.load(Ordering::SeqCst)
    }

    /// For how long nobody has looked.
    #[must_use]
    pub fn unseen_for(&self) -> Duration {
        let looked = self.0.looked_ms.load(Ordering::Relaxed);
        Duration::from_millis(self.age_ms().saturating_sub(looked))
    }

    fn age_ms(&self) -> u64 {
        u64::try_from(self.0.made.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
