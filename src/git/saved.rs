//! Local work that a move would make vanish goes under `refs/renew/saved/` first. Never decides
//! what moves, and never takes an old committed version for work.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::disk::OnDisk;
use super::{Blob, Git, Move, Moves};
use crate::gather::Gather;
use crate::problem::Problem;

/// How many objects one look through the history searches for: arguments have a limit.
const SOUGHT_MAX: usize = 1000;

/// How many commits are looked at before all are: what a push usually brings, and more.
const NEWEST: &str = "--max-count=32";

/// How many saves may bear the same time.
const NAMES_MAX: usize = 1000;

impl Git<'_> {
    /// Saves local edits and local commits, if the move would lose any. Returns the reference.
    pub(super) fn save_local_work(
        &self,
        moves: &Moves<'_>,
        moving: &[&Move],
    ) -> Result<Option<String>, Problem> {
        let [head, target] = [&moves.from.head.id, &moves.target.id];
        let diverged =
            head != target && !self.run(&["merge-base", "--is-ancestor", head, target])?.ok();
        let edits = match self.has_local_edits(moves, moving)? {
            true => self.record_edits(moving)?,
            false => None,
        };
        // The record of edits has the local commits below it.
        match edits.or_else(|| diverged.then(|| head.clone())) {
            Some(commit) => self.save(&commit, moves.save_as).map(Some),
            None => Ok(None),
        }
    }

    /// Saves local edits alone: no commit is left behind.
    pub(super) fn save_edits(
        &self,
        moves: &Moves<'_>,
        moving: &[&Move],
    ) -> Result<Option<String>, Problem> {
        if !self.has_local_edits(moves, moving)? {
            return Ok(None);
        }
        match self.record_edits(moving)? {
            Some(commit) => self.save(&commit, moves.save_as).map(Some),
            None => Ok(None),
        }
    }

    /// Gives a commit the first free name.
    fn save(&self, commit: &str, save_as: &str) -> Result<String, Problem> {
        for count in 1..=NAMES_MAX {
            let name = match count {
                1 => format!("refs/renew/saved/{save_as}"),
                _ => format!("refs/renew/saved/{save_as}-{count}"),
            };
            if self.run(&["rev-parse", "--quiet", "--verify", &name])?.ok() {
                continue;
            }
            self.check(&["update-ref", &name, commit, ""])?;
            return Ok(name);
        }
        Err(Problem::setup(
            "git_failed",
            format!("local work cannot be saved: {NAMES_MAX} names for {save_as} are taken"),
            "delete old ones: `git for-each-ref refs/renew/saved`, `git update-ref -d NAME`",
        ))
    }

    /// A commit of all edits in the tree, as `git stash` makes it; nothing if git sees none.
    fn record_edits(&self, moving: &[&Move]) -> Result<Option<String>, Problem> {
        // Files that git was told not to look at would be missing from the record.
        let mut names = Vec::new();
        for change in moving.iter().filter(|change| change.indexed.is_some()) {
            names.extend_from_slice(change.name.as_bytes());
            names.push(0);
        }
        for look_again in ["--no-assume-unchanged", "--no-skip-worktree"] {
            self.check_fed(&["update-index", look_again, "-z", "--stdin"], Some(names.clone()))?;
        }
        let made = self.check(&["stash", "create", "local work that renew moved aside"])?;
        let commit = made.text().trim().to_owned();
        Ok((!commit.is_empty()).then_some(commit))
    }

    /// Whether a moving path carries content, staged or not, that no commit has.
    fn has_local_edits(&self, moves: &Moves<'_>, moving: &[&Move]) -> Result<bool, Problem> {
        let tracked: Vec<(&Move, &Blob)> =
            moving.iter().filter_map(|change| Some((*change, change.indexed.as_ref()?))).collect();
        if tracked.is_empty() {
            return Ok(false);
        }
        // What the index has of the commit that is checked out is nobody's work.
        let taught = |(change, indexed): &(&Move, &Blob)| change.to.as_ref() == Some(indexed);
        let staged = match moves.from.head.id == moves.target.id && tracked.iter().all(taught) {
            true => Vec::new(),
            false => self.raw_diff(&["--cached", &moves.from.head.id])?,
        };
        let staged: BTreeSet<&OsStr> = staged.iter().map(|line| line.name.as_os_str()).gather();
        let unread: Vec<(&OsStr, &Blob)> = tracked
            .iter()
            .filter(|(change, indexed)| self.known(change, indexed).is_none())
            .map(|(change, indexed)| (change.name.as_os_str(), *indexed))
            .collect();
        let disk = self.disk_oids(&unread)?;
        let mut sought = Vec::new();
        for (change, indexed) in tracked {
            let name = change.name.as_os_str();
            let in_index = staged.contains(name).then_some(&indexed.oid);
            let on_disk = self.known(change, indexed).or_else(|| disk.get(name));
            let on_disk = on_disk.map(|file| &file.oid).filter(|oid| **oid != indexed.oid);
            let target = change.to.as_ref().map(|to| &to.oid);
            let work = in_index.into_iter().chain(on_disk).filter(|oid| Some(*oid) != target);
            sought.extend(work.map(|oid| (oid, name)));
        }
        self.has_uncommitted(moves, sought)
    }

    /// What a file was found to be when it was expected to be as in the target, as long as that is
    /// what it would be found to be now that it is expected to be as in the index.
    fn known<'m>(&self, change: &'m Move, indexed: &Blob) -> Option<&'m OnDisk> {
        let as_expected = change.to.as_ref() == Some(indexed);
        let found = change.on_disk.as_ref()?;
        let known = as_expected || found.oid == indexed.oid;
        (known && found.is_still(&self.top.join(&change.name))).then_some(found)
    }

    /// Whether one of these contents, each with a path that has it, is in no commit.
    fn has_uncommitted(
        &self,
        moves: &Moves<'_>,
        mut sought: Vec<(&String, &OsStr)>,
    ) -> Result<bool, Problem> {
        if sought.is_empty() {
            return Ok(false);
        }
        // Mostly it is what was checked out before the branch moved.
        let before = &moves.from.before.as_ref().unwrap_or(&moves.from.head).id;
        let mut feed = Vec::new();
        for (oid, name) in &sought {
            feed.extend_from_slice(format!("{oid}\n{before}:").as_bytes());
            feed.extend(name.as_bytes().iter().filter(|byte| **byte != b'\n'));
            feed.push(b'\n');
        }
        let done = self.check_fed(&["cat-file", "--batch-check"], Some(feed))?;
        let text = done.text();
        let answers: Vec<&str> = text.lines().collect();
        let is_missing = |answer: &&str| answer.ends_with(" missing");
        if answers.len() != 2 * sought.len() || answers.iter().step_by(2).any(is_missing) {
            return Ok(true);
        }
        let was_checked_out = |oid: &str, there: &str| there.split(' ').next() == Some(oid);
        let mut there = answers.into_iter().skip(1).step_by(2);
        sought.retain(|(oid, _)| there.next().is_none_or(|there| !was_checked_out(oid, there)));
        let rest: BTreeSet<&String> = sought.into_iter().map(|(oid, _)| oid).gather();
        Ok(!rest.is_empty() && !self.all_committed(&moves.target.id, &rest)?)
    }

    /// Whether every one of these came or went with a commit that a reference leads to. Mostly that
    /// is one of the newest before the target, which replaces it; only for files that stayed behind
    /// earlier moves the whole history is looked through.
    fn all_committed(&self, target: &str, oids: &BTreeSet<&String>) -> Result<bool, Problem> {
        let newest = ["rev-list", NEWEST, target];
        Ok(self.came_or_went(&newest, oids)? || self.came_or_went(&["rev-list", "--all"], oids)?)
    }

    /// Whether all these objects came or went with the commits that git lists.
    fn came_or_went(&self, list: &[&str], oids: &BTreeSet<&String>) -> Result<bool, Problem> {
        let commits = self.check(list)?.stdout;
        let fixed = "diff-tree --stdin -r -m --root --raw --no-abbrev --no-renames --no-commit-id";
        let sought: Vec<&&String> = oids.iter().collect();
        for chunk in sought.chunks(SOUGHT_MAX) {
            let mut args: Vec<String> = fixed.split(' ').map(str::to_owned).collect();
            args.extend(chunk.iter().map(|oid| format!("--find-object={oid}")));
            let done = self.check_fed(&args, Some(commits.clone()))?;
            let text = done.text();
            let found: BTreeSet<&str> = text.split_whitespace().gather();
            if !chunk.iter().all(|oid| found.contains(oid.as_str())) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
