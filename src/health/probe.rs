//! What came of asking one address: healthy, or why not, in words that say where to look.

use std::fmt;
use std::io;
use std::time::Duration;

use crate::decide::gate::{Answer, Peer};
use crate::sys::http::{Head, HttpError};
use crate::sys::names::NameError;

/// One address asked once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Where, fit to be shown.
    pub url: String,
    /// What came.
    pub verdict: Verdict,
    /// How long it took.
    pub elapsed: Duration,
}

/// What came of a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// An answer with this 2xx status, in time.
    Healthy(u16),
    /// Anything else.
    Unhealthy(Why),
}

/// Why an address does not count as healthy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// No answer within this time.
    Timeout(Duration),
    /// Nobody listens there.
    Refused,
    /// An answer with this status, neither 2xx nor 3xx.
    Status(u16),
    /// An answer with this 3xx status; redirects are not followed.
    Redirect(u16),
    /// TLS failed.
    Tls(String),
    /// The name has no address.
    Name(NameError),
    /// The connection could not be made, or broke before there was an answer.
    Broken(String),
    /// What came is not HTTP.
    NotHttp(String),
    /// It might be this host itself, whose own addresses could not be read.
    PerhapsOwn(String),
}

impl Verdict {
    /// What an answer means to a request that had `left` of the `limit` of its probe.
    pub(super) fn of(answer: Result<Head, HttpError>, left: Duration, limit: Duration) -> Verdict {
        let why = match answer {
            Ok(head) if head.ok() => return Verdict::Healthy(head.status),
            Ok(head) if (300..400).contains(&head.status) => Why::Redirect(head.status),
            Ok(head) => Why::Status(head.status),
            // A connection has a limit of its own.
            Err(HttpError::Timeout(spent)) if spent < left => Why::Timeout(spent),
            Err(HttpError::Timeout(_)) => Why::Timeout(limit),
            Err(HttpError::Io(cause)) => match cause.kind() {
                io::ErrorKind::ConnectionRefused => Why::Refused,
                io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Why::Timeout(limit),
                _ => Why::Broken(cause.to_string()),
            },
            Err(HttpError::HostNotFound) => Why::Name(NameError::Unknown("no address".to_owned())),
            Err(HttpError::Tls(why)) => Why::Tls(why),
            Err(HttpError::Protocol(why)) => Why::NotHttp(why),
            Err(cause @ (HttpError::TooLarge(_) | HttpError::Cancelled)) => {
                Why::Broken(cause.to_string())
            }
        };
        Verdict::Unhealthy(why)
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Timeout(limit) => write!(f, "no answer within {} s", limit.as_secs_f64()),
            Why::Refused => write!(f, "connection refused"),
            Why::Status(status) => write!(f, "status {status}"),
            Why::Redirect(status) => write!(f, "status {status}, and redirects are not followed"),
            Why::Tls(why) => write!(f, "TLS: {why}"),
            Why::Name(cause) => write!(f, "{cause}"),
            Why::Broken(why) => write!(f, "the connection failed: {why}"),
            Why::NotHttp(why) => write!(f, "the answer is not HTTP: {why}"),
            Why::PerhapsOwn(why) => {
                write!(f, "not asked: it might be this host, whose addresses are unknown: {why}")
            }
        }
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = &self.url;
        match &self.verdict {
            Verdict::Healthy(status) => write!(f, "{url}: healthy, status {status}")?,
            Verdict::Unhealthy(why) => write!(f, "{url}: {why}")?,
        }
        write!(f, " ({} ms)", self.elapsed.as_millis())
    }
}

/// What the gate needs of it.
impl From<&Probe> for Peer {
    fn from(probe: &Probe) -> Peer {
        let answer = match &probe.verdict {
            Verdict::Healthy(_) => Answer::Healthy,
            Verdict::Unhealthy(why) => Answer::Unhealthy(why.to_string()),
        };
        Peer { name: probe.url.clone(), answer }
    }
}
