//! Names of hosts: their addresses, looked up within a deadline, and the names of this host. A
//! resolver that never answers costs a bounded number of threads and no caller its time.

use std::fmt;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::sys::env;
use crate::sys::fs::read_bounded;

/// Look-ups in flight at most. The resolver of the system cannot be told to stop; this many threads
/// may wait for one that is dead, and each ends when the resolver gives up.
const LOOKUPS_MAX: usize = 32;
/// No file of names that a person keeps comes near this.
const HOSTS_BYTES_MAX: u64 = 1024 * 1024;

/// Why a name has no addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameError {
    /// The resolver says so, in its words.
    Unknown(String),
    /// No answer within this time.
    Timeout(Duration),
    /// This many earlier look-ups still wait for the resolver.
    Busy(usize),
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NameError::Unknown(why) => write!(f, "the name is unknown: {why}"),
            NameError::Timeout(limit) => {
                write!(f, "the name was not resolved within {:.1} s", limit.as_secs_f64())
            }
            NameError::Busy(most) => {
                write!(f, "the name was not asked for: {most} look-ups still wait for the resolver")
            }
        }
    }
}

impl std::error::Error for NameError {}

/// Looks names up. Tests have their own.
pub trait Names: Send + Sync {
    /// The addresses of `host`, which may be an address itself, without brackets.
    ///
    /// # Errors
    /// See [`NameError`]; after `limit` at the latest.
    fn addresses(&self, host: &str, limit: Duration) -> Result<Vec<IpAddr>, NameError>;
}

type Lookup = dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync;

/// Asks a resolver that may block, each time in a thread of its own.
#[derive(Clone)]
pub struct BoundedNames {
    lookup: Arc<Lookup>,
    slots: Arc<Slots>,
}

impl fmt::Debug for BoundedNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "names, {} of {} slots free", self.slots.free(), self.slots.most)
    }
}

impl BoundedNames {
    /// The system's resolver. All values of this process share one limit.
    #[must_use]
    pub fn system() -> BoundedNames {
        static SLOTS: Mutex<Option<Arc<Slots>>> = Mutex::new(None);
        let mut shared = SLOTS.lock().unwrap_or_else(PoisonError::into_inner);
        let slots = shared.get_or_insert_with(|| Arc::new(Slots::new(LOOKUPS_MAX))).clone();
        BoundedNames { lookup: Arc::new(ask_system), slots }
    }

    /// Another resolver, with at most `most` look-ups in flight.
    #[must_use]
    pub fn new(
        lookup: impl Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static,
        most: usize,
    ) -> BoundedNames {
        BoundedNames { lookup: Arc::new(lookup), slots: Arc::new(Slots::new(most)) }
    }
}

impl Names for BoundedNames {
    fn addresses(&self, host: &str, limit: Duration) -> Result<Vec<IpAddr>, NameError> {
        if let Ok(address) = host.parse() {
            return Ok(vec![address]);
        }
        let end = now() + limit;
        let slot = Slots::take(&self.slots, limit).ok_or(NameError::Busy(self.slots.most))?;
        let (found, answer) = sync_channel(1);
        let (lookup, name) = (self.lookup.clone(), host.to_owned());
        let work = move || {
            let _slot = slot;
            // Nobody listens any more if it took too long.
            let _ = found.send(lookup(&name));
        };
        std::thread::Builder::new()
            .name("resolve".to_owned())
            .spawn(work)
            .map_err(|cause| NameError::Unknown(format!("cannot start a thread: {cause}")))?;
        match answer.recv_timeout(end.saturating_duration_since(now())) {
            Ok(Ok(addresses)) if addresses.is_empty() => {
                Err(NameError::Unknown("it has no address".to_owned()))
            }
            Ok(Ok(addresses)) => Ok(addresses),
            Ok(Err(cause)) => Err(NameError::Unknown(cause.to_string())),
            Err(RecvTimeoutError::Timeout) => Err(NameError::Timeout(limit)),
            Err(RecvTimeoutError::Disconnected) => {
                Err(NameError::Unknown("the look-up ended without an answer".to_owned()))
            }
        }
    }
}

fn ask_system(host: &str) -> io::Result<Vec<IpAddr>> {
    Ok((host, 0).to_socket_addrs()?.map(|found| found.ip()).collect())
}

/// A number of permits.
struct Slots {
    most: usize,
    free: Mutex<usize>,
    freed: Condvar,
}

impl Slots {
    fn new(most: usize) -> Slots {
        Slots { most, free: Mutex::new(most), freed: Condvar::new() }
    }

    fn free(&self) -> MutexGuard<'_, usize> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one, waiting at most `limit`.
    fn take(slots: &Arc<Slots>, limit: Duration) -> Option<Slot> {
        let waited = slots.freed.wait_timeout_while(slots.free(), limit, |free| *free == 0);
        let (mut free, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *free = free.checked_sub(1)?;
        Some(Slot(slots.clone()))
    }
}

/// A permit; dropped, it is free again.
struct Slot(Arc<Slots>);

impl Drop for Slot {
    fn drop(&mut self) {
        *self.0.free() += 1;
        self.0.freed.notify_one();
    }
}

#[expect(clippy::disallowed_methods, reason = "the deadline of a look-up is real time")]
fn now() -> Instant {
    Instant::now()
}

/// The names of this host, lower case: its host name, the first label of it, and its full name as
/// `hostname -f` would find it in `/etc/hosts` or make it with the domain of `/etc/resolv.conf`.
#[must_use]
pub fn own_names() -> Vec<String> {
    let read = |path: &str| {
        let content = read_bounded(Path::new(path), HOSTS_BYTES_MAX).unwrap_or_default();
        String::from_utf8_lossy(&content).into_owned()
    };
    names_of(&env::hostname(), &read("/etc/hosts"), &read("/etc/resolv.conf"))
}

fn names_of(hostname: &str, hosts: &str, resolv_conf: &str) -> Vec<String> {
    let hostname = hostname.trim_end_matches('.').to_ascii_lowercase();
    let short = hostname.split('.').next().unwrap_or_default().to_owned();
    if short.is_empty() {
        return Vec::new();
    }
    let lead = format!("{short}.");
    let mut names = vec![hostname.clone(), short.clone()];
    for line in settings(hosts) {
        // The first word is the address.
        let listed: Vec<String> = line
            .iter()
            .skip(1)
            .map(|name| name.trim_end_matches('.').to_ascii_lowercase())
            .collect();
        if listed.contains(&hostname) {
            names.extend(listed.into_iter().filter(|name| name.starts_with(&lead)));
        }
    }
    // A host name with a dot is the full name already.
    if hostname == short {
        for line in settings(resolv_conf) {
            if let ["domain" | "search", domain, ..] = line[..] {
                let domain = domain.trim_matches('.').to_ascii_lowercase();
                if !domain.is_empty() {
                    names.push(format!("{short}.{domain}"));
                }
            }
        }
    }
    names.sort();
    names.dedup();
    names
}

/// The words of each line, comments left out.
fn settings(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().map(|line| {
        let meant = line.split(['#', ';']).next().unwrap_or_default();
        meant.split_whitespace().collect()
    })
}

#[cfg(test)]
mod tests;
