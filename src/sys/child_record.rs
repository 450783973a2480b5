//! Which child a run has in flight, written beside its lock, so that the run after a killed one can
//! end what it left. A process is named by group, start time and boot: ids alone are used again.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
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

    /// Writes the record. Not synced: it only has to outlive this process, not this boot.
    pub fn write(&self, path: &Path) {
        let text = serde_json::to_vec(self).unwrap_or_default();
        if let Err(cause) = fs::write(path, text) {
            log::warn!("cannot note the running child in {}: {cause}", path.display());
        }
    }

    /// Removes the record at `path`: its child has ended.
    pub fn clear(path: &Path) {
        let _ = fs::remove_file(path);
    }

    /// Ends the child that a dead run recorded at `path`, with its whole group, and forgets it.
    /// Returns whether there was one to end. A compose that is killed cannot finish what it began,
    /// so it gets `patience` after TERM before KILL.
    pub fn end_leftover(path: &Path, patience: Duration, clock: &dyn Clock) -> bool {
        let Ok(text) = fs::read(path) else { return false };
        let record: Option<ChildRecord> = serde_json::from_slice(&text).ok();
        let alive = record.as_ref().is_some_and(ChildRecord::is_same_process);
        if let (true, Some(pgid)) = (alive, record.and_then(|r| Pid::from_raw(r.pgid))) {
            let _ = kill_process_group(pgid, Signal::TERM);
            let start = clock.monotonic();
            while test_kill_process_group(pgid).is_ok() && clock.monotonic() - start < patience {
                clock.sleep(Duration::from_millis(20));
            }
            let _ = kill_process_group(pgid, Signal::KILL);
        }
        ChildRecord::clear(path);
        alive
    }

    fn is_same_process(&self) -> bool {
        self.boot == boot_id()
            && self.start_ticks.is_some()
            && start_ticks(self.pgid) == self.start_ticks
    }
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
