//! What lies in the way of incoming paths. Untracked files are never touched: one in the way stops
//! the move, by name, before anything has changed, unless a checkout of ours left it half written.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::objects::{LINK, SUBMODULE};
use super::{Blob, Git, Move};
use crate::gather::Gather;
use crate::problem::Problem;

/// What is on disk where a path shall come.
enum Place<'m> {
    /// Nothing, or only what the move itself takes away.
    Free,
    /// An untracked file or link; fine if it is what comes anyway.
    Untracked(&'m Blob),
    /// Something that must not be touched.
    Taken(PathBuf),
}

impl Git<'_> {
    /// Refuses a move that would overwrite or delete what git does not know.
    ///
    /// # Errors
    /// The first untracked path in the way, by name; or git fails.
    pub fn refuse_obstacles(&self, moving: &[&Move]) -> Result<(), Problem> {
        let leaving: BTreeSet<&Path> = moving
            .iter()
            .filter(|change| change.to.is_none())
            .map(|change| Path::new(&change.name))
            .gather();
        let mut untracked = Vec::new();
        for change in moving {
            match self.place(change, &leaving) {
                Place::Free => {}
                Place::Untracked(to) => untracked.push((*change, to)),
                Place::Taken(by) => return Err(self.in_the_way(&by, change)),
            }
        }
        let wanted: Vec<(&OsStr, &Blob)> =
            untracked.iter().map(|(change, to)| (change.name.as_os_str(), *to)).collect();
        let disk = self.disk_oids(&wanted)?;
        let mut whole = true;
        for (change, to) in untracked {
            let is_it = disk.get(change.name.as_os_str()).is_some_and(|file| file.oid == to.oid);
            if !is_it {
                whole = false;
                if !self.is_torn(Path::new(&change.name), to) {
                    return Err(self.in_the_way(Path::new(&change.name), change));
                }
            }
        }
        if whole {
            self.checkout_is_whole();
        }
        Ok(())
    }

    fn place<'m>(&self, change: &'m Move, leaving: &BTreeSet<&Path>) -> Place<'m> {
        let Some(to) = &change.to else { return Place::Free };
        let path = Path::new(&change.name);
        for above in path.ancestors().skip(1).filter(|above| *above != Path::new("")) {
            let meta = self.top.join(above).symlink_metadata();
            match meta.is_ok_and(|meta| !meta.is_dir()) {
                // A link that leaves must not be looked through.
                true if leaving.contains(above) => return Place::Free,
                true => return Place::Taken(above.to_path_buf()),
                false => {}
            }
        }
        let Ok(meta) = self.top.join(path).symlink_metadata() else { return Place::Free };
        if meta.is_dir() {
            let is_submodule = to.mode == SUBMODULE;
            let foreign = if is_submodule { None } else { self.foreign_below(path, leaving) };
            return foreign.map_or(Place::Free, Place::Taken);
        }
        let kind_fits = if to.mode == LINK { meta.is_symlink() } else { meta.is_file() };
        match (&change.indexed, kind_fits) {
            // What git tracks may be replaced: local work in it is saved before.
            (Some(_), _) if meta.is_file() || meta.is_symlink() => Place::Free,
            (None, true) => Place::Untracked(to),
            (Some(_) | None, _) => Place::Taken(path.to_path_buf()),
        }
    }

    /// The first thing below a folder that does not leave with this move; empty folders may go.
    fn foreign_below(&self, folder: &Path, leaving: &BTreeSet<&Path>) -> Option<PathBuf> {
        let Ok(entries) = fs::read_dir(self.top.join(folder)) else {
            return Some(folder.to_path_buf());
        };
        let mut paths: Vec<_> =
            entries.flatten().map(|entry| folder.join(entry.file_name())).collect();
        paths.sort();
        paths.into_iter().find_map(|path| match self.top.join(&path).symlink_metadata() {
            Ok(meta) if meta.is_dir() => self.foreign_below(&path, leaving),
            Ok(_) if leaving.contains(path.as_path()) => None,
            Ok(_) | Err(_) => Some(path),
        })
    }

    fn in_the_way(&self, by: &Path, change: &Move) -> Problem {
        Problem::setup(
            "untracked_in_the_way",
            format!(
                "{} is not tracked by git, and the target brings {}",
                self.top.join(by).display(),
                change.path
            ),
            "move it away or delete it; nothing was changed",
        )
    }
}
