//! Pulling an image through the engine. The stream is read to its end, because an error may come
//! inside an answer that began well. It never retries: that is for the run that asked.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::{Engine, EngineError, wire};
use crate::docker::credentials::RegistryAuth;
use crate::docker::reference::Named;
use crate::sys::clock::{Clock, SystemClock};
use crate::sys::exec::Cancel;
use crate::sys::http::{Client, Http, HttpError, Lines, Method, escape};

/// How far a pull is, over all layers that were mentioned so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PullProgress {
    /// Bytes downloaded.
    pub bytes: u64,
    /// Bytes to download, as far as they are known.
    pub bytes_total: u64,
    /// Layers that are ready.
    pub layers: usize,
    /// Layers there are.
    pub layers_total: usize,
}

/// Why a pull failed.
#[derive(Debug)]
pub struct PullError {
    /// The reference.
    pub reference: String,
    /// What kind of failure it is.
    pub failure: PullFailure,
}

/// Kinds of failed pulls, told apart because they are answered differently.
#[derive(Debug)]
pub enum PullFailure {
    /// The registry has no such repository, tag or digest.
    NotFound(String),
    /// The registry has it for other processors only.
    OtherPlatform(String),
    /// The registry wants other credentials, or has no such repository and hides it.
    Denied(String),
    /// Too many pulls; it passes by itself.
    RateLimited(String),
    /// The registry cannot be reached.
    Network(String),
    /// The disk is full.
    NoSpace(String),
    /// Nothing moved for this long.
    Stalled(Duration),
    /// We were asked to stop.
    Cancelled,
    /// The engine itself failed.
    Engine(EngineError),
    /// Something else, in the engine's own words.
    Other(String),
}

impl fmt::Display for PullError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot pull {}: ", self.reference)?;
        match &self.failure {
            PullFailure::NotFound(said) => write!(f, "the registry does not have it ({said})"),
            PullFailure::OtherPlatform(said) => {
                write!(f, "the registry does not have it for this host's processor ({said})")
            }
            PullFailure::Denied(said) => write!(f, "access denied ({said})"),
            PullFailure::RateLimited(said) => {
                write!(f, "the registry's rate limit is used up ({said})")
            }
            PullFailure::Network(said) => write!(f, "the registry cannot be reached ({said})"),
            PullFailure::NoSpace(said) => write!(f, "docker's disk is full ({said})"),
            PullFailure::Stalled(limit) => {
                write!(f, "no progress for {} s", limit.as_secs_f64().ceil())
            }
            PullFailure::Cancelled => write!(f, "stopped on request"),
            PullFailure::Engine(cause) => cause.fmt(f),
            PullFailure::Other(said) => f.write_str(said),
        }
    }
}

impl std::error::Error for PullError {}

/// When a pull is given up.
#[derive(Debug, Clone, Copy)]
struct Patience<'a> {
    /// Without any progress for this long.
    stall: Duration,
    /// When this is set.
    cancel: &'a Cancel,
}

impl Engine {
    /// Pulls an image; `progress` is told about every step. The engine goes on for a moment when
    /// we give up, and keeps the layers it has.
    ///
    /// # Errors
    /// See [`PullFailure`].
    pub fn pull(
        &self,
        reference: &Named,
        auth: Option<&RegistryAuth>,
        stall: Duration,
        cancel: &Cancel,
        progress: &mut dyn FnMut(&PullProgress),
    ) -> Result<(), PullError> {
        let patience = Patience { stall, cancel };
        self.pull_stream(reference, auth, patience, progress)
            .map_err(|failure| PullError { reference: reference.to_string(), failure })
    }

    fn pull_stream(
        &self,
        reference: &Named,
        auth: Option<&RegistryAuth>,
        patience: Patience<'_>,
        progress: &mut dyn FnMut(&PullProgress),
    ) -> Result<(), PullFailure> {
        // Without a tag the engine would pull all tags there are.
        let path = format!(
            "/images/create?fromImage={}&tag={}",
            escape(&reference.familiar_name()),
            escape(reference.target())
        );
        let mut request = self.request(Method::Post, &path, patience.stall);
        if let Some(auth) = auth {
            let value = auth.engine_header(reference.registry());
            request = request.header("X-Registry-Auth", value);
        }
        // A client of its own: only this one ends when the pull is given up.
        let fail = |cause| self.failure(cause, patience.stall);
        let lines = Client::unix(&self.socket, patience.cancel).open(&request).map_err(fail)?;
        if !lines.head.ok() {
            let status = lines.head.status;
            let said = wire::message_in(&lines.rest().map_err(fail)?);
            return Err(classify(&format!("{said} (status {status})")));
        }
        follow(lines, patience, progress).map_err(|end| match end {
            End::Http(cause) => fail(cause),
            End::Failure(failure) => failure,
        })
    }

    fn failure(&self, cause: HttpError, stall: Duration) -> PullFailure {
        match cause {
            HttpError::Timeout(limit) if limit >= stall => PullFailure::Stalled(stall),
            HttpError::Cancelled => PullFailure::Cancelled,
            other => PullFailure::Engine(EngineError::from_http(&self.socket, other)),
        }
    }
}

/// Why the stream is not read any further.
enum End {
    Http(HttpError),
    Failure(PullFailure),
}

fn follow(
    mut lines: Lines,
    patience: Patience<'_>,
    progress: &mut dyn FnMut(&PullProgress),
) -> Result<(), End> {
    let clock = SystemClock::default();
    let mut layers = Layers::default();
    let mut moved_at = clock.monotonic();
    while let Some(text) = lines.next_line().map_err(End::Http)? {
        if patience.cancel.is_set() {
            return Err(End::Failure(PullFailure::Cancelled));
        }
        let line: wire::PullLine = serde_json::from_slice(&text).map_err(|cause| {
            let error = EngineError::unexpected("/images/create", &cause.to_string());
            End::Failure(PullFailure::Engine(error))
        })?;
        let detail = line.error_detail.as_ref().map(|detail| detail.message.as_str());
        if let Some(message) = detail.filter(|m| !m.is_empty()).or(some(&line.error)) {
            return Err(End::Failure(classify(message)));
        }
        // The engine also counts down to its next attempt: that is talk, not progress.
        if layers.note(&line) {
            moved_at = clock.monotonic();
            progress(&layers.sum());
        } else if clock.monotonic().saturating_sub(moved_at) > patience.stall {
            return Err(End::Failure(PullFailure::Stalled(patience.stall)));
        }
    }
    Ok(())
}

fn some(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

/// What is known of each layer.
#[derive(Default)]
struct Layers(BTreeMap<String, Layer>);

#[derive(Default, Clone, PartialEq)]
struct Layer {
    status: String,
    current: u64,
    downloaded: u64,
    total: u64,
}

impl Layers {
    /// Takes a line in; whether it moved anything on.
    fn note(&mut self, line: &wire::PullLine) -> bool {
        if line.status.starts_with("Retrying in") {
            return false;
        }
        let layer = self.0.entry(line.id.clone()).or_default();
        let before = layer.clone();
        layer.status.clone_from(&line.status);
        let (current, total) =
            line.progress_detail.as_ref().map_or((0, 0), |detail| (detail.current, detail.total));
        layer.current = current;
        match line.status.as_str() {
            "Downloading" => {
                layer.downloaded = current;
                layer.total = layer.total.max(total);
            }
            "Download complete" | "Verifying Checksum" | "Pull complete" => {
                layer.downloaded = layer.total;
            }
            _ => {}
        }
        *layer != before
    }

    fn sum(&self) -> PullProgress {
        // Lines about the whole pull have no id, or the tag; a layer's id is 12 hex digits.
        let is_layer = |id: &str| id.len() == 12 && id.bytes().all(|b| b.is_ascii_hexdigit());
        let mut sum = PullProgress::default();
        for layer in self.0.iter().filter(|(id, _)| is_layer(id)).map(|(_, layer)| layer) {
            sum.bytes += layer.downloaded;
            sum.bytes_total += layer.total;
            sum.layers_total += 1;
            sum.layers +=
                usize::from(matches!(layer.status.as_str(), "Pull complete" | "Already exists"));
        }
        sum
    }
}

/// What a message of the engine means. It has no codes for this; the words have been the same for
/// many versions, and a message that is not known is passed on as it is.
fn classify(message: &str) -> PullFailure {
    let said = message.to_owned();
    let lower = message.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    // In this order: a denial also says that the repository may not exist.
    if has(&["no space left on device", "disk quota exceeded"]) {
        PullFailure::NoSpace(without_blob_number(&said))
    } else if has(&["no matching manifest for", "no match for platform"]) {
        PullFailure::OtherPlatform(said)
    } else if has(&["toomanyrequests", "too many requests", "rate limit"]) {
        PullFailure::RateLimited(said)
    } else if has(&[
        "denied",
        "unauthorized",
        "no basic auth credentials",
        "authentication required",
    ]) {
        PullFailure::Denied(said)
    } else if has(&["no such host", "connection refused", "connection reset", "i/o timeout"])
        || has(&["tls handshake", "network is unreachable", "no route to host", "eof"])
        || has(&["deadline exceeded", "client.timeout", "server misbehaving", "broken pipe"])
        || has(&["bad gateway", "service unavailable", "gateway timeout", "proxyconnect"])
    {
        PullFailure::Network(said)
    } else if has(&["manifest unknown", "name unknown", "not found", "does not exist"]) {
        PullFailure::NotFound(said)
    } else {
        PullFailure::Other(said)
    }
}

/// A layer is fetched into a file with a new number each time (`GetImageBlob123`). Without it, what
/// fails like the last time is said in the same words.
fn without_blob_number(message: &str) -> String {
    let Some((before, after)) = message.split_once("GetImageBlob") else {
        return message.to_owned();
    };
    format!("{before}GetImageBlob{}", after.trim_start_matches(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests;
