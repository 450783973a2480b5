//! Files of the host that git is given: who may read and who may write them. Reads no secret and
//! changes nothing.

use std::fs::{self, Metadata};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use super::Git;
use crate::problem::Problem;
use crate::sys;

/// What a file is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guard {
    /// Nobody but the user that git runs as may read it.
    Secret,
    /// Everybody may read it, and only its owner may write it.
    Public,
}

/// The user that reads a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reader {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl Reader {
    /// This process, whose rights the kernel knows.
    pub(super) fn ourselves() -> Reader {
        Reader { uid: sys::env::effective_uid(), gid: u32::MAX }
    }
}

impl Git<'_> {
    /// The user that git runs as.
    pub(super) fn reader(&self) -> Reader {
        match &self.identity {
            Some(identity) => Reader { uid: identity.uid, gid: identity.gid },
            None => Reader::ourselves(),
        }
    }
}

/// Refuses a file that the wrong people can read or write, or that git could not read. A secret of
/// one user is never handed to another: the file has to belong to the user that git runs as.
pub(super) fn check(field: &str, path: &Path, guard: Guard, reader: Reader) -> Result<(), Problem> {
    let shown = path.display();
    let cannot_open = |cause: String| {
        let message = format!("cannot open {field} {shown}: {cause}");
        bad(message, format!("put the file there, or correct {field}"))
    };
    let real = fs::canonicalize(path).map_err(|cause| cannot_open(cause.to_string()))?;
    let meta = fs::metadata(&real).map_err(|cause| cannot_open(cause.to_string()))?;
    if !meta.is_file() {
        return Err(cannot_open("it is not a file".to_owned()));
    }
    match guard {
        Guard::Secret => check_secret(field, path, &meta, reader)?,
        Guard::Public => check_public(field, path, &meta, reader)?,
    }
    match real.ancestors().skip(1).find(|dir| !may_enter(dir, reader)) {
        Some(dir) => Err(bad(
            format!(
                "git runs as user {}, who cannot reach {field} {shown}: {} is closed to others",
                reader.uid,
                dir.display()
            ),
            "keep the file in a folder that the owner of the tree can enter".to_owned(),
        )),
        None => Ok(()),
    }
}

fn check_secret(field: &str, path: &Path, meta: &Metadata, reader: Reader) -> Result<(), Problem> {
    let (shown, mode) = (path.display(), meta.permissions().mode() & 0o7777);
    if mode & 0o077 != 0 {
        return Err(bad(
            format!("{field} {shown} is open to others (mode {mode:04o})"),
            format!("run `chmod 600 {shown}`, and replace the secret if others could read it"),
        ));
    }
    if meta.uid() != reader.uid {
        return Err(bad(
            format!(
                "{field} {shown} belongs to user {}, and git runs as user {}, the owner of the tree",
                meta.uid(),
                reader.uid
            ),
            format!("run `chown {} {shown}`, or let the tree belong to the other", reader.uid),
        ));
    }
    Ok(())
}

fn check_public(field: &str, path: &Path, meta: &Metadata, reader: Reader) -> Result<(), Problem> {
    let (shown, mode) = (path.display(), meta.permissions().mode() & 0o7777);
    if mode & 0o022 != 0 {
        return Err(bad(
            format!("others can change {field} {shown} (mode {mode:04o})"),
            format!("run `chmod go-w {shown}`"),
        ));
    }
    let ours = sys::env::effective_uid();
    if ![0, ours, reader.uid].contains(&meta.uid()) {
        return Err(bad(
            format!("{field} {shown} belongs to user {}, who can change it", meta.uid()),
            format!("run `chown {ours} {shown}`"),
        ));
    }
    if !has(meta, reader, 0o4) {
        return Err(bad(
            format!("git runs as user {}, who cannot read {field} {shown}", reader.uid),
            format!("run `chmod a+r {shown}`: there is no secret in it"),
        ));
    }
    Ok(())
}

fn may_enter(dir: &Path, reader: Reader) -> bool {
    fs::metadata(dir).is_ok_and(|meta| has(&meta, reader, 0o1))
}

/// Whether somebody has a right (4 read, 1 enter) by mode. Children get no supplementary groups,
/// so these three classes are all there is; for ourselves the kernel has answered already.
fn has(meta: &Metadata, reader: Reader, right: u32) -> bool {
    if reader.uid == sys::env::effective_uid() {
        return true;
    }
    let shift = match (meta.uid() == reader.uid, meta.gid() == reader.gid) {
        (true, _) => 6,
        (false, true) => 3,
        (false, false) => 0,
    };
    meta.permissions().mode() >> shift & right != 0
}

fn bad(message: String, resolution: String) -> Problem {
    Problem::setup("git_credentials", message, resolution)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::{Guard, Reader, check};
    use crate::sys;

    #[test]
    fn modes_and_readers() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        let path = dir.path().join("key");
        fs::write(&path, "x").unwrap();
        let uid = sys::env::effective_uid();
        let me = Reader { uid, gid: u32::MAX };
        let other = Reader { uid: uid + 77, gid: u32::MAX };
        let cases = [
            (0o600, Guard::Secret, me, ""),
            (0o400, Guard::Secret, me, ""),
            (0o640, Guard::Secret, me, "chmod 600"),
            (0o604, Guard::Secret, me, "chmod 600"),
            (0o600, Guard::Secret, other, "chown"),
            (0o644, Guard::Public, me, ""),
            (0o644, Guard::Public, other, ""),
            (0o600, Guard::Public, other, "chmod a+r"),
            (0o664, Guard::Public, me, "chmod go-w"),
            (0o646, Guard::Public, me, "chmod go-w"),
        ];
        for (mode, guard, reader, way_out) in cases {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let said =
                check("repo.x", &path, guard, reader).err().map(|p| p.into_parts().resolution);
            match way_out {
                "" => assert_eq!(said, None, "{mode:o} {guard:?}"),
                words => assert!(said.unwrap().contains(words), "{mode:o} {guard:?}"),
            }
        }
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o700)).unwrap();
        assert!(check("repo.x", &path, Guard::Public, other).is_err(), "a closed folder");
        assert!(check("repo.x", &dir.path().join("none"), Guard::Public, me).is_err());
        assert!(check("repo.x", dir.path(), Guard::Public, me).is_err(), "a folder is no file");
    }
}
