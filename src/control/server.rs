//! Takes connections and answers them, each in a thread of its own, so that one that dawdles keeps
//! nobody waiting; only so many at once.

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{io, thread};

use rustix::net::sockopt::socket_peercred;

use super::socket::Socket;
use super::{Caller, Desk, http, wire};
use crate::problem::Problem;
use crate::sys::clock::{Clock, SystemClock};
use crate::sys::wake::{Ending, Woken};

/// Connections that are served at once; more are turned away.
const AT_ONCE_MAX: usize = 8;
/// Connections that are turned away at once; more are closed without a word.
const AWAY_MAX: usize = 8;
/// A request and its answer need little.
const STACK_BYTES: usize = 256 * 1024;

/// Serves until `ending`.
///
/// # Errors
/// When the socket takes no more connections.
pub fn accept(socket: &Socket, desk: &Arc<Desk>, ending: &Ending) -> Result<(), Problem> {
    let fail = |cause: io::Error| {
        let message = format!("the control socket takes no connections: {cause}");
        Problem::setup("control_socket", message, "it is tried again by itself")
    };
    let busy = Arc::new(AtomicUsize::new(0));
    loop {
        if ending.wait(Some(socket.listener.as_fd()), None).map_err(fail)? == Woken::End {
            return Ok(());
        }
        let stream = match socket.listener.accept() {
            Ok((stream, _)) => stream,
            // Whoever called has hung up already.
            Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => continue,
            Err(cause) if cause.kind() == io::ErrorKind::ConnectionAborted => continue,
            Err(cause) => return Err(fail(cause)),
        };
        let place = Place::take(&busy);
        if place.before >= AT_ONCE_MAX + AWAY_MAX {
            continue;
        }
        let desk = Arc::clone(desk);
        let serve = move || {
            // All of it moves in here, so that it is free again when this is over.
            let place = place;
            match place.before < AT_ONCE_MAX {
                true => converse(stream, desk.as_ref()),
                false => turn_away(stream),
            }
        };
        let name = thread::Builder::new().name("control".to_owned()).stack_size(STACK_BYTES);
        // Without a thread the connection is closed, and the caller sees that.
        let _ = name.spawn(serve).map_err(|cause| log::warn!("control socket: {cause}"));
    }
}

/// One of the places for callers; free again when it is dropped.
struct Place {
    busy: Arc<AtomicUsize>,
    /// How many were taken before it.
    before: usize,
}

impl Place {
    fn take(busy: &Arc<AtomicUsize>) -> Place {
        Place { before: busy.fetch_add(1, Ordering::SeqCst), busy: Arc::clone(busy) }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.busy.fetch_sub(1, Ordering::SeqCst);
    }
}

fn converse(mut stream: UnixStream, desk: &Desk) {
    let served = stream.set_nonblocking(false).and_then(|()| {
        let caller = caller(&stream)?;
        let clock = SystemClock::default();
        let answer = match http::read(&mut stream, &clock) {
            Err(http::Fault::Gone) => return Ok(()),
            Err(http::Fault::Bad(status, why)) => wire::bad(status, why, clock.now()),
            Ok(request) => match wire::command(&request, clock.now()) {
                Ok(command) => wire::answer(desk(command, caller), clock.now()),
                Err(answer) => answer,
            },
        };
        send(&mut stream, &answer)
    });
    if let Err(cause) = served {
        log::debug!("control socket: {cause}");
    }
}

fn turn_away(mut stream: UnixStream) {
    let problem = Problem::setup("busy", "too many callers at once", "ask again");
    let answer = wire::refusal(503, &problem, SystemClock::default().now());
    let _ = stream.set_nonblocking(false).and_then(|()| send(&mut stream, &answer));
}

fn send(stream: &mut UnixStream, answer: &wire::Answer) -> io::Result<()> {
    http::answer(stream, answer.status, answer.allow, &answer.body)
}

fn caller(stream: &UnixStream) -> io::Result<Caller> {
    Ok(Caller { uid: socket_peercred(stream)?.uid.as_raw() })
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::mpsc::channel;
    use std::thread;
    use std::time::Duration;

    use crate::control::{Command, Desk, Reply, serve};
    use crate::sys::wake::ending;

    fn ask(path: &Path, text: &str) -> String {
        let mut stream = UnixStream::connect(path).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        said
    }

    #[test]
    fn callers_are_answered_while_others_dawdle_and_turned_away_when_they_are_too_many() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("renew.sock");
        let (end, ending) = ending().unwrap();
        let (tell, told) = channel();
        let desk: Arc<Desk> = Arc::new(|command, caller| {
            assert_eq!(caller.uid, rustix::process::geteuid().as_raw());
            match command {
                Command::Sync(service) => Reply::Accepted { service, run: "1".to_owned() },
                Command::Reload => Reply::Loaded { services: 1 },
                Command::Health | Command::Status => Reply::Document("{}\n".to_owned()),
            }
        });
        let at = path.clone();
        let server = thread::spawn(move || serve(&at, &desk, &ending, &|| tell.send(()).unwrap()));
        told.recv_timeout(Duration::from_secs(30)).unwrap();
        let dawdle = |_| {
            let mut stream = UnixStream::connect(&path).unwrap();
            // One that was turned away has hung up already.
            let _ = stream.write_all(b"GET /hea");
            stream
        };
        let mut dawdling: Vec<UnixStream> = (0..5).map(dawdle).collect();
        let said = ask(&path, "POST /services/app/sync HTTP/1.1\r\n\r\n");
        assert!(said.starts_with("HTTP/1.1 202 Accepted\r\n"), "{said}");
        assert!(said.ends_with("{\"service\":\"app\",\"run\":\"1\"}\n"), "{said}");
        let said = ask(&path, "POST /health HTTP/1.1\r\n\r\n");
        assert!(said.contains("405 Method") && said.contains("Allow: GET\r\n"), "{said}");
        dawdling.extend((0..6).map(dawdle));
        let said = ask(&path, "GET /health HTTP/1.1\r\n\r\n");
        assert!(said.contains("503 Service") && said.contains("too many"), "{said}");
        drop(dawdling);
        drop(end);
        server.join().unwrap().unwrap();
        assert!(!path.exists());
    }
}
