//! The budgets of the README, measured: one table, one row a budget. Run with `cargo bench`.
//!
//! A section is a function that adds rows; to measure something else, write one and list it.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a bench drives processes and clocks, and reports"
)]

#[path = "renew_bench/change.rs"]
mod change;
#[path = "renew_bench/cpu.rs"]
mod cpu;
#[path = "renew_bench/growth.rs"]
mod growth;
#[path = "renew_bench/idle.rs"]
mod idle;
#[path = "renew_bench/memory.rs"]
mod memory;
#[path = "renew_bench/schedules.rs"]
mod schedules;
#[path = "renew_bench/server.rs"]
mod server;
#[path = "renew_bench/settled.rs"]
mod settled;
#[allow(dead_code, unused_imports, reason = "of the tests' sandbox a bench needs little")]
#[path = "../tests/support/mod.rs"]
mod support;
#[path = "renew_bench/table.rs"]
mod table;
#[path = "renew_bench/validate.rs"]
mod validate;

use table::Table;

type Section = (&'static str, fn(&mut Table));

const SECTIONS: [Section; 6] = [
    ("schedules", schedules::measure),
    ("validate", validate::measure),
    ("idle", idle::measure),
    ("settled", settled::measure),
    ("growth", growth::measure),
    ("change", change::measure),
];

/// All sections, or those named: `cargo bench -- settled growth`.
fn main() {
    let named: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let known = SECTIONS.map(|(name, _)| name);
    let unknown = named.iter().find(|name| !known.contains(&name.as_str()));
    assert!(unknown.is_none(), "{unknown:?} is no section: there are {known:?}");
    let mut table = Table::default();
    for (name, section) in SECTIONS {
        if named.is_empty() || named.iter().any(|wanted| wanted == name) {
            section(&mut table);
        }
    }
    table.print();
}
