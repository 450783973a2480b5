//! The engine tier: the real binary against a real engine, registry, compose and git. Every story
//! plays in a sandbox of its own; where something changes, the plan is checked against the sync.
//! `thorough.rs` beside this file has the rest of the stories, which `make thorough` plays.

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

#[allow(dead_code, unused_imports, reason = "as above")]
mod chaos;
mod concurrency;
mod control;
mod env;
mod files;
mod gate;
mod git;
mod heal;
mod image;
mod killed;
mod oneshot;
mod order;
mod rig;
#[allow(dead_code, reason = "as above")]
mod stage;
mod start;
mod trust;
mod undo;

#[allow(unused_imports, reason = "as above")]
use stage::{SLOW, THREE, slow_running, three_pushed, three_running};
