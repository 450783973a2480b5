//! The client against a scripted server: bounds, timeouts, streams, and what is never done.

use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use super::fake::{self, answer};
use super::{Client, Http, HttpError, Method, Request, Trust, Via, escape, escape_path};
use crate::sys::exec::Cancel;

const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(20);

fn direct() -> Client {
    Client::tcp(&Trust::Public, Via::Direct).unwrap()
}

fn get(port: u16, path: &str, timeout: Duration) -> Request {
    Request::new(Method::Get, format!("http://127.0.0.1:{port}{path}"), timeout)
}

#[expect(clippy::disallowed_methods, reason = "how long a real wait took")]
fn took<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed())
}

#[expect(clippy::disallowed_methods, reason = "a server that is slow")]
fn doze(pause: Duration) {
    std::thread::sleep(pause);
}

#[test]
fn a_status_and_a_redirect_are_values() {
    let (port, log) = fake::tcp(|asked, out| match asked.line.as_str() {
        "GET /gone" => answer(out, 404, &[("X-A", "1"), ("x-a", "2")], "no"),
        "HEAD /head" => {
            let head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 99\r\n\r\n";
            let _ = out.write_all(head);
        }
        "POST /post" => answer(out, 201, &[], &String::from_utf8_lossy(&asked.body)),
        _ => answer(out, 302, &[("Location", "/gone")], ""),
    });
    let client = direct();
    let gone = client.send(&get(port, "/gone", LONG)).unwrap();
    assert_eq!((gone.head.status, gone.body.as_slice()), (404, b"no".as_slice()));
    assert_eq!(gone.head.all("X-a").collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(client.send(&get(port, "/moved", LONG)).unwrap().head.status, 302);
    let mut head = get(port, "/head", LONG);
    head.method = Method::Head;
    assert_eq!(client.send(&head).unwrap().body, b"");
    let mut post = get(port, "/post", LONG).body("text/plain", "data");
    post.method = Method::Post;
    assert_eq!(client.send(&post).unwrap().body, b"data");
    assert_eq!(log.lines(), ["GET /gone", "GET /moved", "HEAD /head", "POST /post"]);
}

#[test]
fn a_body_may_be_as_long_as_the_limit_and_no_longer() {
    let (port, _) = fake::tcp(|_, out| answer(out, 200, &[], "12345"));
    let ask = |limit| direct().send(&get(port, "/", LONG).body_bytes_max(limit));
    assert_eq!(ask(5).unwrap().body, b"12345");
    assert!(matches!(ask(4), Err(HttpError::TooLarge(4))));
}

#[test]
fn silence_and_dripping_both_end_at_the_deadline() {
    let (port, _) = fake::tcp(|asked, out| {
        if asked.line == "GET /drip" {
            let _ = out.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
            while out.write_all(b"x").is_ok() {
                doze(Duration::from_millis(20));
            }
        }
        doze(LONG);
    });
    for path in ["/silent", "/drip"] {
        let (result, time) = took(|| direct().send(&get(port, path, SHORT)));
        assert!(matches!(result, Err(HttpError::Timeout(_))), "{path}: {result:?}");
        assert!(time < LONG / 2, "{path}: {time:?}");
    }
}

#[test]
fn a_stream_lives_as_long_as_it_moves() {
    let (port, _) = fake::tcp(|_, out| {
        let _ = out.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
        for count in 0..8 {
            let _ = out.write_all(format!("{count}\r\n\r\n").as_bytes());
            doze(SHORT / 4);
        }
        doze(LONG);
    });
    let mut lines = direct().open(&get(port, "/", SHORT)).unwrap();
    let mut seen = Vec::new();
    let error = loop {
        match lines.next_line() {
            Ok(line) => seen.extend(line.unwrap()),
            Err(error) => break error,
        }
    };
    assert_eq!(seen, b"01234567");
    assert!(matches!(error, HttpError::Timeout(_)), "{error}");
}

#[test]
fn a_stream_cut_short_is_an_error() {
    let (port, _) = fake::tcp(|_, out| {
        let chunk = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\na\r\n\n\r\n";
        let _ = out.write_all(chunk);
    });
    let mut lines = direct().open(&get(port, "/", LONG)).unwrap();
    assert_eq!(lines.next_line().unwrap().unwrap(), b"a");
    assert!(lines.next_line().is_err());
}

#[test]
fn over_a_unix_socket() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let log = fake::unix(&path, |asked, out| match asked.line.as_str() {
        "GET /slow" => doze(LONG),
        _ => answer(out, 200, &[], &"x".repeat(100_000)),
    });
    let client = Client::unix(&path, &Cancel::default());
    for _ in 0..2 {
        let request = Request::new(Method::Get, "http://engine/a", LONG);
        assert_eq!(client.send(&request).unwrap().body.len(), 100_000);
    }
    assert_eq!(log.lines(), ["GET /a", "GET /a"]);
    let slow = Request::new(Method::Get, "http://engine/slow", SHORT);
    let (result, time) = took(|| client.send(&slow));
    assert!(matches!(result, Err(HttpError::Timeout(_))), "{result:?}");
    assert!(time < LONG / 2, "{time:?}");
    let missing = Client::unix(&dir.path().join("none"), &Cancel::default());
    let Err(HttpError::Io(cause)) = missing.send(&slow) else { panic!("no socket, no error") };
    assert_eq!(cause.kind(), std::io::ErrorKind::NotFound);
}

#[test]
fn a_listener_that_never_accepts_does_not_hang_us() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let _listener = UnixListener::bind(&path).unwrap();
    let mut held = Vec::new();
    let full = (0..5000).any(|_| {
        let socket = rustix::net::socket_with(
            rustix::net::AddressFamily::UNIX,
            rustix::net::SocketType::STREAM,
            rustix::net::SocketFlags::NONBLOCK,
            None,
        )
        .unwrap();
        let address = rustix::net::SocketAddrUnix::new(&path).unwrap();
        let refused = rustix::net::connect(&socket, &address).is_err();
        held.push(socket);
        refused
    });
    assert!(full, "the backlog could not be filled");
    let request = Request::new(Method::Get, "http://engine/", SHORT);
    let (result, time) = took(|| Client::unix(&path, &Cancel::default()).send(&request));
    assert!(matches!(result, Err(HttpError::Timeout(_))), "{result:?}");
    assert!(time < LONG / 2, "{time:?}");
}

#[test]
fn a_request_to_stop_ends_a_blocked_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let cancel = Cancel::default();
    let stop = cancel.clone();
    fake::unix(&path, move |_, _| {
        stop.set();
        doze(LONG);
    });
    let request = Request::new(Method::Get, "http://engine/", LONG);
    let (result, time) = took(|| Client::unix(&path, &cancel).open(&request));
    assert!(matches!(result, Err(HttpError::Cancelled)), "{result:?}");
    assert!(time < LONG / 2, "{time:?}");
}

#[cfg(feature = "tls")]
#[test]
fn plain_http_behind_https_is_a_tls_error() {
    let (port, _) = fake::tcp(|_, out| answer(out, 200, &[], ""));
    let request = Request::new(Method::Get, format!("https://127.0.0.1:{port}/"), LONG);
    let result = direct().send(&request);
    assert!(matches!(result, Err(HttpError::Tls(_))), "{result:?}");
}

#[test]
fn credentials_stay_out_of_debug_output() {
    let request = get(1, "/", LONG).header("Authorization", "Basic abc").body("t", "secret");
    let shown = format!("{request:?}");
    assert!(!shown.contains("abc") && !shown.contains("secret"), "{shown}");
}

#[test]
fn escapes() {
    assert_eq!(escape("a b/c:d@e\"{é~"), "a%20b%2Fc%3Ad%40e%22%7B%C3%A9~");
    assert_eq!(escape_path("host:5/a b?x"), "host:5/a%20b%3Fx");
}
