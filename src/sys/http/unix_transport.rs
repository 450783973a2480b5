//! HTTP over a Unix socket. Every wait ends at the request's deadline or when we are asked to stop;
//! it never waits for a listener that does not accept.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, sockopt};
use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport,
};

use crate::sys::exec::Cancel;

/// Enough for any head of the engine; a longer body passes through in pieces.
pub(super) const BUFFER_BYTES: usize = 16 * 1024;
/// How often a wait looks whether we were asked to stop.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// For a wait without a deadline of its own. No request of ours is without one.
const WAIT_MAX: Duration = Duration::from_secs(3600);

/// Connects to one socket, whatever the URL says.
pub(super) struct UnixConnector {
    pub path: PathBuf,
    pub cancel: Cancel,
}

impl fmt::Debug for UnixConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "socket {}", self.path.display())
    }
}

impl Connector<()> for UnixConnector {
    type Out = UnixTransport;

    fn connect(
        &self,
        details: &ConnectionDetails,
        _: Option<()>,
    ) -> Result<Option<UnixTransport>, Error> {
        let left = budget(&details.timeout)?;
        let stream = connect(&self.path, left).map_err(|cause| match cause.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                Error::Timeout(details.timeout.reason)
            }
            _ => Error::Io(cause),
        })?;
        Ok(Some(UnixTransport {
            stream,
            buffers: LazyBuffers::new(BUFFER_BYTES, BUFFER_BYTES),
            cancel: self.cancel.clone(),
        }))
    }
}

/// A full backlog blocks connect(2) for good; a send timeout set before makes it give up.
fn connect(path: &std::path::Path, limit: Duration) -> io::Result<UnixStream> {
    let socket = rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Send, Some(limit))?;
    let address = SocketAddrUnix::new(path)?;
    let end = now() + limit;
    loop {
        match rustix::net::connect(&socket, &address) {
            Ok(()) => return Ok(UnixStream::from(socket)),
            Err(rustix::io::Errno::INTR) if now() < end => {}
            Err(cause) => return Err(cause.into()),
        }
    }
}

/// A connected socket.
pub(super) struct UnixTransport {
    stream: UnixStream,
    buffers: LazyBuffers,
    cancel: Cancel,
}

impl fmt::Debug for UnixTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unix socket connection")
    }
}

impl UnixTransport {
    /// Waits until the socket can be used as `flags` says.
    fn wait(&self, flags: PollFlags, timeout: &NextTimeout) -> Result<(), Error> {
        let end = now() + budget(timeout)?;
        loop {
            if self.cancel.is_set() {
                return Err(Error::Io(cancelled()));
            }
            let left = end.saturating_duration_since(now());
            if left.is_zero() {
                return Err(Error::Timeout(timeout.reason));
            }
            if self.ready(flags, left.min(LOOK_EVERY))? {
                return Ok(());
            }
        }
    }

    fn ready(&self, flags: PollFlags, wait: Duration) -> io::Result<bool> {
        let wait = Timespec::try_from(wait).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(&self.stream, flags)], Some(&wait)) {
            Ok(ready) => Ok(ready > 0),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(cause) => Err(cause.into()),
        }
    }
}

impl Transport for UnixTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let timeout = timeout.for_write();
        let mut sent = 0;
        while sent < amount {
            self.wait(PollFlags::OUT, &timeout)?;
            self.stream.set_nonblocking(true)?;
            let written = (&self.stream).write(&self.buffers.output()[sent..amount]);
            self.stream.set_nonblocking(false)?;
            match written {
                Ok(0) => return Err(Error::Io(io::ErrorKind::WriteZero.into())),
                Ok(count) => sent += count,
                Err(cause) if is_passing(&cause) => {}
                Err(cause) => return Err(Error::Io(cause)),
            }
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let timeout = timeout.for_read();
        loop {
            self.wait(PollFlags::IN, &timeout)?;
            match (&self.stream).read(self.buffers.input_append_buf()) {
                Ok(count) => {
                    self.buffers.input_appended(count);
                    return Ok(count > 0);
                }
                Err(cause) if is_passing(&cause) => {}
                Err(cause) => return Err(Error::Io(cause)),
            }
        }
    }

    fn is_open(&mut self) -> bool {
        // Between two requests there is nothing to read but the end.
        matches!(self.ready(PollFlags::IN, Duration::ZERO), Ok(false))
    }
}

fn is_passing(cause: &io::Error) -> bool {
    matches!(cause.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock)
}

/// What is left of the time given. A budget that is spent is refused here: `NextTimeout::not_zero`
/// would turn it into another second.
fn budget(timeout: &NextTimeout) -> Result<Duration, Error> {
    if timeout.after.is_not_happening() {
        return Ok(WAIT_MAX);
    }
    if timeout.after.is_zero() {
        return Err(Error::Timeout(timeout.reason));
    }
    Ok(*timeout.after)
}

/// The error that says "we were asked to stop" on its way through ureq.
#[derive(Debug)]
struct Stopped;

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stopped on request")
    }
}

impl std::error::Error for Stopped {}

fn cancelled() -> io::Error {
    io::Error::other(Stopped)
}

/// Whether this error is ours, because we were asked to stop.
pub(super) fn is_cancelled(cause: &io::Error) -> bool {
    cause.get_ref().is_some_and(|inner| inner.is::<Stopped>())
}

#[expect(clippy::disallowed_methods, reason = "deadlines of requests are real time")]
fn now() -> Instant {
    Instant::now()
}

/// A socket path needs no look-up, but ureq wants an address.
#[derive(Debug)]
pub(super) struct NoNames;

impl Resolver for NoNames {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let mut addresses = self.empty();
        addresses.push(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        Ok(addresses)
    }
}
