//! Processor time (user and system) of child processes with all they started and waited for.

use std::time::Duration;

/// Processor time of one run with all it started and waited for.
pub fn mean(runs: u32, work: &dyn Fn()) -> Duration {
    let before = children();
    (0..runs).for_each(|_| work());
    (children() - before) / runs
}

/// Processor time of all children that have ended: proc_pid_stat(5), fields 16 and 17, in ticks of
/// 10 ms on every Linux that user space sees.
fn children() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("the process table");
    let (_, fields) = stat.rsplit_once(") ").expect("a command name");
    let ticks = |field: usize| {
        let text = fields.split(' ').nth(field - 3).expect("a field");
        text.parse::<u64>().expect("a number")
    };
    Duration::from_millis(10 * (ticks(16) + ticks(17)))
}
