//! The control socket: HTTP/1.1 with JSON on a Unix socket. What is asked becomes a [`Command`], and a
//! desk that somebody else keeps gives the [`Reply`]; nothing here knows what a run is.

mod client;
mod http;
mod server;
mod socket;
mod wire;

use std::path::Path;

use chrono::{DateTime, Utc};

use crate::problem::Problem;
use crate::sys::wake::Ending;

pub use client::live;

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Whether the daemon gets anywhere.
    Health,
    /// How everything stands.
    Status,
    /// Load the configuration now.
    Reload,
    /// Run this service now.
    Sync(String),
}

/// Who asks, as the kernel tells (`SO_PEERCRED`, unix(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// The user.
    pub uid: u32,
}

/// The answer.
#[derive(Debug, Clone)]
pub enum Reply {
    /// Whether all is well with the daemon, since when, and why not.
    Health {
        /// Since when it is so.
        since: DateTime<Utc>,
        /// What is wrong, if anything is.
        why: Option<String>,
    },
    /// A JSON document.
    Document(String),
    /// A run will begin.
    Accepted {
        /// The service.
        service: String,
        /// The id of the run.
        run: String,
    },
    /// The configuration was loaded.
    Loaded {
        /// How many services of it are meant for this host.
        services: usize,
    },
    /// It was not done.
    Refused(Refused, Vec<Problem>),
}

/// Why something was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// There is no such thing.
    Unknown,
    /// It is not right as it is.
    Invalid,
    /// Not now.
    Unavailable,
}

/// The reason of [`serve`] when another daemon listens.
pub const ALREADY_RUNNING: &str = "already_running";

/// Answers commands. Called from several threads at once.
pub type Desk = dyn Fn(Command, Caller) -> Reply + Send + Sync;

/// Listens at `path` and answers until `ending`; `listening` is called once it listens.
///
/// # Errors
/// When somebody else listens there, or nobody can.
pub fn serve(
    path: &Path,
    desk: &std::sync::Arc<Desk>,
    ending: &Ending,
    listening: &dyn Fn(),
) -> Result<(), Problem> {
    let socket = socket::Socket::listen(path)?;
    listening();
    server::accept(&socket, desk, ending)
}
