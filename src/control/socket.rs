//! The listening socket: made in a place that only root and its group can reach, never taken from
//! somebody who still listens there, and removed at the end.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use crate::problem::Problem;
use crate::sys::lock::{Lock, LockError};
use crate::sys::{self, trust};

/// Its owner and its group may connect; to connect is to write (unix(7)).
const MODE: u32 = 0o660;

/// A socket on which we listen.
#[derive(Debug)]
pub struct Socket {
    /// Does not block.
    pub listener: UnixListener,
    path: PathBuf,
    /// What we made there.
    made: Option<(u64, u64)>,
    /// Two daemons that start at once do not take each other's for a stale one.
    _lock: Lock,
}

impl Socket {
    /// Listens at `path`. A socket that nobody listens on any more is replaced.
    ///
    /// # Errors
    /// `already_running` when somebody listens there; `control_socket` when nobody can.
    pub fn listen(path: &Path) -> Result<Socket, Problem> {
        let fail = |what: &str, cause: io::Error| {
            unusable(format!("cannot {what} {}: {cause}", path.display()))
        };
        let dir = path.parent().unwrap_or(Path::new("/"));
        sys::fs::create_private_dir(dir).map_err(|cause| fail("make the folder of", cause))?;
        trust::check_way(dir).map_err(|distrust| {
            let message = format!("{} {}", dir.display(), distrust.why);
            let mend = distrust.mend.unwrap_or_else(|| "name another control.socket".to_owned());
            Problem::setup("control_socket", message, mend)
        })?;
        let mut lock_path = path.as_os_str().to_owned();
        lock_path.push(".lock");
        let lock = Lock::try_take(Path::new(&lock_path)).map_err(|error| match error {
            LockError::Busy(holder) => taken(path, &format!("held by {holder}")),
            LockError::Io(..) => unusable(error.to_string()),
        })?;
        clear(path)?;
        let listener = UnixListener::bind(path).map_err(|cause| fail("listen on", cause))?;
        let mut socket = Socket { listener, path: path.to_owned(), made: None, _lock: lock };
        let set_up = || -> io::Result<(u64, u64)> {
            // Whoever may look into the folder may connect.
            chown(path, None, Some(fs::metadata(dir)?.gid()))?;
            fs::set_permissions(path, fs::Permissions::from_mode(MODE))?;
            socket.listener.set_nonblocking(true)?;
            let meta = fs::symlink_metadata(path)?;
            Ok((meta.dev(), meta.ino()))
        };
        let made = set_up().map_err(|cause| fail("set up", cause))?;
        socket.made = Some(made);
        Ok(socket)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let there = fs::symlink_metadata(&self.path).map(|meta| (meta.dev(), meta.ino())).ok();
        if self.made.is_some() && there == self.made {
            // One that stays is a stale one, which the next start replaces.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes a socket that nobody listens on.
fn clear(path: &Path) -> Result<(), Problem> {
    match fs::symlink_metadata(path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(()),
        Ok(meta) if meta.file_type().is_socket() => {}
        Ok(_) => {
            let message = format!("{} is there, and is not a socket", path.display());
            let resolution = "move it away, or name another control.socket";
            return Err(Problem::setup("control_socket", message, resolution));
        }
        Err(cause) => return Err(unusable(format!("cannot look at {}: {cause}", path.display()))),
    }
    match call(path) {
        Ok(()) => Err(taken(path, "somebody listens there")),
        Err(cause) if cause.kind() == io::ErrorKind::ConnectionRefused => {
            log::info!("{} is of a daemon that is gone: replaced", path.display());
            fs::remove_file(path)
                .map_err(|cause| unusable(format!("cannot remove {}: {cause}", path.display())))
        }
        // Its queue is full, or it is not ours to ask: somebody is there.
        Err(cause) => Err(taken(path, &cause.to_string())),
    }
}

/// Whether somebody listens. Where the queue of callers is full, connect(2) would wait for as long as it
/// stays so.
fn call(path: &Path) -> io::Result<()> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    Ok(net::connect(&socket, &SocketAddrUnix::new(path)?)?)
}

fn taken(path: &Path, why: &str) -> Problem {
    Problem::setup(
        super::ALREADY_RUNNING,
        format!("another renew listens on {} ({why})", path.display()),
        "stop that one first, or name another control.socket and state_dir",
    )
}

fn unusable(message: String) -> Problem {
    Problem::setup("control_socket", message, "name another control.socket, or make room for it")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixListener;

    use super::Socket;

    #[test]
    fn a_live_one_is_never_taken_and_a_stale_one_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("renew.sock");
        let first = Socket::listen(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o660);
        assert_eq!(Socket::listen(&path).unwrap_err().reason, "already_running");
        drop(first);
        assert!(!path.exists());

        // One without a lock, such as another program's.
        let stranger = UnixListener::bind(&path).unwrap();
        assert_eq!(Socket::listen(&path).unwrap_err().reason, "already_running");
        // One that takes no call until its queue is full.
        rustix::net::listen(&stranger, 0).unwrap();
        let callers: Vec<_> = std::iter::from_fn(|| super::call(&path).ok()).take(64).collect();
        assert!(callers.len() < 64);
        assert_eq!(Socket::listen(&path).unwrap_err().reason, "already_running");
        drop(stranger);
        assert!(path.exists(), "stale");
        let second = Socket::listen(&path).unwrap();
        // Somebody puts another one in its place: that one is not ours to remove.
        fs::remove_file(&path).unwrap();
        let _stranger = UnixListener::bind(&path).unwrap();
        drop(second);
        assert!(path.exists());
    }

    #[test]
    fn what_is_no_socket_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("renew.sock");
        fs::write(&path, "precious").unwrap();
        let problem = Socket::listen(&path).unwrap_err();
        assert!(problem.message.contains("is not a socket"), "{problem}");
        assert_eq!(fs::read(&path).unwrap(), b"precious");
        let below = path.join("renew.sock");
        assert_eq!(Socket::listen(&below).unwrap_err().reason, "control_socket");
    }
}
