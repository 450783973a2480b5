//! From a path to a configuration: finding the file, refusing one that others can write, and
//! falling back on the last good copy. Nothing here writes.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::config::value::{Problem, path};
use crate::config::{Diagnostic, FILE_BYTES_MAX, Loaded, last_good, parse};
use crate::sys::{fs, trust};

/// The name that is searched.
const FILE_NAME: &str = "renew.json";
/// Where the packages put it.
const SYSTEM_FILE: &str = "/etc/renew/renew.json";

/// Why a configuration could not be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadError {
    /// Everything that is wrong, at least one entry.
    pub errors: Vec<Diagnostic>,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        for (index, error) in self.errors.iter().enumerate() {
            let newline = if index == 0 { "" } else { "\n" };
            write!(f, "{newline}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for LoadError {}

/// What a run has to work with.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// The file loads.
    Good(Loaded),
    /// The file does not load; this is the copy that last did.
    LastGood {
        /// The copy.
        loaded: Loaded,
        /// What is wrong with the file.
        errors: Vec<Diagnostic>,
    },
    /// The file does not load and there is no copy.
    Bad(Vec<Diagnostic>),
}

/// Looks for renew.json from a directory upwards, then in `/etc/renew`.
#[must_use]
pub fn find(start_dir: &Path) -> Option<PathBuf> {
    let upwards = start_dir.ancestors().map(|dir| dir.join(FILE_NAME));
    upwards.chain([PathBuf::from(SYSTEM_FILE)]).find(|path| path.is_file())
}

/// Loads a configuration file.
///
/// # Errors
/// A file that cannot be read, that others can write (as root), or that is not valid.
pub fn load(path: &Path) -> Result<Loaded, LoadError> {
    read(path).and_then(|text| parse(&text, path)).map_err(|errors| LoadError { errors })
}

/// Loads a configuration file, or the copy that last loaded from this very path. Never writes:
/// who runs with a good configuration stores it with [`last_good::store`].
#[must_use]
pub fn load_or_last_good(path: &Path) -> Outcome {
    let text = read(path);
    let errors = match text.as_deref().map_err(Clone::clone).and_then(|text| parse(text, path)) {
        Ok(loaded) => return Outcome::Good(loaded),
        Err(errors) => errors,
    };
    match stored(path, &text.unwrap_or_default()) {
        Some(loaded) => Outcome::LastGood { loaded, errors },
        None => Outcome::Bad(errors),
    }
}

/// Reads the text of a configuration file, trusted and bounded.
///
/// # Errors
/// One entry: why it cannot be read.
pub fn read(path: &Path) -> Result<Vec<u8>, Vec<Diagnostic>> {
    let fail = |problem: Problem| vec![Diagnostic::of_file(path, problem)];
    let content =
        fs::read_bounded(path, FILE_BYTES_MAX).map_err(|cause| fail(unreadable(path, &cause)))?;
    trust::check(path).map_err(|distrust| fail(distrust.into()))?;
    Ok(content)
}

fn unreadable(path: &Path, cause: &io::Error) -> Problem {
    match cause.kind() {
        io::ErrorKind::NotFound => {
            Problem::new("does not exist", "name the configuration file with --config")
        }
        io::ErrorKind::PermissionDenied => {
            Problem::new("cannot be read: permission denied", "run renew as root or as its owner")
        }
        _ if path.is_dir() => {
            let hint = format!("name the file in it, like {}", path.join(FILE_NAME).display());
            Problem::new("is a directory", hint)
        }
        _ => format!("cannot be read: {cause}").into(),
    }
}

fn stored(config_path: &Path, text: &[u8]) -> Option<Loaded> {
    let absolute = path::normal(&std::path::absolute(config_path).ok()?);
    let dirs = last_good::likely_state_dirs(text, &absolute);
    dirs.iter().find_map(|dir| {
        let copy = last_good::load(dir).filter(|copy| copy.path == absolute)?;
        trust::check(dir).ok()?;
        let loaded = parse(copy.text.as_bytes(), &copy.path).ok()?;
        // A copy that was carried to another state directory is not this one's.
        (loaded.config.state_dir == *dir).then_some(loaded)
    })
}
