//! One run of one service: fetch, resolve, observe, plan, pull, move the files, apply, verify,
//! record. Knows nothing of the daemon; only `apply` changes containers.

mod apply;
mod attempts;
mod export;
mod gate;
mod held;
mod host;
mod make;
mod model;
mod named;
mod observe;
mod ownership;
mod pass;
mod policy;
mod pull;
mod remember;
mod repo;
mod report;
mod resolve;
mod run;
mod siblings;
mod stack;
mod sweep;
mod todo;
mod verify;

pub use host::{DockerPlace, Host};
pub use pass::{Order, Restart, Synced, plan, sync};
pub use repo::incoming_config;
pub use report::{Commits, Gate, Outcome, Report, ServiceReport};
pub use resolve::short;
