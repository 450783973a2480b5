//! A web server on the loopback interface that serves one repository over http with a password, by
//! git's own CGI program. It looks around for the password wherever it must not be.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use base64::Engine;
use renew::sys::exec::{Exec, Job, SystemExec};

/// What a server does with a request.
pub enum Manner {
    /// Serves repositories below a folder to whoever sends this user and password.
    Serve(PathBuf, &'static str),
    /// Sends everybody to another address.
    Redirect(String),
    /// Asks everybody for a password, and takes none.
    Refuse,
}

/// A running server; ended when dropped.
pub struct Web {
    port: u16,
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
    thread: Option<JoinHandle<()>>,
}

/// What a server was sent.
#[derive(Default)]
pub struct Seen {
    /// Users and passwords.
    pub credentials: Vec<String>,
    /// Processes that had the password in their arguments or environment meanwhile.
    pub leaks: Vec<String>,
}

impl Web {
    /// Starts one on a free port.
    pub fn start(manner: Manner) -> Web {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (stop, seen) =
            (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Seen::default())));
        let (stopped, sees) = (Arc::clone(&stop), Arc::clone(&seen));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let _ = answer(stream.unwrap(), &manner, &sees);
            }
        });
        Web { port, stop, seen, thread: Some(thread) }
    }

    /// The address of something on it.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    /// What it was sent since the last call.
    pub fn seen(&self) -> Seen {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The head of a request: its first line and its fields, in lower case.
struct Request {
    method: String,
    target: String,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    fn read(stream: &TcpStream) -> std::io::Result<Request> {
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let mut words = line.split_whitespace().map(str::to_owned);
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let mut fields = Vec::new();
        loop {
            line.clear();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut request = Request { method, target, fields, body: Vec::new() };
        let length: usize = request.field("content-length").parse().unwrap_or_default();
        request.body = vec![0; length];
        reader.read_exact(&mut request.body)?;
        Ok(request)
    }

    fn field(&self, name: &str) -> &str {
        self.fields.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
    }

    /// User and password, with a colon between them.
    fn credentials(&self) -> Option<String> {
        let coded = self.field("authorization").strip_prefix("Basic ")?;
        let bytes = base64::engine::general_purpose::STANDARD.decode(coded).ok()?;
        String::from_utf8(bytes).ok()
    }
}

fn answer(mut stream: TcpStream, manner: &Manner, seen: &Mutex<Seen>) -> std::io::Result<()> {
    let request = Request::read(&stream)?;
    let sent = request.credentials();
    // With a user in the address, git first tries an empty password.
    if let Some((sent, password)) =
        sent.as_ref().and_then(|sent| Some((sent, sent.split_once(':')?.1)))
        && !password.is_empty()
    {
        let leaks = processes_that_tell(password);
        let mut seen = seen.lock().unwrap();
        seen.credentials.push(sent.clone());
        seen.leaks.extend(leaks);
    }
    let text = match manner {
        Manner::Redirect(to) => format!("302 Found\r\nLocation: {to}{}\r\n\r\n", request.target),
        Manner::Serve(root, wanted) if sent.as_deref() == Some(*wanted) => {
            return serve(&mut stream, root, &request);
        }
        Manner::Serve(..) | Manner::Refuse => {
            "401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"git\"\r\n\r\n".to_owned()
        }
    };
    write!(
        stream,
        "HTTP/1.1 {}",
        text.replacen("\r\n", "\r\nContent-Length: 0\r\nConnection: close\r\n", 1)
    )
}

/// Runs `git http-backend` (git-http-backend(1)).
fn serve(stream: &mut TcpStream, root: &Path, request: &Request) -> std::io::Result<()> {
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let mut job = Job::new("git", Duration::from_secs(30))
        .args(["-c", "safe.directory=*", "http-backend"])
        .env("PATH", renew::sys::env::search_path())
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REMOTE_USER", "somebody")
        .env("REQUEST_METHOD", &request.method)
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("CONTENT_TYPE", request.field("content-type"))
        .env("CONTENT_LENGTH", request.body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", request.field("content-encoding"))
        .env("GIT_PROTOCOL", request.field("git-protocol"));
    job.stdin = Some(request.body.clone());
    let done = SystemExec::default().run(&job).expect("git http-backend");
    let end = done.stdout.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or_default();
    let head = String::from_utf8_lossy(&done.stdout[..end]).into_owned();
    let status = head.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK");
    write!(stream, "HTTP/1.1 {status}\r\nConnection: close\r\n")?;
    stream.write_all(&done.stdout)
}

/// Processes with this text in their arguments or environment.
fn processes_that_tell(secret: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        for file in ["cmdline", "environ"] {
            let bytes = fs::read(entry.path().join(file)).unwrap_or_default();
            if bytes.windows(secret.len()).any(|part| part == secret.as_bytes()) {
                found.push(format!(
                    "{} {}",
                    entry.path().display(),
                    String::from_utf8_lossy(&bytes)
                ));
            }
        }
    }
    found
}
