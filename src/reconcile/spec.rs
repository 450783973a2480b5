//! What the configuration says of one stack: its compose files and how they are read.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::model::sha256;
use crate::state::Resolved;

/// One stack as the configuration describes it.
#[derive(Debug, Clone)]
pub struct StackSpec {
    /// Compose files relative to the root of the working tree, in merge order.
    pub files: Vec<PathBuf>,
    /// Active profiles.
    pub profiles: Vec<String>,
    /// The project, when the configuration names it.
    pub project: Option<String>,
}

impl StackSpec {
    /// The same in a word, to tell it from others.
    #[must_use]
    pub fn told(&self) -> String {
        format!("{self:?}")
    }

    /// The folder compose takes for the project directory: that of the first file, relative to the
    /// root of the working tree.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        let first = self.files.first().and_then(|file| file.parent());
        first.map(Path::to_path_buf).unwrap_or_default()
    }
}

/// SHA-256 of everything compose read for a stack and how it was asked: when it is the same and the
/// model is not, compose itself changed.
#[must_use]
pub fn inputs(resolved: &Resolved, spec: &StackSpec) -> String {
    let beside: Vec<(&PathBuf, String)> = resolved
        .untracked
        .iter()
        .map(|(path, _)| (path, fs::read(path).map(|c| sha256(&String::from_utf8_lossy(&c)))))
        .map(|(path, hash)| (path, hash.unwrap_or_default()))
        .collect();
    let read: &BTreeMap<String, String> = &resolved.tracked;
    sha256(&format!("{read:?} {beside:?} {spec:?} {:?}", resolved.env_sha256))
}
