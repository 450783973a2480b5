//! Keeps the internal services of the daemon going: each in a thread of its own, started again after
//! it failed or panicked. The runs of services do not depend on any of them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{io, thread};

use chrono::{DateTime, Utc};

use super::pool::words;
use crate::decide::supervisor::{Pauses, Supervision};
use crate::problem::Problem;
use crate::standing::LiveComponent;
use crate::state::history::Complaint;
use crate::sys::clock::Clock;
use crate::sys::wake::{End, Ending, Woken, ending};

/// How long the daemon waits for an internal service before it goes on without it.
const FIRST_TRY: Duration = Duration::from_secs(5);

/// An internal service: works until it is to end, and calls the second once it is ready.
pub type Component = dyn Fn(&Ending, &dyn Fn()) -> Result<(), Problem> + Send;

/// How long the daemon waits for an internal service to end.
const LAST_WAIT: Duration = Duration::from_secs(2);

/// The internal services and how they are. Dropping it ends them and waits a moment for them.
pub struct Supervisor {
    clock: Arc<dyn Clock>,
    pauses: Pauses,
    known: Arc<Mutex<Vec<Known>>>,
    /// What ends each of them, and a channel that closes once it has.
    threads: Vec<(End, Receiver<()>)>,
}

/// The list that is read by others.
#[derive(Clone)]
pub struct Components {
    clock: Arc<dyn Clock>,
    known: Arc<Mutex<Vec<Known>>>,
}

struct Known {
    name: &'static str,
    supervision: Supervision,
    since: DateTime<Utc>,
    error: Option<Complaint>,
}

impl Supervisor {
    /// One without any service yet.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, pauses: Pauses) -> Supervisor {
        Supervisor { clock, pauses, known: Arc::default(), threads: Vec::new() }
    }

    /// How the services are, for other threads.
    #[must_use]
    pub fn components(&self) -> Components {
        Components { clock: Arc::clone(&self.clock), known: Arc::clone(&self.known) }
    }

    /// Starts a service and waits a moment for it to become ready.
    ///
    /// # Errors
    /// Why its first try failed; it is tried again all the same.
    pub fn start(&mut self, name: &'static str, serve: Box<Component>) -> Result<(), Problem> {
        let fail = |cause: io::Error| {
            let message = format!("cannot start {name}: {cause}");
            Problem::setup("threads", message, "see the limits of renew's unit")
        };
        let supervision = Supervision::begin(self.pauses, self.clock.monotonic());
        let at = {
            let mut known = lock(&self.known);
            known.push(Known { name, supervision, since: self.clock.now(), error: None });
            known.len() - 1
        };
        let (end, ending) = ending().map_err(fail)?;
        let (tell, told) = channel();
        let all = self.components();
        let (stays, gone) = channel();
        let attend = move || {
            let _until_the_end: Sender<()> = stays;
            attend(&all, at, serve.as_ref(), &ending, &tell);
        };
        thread::Builder::new().name(name.to_owned()).spawn(attend).map_err(fail)?;
        self.threads.push((end, gone));
        told.recv_timeout(FIRST_TRY).ok().flatten().map_or(Ok(()), Err)
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        for (end, gone) in self.threads.drain(..) {
            drop(end);
            // Whoever does not end in time goes with the process.
            let _ = gone.recv_timeout(LAST_WAIT);
        }
    }
}

impl Components {
    /// As they are shown.
    #[must_use]
    pub fn live(&self) -> Vec<LiveComponent> {
        let now = self.clock.monotonic();
        let shown = |known: &Known| LiveComponent {
            name: known.name.to_owned(),
            state: known.supervision.state(now).name(),
            since: known.since,
            error: known.error.clone(),
        };
        lock(&self.known).iter().map(shown).collect()
    }

    /// Changes what is known of one of them.
    fn note<T>(
        &self,
        at: usize,
        problem: Option<&Problem>,
        turn: impl FnOnce(&mut Supervision) -> T,
    ) -> Option<T> {
        let mut known = lock(&self.known);
        let one = known.get_mut(at)?;
        one.since = self.clock.now();
        let error = problem.map(|problem| Complaint::new(problem, one.since));
        one.error = error.or(one.error.take());
        Some(turn(&mut one.supervision))
    }
}

fn lock(known: &Mutex<Vec<Known>>) -> MutexGuard<'_, Vec<Known>> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a service until it is to end. `tell` hears how its first try goes, and says so itself; of the
/// others the log tells those that begin a row, and every fifth.
fn attend(
    all: &Components,
    at: usize,
    serve: &Component,
    ending: &Ending,
    tell: &Sender<Option<Problem>>,
) {
    let name = lock(&all.known).get(at).map_or("", |known| known.name);
    loop {
        let ready = || drop(tell.send(None));
        let problem = match catch_unwind(AssertUnwindSafe(|| serve(ending, &ready))) {
            Ok(Ok(())) => {
                all.note(at, None, Supervision::stopped);
                return;
            }
            Ok(Err(problem)) => problem,
            Err(panic) => Problem::setup("panic", words(panic.as_ref()), "please report it"),
        };
        let now = all.clock.monotonic();
        let turn = |supervision: &mut Supervision| supervision.crashed(now);
        let Some(crash) = all.note(at, Some(&problem), turn) else { return };
        // Nobody listens once the service was ready.
        let unheard = tell.send(Some(problem.clone())).is_err();
        if crash.alarm || crash.count == 1 && unheard {
            let (count, pause) = (crash.count, crash.pause.as_secs());
            let level = if crash.alarm { log::Level::Error } else { log::Level::Warn };
            log::log!(level, "{name}: {problem} ({count} times in a row; again in {pause} s)");
        }
        match ending.wait(None, Some(crash.pause)) {
            Ok(Woken::Time) => {}
            Ok(Woken::End | Woken::Ready) | Err(_) => {
                all.note(at, None, Supervision::stopped);
                return;
            }
        }
        let now = all.clock.monotonic();
        all.note(at, None, |supervision| supervision.restarted(now));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::channel;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use super::Supervisor;
    use crate::decide::supervisor::Pauses;
    use crate::problem::Problem;
    use crate::sys::clock::{Clock, SystemClock};
    use crate::sys::wake::Ending;

    const SHORT: Pauses = Pauses {
        first: Duration::from_millis(1),
        longest: Duration::from_millis(4),
        stable: Duration::from_secs(3600),
        alarm_every: 5,
    };

    #[test]
    fn whoever_fails_or_panics_is_started_again_and_ends_when_it_is_to() {
        let mut supervisor = Supervisor::new(Arc::new(SystemClock::default()), SHORT);
        let components = supervisor.components();
        let tries = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&tries);
        let first = supervisor.start(
            "fragile",
            Box::new(move |ending, ready| match seen.fetch_add(1, Ordering::SeqCst) {
                0 => Err(Problem::setup("full", "no room", "make room")),
                1..=3 => std::panic::panic_any("no luck"),
                _ => {
                    ready();
                    ending.wait(None, None).map(drop).map_err(|_| Problem::interrupted())
                }
            }),
        );
        assert_eq!(first.unwrap_err().reason, "full");
        let clock = SystemClock::default();
        while tries.load(Ordering::SeqCst) < 5 {
            assert!(clock.monotonic() < Duration::from_secs(60));
            clock.sleep(Duration::from_millis(2));
        }
        let [one] = &components.live()[..] else { panic!("one") };
        assert_eq!((one.name.as_str(), one.state.as_str()), ("fragile", "degraded"));
        assert_eq!(one.error.as_ref().map(|error| error.told.message.as_str()), Some("no luck"));
        drop(supervisor);
        assert_eq!(components.live()[0].state, "stopped");
        assert_eq!(tries.load(Ordering::SeqCst), 5);
    }

    #[test]
    fn whoever_does_not_end_is_not_waited_for_for_ever() {
        let clock = SystemClock::default();
        let mut supervisor = Supervisor::new(Arc::new(SystemClock::default()), SHORT);
        let (free, held) = channel::<()>();
        let held = Mutex::new(held);
        let deaf = move |_: &Ending, ready: &dyn Fn()| {
            ready();
            let _ = held.lock().map(|held| held.recv());
            Ok(())
        };
        supervisor.start("deaf", Box::new(deaf)).unwrap();
        let began = clock.monotonic();
        drop(supervisor);
        assert!(clock.monotonic() - began >= super::LAST_WAIT);
        drop(free);
    }
}
