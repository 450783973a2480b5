//! Names of hosts, looked up once for some seconds. ureq asks before every request, also where the
//! connection is there already, and starts a thread for each question.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::http::uri::{Authority, Scheme};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use crate::sys::clock::{Clock, SystemClock};

/// Which host, on which port: that of the scheme, if no other is named.
type Place = (Option<Scheme>, Option<Authority>);

/// How long an answer is good: as long as ureq keeps a connection that nobody uses, about.
const GOOD_FOR: Duration = Duration::from_secs(10);

/// What was found so far, and when. What was not found is asked for again.
#[derive(Debug, Default)]
pub(super) struct Names {
    clock: SystemClock,
    found: Mutex<Vec<(Place, Duration, ResolvedSocketAddrs)>>,
}

impl Resolver for Names {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let known = || self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (uri.scheme().cloned(), uri.authority().cloned());
        let now = self.clock.monotonic();
        known().retain(|(_, asked, _)| now.saturating_sub(*asked) < GOOD_FOR);
        if let Some((_, _, found)) = known().iter().find(|(known, _, _)| *known == place) {
            return Ok(found.clone());
        }
        let found = DefaultResolver::default().resolve(uri, config, timeout)?;
        known().push((place, now, found.clone()));
        Ok(found)
    }
}
