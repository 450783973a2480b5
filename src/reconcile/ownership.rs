//! What belongs to which service. A path that no service uses follows the branch; one that a service
//! uses moves with that service's run. A compose service belongs to whom it was last seen with.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::todo::Key;
use crate::config::Service;
use crate::git::Move;
use crate::state::{Record, StateDir};

/// Who uses which paths, and has which compose services.
#[derive(Debug, Default)]
pub struct Ownership {
    /// Service name to the paths it uses; a folder stands for all below it.
    used: BTreeMap<String, BTreeSet<String>>,
    /// Compose services to those whose record has them, in the order of the configuration.
    kept: BTreeMap<Key, Vec<String>>,
    /// The configuration file: never held back, or a broken one could not be mended by a push.
    config: Option<PathBuf>,
}

impl Ownership {
    /// Reads who uses what from the records. A service that never ran is taken to use all that
    /// lies in the folders of its compose files. One that is not meant for this `host` uses nothing:
    /// no run of it would ever move what it held back. Compose files are named from `base`.
    #[must_use]
    pub fn read(
        services: &[Service],
        host: &str,
        base: &Path,
        state: &StateDir,
        config: Option<&Path>,
    ) -> Ownership {
        let names = [host.to_owned()];
        let mut all = Ownership { config: config.map(Path::to_path_buf), ..Ownership::default() };
        for service in services.iter().filter(|service| service.runs_on(&names)) {
            let name = service.name.as_str();
            let Record { paths, projects, .. } = state.record(name).unwrap_or_default();
            let paths = if paths.is_empty() { folders(service, base) } else { paths };
            all.add(name, paths);
            for (project, past) in projects {
                for compose_service in past.services.into_keys() {
                    let key = (project.clone(), compose_service);
                    all.kept.entry(key).or_default().push(name.to_owned());
                }
            }
        }
        all
    }

    /// The services whose record has a compose service, in the order of the configuration.
    #[must_use]
    pub fn keepers(&self, compose_service: &Key) -> &[String] {
        self.kept.get(compose_service).map_or(&[], Vec::as_slice)
    }

    /// Adds what a service uses at the target.
    pub fn add(&mut self, service: &str, paths: BTreeSet<String>) {
        self.used.entry(service.to_owned()).or_default().extend(paths);
    }

    /// All that a service uses.
    #[must_use]
    pub fn of(&self, service: &str) -> BTreeSet<String> {
        self.used.get(service).cloned().unwrap_or_default()
    }

    /// Whether a service uses a path.
    #[must_use]
    pub fn uses(&self, service: &str, path: &str) -> bool {
        self.used.get(service).is_some_and(|used| covers(used, path))
    }

    /// Whether a path follows the branch, whatever the services do.
    #[must_use]
    pub fn is_free(&self, change: &Move) -> bool {
        let path = &change.path;
        self.config.as_deref() == Some(Path::new(path))
            || !self.used.values().any(|used| covers(used, path))
    }

    /// The other services that use a path.
    #[must_use]
    pub fn others(&self, service: &str, path: &str) -> Vec<&str> {
        let other = |(name, used): &(&String, &BTreeSet<String>)| {
            name.as_str() != service && covers(used, path)
        };
        self.used.iter().filter(other).map(|(name, _)| name.as_str()).collect()
    }
}

/// Whether a path is one of these or lies below one.
#[must_use]
pub fn covers(used: &BTreeSet<String>, path: &str) -> bool {
    used.contains("")
        || Path::new(path).ancestors().any(|part| used.contains(part.to_string_lossy().as_ref()))
}

fn folders(service: &Service, base: &Path) -> BTreeSet<String> {
    let folder = |file: &PathBuf| {
        base.join(file).parent().map(|dir| dir.to_string_lossy().into_owned()).unwrap_or_default()
    };
    service.stacks.iter().flatten().map(folder).collect()
}
