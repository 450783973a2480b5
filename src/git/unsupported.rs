//! What a target may ask of git that renew does not do: submodules and large file storage. Only says
//! so; it never fetches from another repository.

use std::collections::BTreeMap;

use super::{Entry, Git, Kind};
use crate::problem::Problem;

/// Something in a target whose content renew does not bring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unsupported {
    /// The path of a submodule: its folder stays as it is.
    Submodule(String),
    /// A `.gitattributes` that keeps files in large file storage: only their pointers come.
    LargeFiles(String),
}

impl Unsupported {
    /// What to tell a person.
    #[must_use]
    pub fn problem(&self) -> Problem {
        match self {
            Unsupported::Submodule(path) => Problem::setup(
                "unsupported_submodule",
                format!("{path} is a submodule: its files are not brought"),
                "keep those files in this repository, or put them there by other means",
            ),
            Unsupported::LargeFiles(path) => Problem::setup(
                "unsupported_lfs",
                format!("{path} keeps files in git LFS: only pointers are brought, no content"),
                "keep files that services use out of LFS",
            ),
        }
    }

    /// Whether this may be about a path of the repository.
    #[must_use]
    pub fn concerns(&self, path: &str) -> bool {
        let below = |folder: &str| {
            folder.is_empty()
                || path.strip_prefix(folder).is_some_and(|p| p.is_empty() || p.starts_with('/'))
        };
        match self {
            Unsupported::Submodule(folder) => below(folder),
            Unsupported::LargeFiles(file) => {
                below(file.rsplit_once('/').map_or("", |(dir, _)| dir))
            }
        }
    }
}

impl Git<'_> {
    /// What renew does not bring of a tree, given its list. Starts no process unless the tree has
    /// a `.gitattributes`.
    ///
    /// # Errors
    /// When git cannot read one of those.
    pub fn unsupported(&self, list: &BTreeMap<String, Entry>) -> Result<Vec<Unsupported>, Problem> {
        let submodules = list.iter().filter(|(_, entry)| entry.kind == Kind::Submodule);
        let mut found: Vec<_> =
            submodules.map(|(path, _)| Unsupported::Submodule(path.clone())).collect();
        let is_file = |entry: &Entry| entry.kind == Kind::File;
        let attributes: Vec<(&String, &Entry)> = list
            .iter()
            .filter(|(path, entry)| {
                path.rsplit('/').next() == Some(".gitattributes") && is_file(entry)
            })
            .collect();
        let entries: Vec<&Entry> = attributes.iter().map(|(_, entry)| *entry).collect();
        let contents = self.contents(&entries)?;
        for (path, entry) in attributes {
            if contents.get(&entry.oid).is_some_and(|content| names_lfs(content)) {
                found.push(Unsupported::LargeFiles(path.clone()));
            }
        }
        Ok(found)
    }
}

/// Whether a line gives some path the filter `lfs` (gitattributes(5)).
fn names_lfs(attributes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(attributes);
    text.lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .any(|line| line.split_whitespace().skip(1).any(|word| word == "filter=lfs"))
}

#[cfg(test)]
mod tests {
    use super::{Unsupported, names_lfs};

    #[test]
    fn attributes_that_name_lfs() {
        let cases = [
            ("*.bin filter=lfs diff=lfs merge=lfs -text\n", true),
            ("a\n\t*.iso  -text filter=lfs", true),
            ("# *.bin filter=lfs\n", false),
            ("filter=lfs text\n", false),
            ("*.bin filter=lfsx\n", false),
            ("", false),
        ];
        for (text, expected) in cases {
            assert_eq!(names_lfs(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn what_a_path_has_to_do_with_it() {
        let submodule = Unsupported::Submodule("lib/x".to_owned());
        let root = Unsupported::LargeFiles(".gitattributes".to_owned());
        let deep = Unsupported::LargeFiles("web/.gitattributes".to_owned());
        let cases = [
            (&submodule, "lib/x", true),
            (&submodule, "lib/x/a", true),
            (&submodule, "lib/xy", false),
            (&root, "anything/at/all", true),
            (&deep, "web/logo.png", true),
            (&deep, "webs/logo.png", false),
        ];
        for (what, path, expected) in cases {
            assert_eq!(what.concerns(path), expected, "{what:?} {path}");
        }
    }
}
