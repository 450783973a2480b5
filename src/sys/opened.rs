//! Which files a child opens: inotify(7) watches set before it starts and read after it ended. The
//! kernel queues the events at open(2), so nothing is missed and nothing is waited for.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::thread;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};

/// A set of watched files and folders.
#[derive(Debug)]
pub struct OpenWatch {
    queue: OwnedFd,
    watched: Vec<(i32, PathBuf)>,
}

impl OpenWatch {
    /// Begins to watch nothing.
    ///
    /// # Errors
    /// When the limit of inotify instances of this user is reached.
    pub fn start() -> io::Result<OpenWatch> {
        let queue = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        Ok(OpenWatch { queue, watched: Vec::new() })
    }

    /// Watches a file, or the entries of one folder. Links are followed; the events are told by
    /// the path given here.
    ///
    /// # Errors
    /// When the limit of watches is reached or the path cannot be read.
    pub fn add(&mut self, path: &Path) -> io::Result<()> {
        let id = inotify::add_watch(&self.queue, path, WatchFlags::OPEN)?;
        self.watched.push((id, path.to_path_buf()));
        Ok(())
    }

    /// The paths that were opened since the start. Watches no longer.
    ///
    /// # Errors
    /// When the queue overflowed or cannot be read: then nothing is known.
    pub fn opened(self) -> io::Result<BTreeSet<PathBuf>> {
        let opened = self.read();
        // The kernel lets go of watches only once nobody can be looking at them any more, which takes
        // it some 15 ms (`synchronize_srcu` in fs/notify/mark.c).
        // Where there can be no other thread, it is waited for.
        let _ = thread::Builder::new().spawn(move || drop(self.queue));
        opened
    }

    fn read(&self) -> io::Result<BTreeSet<PathBuf>> {
        let mut space = [MaybeUninit::<u8>::uninit(); 16 << 10];
        let mut reader = Reader::new(&self.queue, &mut space);
        let mut paths = BTreeSet::new();
        loop {
            let event = match reader.next() {
                Ok(event) => event,
                Err(rustix::io::Errno::AGAIN) => return Ok(paths),
                Err(cause) => return Err(cause.into()),
            };
            if event.events().contains(ReadFlags::QUEUE_OVERFLOW) {
                return Err(io::Error::other("too many files were opened at once"));
            }
            for (_, path) in self.watched.iter().filter(|(id, _)| *id == event.wd()) {
                match event.file_name() {
                    Some(name) => paths.insert(path.join(OsStr::from_bytes(name.to_bytes()))),
                    None => paths.insert(path.clone()),
                };
            }
        }
    }
}
