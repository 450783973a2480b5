//! From what docker's clients say to what a person can act on: the key and the way out of each.

use crate::docker::credentials::CredentialsError;
use crate::docker::engine::{EngineError, PullError, PullFailure};
use crate::problem::Problem;

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Problem {
        if let EngineError::Cancelled = error {
            return Problem::interrupted();
        }
        let reason = match &error {
            EngineError::BadHost(_) => "docker_host",
            EngineError::NotRunning(_) => "engine_not_running",
            EngineError::Denied(_) => "engine_denied",
            EngineError::Refused { .. } => "engine_refused",
            _ => "engine",
        };
        // The client's own words already name the way out.
        Problem::engine(reason, error.to_string(), "")
    }
}

impl From<PullError> for Problem {
    fn from(error: PullError) -> Problem {
        if let PullFailure::Cancelled = error.failure {
            return Problem::interrupted();
        }
        let (reason, resolution) = match &error.failure {
            PullFailure::NotFound(_) => {
                ("image_not_found", "correct the tag in git, or push the image")
            }
            PullFailure::Denied(_) => {
                ("pull_denied", "log in with `docker login` as the user of renew")
            }
            PullFailure::RateLimited(_) => {
                ("pull_rate_limited", "it passes; or log in to the registry")
            }
            PullFailure::Network(_) => ("pull_network", "check the network and the registry"),
            PullFailure::NoSpace(_) => ("disk_full", "free space under docker's root directory"),
            PullFailure::Stalled(_) => {
                ("pull_stalled", "check the network, or raise timeouts.pull")
            }
            _ => ("pull_failed", "try `docker pull` by hand"),
        };
        Problem::engine(reason, error.to_string(), resolution)
    }
}

impl From<CredentialsError> for Problem {
    fn from(error: CredentialsError) -> Problem {
        Problem::engine("credentials", error.to_string(), "check docker's config.json")
    }
}
