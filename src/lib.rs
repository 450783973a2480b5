//! renew keeps the docker compose stacks of one host in step with a git repository.
//!
//! The modules in reading order; imports point down only (`tests/tidy.rs` holds them to it):
//!
//! - [`cli`]: one file per command, the only place that prints or picks an exit code.
//! - [`daemon`]: the scheduler's thread, the workers, hot reload, the stop.
//! - [`control`]: the socket on which a running daemon answers and is asked.
//! - [`standing`]: how everything stands, as one document.
//! - [`reconcile`]: one run of one service: fetch, resolve, observe, plan, pull, move, apply, record.
//! - [`docker`]: the engine's socket, the compose plugin, registries and their credentials.
//! - [`git`]: the working tree and its remote, driven through the git command.
//! - [`health`]: asks this host and its peers whether the service works there.
//! - [`state`]: what must survive a restart, written atomically under a lock.
//! - [`config`]: renew.json, from text with positions to validated types.
//! - [`problem`]: a failure as every surface shows it.
//! - [`decide`]: pure deciders: what a service needs, and when it is due.
//! - [`sys`]: the narrow door to clock, processes, files, network and environment.
//! - `gather`, `nearest`: small tools that know nothing of renew.

pub mod cli;
pub mod config;
pub mod control;
pub mod daemon;
pub mod decide;
pub mod docker;
mod gather;
pub mod git;
pub mod health;
mod nearest;
pub mod problem;
pub mod reconcile;
pub mod standing;
pub mod state;
pub mod sys;
