//! Pure deciders. They take values and give values: no file, process, network, thread or clock is
//! named below this folder, so that every decision can be replayed in a test.

pub mod backoff;
pub mod duration;
pub mod gate;
pub mod plan;
pub mod quarantine;
#[cfg(test)]
mod random;
pub mod schedule;
pub mod scheduler;
pub mod supervisor;
pub mod waves;
pub mod window;
