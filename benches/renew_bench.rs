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

#[path = "renew_bench/schedules.rs"]
mod schedules;
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

const SECTIONS: &[fn(&mut Table)] = &[schedules::measure, validate::measure, settled::measure];

fn main() {
    let mut table = Table::default();
    for section in SECTIONS {
        section(&mut table);
    }
    table.print();
}
