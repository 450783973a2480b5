//! One request and one answer of HTTP/1.1 (RFC 9112), with a bound for everything a caller can send:
//! the size of the head, the number of its fields, the body, and the time for all of it.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::sys::clock::Clock;

/// How long a caller may take to say what it wants, and to take the answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest head.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// The most fields of a head.
const FIELDS_MAX: usize = 64;
/// The longest body. No command has one; what a client sends nevertheless is read and left alone.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// How long a caller may take to hang up once it has its answer.
const LINGER: Duration = Duration::from_secs(1);
/// How often what it sends nevertheless is read.
const LINGER_READS_MAX: usize = 64;

/// What is asked.
#[derive(Debug, PartialEq, Eq)]
pub struct Request {
    /// Such as `GET`.
    pub method: String,
    /// The path, without a query.
    pub path: String,
}

/// Why there is no request.
#[derive(Debug, PartialEq, Eq)]
pub enum Fault {
    /// The caller went without having asked.
    Gone,
    /// It is answered with this status, for this reason.
    Bad(u16, &'static str),
}

const SLOW: Fault = Fault::Bad(408, "the request did not come within 5 s");
const LONG: Fault = Fault::Bad(431, "the head of the request is too long");

/// Reads one request.
///
/// # Errors
/// When there is none, or none that we take.
pub fn read(stream: &mut UnixStream, clock: &dyn Clock) -> Result<Request, Fault> {
    let mut reader = Timed { stream, clock, end: clock.monotonic() + PATIENCE };
    let mut bytes = Vec::new();
    loop {
        let more = reader.more(&mut bytes)?;
        match parse(&bytes)? {
            Some((request, head, length)) => {
                let mut left = length.saturating_sub(bytes.len() - head);
                while left > 0 {
                    bytes.clear();
                    let count = reader.more(&mut bytes)?;
                    if count == 0 {
                        return Err(Fault::Bad(400, "the body is shorter than it says"));
                    }
                    left = left.saturating_sub(count);
                }
                return Ok(request);
            }
            None if bytes.is_empty() => return Err(Fault::Gone),
            None if more == 0 => return Err(Fault::Bad(400, "the request ends in its head")),
            None if bytes.len() > HEAD_BYTES_MAX => return Err(LONG),
            None => {}
        }
    }
}

/// The request, how long its head is, and how long the body that follows; nothing if more is to come.
fn parse(bytes: &[u8]) -> Result<Option<(Request, usize, usize)>, Fault> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut parsed = httparse::Request::new(&mut fields);
    let head = match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(head)) => head,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(LONG),
        Err(_) => return Err(Fault::Bad(400, "this is not HTTP/1.1")),
    };
    if head > HEAD_BYTES_MAX {
        return Err(LONG);
    }
    let of = |name: &str| {
        let named =
            parsed.headers.iter().filter(move |field| field.name.eq_ignore_ascii_case(name));
        named.map(|field| field.value).collect::<Vec<_>>()
    };
    if !of("transfer-encoding").is_empty() {
        return Err(Fault::Bad(501, "send the body with a Content-Length"));
    }
    let length = match of("content-length").as_slice() {
        [] => 0,
        [one] => length(one).ok_or(Fault::Bad(400, "Content-Length is not a number"))?,
        _ => return Err(Fault::Bad(400, "Content-Length is there more than once")),
    };
    if length > BODY_BYTES_MAX {
        return Err(Fault::Bad(413, "the body is too long"));
    }
    let target = parsed.path.unwrap_or_default();
    let path = target.split('?').next().unwrap_or_default().to_owned();
    Ok(Some((Request { method: parsed.method.unwrap_or_default().to_owned(), path }, head, length)))
}

/// Digits and nothing else: `parse` alone would take `+1`.
fn length(value: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(value).ok()?;
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(usize::MAX))
}

/// Sends an answer; the connection is over with it.
///
/// # Errors
/// When the caller does not take it.
pub fn answer(
    stream: &mut UnixStream,
    status: u16,
    allow: Option<&str>,
    body: &str,
) -> io::Result<()> {
    let allow = allow.map(|methods| format!("Allow: {methods}\r\n")).unwrap_or_default();
    let head = format!(
        "HTTP/1.1 {status} {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{allow}\
         Connection: close\r\n\r\n",
        phrase(status),
        body.len(),
    );
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())?;
    linger(stream)
}

/// Reads what nobody asked for: to close a socket with something unread in it takes the answer away
/// from the caller (unix(7), `ECONNRESET`).
fn linger(stream: &mut UnixStream) -> io::Result<()> {
    stream.shutdown(Shutdown::Write)?;
    stream.set_read_timeout(Some(LINGER))?;
    let mut piece = [0_u8; 4096];
    for _ in 0..LINGER_READS_MAX {
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(_) => {}
            Err(cause) if is_late(&cause) => break,
            Err(cause) => return Err(cause),
        }
    }
    Ok(())
}

/// The reason phrase of a status (RFC 9110, section 15).
fn phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        202 => "Accepted",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        422 => "Unprocessable Content",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        _ => "Bad Request",
    }
}

/// A stream that has to be done by an absolute time: a caller that drips gains nothing.
struct Timed<'s> {
    stream: &'s mut UnixStream,
    clock: &'s dyn Clock,
    end: Duration,
}

impl Timed<'_> {
    /// Appends what comes next, and answers how much it was: 0 at the end.
    fn more(&mut self, bytes: &mut Vec<u8>) -> Result<usize, Fault> {
        let left = self.end.saturating_sub(self.clock.monotonic());
        if left.is_zero() {
            return Err(SLOW);
        }
        self.stream.set_read_timeout(Some(left)).map_err(|_| Fault::Gone)?;
        let mut piece = [0_u8; 4096];
        loop {
            match self.stream.read(&mut piece) {
                Ok(count) => {
                    bytes.extend_from_slice(piece.get(..count).unwrap_or_default());
                    return Ok(count);
                }
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                Err(cause) if is_late(&cause) => return Err(SLOW),
                Err(_) => return Err(Fault::Gone),
            }
        }
    }
}

fn is_late(cause: &io::Error) -> bool {
    matches!(cause.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use chrono::{DateTime, Utc};

    use super::{Fault, read};
    use crate::sys::clock::{Clock, SystemClock};

    fn asked(text: &[u8]) -> Result<(String, String), Fault> {
        let (mut there, mut here) = UnixStream::pair().unwrap();
        let text = text.to_owned();
        let sender = std::thread::spawn(move || {
            // Whoever has heard enough hangs up.
            let _ = there.write_all(&text);
        });
        let read = read(&mut here, &SystemClock::default());
        drop(here);
        sender.join().unwrap();
        read.map(|request| (request.method, request.path))
    }

    #[test]
    fn what_is_taken() {
        for (text, method, path) in [
            ("GET /health HTTP/1.1\r\nHost: x\r\n\r\n", "GET", "/health"),
            ("GET /status?a=b HTTP/1.0\r\n\r\n", "GET", "/status"),
            ("POST /reload HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc", "POST", "/reload"),
        ] {
            assert_eq!(asked(text.as_bytes()), Ok((method.to_owned(), path.to_owned())), "{text}");
        }
    }

    #[test]
    fn what_is_not() {
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(65));
        let long = format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "b".repeat(17_000));
        let endless = "x".repeat(1_000_000);
        for (text, status) in [
            ("", None),
            ("hello\r\n\r\n", Some(400)),
            ("GET / HTTP/1.1\r\nHost:", Some(400)),
            ("GET / HTTP/2.0\r\n\r\n", Some(400)),
            ("POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc", Some(400)),
            ("POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\na", Some(400)),
            ("POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na", Some(400)),
            ("POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", Some(413)),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Some(501)),
            (&many, Some(431)),
            (&long, Some(431)),
            (&endless, Some(400)),
        ] {
            let status_of = match asked(text.as_bytes()) {
                Ok(request) => panic!("{request:?}"),
                Err(Fault::Gone) => None,
                Err(Fault::Bad(status, _)) => Some(status),
            };
            let endless_is_long = text.len() == endless.len() && status_of == Some(431);
            assert!(status_of == status || endless_is_long, "{status_of:?}: {text:.60}");
        }
    }

    /// A clock that gains three seconds with every look.
    #[derive(Default)]
    struct Fast(AtomicU64);

    impl Clock for Fast {
        fn now(&self) -> DateTime<Utc> {
            DateTime::UNIX_EPOCH
        }

        fn monotonic(&self) -> Duration {
            Duration::from_secs(self.0.fetch_add(3, Ordering::SeqCst))
        }

        fn sleep(&self, _: Duration) {}
    }

    #[test]
    fn who_drips_gains_nothing() {
        let (mut there, mut here) = UnixStream::pair().unwrap();
        there.write_all(b"GET / HT").unwrap();
        assert!(matches!(read(&mut here, &Fast::default()), Err(Fault::Bad(408, _))));
    }
}
