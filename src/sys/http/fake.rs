//! A scripted HTTP server for tests, on a loopback port or a Unix socket. It records what it was
//! asked and answers what the script says; it never understands a request.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// One request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// Method and path, as in `GET /v2/`.
    pub line: String,
    /// Head lines, as they came.
    pub headers: Vec<String>,
    pub body: Vec<u8>,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|line| {
            let (known, value) = line.split_once(": ")?;
            known.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

type Script = dyn Fn(&Asked, &mut dyn Write) + Send + Sync;

/// What it was asked so far.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<Asked>>>);

impl Log {
    pub fn all(&self) -> Vec<Asked> {
        self.0.lock().unwrap().clone()
    }

    pub fn lines(&self) -> Vec<String> {
        self.all().into_iter().map(|asked| asked.line).collect()
    }
}

/// Serves on a free port of 127.0.0.1 until the test process ends; gives the port.
pub(crate) fn tcp(script: impl Fn(&Asked, &mut dyn Write) + Send + Sync + 'static) -> (u16, Log) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (log, script): (_, Arc<Script>) = (Log::default(), Arc::new(script));
    let seen = log.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (seen, script) = (seen.clone(), script.clone());
            std::thread::spawn(move || serve(stream.try_clone().unwrap(), stream, &seen, &*script));
        }
    });
    (port, log)
}

/// Serves on a Unix socket.
pub(crate) fn unix(
    path: &Path,
    script: impl Fn(&Asked, &mut dyn Write) + Send + Sync + 'static,
) -> Log {
    let listener = UnixListener::bind(path).unwrap();
    let (log, script): (_, Arc<Script>) = (Log::default(), Arc::new(script));
    let seen = log.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (seen, script) = (seen.clone(), script.clone());
            std::thread::spawn(move || serve(stream.try_clone().unwrap(), stream, &seen, &*script));
        }
    });
    log
}

/// One request a connection.
fn serve(input: impl Read, mut output: impl Write, log: &Log, script: &Script) {
    let mut reader = BufReader::new(input);
    let mut head = Vec::new();
    loop {
        let mut line = Vec::new();
        if reader.read_until(b'\n', &mut line).unwrap_or(0) == 0 {
            return;
        }
        // A TLS greeting: what a plain server says to that is not TLS, either.
        let Ok(line) = String::from_utf8(line) else {
            let _ = output.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n");
            return;
        };
        let line = line.trim_end().to_owned();
        if line.is_empty() {
            break;
        }
        head.push(line);
    }
    if head.is_empty() {
        return;
    }
    let line = head.remove(0).trim_end_matches(" HTTP/1.1").to_owned();
    let mut asked = Asked { line, headers: head, body: Vec::new() };
    let length: usize = asked.header("content-length").map_or(0, |text| text.parse().unwrap());
    asked.body = vec![0; length];
    if reader.read_exact(&mut asked.body).is_err() {
        return;
    }
    log.0.lock().unwrap().push(asked.clone());
    script(&asked, &mut output);
}

/// Writes a whole answer that ends the connection.
pub(crate) fn answer(out: &mut dyn Write, status: u16, headers: &[(&str, &str)], body: &str) {
    let mut text = format!("HTTP/1.1 {status} X\r\nConnection: close\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    let _ = out.write_all(text.as_bytes());
}
