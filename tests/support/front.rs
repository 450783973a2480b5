//! A server of the test's own before a real one: it passes requests on, answers some itself, leaves
//! headers out, or breaks off in the middle. It understands requests without a body or with a length.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// The type of the first record of TLS (RFC 8446, section 5.1).
const TLS_HANDSHAKE: u8 = 22;

/// What is done with a request.
pub enum Turn {
    /// It is passed on.
    Pass,
    /// It is passed on, and this header is left out of the answer.
    Without(&'static str),
    /// It is passed on, and the connection breaks after so many bytes of the answer.
    Break(usize),
    /// It is passed on; once the whole answer is there this is called, and then it is delivered.
    Then(Box<dyn FnOnce() + Send>),
    /// This is the whole answer.
    Answer(String),
}

type Script = dyn Fn(&str, &str) -> Turn + Send + Sync;

/// A front; it serves until the test process ends.
pub struct Front {
    /// `127.0.0.1:PORT`, or the path of a Unix socket.
    pub address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

/// Where requests are passed on to.
#[derive(Clone)]
enum Behind {
    Tcp(String),
    Unix(PathBuf),
}

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

impl Front {
    /// A front on a free loopback port before the server at `behind`. The script is told the request
    /// line and the whole head, in lower case.
    pub fn tcp(behind: &str, script: impl Fn(&str, &str) -> Turn + Send + Sync + 'static) -> Front {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let (front, serve) = Front::new(address, Behind::Tcp(behind.to_owned()), script);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                serve(Box::new(stream));
            }
        });
        front
    }

    /// A front at the Unix socket `at` before the one at `behind`.
    pub fn unix(
        at: &Path,
        behind: &Path,
        script: impl Fn(&str, &str) -> Turn + Send + Sync + 'static,
    ) -> Front {
        let listener = UnixListener::bind(at).expect("a socket");
        let (address, behind) = (at.display().to_string(), Behind::Unix(behind.to_owned()));
        let (front, serve) = Front::new(address, behind, script);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                serve(Box::new(stream));
            }
        });
        front
    }

    fn new(
        address: String,
        behind: Behind,
        script: impl Fn(&str, &str) -> Turn + Send + Sync + 'static,
    ) -> (Front, impl Fn(Box<dyn Stream>) + Send + 'static) {
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let (seen, script): (_, Arc<Script>) = (asked.clone(), Arc::new(script));
        let serve = move |stream| {
            let (behind, seen, script) = (behind.clone(), seen.clone(), script.clone());
            // Whoever breaks off does so on purpose.
            std::thread::spawn(move || drop(serve(stream, &behind, &seen, &*script)));
        };
        (Front { address, asked }, serve)
    }

    /// The request lines so far.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("the list").clone()
    }
}

fn serve(
    client: Box<dyn Stream>,
    behind: &Behind,
    seen: &Mutex<Vec<String>>,
    script: &Script,
) -> std::io::Result<()> {
    let mut client = BufReader::new(client);
    // Who tries TLS first goes on without it only after words of HTTP, as most servers say them.
    let hello = client.fill_buf()?;
    if hello.first() == Some(&TLS_HANDSHAKE) {
        let length = hello.len();
        client.consume(length);
        return client.get_mut().write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    }
    let head = head(&mut client)?;
    let Some(line) = head.first().map(|line| line.rsplit_once(' ').unwrap_or((line, "")).0) else {
        return Ok(());
    };
    seen.lock().expect("the list").push(line.to_owned());
    let turn = script(line, &head.join("\n").to_lowercase());
    if let Turn::Answer(answer) = turn {
        return client.get_mut().write_all(answer.as_bytes());
    }
    let length = head.iter().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<u64>().ok())?
    });
    let mut body = Vec::new();
    (&mut client).take(length.unwrap_or(0)).read_to_end(&mut body)?;
    let mut server: BufReader<Box<dyn Stream>> = BufReader::new(match behind {
        Behind::Tcp(address) => Box::new(TcpStream::connect(address)?),
        Behind::Unix(path) => Box::new(UnixStream::connect(path)?),
    });
    // One request a connection: the end of the answer is the end of the stream.
    let kept = head.iter().filter(|line| !line.to_lowercase().starts_with("connection:"));
    let lines: String = kept.map(|line| format!("{line}\r\n")).collect();
    write!(server.get_mut(), "{lines}Connection: close\r\n\r\n")?;
    server.get_mut().write_all(&body)?;
    if let Turn::Then(call) = turn {
        let mut whole = Vec::new();
        server.read_to_end(&mut whole)?;
        call();
        return client.get_mut().write_all(&whole);
    }
    answer(&mut server, client.get_mut(), &turn)
}

fn answer(server: &mut impl BufRead, client: &mut impl Write, turn: &Turn) -> std::io::Result<()> {
    let leave_out = match turn {
        Turn::Without(name) => name.to_lowercase(),
        _ => "-".to_owned(),
    };
    for line in head(server)?.iter().filter(|line| !line.to_lowercase().starts_with(&leave_out)) {
        write!(client, "{line}\r\n")?;
    }
    client.write_all(b"\r\n")?;
    match turn {
        Turn::Break(bytes) => std::io::copy(&mut server.take(*bytes as u64), client)?,
        _ => std::io::copy(server, client)?,
    };
    client.flush()
}

/// The lines up to the first empty one.
fn head(from: &mut impl BufRead) -> std::io::Result<Vec<String>> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if from.read_line(&mut line)? == 0 || line.trim_end().is_empty() {
            return Ok(lines);
        }
        lines.push(line.trim_end().to_owned());
    }
}
