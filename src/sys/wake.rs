//! The end of a thread that waits without a limit: it wakes when the other side lets go, and costs
//! nothing until then.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Held by whoever decides. Dropping it ends all waits.
#[derive(Debug)]
pub struct End {
    #[expect(dead_code, reason = "closing it is the message")]
    stream: UnixStream,
}

/// Held by whoever waits.
#[derive(Debug, Clone)]
pub struct Ending(Arc<UnixStream>);

/// Why a wait is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Woken {
    /// It is to end.
    End,
    /// What it waited for can be read.
    Ready,
    /// The time is up.
    Time,
}

/// The two sides.
///
/// # Errors
/// When the system has no descriptors for us.
pub fn ending() -> io::Result<(End, Ending)> {
    let (stream, other) = UnixStream::pair()?;
    Ok((End { stream }, Ending(Arc::new(other))))
}

impl Ending {
    /// Waits for the end, for `other` to have something, and at most `limit`.
    ///
    /// # Errors
    /// When the system cannot wait.
    pub fn wait(
        &self,
        other: Option<BorrowedFd<'_>>,
        limit: Option<Duration>,
    ) -> io::Result<Woken> {
        let mut fds = vec![PollFd::from_borrowed_fd(self.0.as_fd(), PollFlags::IN)];
        fds.extend(other.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        let limit = limit.map(|limit| {
            Timespec::try_from(limit).unwrap_or(Timespec { tv_sec: i64::MAX, tv_nsec: 0 })
        });
        loop {
            match poll(&mut fds, limit.as_ref()) {
                Ok(_) => break,
                Err(rustix::io::Errno::INTR) => {}
                Err(cause) => return Err(cause.into()),
            }
        }
        let told = |at: usize| fds.get(at).is_some_and(|fd| !fd.revents().is_empty());
        Ok(match (told(0), told(1)) {
            (true, _) => Woken::End,
            (false, true) => Woken::Ready,
            (false, false) => Woken::Time,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    use super::{Woken, ending};

    #[test]
    fn a_wait_ends_for_three_reasons() {
        let (end, ending) = ending().unwrap();
        let (mut there, here) = UnixStream::pair().unwrap();
        let soon = Some(Duration::from_millis(1));
        assert_eq!(ending.wait(Some(here.as_fd()), soon).unwrap(), Woken::Time);
        there.write_all(b"x").unwrap();
        assert_eq!(ending.wait(Some(here.as_fd()), None).unwrap(), Woken::Ready);
        drop(end);
        assert_eq!(ending.wait(Some(here.as_fd()), None).unwrap(), Woken::End);
        assert_eq!(ending.clone().wait(None, None).unwrap(), Woken::End);
    }
}
