//! In which paths the working tree differs from a commit. Looks at content, not at times, and
//! changes nothing, not even the index.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use super::disk::OnDisk;
use super::objects::SUBMODULE;
use super::{Blob, Commit, Git};
use crate::problem::Problem;

/// The key of the problem that somebody is in the middle of a merge.
pub const UNMERGED: &str = "unmerged";

/// One path in which the working tree differs from the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// The path inside the repository.
    pub path: String,
    /// What it is in the target; nothing when the target does not have it.
    pub to: Option<Blob>,
    /// What it is in the index, if the index has it.
    pub(super) indexed: Option<Blob>,
    /// What its file was, if it had to be looked into; it was expected to be as in the target.
    pub(super) on_disk: Option<OnDisk>,
    /// The path to the byte: a name need not be UTF-8.
    pub(super) name: OsString,
}

impl Move {
    /// The same once the index was taught its target, as [`Git::follow`] does for what stays. Nothing
    /// where that may settle it: the file is as in the target already, or somebody else's to move.
    #[must_use]
    pub fn taught(&self) -> Option<Move> {
        let elsewhere = self.to.as_ref().is_some_and(|to| to.mode == SUBMODULE);
        if self.on_disk.is_some() || elsewhere {
            return None;
        }
        let mut taught = self.clone();
        if let (Some(to), Some(indexed)) = (&self.to, &mut taught.indexed) {
            indexed.clone_from(to);
        }
        Some(taught)
    }
}

impl Git<'_> {
    /// Every tracked path in which the working tree differs from `target`; one git process when
    /// there is none.
    ///
    /// # Errors
    /// When git cannot compare, or a merge is in progress.
    pub fn differences(&self, target: &Commit) -> Result<Vec<Move>, Problem> {
        let raw = self.raw_diff(&[&target.id])?;
        if raw.is_empty() {
            return Ok(Vec::new());
        }
        let index = self.index()?;
        if let Some(name) = &index.conflict {
            return Err(self.unmerged(name));
        }
        // A file that was only touched, or copied with the tree, is listed too: look inside.
        let doubtful: Vec<(&OsStr, &Blob)> = raw
            .iter()
            .filter(|line| is_zero(&line.new.oid))
            .filter_map(|line| Some((line.name.as_os_str(), line.old.as_ref()?)))
            .filter(|(_, blob)| blob.mode != SUBMODULE)
            .collect();
        let disk = self.disk_oids(&doubtful)?;
        let to_move = |line: &RawLine| Move {
            path: line.name.to_string_lossy().into_owned(),
            to: line.old.clone(),
            indexed: index.paths.get(&line.name).cloned(),
            on_disk: disk.get(line.name.as_os_str()).cloned(),
            name: line.name.clone(),
        };
        let differs = |line: &&RawLine| {
            !line.is_settled(index.paths.get(&line.name), disk.get(line.name.as_os_str()))
        };
        Ok(raw.iter().filter(differs).map(to_move).collect())
    }

    /// `git diff-index --raw` of the working tree against a commit, with more arguments.
    pub(super) fn raw_diff(&self, args: &[&str]) -> Result<Vec<RawLine>, Problem> {
        let fixed = ["diff-index", "--raw", "-z", "--no-abbrev", "--no-renames"];
        let done = self.check(&[&fixed[..], args, &["--"]].concat())?;
        Ok(parse_raw(&done.stdout))
    }

    fn unmerged(&self, name: &OsStr) -> Problem {
        let top = self.top.display();
        Problem::setup(
            UNMERGED,
            format!("{} has a merge conflict in {top}", name.to_string_lossy()),
            format!("finish that merge, or give it up: `git -C {top} merge --abort`"),
        )
    }
}

/// One record of `git diff-index --raw -z`: the old side is the commit, the new side the files.
#[derive(Debug)]
pub(super) struct RawLine {
    /// What the commit has.
    pub(super) old: Option<Blob>,
    /// What the tree or the index has; its object id is zero when the file has to be looked at.
    pub(super) new: Blob,
    /// The path.
    pub(super) name: OsString,
}

impl RawLine {
    /// Whether index and file are what the commit says after all.
    fn is_settled(&self, indexed: Option<&Blob>, on_disk: Option<&OnDisk>) -> bool {
        let Some(old) = &self.old else { return false };
        if indexed != Some(old) {
            return false;
        }
        // What is checked out in a submodule is not ours to move.
        old.mode == SUBMODULE
            || (old.mode == self.new.mode && on_disk.is_some_and(|file| file.oid == old.oid))
    }
}

fn is_zero(oid: &str) -> bool {
    oid.bytes().all(|byte| byte == b'0')
}

fn parse_raw(bytes: &[u8]) -> Vec<RawLine> {
    let mut parts = bytes.split(|byte| *byte == 0);
    let mut lines = Vec::new();
    while let (Some(head), Some(name)) = (parts.next(), parts.next()) {
        let head = String::from_utf8_lossy(head);
        let fields: Vec<&str> = head.trim_start_matches(':').split(' ').collect();
        let [old_mode, new_mode, old_oid, new_oid, _] = fields[..] else { continue };
        let blob = |mode: &str, oid: &str| Blob { mode: mode.to_owned(), oid: oid.to_owned() };
        lines.push(RawLine {
            old: (!is_zero(old_mode)).then(|| blob(old_mode, old_oid)),
            new: blob(new_mode, new_oid),
            name: OsStr::from_bytes(name).to_owned(),
        });
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::parse_raw;

    #[test]
    fn raw_differences_are_read() {
        let zero = "0".repeat(40);
        let text = format!(
            ":100644 100644 aa {zero} M\0a b.txt\0:100644 000000 bb {zero} D\0gone\0\
             :000000 100644 {zero} cc A\0new\0"
        );
        let lines = parse_raw(text.as_bytes());
        let got: Vec<_> = lines.iter().map(|l| format!("{} {:?}", l.new.mode, l.name)).collect();
        assert_eq!(got, [r#"100644 "a b.txt""#, r#"000000 "gone""#, r#"100644 "new""#]);
        assert_eq!(lines[0].old.as_ref().map(|old| old.oid.as_str()), Some("aa"));
        assert_eq!(lines[2].old, None);
        assert_eq!(lines[2].new.oid, "cc");
    }
}
