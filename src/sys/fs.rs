//! Files: atomic replacement, bounded reads, private directories and identity stamps.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::TimeDelta;

use super::clock::{Clock, SystemClock};

/// Replaces `path` with `content`, mode 0600: temporary file in the same directory, fsync, rename,
/// fsync of the directory. A crash at any instant leaves the old or the new content, never a mix.
///
/// # Errors
/// The first failure of any of these steps. Whole content is then still in place: the old one,
/// unless only the fsync of the directory failed.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let dir = path.parent().ok_or_else(|| io::Error::other("a file needs a parent directory"))?;
    let mut temp = path.as_os_str().to_owned();
    // Two threads may write the same file at once: the last one wins, and both are whole.
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    temp.push(format!("{MAKER}{}-{count}", std::process::id()));
    let temp = PathBuf::from(temp);
    // A leftover of a dead process with our pid is ours to take.
    let _ = fs::remove_file(&temp);
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temp)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temp, path)?;
        File::open(dir)?.sync_all()
    })();
    if written.is_err() {
        let _ = fs::remove_file(&temp);
    }
    written
}

/// Reads a regular file of at most `limit` bytes.
///
/// # Errors
/// Anything that is not a regular file, is larger than `limit` bytes, or cannot be read.
pub fn read_bounded(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    // O_NONBLOCK: a fifo in the place of a file must not hang us before we can refuse it.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut content = Vec::new();
    file.take(limit + 1).read_to_end(&mut content)?;
    if content.len() as u64 > limit {
        return Err(io::Error::other(format!("larger than {limit} bytes")));
    }
    Ok(content)
}

/// Whether somebody may run a file.
#[must_use]
pub fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.mode() & 0o111 != 0)
}

/// Creates a directory and its parents, each new one with mode 0700.
///
/// # Errors
/// Any failure of mkdir(2) but "it is already there".
pub fn create_private_dir(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// What tells one version of a file from another without reading it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Stamp {
    /// There is no such file.
    Absent,
    /// A file: size in bytes, modification and change time in nanoseconds, inode.
    Present {
        /// Bytes.
        size: u64,
        /// Modification time, nanoseconds since 1970.
        modified_ns: i64,
        /// Change of the inode, nanoseconds since 1970.
        changed_ns: i64,
        /// Inode number: a rename over the file changes it.
        inode: u64,
    },
}

/// Times of files may be as coarse as this (FAT; ext4 with small inodes has one second).
const COARSEST: TimeDelta = TimeDelta::seconds(2);

impl Stamp {
    /// The stamp of a file, unless it was written so lately that it could be written again and keep it
    /// (what git calls racy: Documentation/technical/racy-git.txt).
    #[must_use]
    pub fn of_rested(path: &Path) -> Option<Stamp> {
        let before =
            SystemClock::default().now().checked_sub_signed(COARSEST)?.timestamp_nanos_opt()?;
        match Stamp::of(path) {
            Stamp::Present { modified_ns, changed_ns, .. }
                if modified_ns.max(changed_ns) >= before =>
            {
                None
            }
            stamp => Some(stamp),
        }
    }

    /// The stamp of what `path` names, links followed. Unreadable counts as absent.
    #[must_use]
    pub fn of(path: &Path) -> Stamp {
        let nanoseconds = |s: i64, ns: i64| s.saturating_mul(1_000_000_000).saturating_add(ns);
        match fs::metadata(path) {
            Err(_) => Stamp::Absent,
            Ok(meta) => Stamp::Present {
                size: meta.size(),
                modified_ns: nanoseconds(meta.mtime(), meta.mtime_nsec()),
                changed_ns: nanoseconds(meta.ctime(), meta.ctime_nsec()),
                inode: meta.ino(),
            },
        }
    }
}

/// A private directory that is removed with its content when dropped.
#[derive(Debug)]
pub struct TempDir {
    path: PathBuf,
}

impl TempDir {
    /// Makes a fresh directory, mode 0700, below `parent`.
    ///
    /// # Errors
    /// Any failure of mkdir(2).
    pub fn create_in(parent: &Path) -> io::Result<TempDir> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = parent.join(format!("renew{MAKER}{}-{count}", std::process::id()));
            match fs::DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(TempDir { path }),
                Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {}
                Err(cause) => return Err(cause),
            }
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        // Nothing can be done about a failure here; the next run clears its own temporary folder.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Removes what processes that are gone left in a folder: unfinished replacements and temporary
/// folders, which carry the id of their maker in their name.
///
/// # Errors
/// When the folder cannot be read. What cannot be removed is left for the next time.
pub fn sweep_dead(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let Some(pid) = maker(&name) else { continue };
        if !Path::new("/proc").join(pid.to_string()).exists() {
            let _ = fs::remove_dir_all(&path).or_else(|_| fs::remove_file(&path));
        }
    }
    Ok(())
}

/// Stands before the id of its maker in every temporary name. Names of services, and so of files
/// that are to stay, cannot have it.
const MAKER: char = '~';

/// The process that made a temporary name, if it is one.
fn maker(name: &str) -> Option<u32> {
    let (_, maker) = name.rsplit_once(MAKER)?;
    let (pid, _) = maker.split_once('-').unwrap_or((maker, ""));
    pid.parse().ok()
}

/// Bytes that an unprivileged process could still write on the file system that holds `path`.
///
/// # Errors
/// Any failure of statvfs(3).
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(path)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Whether programs on the file system that holds `path` may not be run (mount(8), `noexec`).
#[must_use]
pub fn is_noexec(path: &Path) -> bool {
    rustix::fs::statvfs(path)
        .is_ok_and(|stat| stat.f_flag.contains(rustix::fs::StatVfsMountFlags::NOEXEC))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{TempDir, is_noexec, maker, replace, sweep_dead};

    #[test]
    fn programs_are_run_from_some_file_systems_only() {
        let text = fs::read_to_string("/proc/self/mounts").unwrap();
        let mut mounts = std::collections::BTreeMap::new();
        for line in text.lines() {
            let fields: Vec<&str> = line.split(' ').collect();
            // A later mount covers an earlier one.
            mounts.insert(fields[1], fields[3].split(',').any(|option| option == "noexec"));
        }
        assert!(mounts.contains_key("/"));
        for (path, noexec) in mounts {
            if rustix::fs::statvfs(path).is_ok() {
                assert_eq!(is_noexec(path.as_ref()), noexec, "{path}");
            }
        }
    }

    #[test]
    fn temporary_names_tell_their_maker() {
        let names = [
            ("renew~12-0", Some(12)),
            ("shop.json~345", Some(345)),
            ("shop.0.json~9", Some(9)),
            ("shop.json", None),
            // Services may be called so: their records and locks are not leftovers.
            ("renew-2024-site.json", None),
            ("web.tmp12", None),
            ("renew~x-0", None),
            ("a~", None),
        ];
        for (name, pid) in names {
            assert_eq!(maker(name), pid, "{name}");
        }
    }

    #[test]
    fn only_leftovers_of_the_dead_are_swept() {
        let dir = tempfile::tempdir().unwrap();
        let ours = TempDir::create_in(dir.path()).unwrap();
        // No process has an id above the kernel's largest limit, 2^22 (proc(5), `pid_max`).
        fs::create_dir_all(dir.path().join("renew~9999999-0/below")).unwrap();
        fs::write(dir.path().join("shop.json~9999999"), "half").unwrap();
        replace(&dir.path().join("shop.json"), b"whole").unwrap();
        sweep_dead(dir.path()).unwrap();
        let mut left: Vec<_> =
            fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().path()).collect();
        left.sort();
        assert_eq!(left, [ours.path().to_path_buf(), dir.path().join("shop.json")]);
    }
}
