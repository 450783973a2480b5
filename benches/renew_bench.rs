//! The budgets of the README, measured: one table, one row a budget. Run with `cargo bench`.
//!
//! A section is a function that adds rows; to measure something else, write one and list it.

#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a bench reports")]

#[path = "renew_bench/schedules.rs"]
mod schedules;
#[path = "renew_bench/table.rs"]
mod table;

use table::Table;

const SECTIONS: &[fn(&mut Table)] = &[schedules::measure];

fn main() {
    let mut table = Table::default();
    for section in SECTIONS {
        section(&mut table);
    }
    table.print();
}
