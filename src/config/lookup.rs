//! Finding a service by its name, and what to say when there is none.

use super::{Config, Service};
use crate::nearest::nearest;
use crate::problem::Problem;
use crate::sys::env;

/// More names are not listed.
const NAMES_MAX: usize = 8;

impl Config {
    /// The service of this name.
    #[must_use]
    pub fn service(&self, name: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.name.as_str() == name)
    }

    /// The services that are meant for this host.
    pub fn here(&self) -> impl Iterator<Item = &Service> {
        let host = [env::hostname()];
        self.services.iter().filter(move |service| service.runs_on(&host))
    }

    /// The service of this name, if it is meant for this host.
    ///
    /// # Errors
    /// When there is none, or it is not for this host.
    pub fn service_here(&self, name: &str) -> Result<&Service, Problem> {
        self.here()
            .find(|service| service.name.as_str() == name)
            .ok_or_else(|| self.unknown(name).unwrap_or_else(|| not_for_this_host(name)))
    }

    /// What to say of a name that no service has; nothing if one has it.
    #[must_use]
    pub fn unknown(&self, name: &str) -> Option<Problem> {
        if self.service(name).is_some() {
            return None;
        }
        let names: Vec<&str> = self.services.iter().map(|service| service.name.as_str()).collect();
        let message =
            format!("there is no service `{}` in {}", name.escape_debug(), self.path.display());
        let resolution = match nearest(name, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if names.len() <= NAMES_MAX => format!("it has {}", names.join(", ")),
            None => "`renew validate` lists them".to_owned(),
        };
        Some(Problem::setup("config", message, resolution))
    }
}

/// Why nothing is done to a service that the configuration has.
fn not_for_this_host(name: &str) -> Problem {
    let message = format!("{name} is not for this host ({})", env::hostname());
    Problem::setup("config", message, "see its `hosts` in renew.json")
}
