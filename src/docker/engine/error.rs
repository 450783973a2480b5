//! What can go wrong between us and the engine, in words a person can act on.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::HttpError;
use crate::docker::complaint::way_out;

/// For what the engine alone knows.
const SEE_LOG: &str = "the engine's log has more: `journalctl -u docker`";

/// Why the engine did not do what was asked.
#[derive(Debug)]
pub enum EngineError {
    /// The host is not a Unix socket.
    BadHost(String),
    /// Nobody listens at the socket.
    NotRunning(PathBuf),
    /// We may not use the socket.
    Denied(PathBuf),
    /// The engine is older than 20.10.
    TooOld {
        /// The API version it has.
        offered: String,
    },
    /// No answer in time.
    Timeout(PathBuf, Duration),
    /// We were asked to stop.
    Cancelled,
    /// The engine answered with an error of its own.
    Refused {
        /// What was asked for.
        path: String,
        /// The status: 404 not there, 409 in conflict, 500 failed.
        status: u16,
        /// Its message.
        message: String,
    },
    /// The answer is not what the API promises.
    Unexpected {
        /// What was asked for.
        path: String,
        /// What is wrong with the answer.
        why: String,
    },
    /// The connection broke.
    Broken(PathBuf, String),
}

impl EngineError {
    pub(super) fn from_http(socket: &Path, cause: HttpError) -> EngineError {
        let socket = socket.to_owned();
        match cause {
            HttpError::Io(cause) => match cause.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                    EngineError::NotRunning(socket)
                }
                io::ErrorKind::PermissionDenied => EngineError::Denied(socket),
                _ => EngineError::Broken(socket, cause.to_string()),
            },
            HttpError::Timeout(limit) => EngineError::Timeout(socket, limit),
            HttpError::Cancelled => EngineError::Cancelled,
            other => EngineError::Broken(socket, other.to_string()),
        }
    }

    pub(super) fn unexpected(path: &str, why: &str) -> EngineError {
        EngineError::Unexpected { path: path.to_owned(), why: why.to_owned() }
    }

    /// What to do about it.
    #[must_use]
    pub fn way_out(&self) -> String {
        let way = match self {
            EngineError::BadHost(_) => "name a socket, as in unix:///var/run/docker.sock",
            EngineError::NotRunning(_) => {
                "start it with `systemctl start docker`, or name its socket in docker.host"
            }
            EngineError::Denied(_) => "run as root, or as a member of the group docker",
            EngineError::TooOld { .. } => "upgrade docker",
            EngineError::Timeout(..) | EngineError::Broken(..) => {
                "see `systemctl status docker` and `journalctl -u docker`"
            }
            EngineError::Cancelled => "run it again: the next run takes up what is left",
            EngineError::Refused { message, .. } => {
                return way_out(message).map_or_else(|| SEE_LOG.to_owned(), |(_, way)| way);
            }
            EngineError::Unexpected { .. } => {
                "see which engine listens there with `docker version`; renew works with docker \
                 20.10 and later"
            }
        };
        way.to_owned()
    }

    /// Whether the engine says that the thing is not there.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, EngineError::Refused { status: 404, .. })
    }
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EngineError::BadHost(host) => write!(
                f,
                "docker host {host:?} is not supported: only a Unix socket on this host is"
            ),
            EngineError::NotRunning(socket) => {
                write!(f, "no docker engine answers at {}", socket.display())
            }
            EngineError::Denied(socket) => {
                write!(f, "no permission to use the docker engine at {}", socket.display())
            }
            EngineError::TooOld { offered } => write!(
                f,
                "the docker engine is too old: its API is {offered}, and 1.41 (engine 20.10) is \
                 the oldest that works"
            ),
            EngineError::Timeout(socket, limit) => write!(
                f,
                "the docker engine at {} did not answer within {} s",
                socket.display(),
                limit.as_secs_f64().ceil()
            ),
            EngineError::Cancelled => write!(f, "stopped on request"),
            EngineError::Refused { path, status, message } => {
                write!(f, "the docker engine refused {path}: {message} (status {status})")
            }
            EngineError::Unexpected { path, why } => {
                write!(f, "the docker engine's answer to {path} is not what its API says: {why}")
            }
            EngineError::Broken(socket, why) => {
                write!(
                    f,
                    "the connection to the docker engine at {} broke: {why}",
                    socket.display()
                )
            }
        }
    }
}

impl std::error::Error for EngineError {}
