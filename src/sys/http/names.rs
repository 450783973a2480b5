//! Names of hosts, looked up once for the life of a client, which is that of a run. ureq asks before
//! every request, also where the connection is there already, and starts a thread for each question.

use std::sync::{Mutex, PoisonError};

use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::http::uri::{Authority, Scheme};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// Which host, on which port: that of the scheme, if no other is named.
type Place = (Option<Scheme>, Option<Authority>);

/// What was found so far. What was not found is asked for again.
#[derive(Debug, Default)]
pub(super) struct Names(Mutex<Vec<(Place, ResolvedSocketAddrs)>>);

impl Resolver for Names {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let known = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (uri.scheme().cloned(), uri.authority().cloned());
        if let Some((_, found)) = known().iter().find(|(known, _)| *known == place) {
            return Ok(found.clone());
        }
        let found = DefaultResolver::default().resolve(uri, config, timeout)?;
        known().push((place, found.clone()));
        Ok(found)
    }
}
