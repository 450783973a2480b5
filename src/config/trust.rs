//! Whose word root takes: a configuration, state directory or script that others can write is
//! refused, because it could make root run anything. It changes nothing.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use crate::config::value::Problem;
use crate::sys::env::effective_uid;

const GROUP_OR_OTHERS_WRITE: u32 = 0o022;
const STICKY: u32 = 0o1000;

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
pub fn check(path: &Path) -> Result<(), Problem> {
    if effective_uid() != 0 {
        return Ok(());
    }
    let io = |cause: io::Error| Problem::from(format!("cannot be looked at: {cause}"));
    let path = std::path::absolute(path).map_err(io)?;
    let target = fs::canonicalize(&path).map_err(io)?;
    for name in [&path, &target] {
        let dir = name.parent().unwrap_or(Path::new("/"));
        let facts = Facts::of(&fs::metadata(name).map_err(io)?);
        let above = Facts::of(&fs::metadata(dir).map_err(io)?);
        judge(facts, above, name, dir)?;
    }
    Ok(())
}

/// The file belongs to root, or to the owner of its directory (a tree kept by its own user).
fn judge(file: Facts, dir: Facts, path: &Path, dir_path: &Path) -> Result<(), Problem> {
    let mend = |path: &Path| format!("chmod go-w {}", path.display());
    if file.mode & GROUP_OR_OTHERS_WRITE != 0 {
        let message = "can be written by its group or by others, and renew runs as root";
        return Err(Problem::new(message, mend(path)));
    }
    if dir.mode & GROUP_OR_OTHERS_WRITE != 0 && dir.mode & STICKY == 0 {
        let message =
            "is in a directory that its group or others can write, and renew runs as root";
        return Err(Problem::new(message, mend(dir_path)));
    }
    if file.uid != 0 && file.uid != dir.uid {
        let message = format!("belongs to user {}, and renew runs as root", file.uid);
        return Err(Problem::new(message, format!("chown root {}", path.display())));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Facts, judge};

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
            let said = verdict.err().and_then(|problem| problem.hint);
            assert_eq!(said.as_deref(), hint, "{of_file:?} in {of_dir:?}");
        }
    }
}
