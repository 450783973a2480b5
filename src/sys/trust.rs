//! Whose word root takes: a configuration, state directory or script that others can write is
//! refused, because it could make root run anything. It changes nothing.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::sys::env::effective_uid;

const GROUP_OR_OTHERS_WRITE: u32 = 0o022;
const STICKY: u32 = 0o1000;

/// Why a path is not to be trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distrust {
    /// Who else could change it; reads on from the path.
    pub why: String,
    /// The command that mends it, if there is one.
    pub mend: Option<String>,
}

impl Distrust {
    fn new(why: impl Into<String>, mend: String) -> Distrust {
        Distrust { why: why.into(), mend: Some(mend) }
    }

    fn unseen(cause: &io::Error) -> Distrust {
        Distrust { why: format!("cannot be looked at: {cause}"), mend: None }
    }
}

/// What matters about a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Facts {
    uid: u32,
    mode: u32,
}

impl Facts {
    fn of(meta: &Metadata) -> Facts {
        Facts { uid: meta.uid(), mode: meta.permissions().mode() }
    }
}

/// Checks a file or directory that tells renew what to do. Only root has something to lose here:
/// for anybody else there is nothing to check.
///
/// Both the name and what it leads to are judged, each with the directory that holds it.
///
/// # Errors
/// Says who else could change it, and the command that mends it.
pub fn check(path: &Path) -> Result<(), Distrust> {
    if effective_uid() != 0 {
        return Ok(());
    }
    let unseen = |cause: io::Error| Distrust::unseen(&cause);
    let path = std::path::absolute(path).map_err(unseen)?;
    let place = |name: &Path, facts: Facts| {
        let dir = name.parent().unwrap_or(Path::new("/"));
        let above = Facts::of(&fs::metadata(dir).map_err(unseen)?);
        judge(facts, above, name, dir)
    };
    let own = fs::symlink_metadata(&path).map_err(unseen)?;
    if own.is_symlink() {
        // The mode of a link says nothing; who made it can lead it elsewhere. Judged before it is
        // followed: from a sticky directory the kernel follows no stranger's (proc(5),
        // protected_symlinks).
        place(&path, Facts { uid: own.uid(), mode: 0 })?;
    }
    let target = fs::canonicalize(&path).map_err(unseen)?;
    let facts = Facts::of(&fs::metadata(&target).map_err(unseen)?);
    if !own.is_symlink() {
        place(&path, facts)?;
    }
    place(&target, facts)
}

/// Checks a directory of ours that may not be there yet, with all directories above it: who can
/// write one of those can put another in the place of what is below. In a sticky one, such as `/tmp`,
/// only what is there already counts, and it has to belong to root.
///
/// # Errors
/// As [`check`].
pub fn check_way(dir: &Path) -> Result<(), Distrust> {
    if effective_uid() != 0 {
        return Ok(());
    }
    let dir = std::path::absolute(dir).map_err(|cause| Distrust::unseen(&cause))?;
    match dir.symlink_metadata() {
        Ok(_) => check(&dir)?,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
        Err(cause) => return Err(Distrust::unseen(&cause)),
    }
    let there = dir.ancestors().find_map(|above| Some((fs::canonicalize(above).ok()?, above)));
    let (real, found) = there.unwrap_or_else(|| (PathBuf::from("/"), Path::new("/")));
    let own = usize::from(found == dir);
    for above in real.ancestors().skip(own) {
        let meta = fs::metadata(above).map_err(|cause| Distrust::unseen(&cause))?;
        judge_above(Facts::of(&meta), above)?;
    }
    Ok(())
}

/// The file belongs to root, or to the owner of its directory (a tree kept by its own user).
fn judge(file: Facts, dir: Facts, path: &Path, dir_path: &Path) -> Result<(), Distrust> {
    if file.mode & GROUP_OR_OTHERS_WRITE != 0 {
        let why = "can be written by its group or by others, and renew runs as root";
        return Err(Distrust::new(why, close(path)));
    }
    if dir.mode & GROUP_OR_OTHERS_WRITE != 0 && dir.mode & STICKY == 0 {
        let why = "is in a directory that its group or others can write, and renew runs as root";
        return Err(Distrust::new(why, close(dir_path)));
    }
    if file.uid != 0 && file.uid != dir.uid {
        let why = format!("belongs to user {}, and renew runs as root", file.uid);
        return Err(Distrust::new(why, format!("chown root {}", path.display())));
    }
    Ok(())
}

fn judge_above(dir: Facts, path: &Path) -> Result<(), Distrust> {
    if dir.mode & GROUP_OR_OTHERS_WRITE == 0 || dir.mode & STICKY != 0 {
        return Ok(());
    }
    let why = format!(
        "is below {}, which its group or others can write, and renew runs as root",
        path.display()
    );
    Err(Distrust::new(why, close(path)))
}

fn close(path: &Path) -> String {
    format!("chmod go-w {}", path.display())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Facts, judge, judge_above};

    #[test]
    fn who_is_trusted() {
        let file = |uid, mode| Facts { uid, mode };
        for (of_file, of_dir, hint) in [
            (file(0, 0o100_644), file(0, 0o40_755), None),
            (file(1000, 0o100_600), file(1000, 0o40_755), None),
            (file(0, 0o100_644), file(0, 0o41_777), None),
            (file(0, 0o100_664), file(0, 0o40_755), Some("chmod go-w /d/f")),
            (file(0, 0o100_646), file(0, 0o40_755), Some("chmod go-w /d/f")),
            (file(0, 0o100_644), file(0, 0o40_777), Some("chmod go-w /d")),
            (file(0, 0o100_644), file(0, 0o40_775), Some("chmod go-w /d")),
            (file(1000, 0o100_644), file(0, 0o40_755), Some("chown root /d/f")),
            (file(1000, 0o100_644), file(0, 0o41_777), Some("chown root /d/f")),
        ] {
            let verdict = judge(of_file, of_dir, Path::new("/d/f"), Path::new("/d"));
            let said = verdict.err().and_then(|problem| problem.mend);
            assert_eq!(said.as_deref(), hint, "{of_file:?} in {of_dir:?}");
        }
    }

    #[test]
    fn whose_directory_ours_may_lie_below() {
        for (mode, expected) in [
            (0o40_755, None),
            (0o41_777, None),
            (0o40_775, Some("chmod go-w /d")),
            (0o40_777, Some("chmod go-w /d")),
        ] {
            let verdict = judge_above(Facts { uid: 0, mode }, Path::new("/d"));
            assert_eq!(verdict.err().and_then(|p| p.mend).as_deref(), expected, "{mode:o}");
        }
    }
}
