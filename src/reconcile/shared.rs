//! What the runs of one process share. A fetch: of several that are due at once only the first asks the
//! remote, and when that hangs, the others do not wait for it one after the other. What registries said
//! not long ago, and which of them want to be left alone.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::config::Config;
use crate::docker::digest::Digest;
use crate::problem::Problem;

/// What was not asked for in so long is forgotten: nobody declares it any more.
const ANSWER_AGE_MAX: Duration = Duration::from_secs(24 * 3600);

/// However long a registry wants to be left alone, it is asked again after this.
const REST_MAX: Duration = Duration::from_secs(3600);

/// How the last fetch of this process ended, what registries said, and until when none is asked that
/// wants rest.
#[derive(Debug, Default)]
pub struct Shared {
    last: Mutex<Option<Last>>,
    rests: Mutex<BTreeMap<String, Rest>>,
    answers: Mutex<Vec<Answer>>,
}

#[derive(Debug)]
struct Answer {
    image: String,
    digest: Digest,
    /// The id of the image that had the tag on this host then.
    here: Option<String>,
    asked: Duration,
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

    /// What is behind a tag, if its registry was asked less than `every` ago. An answer is of no use
    /// once the tag means another image on this host: somebody has pulled meanwhile.
    pub fn answer(
        &self,
        image: &str,
        here: Option<&str>,
        now: Duration,
        every: Duration,
    ) -> Option<Digest> {
        let answers = locked(&self.answers);
        let mut of_image = answers.iter().filter(|answer| answer.image == image);
        let answer = of_image.find(|answer| answer.here.as_deref() == here)?;
        (now.saturating_sub(answer.asked) < every).then(|| answer.digest.clone())
    }

    /// A registry has just told what is behind a tag.
    pub fn answered(&self, image: String, here: Option<&str>, now: Duration, digest: Digest) {
        let mut answers = locked(&self.answers);
        // One that was long on its way is older than another run's.
        if answers.iter().any(|known| known.image == image && known.asked > now) {
            return;
        }
        let old = |known: &Answer| now.saturating_sub(known.asked) >= ANSWER_AGE_MAX;
        answers.retain(|known| known.image != image && !old(known));
        answers.push(Answer { image, digest, here: here.map(str::to_owned), asked: now });
    }

    /// A tag was pulled: whatever was told of it before may be about another image.
    pub fn forget_answer(&self, image: &str) {
        locked(&self.answers).retain(|known| known.image != image);
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
    use crate::docker::digest::Digest;
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
    fn an_answer_holds_for_its_time_and_for_the_image_that_was_here() {
        let s = Duration::from_secs;
        let shared = Shared::default();
        let digest = Digest::parse(&format!("sha256:{}", "a".repeat(64))).unwrap();
        let ask = |here, now| shared.answer("r/web:1", here, s(now), s(600));
        assert_eq!(ask(Some("i1"), 0), None);
        shared.answered("r/web:1".to_owned(), Some("i1"), s(10), digest.clone());
        assert_eq!(ask(Some("i1"), 609), Some(digest.clone()));
        assert_eq!(ask(Some("i1"), 610), None, "its time is over");
        assert_eq!(ask(Some("i2"), 11), None, "somebody has pulled");
        assert_eq!(ask(None, 11), None);
        assert_eq!(shared.answer("r/web:1", Some("i1"), s(10), s(0)), None, "every time");
        shared.answered("r/web:1".to_owned(), Some("i2"), s(9), digest.clone());
        assert_eq!(ask(Some("i1"), 11), Some(digest.clone()), "that one was long on its way");
        shared.forget_answer("r/web:1");
        assert_eq!(ask(Some("i1"), 11), None);
        shared.answered("r/web:1".to_owned(), Some("i1"), s(10), digest.clone());
        shared.answered("r/db:1".to_owned(), None, s(10 + 24 * 3600), digest);
        assert_eq!(ask(Some("i1"), 11), None, "forgotten");
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
