//! Whether a quorum can be reached at all. A host does not count itself; which names are its own
//! beyond its host name is only known on the network, so this errs on the side of silence.

use std::path::Path;

use crate::config::value::Problem;
use crate::config::{Diagnostic, Health, Loaded, Subject};

/// Warns about every service whose `peers_required` its peer list can never reach.
#[must_use]
pub fn unreachable_peers(loaded: &Loaded, file: &Path, own_names: &[String]) -> Vec<Diagnostic> {
    let mut warnings = Vec::new();
    for place in loaded.places.iter().filter(|place| place.subject == Subject::Health) {
        let Some(service) = loaded.config.services.get(place.service) else { continue };
        let health = &service.health;
        let peers = peers_at_most(health, own_names);
        if peers >= health.peers_required {
            continue;
        }
        let message = format!(
            "peers_required is {}, but at most {peers} of the listed peers can ever count",
            health.peers_required
        );
        let hint = "a host does not count itself; until this is mended no running container of \
                    this service is ever replaced while it works";
        warnings.push(Diagnostic::of_place(file, place, Problem::new(message, hint)));
    }
    warnings
}

/// Peers that are not certainly this host: `localhost`, 127.0.0.1, `::1`, or a name of its own.
fn peers_at_most(health: &Health, own_names: &[String]) -> usize {
    let own = |host: &str| {
        ["localhost", "127.0.0.1", "::1"].contains(&host)
            || own_names.iter().any(|name| name.eq_ignore_ascii_case(host))
    };
    health.peer_urls.iter().filter(|url| !own(url.host())).count()
}
