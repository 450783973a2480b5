//! Moving the working tree to the target, path by path. What would vanish is saved first; untracked
//! files are never touched: one in the way stops the move, by name.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::{Commit, Git, Standing};
use crate::problem::Problem;

/// Object id of nothing in a raw diff: the file has to be looked at.
fn is_zero(oid: &str) -> bool {
    oid.bytes().all(|byte| byte == b'0')
}

/// One path in which the working tree differs from the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// The path inside the repository.
    pub path: String,
    /// Mode and object id in the target; nothing when the target does not have it.
    pub to: Option<(String, String)>,
    /// Whether the index has the path.
    tracked: bool,
}

/// Where a move goes from and to, and what it carries.
#[derive(Debug)]
pub struct Moves<'m> {
    /// Where the tree stands.
    pub from: &'m Standing,
    /// Where it goes.
    pub target: &'m Commit,
    /// The paths that move.
    pub moving: Vec<&'m Move>,
    /// The paths that stay for now; only the index learns of their target.
    pub held: Vec<&'m Move>,
    /// The last part of the name under which local work is saved: a time.
    pub save_as: &'m str,
}

impl Git<'_> {
    /// Every tracked path in which the working tree differs from `target`; one git process when
    /// there is none.
    ///
    /// # Errors
    /// When git cannot compare.
    pub fn differences(&self, target: &Commit) -> Result<Vec<Move>, Problem> {
        let done = self.check(&["diff-index", "--raw", "-z", "--no-renames", &target.id, "--"])?;
        let raw = parse_raw(&done.stdout);
        if raw.is_empty() {
            return Ok(Vec::new());
        }
        // A file that was only touched, or copied with the tree, is listed too: look inside.
        let doubtful: Vec<&str> = raw
            .iter()
            .filter(|line| line.status != 'A' && is_zero(&line.new_oid))
            .map(|line| line.path.as_str())
            .filter(|path| self.top.join(path).symlink_metadata().is_ok_and(|m| m.is_file()))
            .collect();
        let hashes = self.hash_files(&doubtful)?;
        let tracked = self.tracked()?;
        let differs = |line: &&RawLine| {
            let same_content = hashes.get(&line.path).is_some_and(|oid| *oid == line.old_oid);
            !same_content || !tracked.contains_key(&line.path) || line.mode_changed()
        };
        let to_move = |line: &RawLine| Move {
            path: line.path.clone(),
            to: (line.status != 'A').then(|| (line.old_mode.clone(), line.old_oid.clone())),
            tracked: tracked.contains_key(&line.path),
        };
        Ok(raw.iter().filter(differs).map(to_move).collect())
    }

    /// Moves the tree. Returns the name of the reference under which local work was saved, if any
    /// would have vanished.
    ///
    /// # Errors
    /// When an untracked file is in the way (nothing was moved then), or git fails.
    pub fn follow(&self, moves: &Moves<'_>) -> Result<Option<String>, Problem> {
        self.refuse_collisions(&moves.moving)?;
        let saved = self.save_local_work(moves)?;
        if !moves.moving.is_empty() {
            let mut paths = Vec::new();
            for change in &moves.moving {
                paths.extend_from_slice(change.path.as_bytes());
                paths.push(0);
            }
            let args = [
                "checkout",
                "--quiet",
                "--no-overlay",
                "--pathspec-from-file=-",
                "--pathspec-file-nul",
                &moves.target.id,
            ];
            self.check_fed(&args, Some(paths))?;
        }
        self.index_held(&moves.held, moves.target)?;
        if moves.from.head.id != moves.target.id {
            let [to, from] = [&moves.target.id, &moves.from.head.id];
            self.check(&["update-ref", "-m", "renew: follow", &moves.from.branch, to, from])?;
        }
        Ok(saved)
    }

    /// Teaches the index the target of paths whose files stay, so that only they look modified.
    fn index_held(&self, held: &[&Move], target: &Commit) -> Result<(), Problem> {
        if held.is_empty() {
            return Ok(());
        }
        let mut feed = String::new();
        for change in held {
            let nothing = ("0".to_owned(), "0".repeat(target.id.len()));
            let (mode, oid) = change.to.as_ref().unwrap_or(&nothing);
            feed.push_str(&format!("{mode} {oid}\t{}\0", change.path));
        }
        self.check_fed(&["update-index", "-z", "--index-info"], Some(feed.into_bytes()))?;
        Ok(())
    }

    fn refuse_collisions(&self, moving: &[&Move]) -> Result<(), Problem> {
        let incoming: Vec<&&Move> =
            moving.iter().filter(|change| change.to.is_some() && !change.tracked).collect();
        if incoming.is_empty() {
            return Ok(());
        }
        let tracked = self.tracked()?;
        for change in incoming {
            let path = Path::new(&change.path);
            let in_the_way = path.ancestors().find(|part| {
                let there = self.top.join(part).symlink_metadata();
                let name = part.to_string_lossy();
                there.is_ok_and(|meta| {
                    let file_above = *part != path && !meta.is_dir();
                    (*part == path || file_above) && !tracked.contains_key(name.as_ref())
                })
            });
            let Some(in_the_way) = in_the_way else { continue };
            let same = self.hash_files(&[&change.path])?.get(&change.path)
                == change.to.as_ref().map(|(_, oid)| oid);
            let empty_dir =
                fs::read_dir(self.top.join(in_the_way)).is_ok_and(|mut d| d.next().is_none());
            if !same && !empty_dir {
                return Err(Problem::setup(
                    "untracked_in_the_way",
                    format!(
                        "{} is not tracked by git, and the target brings {}",
                        self.top.join(in_the_way).display(),
                        change.path
                    ),
                    "move it away or delete it; nothing was changed",
                ));
            }
        }
        Ok(())
    }

    /// Saves local edits and local commits under `refs/renew/saved/`, if the move would lose any.
    fn save_local_work(&self, moves: &Moves<'_>) -> Result<Option<String>, Problem> {
        let edited = self.has_local_edits(&moves.moving)?;
        let [head, target] = [&moves.from.head.id, &moves.target.id];
        let diverged =
            head != target && !self.run(&["merge-base", "--is-ancestor", head, target])?.ok();
        let commit = if edited {
            let made = self.check(&[
                "-c",
                "user.name=renew",
                "-c",
                "user.email=renew@localhost",
                "stash",
                "create",
                "local work that renew moved aside",
            ])?;
            made.text().trim().to_owned()
        } else {
            String::new()
        };
        let commit = match (commit.as_str(), diverged) {
            ("", false) => return Ok(None),
            ("", true) => head.as_str(),
            (commit, _) => commit,
        };
        let name = format!("refs/renew/saved/{}", moves.save_as);
        self.check(&["update-ref", &name, commit])?;
        Ok(Some(name))
    }

    /// Whether a moving path carries content that no commit has: its blob is unknown to the object
    /// store, or somebody staged it.
    fn has_local_edits(&self, moving: &[&Move]) -> Result<bool, Problem> {
        let present: Vec<&str> = moving
            .iter()
            .filter(|change| change.tracked)
            .map(|change| change.path.as_str())
            .filter(|path| self.top.join(path).symlink_metadata().is_ok_and(|m| m.is_file()))
            .collect();
        if present.is_empty() {
            return Ok(false);
        }
        let staged = self.check(&["diff-index", "--cached", "--raw", "-z", "HEAD", "--"])?;
        let staged = parse_raw(&staged.stdout);
        if staged.iter().any(|line| present.contains(&line.path.as_str())) {
            return Ok(true);
        }
        let hashes = self.hash_files(&present)?;
        let mut feed: String = hashes.values().map(|oid| format!("{oid}\n")).collect();
        feed.push('\n');
        let done = self.run_fed(&["cat-file", "--batch-check"], Some(feed.into_bytes()))?;
        Ok(done.text().lines().any(|line| {
            line.split_once(' ').is_some_and(|(oid, rest)| !oid.is_empty() && rest == "missing")
        }))
    }

    /// The object ids that git would give these files of the working tree.
    fn hash_files(&self, paths: &[&str]) -> Result<BTreeMap<String, String>, Problem> {
        if paths.is_empty() {
            return Ok(BTreeMap::new());
        }
        // One path a line: a name with a line break in it is simply not looked into.
        let plain: Vec<&str> = paths.iter().copied().filter(|path| !path.contains('\n')).collect();
        let feed: String = plain.iter().map(|path| format!("{path}\n")).collect();
        let done = self.run_fed(&["hash-object", "--stdin-paths"], Some(feed.into_bytes()))?;
        let text = done.text();
        Ok(plain
            .iter()
            .map(|path| (*path).to_owned())
            .zip(text.lines().map(str::to_owned))
            .collect())
    }
}

/// One record of `git diff-index --raw -z`: the old side is the tree, the new side the files.
struct RawLine {
    old_mode: String,
    new_mode: String,
    old_oid: String,
    new_oid: String,
    status: char,
    path: String,
}

impl RawLine {
    fn mode_changed(&self) -> bool {
        self.old_mode != self.new_mode
    }
}

fn parse_raw(bytes: &[u8]) -> Vec<RawLine> {
    let text = String::from_utf8_lossy(bytes);
    let mut parts = text.split('\0');
    let mut lines = Vec::new();
    while let (Some(head), Some(path)) = (parts.next(), parts.next()) {
        let fields: Vec<&str> = head.trim_start_matches(':').split(' ').collect();
        let [old_mode, new_mode, old_oid, new_oid, status] = fields[..] else { continue };
        lines.push(RawLine {
            old_mode: old_mode.to_owned(),
            new_mode: new_mode.to_owned(),
            old_oid: old_oid.to_owned(),
            new_oid: new_oid.to_owned(),
            status: status.chars().next().unwrap_or('M'),
            path: path.to_owned(),
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
        let got: Vec<_> = lines.iter().map(|l| format!("{}{}", l.status, l.path)).collect();
        assert_eq!(got, ["Ma b.txt", "Dgone", "Anew"]);
        assert!(lines[1].mode_changed());
    }
}
