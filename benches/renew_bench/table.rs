//! The table of results, and the stopwatch. Never judges: a budget that is missed is shown, and
//! tests are what fails.

use std::time::{Duration, Instant};

#[derive(Default)]
pub struct Table {
    rows: Vec<Row>,
}

struct Row {
    what: String,
    typical: Duration,
    worst: Duration,
    budget: Option<Duration>,
}

impl Table {
    /// Adds the median and the slowest of some runs of one thing.
    pub fn row(
        &mut self,
        what: impl Into<String>,
        mut runs: Vec<Duration>,
        budget: Option<Duration>,
    ) {
        runs.sort_unstable();
        let (typical, worst) = match runs.as_slice() {
            [] => (Duration::ZERO, Duration::ZERO),
            [.., worst] => (runs[runs.len() / 2], *worst),
        };
        self.rows.push(Row { what: what.into(), typical, worst, budget });
    }

    pub fn print(&self) {
        println!("{:<58} {:>10} {:>10} {:>10}", "what", "median", "worst", "budget");
        for row in &self.rows {
            let budget = row.budget.map(show).unwrap_or_default();
            println!(
                "{:<58} {:>10} {:>10} {:>10}",
                row.what,
                show(row.typical),
                show(row.worst),
                budget
            );
        }
    }
}

fn show(time: Duration) -> String {
    match time.as_nanos() {
        0..10_000 => format!("{} ns", time.as_nanos()),
        10_000..10_000_000 => format!("{:.1} us", time.as_secs_f64() * 1e6),
        _ => format!("{:.1} ms", time.as_secs_f64() * 1e3),
    }
}

/// How long `work` takes, and what it returned.
pub fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let result = work();
    (start.elapsed(), result)
}
