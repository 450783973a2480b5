//! From what docker's clients say to what a person can act on: the key and the way out of each.

use crate::docker::complaint::way_out;
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
            EngineError::TooOld { .. } => "engine_too_old",
            EngineError::Refused { message, .. } => {
                way_out(message).map_or("engine_refused", |(reason, _)| reason)
            }
            _ => "engine",
        };
        Problem::engine(reason, error.to_string(), error.way_out())
    }
}

impl From<PullError> for Problem {
    fn from(error: PullError) -> Problem {
        if let PullFailure::Cancelled = error.failure {
            return Problem::interrupted();
        }
        if let PullFailure::Engine(cause) = error.failure {
            return cause.into();
        }
        let (reason, resolution) = match &error.failure {
            PullFailure::NotFound(_) => {
                ("image_not_found", "correct `image:` in git, or push the image")
            }
            PullFailure::OtherPlatform(_) => {
                ("image_platform", "push the image for this host's processor too")
            }
            PullFailure::Denied(_) => (
                "pull_denied",
                "check the name, or log in with `docker login` as the user that renew runs as",
            ),
            PullFailure::RateLimited(_) => (
                "pull_rate_limited",
                "it passes, and renew tries again by itself; or log in for more",
            ),
            PullFailure::Network(_) => {
                ("pull_network", "check the network and the registry; renew tries again by itself")
            }
            PullFailure::NoSpace(_) => (
                "disk_full",
                "free space under docker's root directory: see `docker system df` and \
                 `docker image prune`",
            ),
            PullFailure::Stalled(_) => {
                ("pull_stalled", "check the network and the registry, or raise timeouts.pull")
            }
            PullFailure::Other(_) | PullFailure::Engine(_) | PullFailure::Cancelled => {
                ("pull_failed", "try `docker pull` by hand")
            }
        };
        Problem::engine(reason, error.to_string(), resolution)
    }
}

impl From<CredentialsError> for Problem {
    fn from(error: CredentialsError) -> Problem {
        Problem::engine("credentials", error.to_string(), "check docker's config.json")
    }
}
