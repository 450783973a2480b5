//! The other end of the socket: what `renew status` asks a running daemon.

use std::io;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use crate::problem::Problem;
use crate::standing::Live;
use crate::sys::exec::Cancel;
use crate::sys::http::{Client, Http, HttpError, Method, Request, Response};

/// A daemon that is well answers from memory.
const PATIENCE: Duration = Duration::from_secs(3);
/// A thousand services have a status of half a megabyte.
const ANSWER_BYTES_MAX: u64 = 16 * 1024 * 1024;

#[derive(Deserialize)]
struct Document {
    daemon: Live,
}

/// What the daemon that listens at `path` says of itself; nothing where none listens, or where it is
/// not for us to ask.
///
/// # Errors
/// When one listens and does not answer.
pub fn live(path: &Path) -> Result<Option<Live>, Problem> {
    let request =
        Request::new(Method::Get, "http://renew/status", PATIENCE).body_bytes_max(ANSWER_BYTES_MAX);
    let silent = |why: String| {
        let message = format!("the daemon at {} does not answer: {why}", path.display());
        Problem::setup("daemon_silent", message, "see its log; restart it if it stays so")
    };
    let Response { head, body } = match Client::unix(path, &Cancel::default()).send(&request) {
        Ok(answer) => answer,
        Err(HttpError::Io(cause)) if nobody(&cause) => return Ok(None),
        Err(error) => return Err(silent(error.to_string())),
    };
    match serde_json::from_slice::<Document>(&body) {
        Ok(document) if head.ok() => Ok(Some(document.daemon)),
        Ok(_) => Err(silent(format!("status {}", head.status))),
        Err(cause) => Err(silent(format!("status {}: {cause}", head.status))),
    }
}

/// Nobody is there (any more), or it is not ours to ask.
fn nobody(cause: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, NotADirectory, NotFound, PermissionDenied};
    matches!(cause.kind(), ConnectionRefused | NotFound | NotADirectory | PermissionDenied)
}
