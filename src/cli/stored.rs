//! What the commands share that read or write stored state: the configuration and the services that
//! are meant. They ask neither git nor the network.

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use super::sync::{EXIT_SETUP, problems_of};
use super::{NO_CONFIG, ended, render};
use crate::config::{self, Config, Service};
use crate::problem::Problem;
use crate::reconcile::Report;
use crate::state::StateDir;

/// A configuration to find the state with.
pub struct Stored {
    /// The configuration, or the last one that loaded.
    pub config: Config,
    /// Why it is only that.
    pub broken: Vec<Problem>,
}

/// Loads the configuration, or the last one that did. Writes nothing.
///
/// # Errors
/// When there is neither.
pub fn load(path: Option<&Path>) -> Result<Stored, Vec<Problem>> {
    let Some(path) = path else {
        let (message, resolution) = NO_CONFIG;
        return Err(vec![Problem::setup("config", message, resolution)]);
    };
    match config::load_or_last_good(path) {
        config::Outcome::Good(loaded) => Ok(Stored { config: loaded.config, broken: Vec::new() }),
        config::Outcome::LastGood { loaded, errors } => {
            Ok(Stored { config: loaded.config, broken: problems_of(&errors) })
        }
        config::Outcome::Bad(errors) => Err(problems_of(&errors)),
    }
}

impl Stored {
    /// The services of this host that are named, or all of them.
    ///
    /// # Errors
    /// When the configuration has none of such a name, or not for this host.
    pub fn named(&self, names: &[String]) -> Result<Vec<&Service>, Problem> {
        if names.is_empty() {
            return Ok(self.config.here().collect());
        }
        for name in names {
            self.config.service_here(name)?;
        }
        let named = |service: &&Service| names.iter().any(|name| name == service.name.as_str());
        Ok(self.config.here().filter(named).collect())
    }

    /// The state directory.
    ///
    /// # Errors
    /// When others can write it.
    pub fn state(&self) -> Result<StateDir, Problem> {
        let state = StateDir::at(&self.config.state_dir);
        state.check()?;
        Ok(state)
    }
}

/// Prints a document, and answers the exit code.
pub fn print_json(document: &impl Serialize, code: u8) -> u8 {
    let mut out = io::stdout().lock();
    let written = serde_json::to_writer_pretty(&mut out, document).map_err(io::Error::from);
    ended(written.and_then(|()| writeln!(out)), code)
}

/// Prints text, and what went wrong beside it, and answers the exit code.
pub fn print_text(text: &str, problems: Vec<Problem>) -> u8 {
    let written = io::stdout().lock().write_all(text.as_bytes());
    let code = if problems.is_empty() { 0 } else { EXIT_SETUP };
    let report = Report { problems, ..Report::default() };
    ended(render::problems(&mut io::stderr().lock(), &report).and(written), code)
}
