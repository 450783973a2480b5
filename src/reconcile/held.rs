//! Paths of the repository that are not yet as the target has them, and what that means for the
//! services that mount them. Pure.

use crate::gather::Gather;
use std::collections::{BTreeMap, BTreeSet};

/// The paths that did not move.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held(pub BTreeSet<String>);

impl Held {
    /// Whether a mounted file or folder has other content in the tree than the target declares.
    #[must_use]
    pub fn touches(&self, mounted: &str) -> bool {
        let below = |path: &String| {
            path.strip_prefix(mounted).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.0.iter().any(below)
    }

    /// Whether any of these mounted files and folders is held.
    #[must_use]
    pub fn touches_any(&self, files: &BTreeMap<String, String>) -> bool {
        files.keys().any(|path| self.touches(path))
    }

    /// What a container that is made now really mounts: of a held path the content it had.
    #[must_use]
    pub fn in_force(
        &self,
        declared: &BTreeMap<String, String>,
        past: Option<&BTreeMap<String, String>>,
    ) -> BTreeMap<String, String> {
        let real = |(path, oid): (&String, &String)| {
            let oid = if self.touches(path) { past?.get(path)? } else { oid };
            Some((path.clone(), oid.clone()))
        };
        declared.iter().filter_map(real).gather()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::Held;

    #[test]
    fn a_folder_is_touched_by_what_is_below_it() {
        let held = Held(["site/a.conf".to_owned(), "db.conf".to_owned()].into());
        for (path, touched) in
            [("site", true), ("site/a.conf", true), ("sit", false), ("db.conf", true), ("x", false)]
        {
            assert_eq!(held.touches(path), touched, "{path}");
        }
    }

    #[test]
    fn what_did_not_move_is_recorded_as_it_was() {
        let files = |list: &[(&str, &str)]| -> BTreeMap<String, String> {
            list.iter().map(|(path, oid)| ((*path).to_owned(), (*oid).to_owned())).collect()
        };
        let held = Held(["a".to_owned(), "new".to_owned()].into());
        let declared = files(&[("a", "2"), ("b", "2"), ("new", "2")]);
        let past = files(&[("a", "1"), ("b", "1")]);
        assert_eq!(held.in_force(&declared, Some(&past)), files(&[("a", "1"), ("b", "2")]));
        assert_eq!(held.in_force(&declared, None), files(&[("b", "2")]));
        assert_eq!(Held::default().in_force(&declared, None), declared);
    }
}
