//! What systemd is told of a service: that it is ready, how it is, and that it is alive (sd_notify(3)).
//! Outside of systemd it does nothing.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use super::env;

/// The way to systemd, if there is one.
#[derive(Debug, Default)]
pub struct Notify {
    to: Option<(UnixDatagram, SocketAddr)>,
}

impl Notify {
    /// As the environment says: `NOTIFY_SOCKET` is a path, or with `@` a name of its own.
    #[must_use]
    pub fn find() -> Notify {
        let address = env::text("NOTIFY_SOCKET").and_then(|name| match name.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name).ok(),
            None => SocketAddr::from_pathname(name).ok(),
        });
        let socket = || UnixDatagram::unbound().ok();
        Notify { to: address.and_then(|address| Some((socket()?, address))) }
    }

    /// Tells; lines such as `READY=1`. Whoever does not listen misses it.
    pub fn tell(&self, state: &str) {
        if let Some((socket, address)) = &self.to
            && let Err(cause) = socket.send_to_addr(state.as_bytes(), address)
        {
            log::debug!("cannot notify systemd: {cause}");
        }
    }

    /// How often it wants to hear that we are alive: half of what it waits (sd_watchdog_enabled(3)).
    #[must_use]
    pub fn watchdog(&self) -> Option<Duration> {
        self.to.as_ref()?;
        let of_us =
            env::text("WATCHDOG_PID").is_none_or(|pid| pid == std::process::id().to_string());
        let micros: u64 = env::text("WATCHDOG_USEC").filter(|_| of_us)?.parse().ok()?;
        Some(Duration::from_micros(micros / 2)).filter(|half| !half.is_zero())
    }
}
