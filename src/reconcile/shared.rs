//! What the runs of one process share. A fetch: of several that are due at once only the first asks the
//! remote, and when that hangs, the others do not wait for it one after the other. And which registries
//! want to be left alone.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::config::Config;
use crate::problem::Problem;

/// However long a registry wants to be left alone, it is asked again after this.
const REST_MAX: Duration = Duration::from_secs(3600);

/// How the last fetch of this process ended, and until when no registry is asked that wants rest.
#[derive(Debug, Default)]
pub struct Shared {
    last: Mutex<Option<Last>>,
    rests: Mutex<BTreeMap<String, Rest>>,
}

#[derive(Debug)]
struct Rest {
    until: Duration,
    wanted: Duration,
}

#[derive(Debug)]
struct Last {
    what: String,
    ended: Duration,
    outcome: Result<(), Problem>,
}

impl Shared {
    /// A fetch of this configuration's remote has ended, at this monotonic time.
    pub fn ended(&self, config: &Config, ended: Duration, outcome: Result<(), Problem>) {
        let last = Last { what: what(config), ended, outcome };
        *locked(&self.last) = Some(last);
    }

    /// How one ended since a run `began`; nothing if none did: then the remote has to be asked.
    pub fn since(&self, config: &Config, began: Duration) -> Option<Result<(), Problem>> {
        let last = locked(&self.last);
        let last = last.as_ref().filter(|last| last.ended >= began && last.what == what(config))?;
        Some(last.outcome.clone())
    }

    /// A registry wants to be left alone for so long from this monotonic time on (`Retry-After`,
    /// RFC 9110, section 10.2.3).
    pub fn rest(&self, registry: &str, now: Duration, wanted: Duration) {
        let until = now + wanted.min(REST_MAX);
        locked(&self.rests).insert(registry.to_owned(), Rest { until, wanted });
    }

    /// For how long a registry wanted to be left alone, if that time is not over.
    pub fn rests(&self, registry: &str, now: Duration) -> Option<Duration> {
        let rests = locked(&self.rests);
        rests.get(registry).filter(|rest| now < rest.until).map(|rest| rest.wanted)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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

    use super::Shared;
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
        let (shared, main, other) = (Shared::default(), of("main"), of("other"));
        assert_eq!(shared.since(&main, s(0)), None);
        shared.ended(&main, s(10), Ok(()));
        assert_eq!(shared.since(&main, s(9)), Some(Ok(())));
        assert_eq!(shared.since(&main, s(11)), None, "it asks for itself");
        assert_eq!(shared.since(&other, s(9)), None);
        shared.ended(&main, s(20), Err(Problem::interrupted()));
        assert_eq!(shared.since(&main, s(9)), Some(Err(Problem::interrupted())));
    }

    #[test]
    fn a_registry_rests_as_long_as_it_wanted_and_no_longer_than_an_hour() {
        let s = Duration::from_secs;
        let shared = Shared::default();
        assert_eq!(shared.rests("r", s(0)), None);
        shared.rest("r", s(10), s(300));
        assert_eq!(shared.rests("r", s(309)), Some(s(300)));
        assert_eq!(shared.rests("other", s(309)), None);
        assert_eq!(shared.rests("r", s(310)), None);
        shared.rest("r", s(400), s(1 << 40));
        assert_eq!(shared.rests("r", s(400 + 3600)), None);
    }
}
