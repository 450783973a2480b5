//! What can go wrong between us and a registry, in words a person can act on.

use std::fmt;
use std::time::Duration;

use chrono::DateTime;

use crate::docker::credentials::CredentialsError;
use crate::docker::reference::Named;
use crate::sys::http::{Head, HttpError};

/// Why a registry gave no answer.
#[derive(Debug)]
pub enum RegistryError {
    /// It has no such repository, tag or digest.
    NotFound(String),
    /// It does not let us.
    Denied {
        /// The image.
        image: String,
        /// Why, and what to do.
        why: String,
    },
    /// Too many requests.
    RateLimited {
        /// The registry.
        registry: String,
        /// How long it asks us to wait, if it says so in seconds.
        retry_after: Option<Duration>,
    },
    /// Nobody there, or nobody we trust, or in trouble: it may pass.
    Unreachable {
        /// The registry.
        registry: String,
        /// Why.
        why: String,
    },
    /// The answer is not what the distribution specification says.
    Unexpected {
        /// The image.
        image: String,
        /// What is wrong with the answer.
        why: String,
    },
    /// Our own credentials could not be read.
    Credentials(CredentialsError),
}

impl RegistryError {
    pub(super) fn unexpected(name: &Named, why: &str) -> RegistryError {
        RegistryError::Unexpected { image: name.to_string(), why: why.to_owned() }
    }

    pub(super) fn denied(name: &Named, why: &str) -> RegistryError {
        RegistryError::Denied { image: name.to_string(), why: why.to_owned() }
    }

    pub(super) fn unreachable(registry: &str, cause: &HttpError) -> RegistryError {
        let why = match cause {
            HttpError::Tls(why) => format!(
                "TLS: {why}; for a private certificate authority put it into \
                 /etc/docker/certs.d/{registry}/ca.crt"
            ),
            other => other.to_string(),
        };
        RegistryError::Unreachable { registry: registry.to_owned(), why }
    }
}

/// Turns a status that is not success into an error.
pub(super) fn check(name: &Named, head: &Head) -> Result<(), RegistryError> {
    let registry = || name.registry().to_owned();
    match head.status {
        200..=299 => Ok(()),
        401 | 403 => Err(RegistryError::denied(
            name,
            "the registry refuses it; check the name, or `docker login` with an account that may \
             read it",
        )),
        404 => Err(RegistryError::NotFound(name.to_string())),
        429 => {
            Err(RegistryError::RateLimited { registry: registry(), retry_after: retry_after(head) })
        }
        503 if retry_after(head).is_some() => {
            Err(RegistryError::RateLimited { registry: registry(), retry_after: retry_after(head) })
        }
        status @ 500..=599 => Err(RegistryError::Unreachable {
            registry: registry(),
            why: format!("it answers with status {status}"),
        }),
        status => Err(RegistryError::unexpected(name, &format!("status {status}"))),
    }
}

/// How long a registry wants to be left alone: in seconds, or until a time of its own clock (RFC 9110,
/// sections 10.2.3 and 6.6.1).
fn retry_after(head: &Head) -> Option<Duration> {
    let wanted = head.header("retry-after")?.trim();
    if let Ok(seconds) = wanted.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let time = |text: &str| DateTime::parse_from_rfc2822(text.trim()).ok();
    let now = time(head.header("date")?)?;
    (time(wanted)? - now).to_std().ok()
}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RegistryError::NotFound(image) => {
                write!(f, "{image} is not in its registry; check the name and the tag")
            }
            RegistryError::Denied { image, why } => write!(f, "no access to {image}: {why}"),
            RegistryError::RateLimited { registry, retry_after } => {
                write!(f, "{registry} limits how often it may be asked")?;
                match retry_after {
                    Some(pause) => write!(f, "; it wants {} s of rest", pause.as_secs()),
                    None => Ok(()),
                }
            }
            RegistryError::Unreachable { registry, why } => {
                write!(f, "registry {registry} cannot be reached: {why}")
            }
            RegistryError::Unexpected { image, why } => {
                write!(f, "the registry's answer about {image} makes no sense: {why}")
            }
            RegistryError::Credentials(cause) => cause.fmt(f),
        }
    }
}

impl std::error::Error for RegistryError {}
