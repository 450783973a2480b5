//! The fetch that runs in one process share: of several that are due at once only the first asks the
//! remote, and when that hangs, the others do not wait for it one after the other.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::config::Config;
use crate::problem::Problem;

/// How the last fetch of this process ended.
#[derive(Debug, Default)]
pub struct SharedFetch(Mutex<Option<Last>>);

#[derive(Debug)]
struct Last {
    what: String,
    ended: Duration,
    outcome: Result<(), Problem>,
}

impl SharedFetch {
    /// A fetch of this configuration's remote has ended, at this monotonic time.
    pub fn ended(&self, config: &Config, ended: Duration, outcome: Result<(), Problem>) {
        let last = Last { what: what(config), ended, outcome };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(last);
    }

    /// How one ended since a run `began`; nothing if none did: then the remote has to be asked.
    pub fn since(&self, config: &Config, began: Duration) -> Option<Result<(), Problem>> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = last.as_ref().filter(|last| last.ended >= began && last.what == what(config))?;
        Some(last.outcome.clone())
    }
}

/// What is fetched from where to where.
fn what(config: &Config) -> String {
    let repo = &config.repo;
    format!("{}\n{}\n{}", repo.dir.display(), repo.remote, repo.branch)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::SharedFetch;
    use crate::config::{self, Config};
    use crate::problem::Problem;

    fn of(branch: &str) -> Config {
        let text = format!(
            r#"{{"repo": {{"branch": "{branch}"}},
            "services": [{{"name": "a", "compose_files": ["a.yaml"]}}]}}"#
        );
        config::parse(text.as_bytes(), Path::new("/srv/renew.json")).unwrap().config
    }

    #[test]
    fn only_a_fetch_of_the_same_that_ended_after_a_run_began_is_shared() {
        let s = Duration::from_secs;
        let (shared, main, other) = (SharedFetch::default(), of("main"), of("other"));
        assert_eq!(shared.since(&main, s(0)), None);
        shared.ended(&main, s(10), Ok(()));
        assert_eq!(shared.since(&main, s(9)), Some(Ok(())));
        assert_eq!(shared.since(&main, s(11)), None, "it asks for itself");
        assert_eq!(shared.since(&other, s(9)), None);
        shared.ended(&main, s(20), Err(Problem::interrupted()));
        assert_eq!(shared.since(&main, s(9)), Some(Err(Problem::interrupted())));
    }
}
