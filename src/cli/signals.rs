//! Being asked to stop by INT, TERM or HUP: a change that has begun comes to its end, everything else
//! ends at once; at the second time all does. Which one it was decides the exit code.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::daemon::DRAIN;
use crate::sys::clock::{Clock, SystemClock};
use crate::sys::exec::Cancel;
use crate::sys::stop::Stop;

/// What a signal asks of a process that is to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// INT or TERM: to stop.
    Stop,
    /// HUP: to load its configuration again.
    Reload,
}

/// Which signal it was is remembered a moment after it was passed on; whose was told already is none.
const REMEMBERED: Duration = Duration::from_millis(20);
const REMEMBERED_TRIES: u32 = 50;

/// The signals of this process.
#[derive(Debug, Clone, Default)]
pub struct Signals {
    /// Asked at the first of them.
    pub stop: Stop,
    which: Arc<AtomicUsize>,
}

impl Signals {
    /// Begins to listen. A process that cannot still works; it is then ended as any other.
    #[must_use]
    pub fn listen() -> Signals {
        let signals = Signals::default();
        let (stop, mut asked) = (signals.stop.clone(), false);
        signals.handle(move || {
            if std::mem::replace(&mut asked, true) {
                stop.cancel().set();
            } else if !stop.ask() {
                finish(stop.clone());
            }
        });
        signals
    }

    /// Has `tell` told of each signal, from a thread of its own. Two of one kind that come together are
    /// one; a stop goes before a reload.
    pub fn tell(tell: impl Fn(Asked) + Send + 'static) {
        let [stop, reload] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
        let seen = [(Arc::clone(&stop), Asked::Stop), (Arc::clone(&reload), Asked::Reload)];
        Signals::default().handle(move || {
            let found = || seen.iter().find(|(flag, _)| flag.swap(false, Ordering::SeqCst));
            let clock = SystemClock::default();
            for _ in 0..REMEMBERED_TRIES {
                if let Some((_, asked)) = found() {
                    return tell(*asked);
                }
                clock.sleep(REMEMBERED);
            }
        });
        for (signal, flag) in [(SIGINT, &stop), (SIGTERM, &stop), (SIGHUP, &reload)] {
            if let Err(cause) = signal_hook::flag::register(signal, Arc::clone(flag)) {
                log::warn!("cannot tell signals apart: {cause}");
            }
        }
    }

    fn handle(&self, on_signal: impl FnMut() + Send + 'static) {
        if let Err(cause) = ctrlc::set_handler(on_signal) {
            log::warn!("cannot listen to signals: {cause}");
        }
        // ctrlc hands every signal to one handler; this remembers which it was, then goes on to it.
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            let number = usize::try_from(signal).unwrap_or_default();
            let which = Arc::clone(&self.which);
            if let Err(cause) = signal_hook::flag::register_usize(signal, which, number) {
                log::warn!("cannot tell signals apart: {cause}");
            }
        }
    }

    /// Set when everything is to end.
    #[must_use]
    pub fn cancel(&self) -> &Cancel {
        self.stop.cancel()
    }

    /// 128 and the number of the signal, as a shell reports it, when there was one.
    #[must_use]
    pub fn exit_code(&self) -> Option<u8> {
        if !self.stop.is_asked() {
            return None;
        }
        match self.which.load(Ordering::SeqCst) {
            0 => Some(143),
            number => u8::try_from(128 + number).ok(),
        }
    }
}

/// A change has begun: it comes to its end within [`DRAIN`].
fn finish(stop: Stop) {
    let limit = DRAIN.as_secs();
    log::info!("stopping once the change is made, at most {limit} s; a second signal stops now");
    let thread = std::thread::Builder::new().spawn(move || {
        SystemClock::default().sleep(DRAIN);
        stop.cancel().set();
    });
    if let Err(cause) = thread {
        log::warn!("nothing will end a change that takes too long: {cause}");
    }
}
