//! The table of results, and the stopwatch. Never judges: a budget that is missed is shown, and
//! tests are what fails.

use std::fmt;
use std::time::{Duration, Instant};

#[derive(Default)]
pub struct Table {
    rows: Vec<Row>,
}

/// What a row shows.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub enum Figure {
    /// How long, by the clock or of a processor.
    Time(Duration),
    /// How much memory or disk.
    Bytes(u64),
    /// How many.
    Count(u64),
    /// How many times as much.
    Ratio(f64),
}

struct Row {
    what: String,
    typical: Figure,
    worst: Option<Figure>,
    budget: Option<Figure>,
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
        self.rows.push(Row {
            what: what.into(),
            typical: Figure::Time(middle(&runs)),
            worst: runs.last().copied().map(Figure::Time),
            budget: budget.map(Figure::Time),
        });
    }

    /// Adds a single figure.
    pub fn figure(&mut self, what: impl Into<String>, figure: Figure, budget: Option<Figure>) {
        self.rows.push(Row { what: what.into(), typical: figure, worst: None, budget });
    }

    pub fn print(&self) {
        println!("{:<58} {:>10} {:>10} {:>10}", "what", "median", "worst", "budget");
        for row in &self.rows {
            let cell = |figure: &Option<Figure>| figure.map_or(String::new(), |f| f.to_string());
            let missed = row.budget.is_some_and(|budget| row.typical > budget);
            println!(
                "{:<58} {:>10} {:>10} {:>10}{}",
                row.what,
                row.typical.to_string(),
                cell(&row.worst),
                cell(&row.budget),
                if missed { "  missed" } else { "" }
            );
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Figure::Time(time) => match time.as_nanos() {
                0..10_000 => write!(f, "{} ns", time.as_nanos()),
                10_000..10_000_000 => write!(f, "{:.1} us", time.as_secs_f64() * 1e6),
                _ => write!(f, "{:.1} ms", time.as_secs_f64() * 1e3),
            },
            Figure::Bytes(bytes) => write!(f, "{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10),
            Figure::Count(count) => write!(f, "{count}"),
            Figure::Ratio(ratio) => write!(f, "{ratio:.3}"),
        }
    }
}

/// How long `work` takes, and what it returned.
pub fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let result = work();
    (start.elapsed(), result)
}

/// The median; nothing takes no time.
pub fn middle(runs: &[Duration]) -> Duration {
    let mut sorted = runs.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}
