//! The three pipes to a child, served by one poll(2) loop without threads.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::process::Child;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// How much standard output a child may write before it counts as failed.
pub const STDOUT_BYTES_MAX: usize = 64 << 20;
/// How much of the end of standard error is kept.
const STDERR_BYTES_KEPT: usize = 64 << 10;

/// The three pipes to a child, served without threads.
pub struct Pipes {
    to: Option<std::process::ChildStdin>,
    feed: Vec<u8>,
    out: Option<std::process::ChildStdout>,
    err: Option<std::process::ChildStderr>,
    /// All that came on standard output.
    pub stdout: Vec<u8>,
    /// The end of what came on standard error.
    pub stderr: Vec<u8>,
    /// Turns since there was nothing left to poll.
    idle_turns: u32,
}

impl Pipes {
    /// Takes the pipes of a fresh child; `feed` is what it will read.
    ///
    /// # Errors
    /// When standard input cannot be made non-blocking.
    pub fn take(child: &mut Child, feed: Option<&[u8]>) -> io::Result<Pipes> {
        let pipes = Pipes {
            to: child.stdin.take(),
            feed: feed.unwrap_or_default().to_vec(),
            out: child.stdout.take(),
            err: child.stderr.take(),
            stdout: Vec::new(),
            stderr: Vec::new(),
            idle_turns: 0,
        };
        if let Some(to) = &pipes.to {
            rustix::io::ioctl_fionbio(to, true)?;
        }
        Ok(pipes)
    }

    /// Whether the child can say nothing more.
    #[must_use]
    pub fn all_closed(&self) -> bool {
        self.out.is_none() && self.err.is_none()
    }

    /// Lets go of all three.
    pub fn close(&mut self) {
        self.to = None;
        self.out = None;
        self.err = None;
    }

    /// Waits until a pipe is ready or `pause` is over, and moves what can be moved.
    ///
    /// # Errors
    /// `FileTooLarge` past [`STDOUT_BYTES_MAX`]; else what read(2) and poll(2) say.
    pub fn turn(&mut self, pause: Duration) -> io::Result<()> {
        if self.all_closed() && self.to.is_none() {
            // Nothing left to poll: the exit itself is what is waited for. It mostly comes at once;
            // a child that closed its output and works on is looked at every 32 ms.
            let tv_nsec = 1_000_000 << self.idle_turns.min(5);
            self.idle_turns += 1;
            let _ = rustix::thread::nanosleep(&Timespec { tv_sec: 0, tv_nsec });
            return Ok(());
        }
        let [to, out, err] = self.wait_ready(pause)?;
        if to {
            self.write_some();
        }
        let mut chunk = [0_u8; 16 << 10];
        if out && let Some(pipe) = &mut self.out {
            match pipe.read(&mut chunk)? {
                0 => self.out = None,
                n if self.stdout.len() + n > STDOUT_BYTES_MAX => {
                    return Err(io::ErrorKind::FileTooLarge.into());
                }
                n => self.stdout.extend_from_slice(&chunk[..n]),
            }
        }
        if err && let Some(pipe) = &mut self.err {
            match pipe.read(&mut chunk)? {
                0 => self.err = None,
                n => self.stderr.extend_from_slice(&chunk[..n]),
            }
            if self.stderr.len() > 2 * STDERR_BYTES_KEPT {
                let cut = self.stderr.len() - STDERR_BYTES_KEPT;
                self.stderr.drain(..cut);
            }
        }
        Ok(())
    }

    /// Which of stdin, stdout and stderr can be served now.
    fn wait_ready(&self, pause: Duration) -> io::Result<[bool; 3]> {
        let mut fds = Vec::with_capacity(3);
        let mut which = Vec::with_capacity(3);
        if let Some(to) = &self.to {
            fds.push(PollFd::from_borrowed_fd(to.as_fd(), PollFlags::OUT));
            which.push(0);
        }
        if let Some(out) = &self.out {
            fds.push(PollFd::from_borrowed_fd(out.as_fd(), PollFlags::IN));
            which.push(1);
        }
        if let Some(err) = &self.err {
            fds.push(PollFd::from_borrowed_fd(err.as_fd(), PollFlags::IN));
            which.push(2);
        }
        let timeout = Timespec {
            tv_sec: i64::try_from(pause.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(pause.subsec_nanos()),
        };
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok([false; 3]),
            Err(cause) => return Err(cause.into()),
        }
        let mut ready = [false; 3];
        for (fd, index) in fds.iter().zip(which) {
            ready[index] = !fd.revents().is_empty();
        }
        Ok(ready)
    }

    /// Writes what the child takes now; a child that does not read its input is its own affair.
    fn write_some(&mut self) {
        let Some(pipe) = &mut self.to else { return };
        match pipe.write(&self.feed) {
            Ok(n) => {
                self.feed.drain(..n);
            }
            Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => self.feed.clear(),
        }
        if self.feed.is_empty() {
            self.to = None;
        }
    }
}
