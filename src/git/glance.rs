//! One look that finds a settled tree settled: what is checked out, on which branch, and that nothing
//! differs from it, out of one git process. It never says what differs, and changes nothing.

use super::{Git, is_id};
use crate::sys::exec::Done;

/// By content where times differ, as all looks of ours; what is checked out in a submodule is not
/// ours to move; and ahead or behind is not counted, only told from even (git-status(1)).
const STATUS: [&str; 8] = [
    "status",
    "--porcelain=v2",
    "--branch",
    "-z",
    "--untracked-files=no",
    "--no-renames",
    "--no-ahead-behind",
    "--ignore-submodules=dirty",
];

impl Git<'_> {
    /// The commit that is checked out, if all is as it should be: `branch` is checked out, index and
    /// files are that commit's, and the remote-tracking branch is that commit too. In any other
    /// case, and in any doubt, nothing.
    #[must_use]
    pub fn settled_at(&self, remote: &str, branch: &str) -> Option<String> {
        let done = self.run(&STATUS).ok().filter(Done::ok)?;
        settled(&done.text(), branch, &format!("{remote}/{branch}"))
    }
}

fn settled(text: &str, branch: &str, upstream: &str) -> Option<String> {
    let (mut id, mut on_branch, mut follows, mut even) = (None, false, false, false);
    for record in text.split('\0').filter(|record| !record.is_empty()) {
        // Whatever is no header is a path that differs.
        let header = record.strip_prefix("# ")?;
        match header.split_once(' ')? {
            ("branch.oid", oid) => id = is_id(oid).then(|| oid.to_owned()),
            ("branch.head", name) => on_branch = name == branch,
            ("branch.upstream", name) => follows = name == upstream,
            ("branch.ab", counts) => even = counts == "+0 -0",
            _ => {}
        }
    }
    id.filter(|_| on_branch && follows && even)
}

#[cfg(test)]
mod tests {
    use super::settled;

    #[test]
    fn only_a_settled_tree_is_settled() {
        let id = "a".repeat(40);
        let whole = format!(
            "# branch.oid {id}\0# branch.head main\0# branch.upstream origin/main\0# branch.ab +0 -0\0"
        );
        let look = |text: &str| settled(text, "main", "origin/main");
        assert_eq!(look(&whole), Some(id.clone()));
        assert_eq!(look(&format!("{whole}# stash 2\0")), Some(id));
        for (from, to) in [
            ("branch.head main", "branch.head (detached)"),
            ("upstream origin/main", "upstream origin/other"),
            ("# branch.upstream origin/main\0", ""),
            ("+0 -0", "+? -?"),
            ("+0 -0", "+1 -0"),
            ("# branch.ab +0 -0\0", ""),
            ("oid aaaa", "oid (initial)"),
            ("+0 -0\0", "+0 -0\x001 .M N... 100644 100644 100644 aa bb f\0"),
            ("+0 -0\0", "+0 -0\0u UU N... 100644 100644 100644 100644 aa bb cc f\0"),
        ] {
            assert_eq!(look(&whole.replace(from, to)), None, "{to}");
        }
    }
}
