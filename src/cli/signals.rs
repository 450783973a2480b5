//! Being asked to stop: INT, TERM and HUP cancel what runs. Which one it was decides the exit code.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::sys::exec::Cancel;

/// The signals of this process.
#[derive(Debug, Clone, Default)]
pub struct Signals {
    /// Set at the first of them.
    pub cancel: Cancel,
    which: Arc<AtomicUsize>,
}

impl Signals {
    /// Begins to listen. A process that cannot still works; it is then ended as any other.
    #[must_use]
    pub fn listen() -> Signals {
        let signals = Signals::default();
        let cancel = signals.cancel.clone();
        if let Err(cause) = ctrlc::set_handler(move || cancel.set()) {
            log::warn!("cannot listen to signals: {cause}");
        }
        // ctrlc hands every signal to one handler; this remembers which it was, then goes on to it.
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            let number = usize::try_from(signal).unwrap_or_default();
            let which = Arc::clone(&signals.which);
            if let Err(cause) = signal_hook::flag::register_usize(signal, which, number) {
                log::warn!("cannot tell signals apart: {cause}");
            }
        }
        signals
    }

    /// 128 and the number of the signal, as a shell reports it, when there was one.
    #[must_use]
    pub fn exit_code(&self) -> Option<u8> {
        if !self.cancel.is_set() {
            return None;
        }
        match self.which.load(Ordering::SeqCst) {
            0 => Some(143),
            number => u8::try_from(128 + number).ok(),
        }
    }
}
