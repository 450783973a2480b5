//! Git stories: the library and `renew sync`, against the real git command and real repositories
//! below a temporary folder. Nothing here reaches beyond the loopback interface.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says no by panicking"
)]

mod cloning;
mod damaged;
mod differing;
mod fetching;
mod following;
mod in_the_way;
mod locked;
mod looking;
mod owners;
mod saving;
mod signed;
mod ssh;
mod standing;
mod sync;
mod tokens;
mod web;
mod world;
