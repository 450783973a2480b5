//! Which child a run has in flight, written beside its lock, so that the run after a killed one can
//! end what it left. A process is named by group, start time and boot: ids alone are used again.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal, getpgid, kill_process_group, test_kill_process_group};
use serde::{Deserialize, Serialize};

use crate::sys::clock::Clock;

/// A child process that was started with its own process group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChildRecord {
    /// Process group id, the pid of its leader.
    pgid: i32,
    /// Start of the leader in clock ticks since boot: field 22 of proc(5) `/proc/PID/stat`.
    start_ticks: Option<u64>,
    /// `/proc/sys/kernel/random/boot_id`: nothing survives a reboot.
    boot: String,
}

/// Stands in the environment of a recorded child, with the place of its record: by it a child is
/// found whose maker died before it could write down which one it is.
pub const MARK: &str = "RENEW_CHILD";

impl ChildRecord {
    /// The record of a running child.
    #[must_use]
    pub fn of(pgid: Pid) -> ChildRecord {
        ChildRecord {
            pgid: pgid.as_raw_nonzero().get(),
            start_ticks: start_ticks(pgid.as_raw_nonzero().get()),
            boot: boot_id(),
        }
    }

    /// Says that a child is about to be started. Not synced, nor is what follows: it mostly has to
    /// outlive this process, not this boot.
    pub fn announce(path: &Path) {
        note(path, b"");
    }

    /// Writes the record.
    pub fn write(&self, path: &Path) {
        note(path, &serde_json::to_vec(self).unwrap_or_default());
    }

    /// Removes the record at `path`: its child has ended.
    pub fn clear(path: &Path) {
        let _ = fs::remove_file(path);
    }

    /// When the record at `path` was made, in seconds since 1970; nothing if there is none.
    #[must_use]
    pub fn made_at(path: &Path) -> Option<i64> {
        fs::symlink_metadata(path).ok().map(|meta| meta.mtime())
    }

    /// Ends the child that a dead run recorded at `path`, with its whole group, and forgets it.
    /// Returns whether there was one to end.
    pub fn end_leftover(path: &Path, patience: Duration, clock: &dyn Clock) -> bool {
        let ended = ChildRecord::end(path, patience, clock);
        ChildRecord::clear(path);
        ended
    }

    /// As [`ChildRecord::end_leftover`]; the record stays. A compose that is killed cannot finish
    /// what it began, so it gets `patience` after TERM before KILL.
    pub fn end(path: &Path, patience: Duration, clock: &dyn Clock) -> bool {
        let Ok(text) = fs::read(path) else { return false };
        let groups = match serde_json::from_slice::<ChildRecord>(&text) {
            Ok(record) if record.is_same_process() => Vec::from_iter(Pid::from_raw(record.pgid)),
            Ok(_) => Vec::new(),
            Err(_) => marked(path),
        };
        for pgid in &groups {
            let _ = kill_process_group(*pgid, Signal::TERM);
            let start = clock.monotonic();
            while test_kill_process_group(*pgid).is_ok() && clock.monotonic() - start < patience {
                clock.sleep(Duration::from_millis(20));
            }
            let _ = kill_process_group(*pgid, Signal::KILL);
        }
        !groups.is_empty()
    }

    fn is_same_process(&self) -> bool {
        self.boot == boot_id()
            && self.start_ticks.is_some()
            && start_ticks(self.pgid) == self.start_ticks
    }
}

fn note(path: &Path, text: &[u8]) {
    if let Err(cause) = fs::write(path, text) {
        log::warn!("cannot note the running child in {}: {cause}", path.display());
    }
}

/// The groups of living processes that carry the mark of a record: proc(5) `/proc/PID/environ` has
/// what a process was started with.
fn marked(path: &Path) -> Vec<Pid> {
    let mark = format!("{MARK}={}", path.display());
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut groups: Vec<Pid> = processes
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok().and_then(Pid::from_raw)?;
            let environ = fs::read(entry.path().join("environ")).ok()?;
            let is_ours = environ.split(|byte| *byte == 0).any(|one| one == mark.as_bytes());
            is_ours.then(|| getpgid(Some(pid)).ok())?
        })
        .collect();
    groups.sort_unstable_by_key(|pid| pid.as_raw_nonzero());
    groups.dedup();
    groups
}

fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// Field 22 of `/proc/PID/stat`; the command name before it may hold blanks and parentheses.
fn start_ticks(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after_name = stat.rsplit_once(')')?.1;
    after_name.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use super::{ChildRecord, MARK};
    use crate::sys::clock::{Clock, SystemClock};
    use crate::sys::exec::{Exec, ExecError, Exit, Job, SystemExec};

    fn sh(script: &str, record: PathBuf) -> Job {
        let job = Job::new("/bin/sh", Duration::from_secs(20)).args(["-c", script]);
        Job { record: Some(record), ..job.env("PATH", "/usr/bin:/bin") }
    }

    fn end(record: &std::path::Path) -> bool {
        ChildRecord::end_leftover(record, Duration::from_secs(5), &SystemClock::default())
    }

    #[test]
    fn a_record_goes_with_a_child_that_ends_by_itself() {
        let dir = tempfile::tempdir().unwrap();
        let record = dir.path().join("child");
        let look = format!("test \"${MARK}\" = '{}' && test -e \"${MARK}\"", record.display());
        let done = SystemExec::default().run(&sh(&look, record.clone())).unwrap();
        assert_eq!(done.exit, Exit::Code(0), "it is written down, and marked");
        assert!(!record.exists());
        SystemExec::default().run(&sh("kill -9 $$", record.clone())).unwrap();
        assert!(record.exists(), "a killed one may have left something");
        assert!(!end(&record), "there is nobody to end");
        assert!(!record.exists());
        let lost = Job { program: "/no/such/program".into(), ..sh("", record.clone()) };
        assert!(matches!(SystemExec::default().run(&lost), Err(ExecError::NotFound(_))));
        assert!(!record.exists());
    }

    #[test]
    fn a_child_is_found_by_its_record_or_by_its_mark() {
        for written in [true, false] {
            let dir = tempfile::tempdir().unwrap();
            let (record, ready) = (dir.path().join("child"), dir.path().join("ready"));
            let (tell, told) = channel();
            std::thread::scope(|scope| {
                let script = format!("echo >'{}'; sleep 20 & wait", ready.display());
                let job = sh(&script, record.clone());
                scope.spawn(move || tell.send(SystemExec::default().run(&job).unwrap().exit));
                while !ready.exists() {
                    SystemClock::default().sleep(Duration::from_millis(5));
                }
                if !written {
                    // As when its maker dies before it knows which process it made.
                    ChildRecord::announce(&record);
                }
                assert!(end(&record), "it was running");
                assert_eq!(told.recv().unwrap(), Exit::Signal(15));
            });
            assert!(!record.exists());
        }
    }
}
