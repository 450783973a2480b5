//! A small HTTP client over TCP, TLS and Unix sockets. A status is a value, a redirect is an answer
//! like any other, every wait and every body has a bound. It never follows, retries or logs anything.

use std::fmt;
use std::io;
use std::time::Duration;

mod cidr;
mod client;
#[cfg(test)]
pub(crate) mod fake;
mod lines;
mod names;
mod proxy;
mod unix_transport;

pub use cidr::Cidr;
pub use client::{Client, SYSTEM_ROOTS, Trust, Via};
pub use lines::Lines;

#[cfg(test)]
mod tests;

/// The largest answer that is read unless the request says otherwise.
const BODY_BYTES_MAX: u64 = 1024 * 1024;

/// What is asked of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Read.
    Get,
    /// Read the headers only.
    Head,
    /// Submit; always sent with a length, even if the body is empty.
    Post,
    /// Remove.
    Delete,
}

/// One request. Its `Debug` form leaves headers and body out: they may hold credentials.
#[derive(Clone)]
pub struct Request {
    /// What is asked.
    pub method: Method,
    /// `http://…` or `https://…`; over a Unix socket the host part means nothing.
    pub url: String,
    /// Names may repeat.
    pub headers: Vec<(String, String)>,
    /// What is sent; only [`Method::Post`] sends it.
    pub body: Vec<u8>,
    /// How long everything may take: look-up, connection, answer and its body. For a stream:
    /// how long nothing may arrive.
    pub timeout: Duration,
    /// A longer answer is an error.
    pub body_bytes_max: u64,
}

impl Request {
    /// A request without headers or body, for an answer of at most 1 MiB.
    #[must_use]
    pub fn new(method: Method, url: impl Into<String>, timeout: Duration) -> Request {
        Request {
            method,
            url: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout,
            body_bytes_max: BODY_BYTES_MAX,
        }
    }

    /// Adds one header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Request {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Sets the body and its type.
    #[must_use]
    pub fn body(self, content_type: &str, body: impl Into<Vec<u8>>) -> Request {
        let mut request = self.header("Content-Type", content_type);
        request.body = body.into();
        request
    }

    /// Sets how long an answer may be.
    #[must_use]
    pub fn body_bytes_max(mut self, limit: u64) -> Request {
        self.body_bytes_max = limit;
        self
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.method, self.url)
    }
}

/// Status and headers of an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// The status code.
    pub status: u16,
    /// Names are in lower case and may repeat. Values that are not text are left out.
    pub headers: Vec<(String, String)>,
}

impl Head {
    /// Whether the status is 2xx.
    #[must_use]
    pub fn ok(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The first header of this name; the name is compared without regard to case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// All headers of this name.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers
            .iter()
            .filter(move |(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// A whole answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Response {
    /// Status and headers.
    pub head: Head,
    /// The body, complete.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum HttpError {
    /// The connection could not be made, or broke.
    Io(io::Error),
    /// The name of the host is unknown.
    HostNotFound,
    /// Nothing came within the time given.
    Timeout(Duration),
    /// The answer is longer than the limit, in bytes.
    TooLarge(u64),
    /// TLS failed: not TLS at the other end, or a certificate nobody here trusts.
    Tls(String),
    /// We were asked to stop.
    Cancelled,
    /// What came is not HTTP, or the request cannot be sent.
    Protocol(String),
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HttpError::Io(cause) => write!(f, "{cause}"),
            HttpError::HostNotFound => write!(f, "the host name is unknown"),
            HttpError::Timeout(limit) => {
                write!(f, "no answer within {:.1} s", limit.as_secs_f64())
            }
            HttpError::TooLarge(limit) => write!(f, "the answer is larger than {limit} bytes"),
            HttpError::Tls(why) => write!(f, "TLS: {why}"),
            HttpError::Cancelled => write!(f, "stopped on request"),
            HttpError::Protocol(why) => write!(f, "{why}"),
        }
    }
}

impl std::error::Error for HttpError {}

/// Sends requests. Tests have their own.
pub trait Http: Send + Sync {
    /// Sends one request and reads the whole answer. Any status is a result.
    ///
    /// # Errors
    /// See [`HttpError`].
    fn send(&self, request: &Request) -> Result<Response, HttpError>;

    /// Sends one request and reads no more than the head of the answer; the connection ends with it.
    ///
    /// # Errors
    /// See [`HttpError`].
    fn head(&self, request: &Request) -> Result<Head, HttpError>;

    /// Sends one request and hands the answer out line by line. The timeout of the request bounds
    /// the silence before each piece, not the whole.
    ///
    /// # Errors
    /// See [`HttpError`].
    fn open(&self, request: &Request) -> Result<Lines, HttpError>;
}

/// Percent-encodes everything but unreserved characters, for a query value or a path segment.
#[must_use]
pub fn escape(text: &str) -> String {
    escape_except(text, "")
}

/// Like [`escape`], for a path that keeps its slashes, as in an image reference.
#[must_use]
pub fn escape_path(text: &str) -> String {
    escape_except(text, "/:@")
}

fn escape_except(text: &str, kept: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        let char = char::from(byte);
        if char.is_ascii_alphanumeric() || "-._~".contains(char) || kept.contains(char) {
            escaped.push(char);
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}
