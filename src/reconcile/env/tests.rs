//! When an env file may be read, and what is said when it may not.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::{BYTES_MAX, at_rest, refuse_compose_keys};
use crate::problem::Problem;
use crate::sys::clock::Clock;
use crate::sys::exec::Cancel;

/// A clock whose waits take no time. During each of them a writer has its turn.
struct Played<W> {
    now: DateTime<Utc>,
    waits: AtomicU32,
    writer: W,
}

impl<W: Fn(u32) + Send + Sync> Clock for Played<W> {
    fn now(&self) -> DateTime<Utc> {
        self.now
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(100) * self.waits.load(Ordering::SeqCst)
    }

    fn sleep(&self, _: Duration) {
        (self.writer)(self.waits.fetch_add(1, Ordering::SeqCst));
    }
}

/// Reads a file `age_ms` after it changed; gives what was read or the reason why not, and the number
/// of waits.
fn read(path: &Path, age_ms: i64, writer: impl Fn(u32) + Send + Sync) -> (String, u32) {
    let about = fs::symlink_metadata(path).map(|about| (about.ctime(), about.ctime_nsec()));
    let (s, ns) = about.unwrap_or_default();
    let changed = DateTime::from_timestamp_nanos(s * 1_000_000_000 + ns);
    let now = changed + TimeDelta::milliseconds(age_ms);
    let clock = Played { now, waits: AtomicU32::new(0), writer };
    let read = at_rest(path, &clock, &Cancel::default());
    let words = match read {
        Ok(content) => String::from_utf8(content).unwrap(),
        Err(problem) => problem.reason.clone().into_owned(),
    };
    (words, clock.waits.into_inner())
}

#[test]
fn a_file_is_read_when_nobody_writes_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.env");
    let write = |text: &str| fs::write(&path, text).unwrap();
    write("A=1");
    assert_eq!(read(&path, 60_000, |_| ()), ("A=1".to_owned(), 0), "at rest");
    assert_eq!(read(&path, -3_600_000, |_| ()), ("A=1".to_owned(), 0), "the clock was set back");
    assert_eq!(read(&path, 0, |_| ()), ("A=1".to_owned(), 10), "fresh, and the same for a second");
    write("A");
    let slowly = |turn: u32| {
        if turn < 8 {
            write(&"A=12345678"[..turn as usize + 3]);
        }
    };
    assert_eq!(read(&path, 0, slowly), ("A=12345678".to_owned(), 18), "half written");
    let endless = |turn: u32| write(&format!("A={turn}"));
    assert_eq!(read(&path, 0, endless), ("env_file_changing".to_owned(), 30));
    write("A=old");
    let replaced = |turn: u32| match turn {
        1 => fs::remove_file(&path).unwrap(),
        3 => write("A=new"),
        _ => {}
    };
    assert_eq!(read(&path, 0, replaced), ("A=new".to_owned(), 14), "taken away and put back");
}

#[test]
fn what_cannot_be_read_is_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::create_dir(at("folder")).unwrap();
    fs::write(at("large"), vec![b'#'; usize::try_from(BYTES_MAX).unwrap() + 1]).unwrap();
    fs::write(at("largest"), vec![b'#'; usize::try_from(BYTES_MAX).unwrap()]).unwrap();
    fs::write(at("file"), "A=1").unwrap();
    symlink("nowhere", at("dangling")).unwrap();
    symlink("file", at("link")).unwrap();
    symlink("round", at("round")).unwrap();
    for (name, expected) in [
        ("none", "env_file_missing"),
        ("dangling", "env_file_missing"),
        ("folder", "env_file_unreadable"),
        ("large", "env_file_unreadable"),
        ("round", "env_file_unreadable"),
        ("file/below", "env_file_unreadable"),
        ("link", "A=1"),
    ] {
        assert_eq!(read(&at(name), 60_000, |_| ()), (expected.to_owned(), 0), "{name}");
    }
    assert_eq!(read(&at("largest"), 60_000, |_| ()).0.len() as u64, BYTES_MAX);
}

#[test]
fn who_waits_can_be_asked_to_stop() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.env");
    fs::write(&path, "A=1").unwrap();
    let cancel = Cancel::default();
    cancel.set();
    let now = fs::metadata(&path).unwrap().modified().unwrap().into();
    let clock = Played { now, waits: AtomicU32::new(0), writer: |_| () };
    assert_eq!(at_rest(&path, &clock, &cancel).unwrap_err().reason, "interrupted");
}

#[test]
fn names_that_are_for_compose_itself_are_refused_without_their_values() {
    let refuse = |text: &str| -> Result<(), Problem> { refuse_compose_keys(Path::new("/e"), text) };
    for fine in ["A=1\nMY_COMPOSE_FILE=x\n", "A=\"x\nCOMPOSE_FILE=no\"\n", "#COMPOSE_FILE=x"] {
        assert!(refuse(fine).is_ok(), "{fine}");
    }
    let problem =
        refuse("A=1\nexport COMPOSE_FILE=hunter2\nCOMPOSE_PROFILES: hunter3\n").unwrap_err();
    assert_eq!(problem.reason, "env_file_compose");
    let expected = "the env file /e sets COMPOSE_FILE (line 2), COMPOSE_PROFILES (line 3)";
    assert_eq!(problem.message, expected);
    assert!(!problem.resolution.contains("hunter"));
}
