//! The rest of the engine tier: what goes wrong, what is refused, and what is seldom asked for. Apart
//! from the main stories because all together take longer than one likes to wait before a commit.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test is not the product: it drives processes and clocks, and says no by panicking"
)]

#[allow(dead_code, unused_imports, reason = "each half of the stories needs another part of it")]
#[path = "../support/mod.rs"]
mod support;

mod accept;
mod booted;
mod commits;
mod config;
mod daemon;
mod dependents;
mod disk;
mod errors;
mod faults;
mod full;
mod guard;
mod history;
mod host;
mod kept;
mod lines;
mod meanwhile;
mod membership;
mod memory;
mod patience;
mod pause;
mod policies;
mod prechecks;
mod prune;
mod quarantine;
mod registries;
mod review;
mod scale;
mod scripts;
mod stacks;
#[allow(dead_code, reason = "as above")]
mod stage;
mod traces;
mod unmade;
mod unresolved;
mod verdict;
mod windows;

#[allow(unused_imports, reason = "as above")]
use stage::{SLOW, THREE, slow_running, three_pushed, three_running};
