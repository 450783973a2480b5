//! A temporary folder of whoever git runs as, for files and tools that check signatures. Holds no
//! secret, and is gone when dropped.

use std::fs;
use std::io;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use super::Git;
use crate::problem::Problem;
use crate::sys;
use crate::sys::exec::{Done, ExecError, Job};
use crate::sys::fs::TempDir;

/// The folder, and who it is for.
pub(super) struct Room<'g> {
    git: &'g Git<'g>,
    dir: TempDir,
}

impl<'g> Room<'g> {
    /// Makes one for the user that this git runs as.
    pub(super) fn of(git: &'g Git<'g>) -> Result<Room<'g>, Problem> {
        let dir = TempDir::create_in(&std::env::temp_dir()).map_err(|cause| no_room(&cause))?;
        let room = Room { git, dir };
        room.give(room.path())?;
        Ok(room)
    }

    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Puts a file into it.
    pub(super) fn put(&self, name: &str, content: &[u8]) -> Result<PathBuf, Problem> {
        let path = self.path().join(name);
        fs::write(&path, content).map_err(|cause| no_room(&cause))?;
        self.give(&path)?;
        Ok(path)
    }

    fn give(&self, path: &Path) -> Result<(), Problem> {
        match &self.git.identity {
            Some(identity) => {
                chown(path, Some(identity.uid), Some(identity.gid)).map_err(|cause| no_room(&cause))
            }
            None => Ok(()),
        }
    }

    /// Runs a tool in it, as the user that git runs as; for gpg it is the home.
    pub(super) fn run(&self, program: &str, args: &[&str]) -> Result<Done, Problem> {
        let mut job = Job::new(program, self.git.deadline)
            .env("PATH", sys::env::search_path())
            .env("HOME", self.path())
            .env("GNUPGHOME", self.path())
            .env("LANG", "C.UTF-8")
            .args(args);
        job.cwd = Some(self.path().to_path_buf());
        job.identity.clone_from(&self.git.identity);
        self.git.exec.run(&job).map_err(|error| match error {
            ExecError::NotFound(_) => tool_missing(program),
            ExecError::Cancelled => Problem::interrupted(),
            ExecError::Io(..) | ExecError::Deadline(..) | ExecError::TooMuchOutput(_) => {
                Problem::setup("git_failed", error.to_string(), "check memory and disk of the host")
            }
        })
    }
}

fn no_room(cause: &io::Error) -> Problem {
    Problem::setup(
        "temp_dir",
        format!("cannot make temporary files: {cause}"),
        format!("make {} writable, with some room on it", std::env::temp_dir().display()),
    )
}

/// The problem of a tool that is not there.
pub(super) fn tool_missing(program: &str) -> Problem {
    let package = if program == "gpg" { "gpg" } else { "openssh-client" };
    Problem::setup(
        "signature_tool",
        format!("{program} is not installed: signatures cannot be checked"),
        format!("install it (`apt install {package}`)"),
    )
}
