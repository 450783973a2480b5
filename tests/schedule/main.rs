//! Schedules against oracles that share no code with them: a plain reading of Vixie's rules that
//! walks day by day, the croner crate, and a simulation of cronie that walks minute by minute.
//! Every case has its own seed, printed when it fails.

#![allow(clippy::expect_used, clippy::panic, reason = "a test says no by panicking")]

mod budget;
mod clock_changes;
mod every;
mod host_zone;
mod malformed;
mod model;
mod random;
mod table;
mod utc;
