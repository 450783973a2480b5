//! Moving the working tree to the target, path by path. What would vanish is saved first; untracked
//! files are never touched: one in the way stops the move, by name.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::{Commit, Git, Move, Standing};
use crate::gather::Gather;
use crate::problem::Problem;

/// Where a move goes from and to, and what it carries.
#[derive(Debug)]
pub struct Moves<'m> {
    /// Where the tree stands.
    pub from: &'m Standing,
    /// Where it goes.
    pub target: &'m Commit,
    /// The paths that move. One that cannot move without a held one, because a file becomes a
    /// folder or the other way round, stays with it.
    pub moving: Vec<&'m Move>,
    /// The paths that stay for now; only the index learns of their target.
    pub held: Vec<&'m Move>,
    /// The last part of the name under which local work is saved: a time.
    pub save_as: &'m str,
}

impl Git<'_> {
    /// Moves the tree. Returns the name of the reference under which local work was saved, if any
    /// would have vanished.
    ///
    /// # Errors
    /// When an untracked file is in the way (nothing was moved then), or git fails.
    pub fn follow(&self, moves: &Moves<'_>) -> Result<Option<String>, Problem> {
        let moving = movable(moves);
        self.refuse_obstacles(&moving)?;
        let saved = self.save_local_work(moves, &moving)?;
        self.check_out(&moving, moves.target)?;
        let leaves = moving.iter().any(|change| change.to.is_none());
        if moves.from.head.id != moves.target.id || leaves || !moves.held.is_empty() {
            self.mend_index(moves)?;
        }
        if moves.from.head.id != moves.target.id {
            let [to, from] = [&moves.target.id, &moves.from.head.id];
            self.check(&["update-ref", "-m", "renew: follow", &moves.from.branch, to, from])?;
        }
        Ok(saved)
    }

    /// Takes single paths to an earlier commit; the branch stays where it is. Local edits in them are
    /// saved first; returns the reference. The index is mended by the next [`Git::follow`].
    ///
    /// # Errors
    /// When an untracked file is in the way (nothing was moved then), or git fails.
    pub fn go_back(&self, moves: &Moves<'_>) -> Result<Option<String>, Problem> {
        let moving = movable(moves);
        self.refuse_obstacles(&moving)?;
        let saved = self.save_edits(moves, &moving)?;
        self.check_out(&moving, moves.target)?;
        Ok(saved)
    }

    /// Brings files and index to the target in these paths, and only in these.
    fn check_out(&self, moving: &[&Move], target: &Commit) -> Result<(), Problem> {
        if moving.is_empty() {
            return Ok(());
        }
        let coming: BTreeSet<&Path> = moving
            .iter()
            .filter(|change| change.to.is_some())
            .map(|change| Path::new(&change.name))
            .gather();
        let mut feed = Vec::new();
        for change in moving {
            // A folder that gives way to a file takes its files with it; git knows them no longer.
            let above = Path::new(&change.name).ancestors().skip(1);
            if change.to.is_none() && above.into_iter().any(|above| coming.contains(above)) {
                continue;
            }
            feed.extend_from_slice(change.name.as_bytes());
            feed.push(0);
        }
        let args = [
            "checkout",
            "--quiet",
            "--no-overlay",
            "--pathspec-from-file=-",
            "--pathspec-file-nul",
            &target.id,
        ];
        self.checkout_begins();
        self.check_fed(&args, Some(feed))?;
        self.checkout_is_whole();
        Ok(())
    }

    /// Teaches the index the target of changed files that stay, so that they look modified, and to
    /// forget what neither the target nor the disk has. It keeps what it has of paths that come or
    /// go later: what it forgot would never move again.
    fn mend_index(&self, moves: &Moves<'_>) -> Result<(), Problem> {
        let mut feed = Vec::new();
        let mut add = |mode: &str, oid: &str, name: &OsStr| {
            feed.extend_from_slice(format!("{mode} {oid}\t").as_bytes());
            feed.extend_from_slice(name.as_bytes());
            feed.push(0);
        };
        for change in &moves.held {
            let (Some(to), Some(indexed)) = (&change.to, &change.indexed) else { continue };
            if to != indexed {
                add(&to.mode, &to.oid, &change.name);
            }
        }
        let nothing = "0".repeat(moves.target.id.len());
        for line in self.raw_diff(&["--cached", &moves.target.id])? {
            if line.old.is_none() && self.top.join(&line.name).symlink_metadata().is_err() {
                add("0", &nothing, &line.name);
            }
        }
        if feed.is_empty() {
            return Ok(());
        }
        self.check_fed(&["update-index", "-z", "--index-info"], Some(feed))?;
        Ok(())
    }
}

/// The moving paths without those that lie above or below one that stays, or would lie there.
fn movable<'m>(moves: &Moves<'m>) -> Vec<&'m Move> {
    let mut moving = moves.moving.clone();
    let mut stays: Vec<&Move> = moves.held.clone();
    let mut staying: BTreeSet<&Path> = BTreeSet::new();
    let mut above_staying: BTreeSet<&Path> = BTreeSet::new();
    while !stays.is_empty() {
        for change in stays.drain(..) {
            let path = Path::new(&change.name);
            staying.insert(path);
            above_staying.extend(path.ancestors().skip(1));
        }
        let (stay, go): (Vec<&Move>, Vec<&Move>) = moving.into_iter().partition(|change| {
            let path = Path::new(&change.name);
            above_staying.contains(path) || path.ancestors().any(|above| staying.contains(above))
        });
        stays = stay;
        moving = go;
    }
    moving
}
