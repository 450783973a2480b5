//! The first clone of a repository whose tree does not exist yet. It appears whole or not at all, and
//! never over what is there.

use std::fs;
use std::io;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::remote_url::check_url;
use super::unreachable::no_such_branch;
use super::{Access, Git, Move, Moves, access, owner_of};
use crate::problem::Problem;
use crate::sys::exec::Exec;
use crate::sys::fs::{TempDir, create_private_dir, sweep_dead};

/// What is cloned.
#[derive(Debug, Clone, Copy)]
pub struct Source<'s> {
    /// The address of the repository.
    pub url: &'s str,
    /// The name that the remote gets.
    pub remote: &'s str,
    /// The branch that is checked out; no other is fetched.
    pub branch: &'s str,
}

impl<'a> Git<'a> {
    /// Clones into `dir`, which is not there, or is in no git tree. It is made beside and put into
    /// place with one rename: an interrupted clone leaves nothing of the tree.
    ///
    /// A folder that is there keeps its owner and what is in it: it gets the git directory, then
    /// every file of the branch, unless one of its own is in the way of one. A new folder is ours.
    ///
    /// # Errors
    /// When the address is not acceptable, the remote cannot be reached or refuses, the branch is
    /// not there, `dir` is in a repository already, or a file in it is in the way; or the disk says
    /// no.
    pub fn clone_to(
        source: &Source<'_>,
        dir: &Path,
        access: &Access,
        deadline: Duration,
        exec: &'a dyn Exec,
    ) -> Result<Git<'a>, Problem> {
        check_url(source.url)?;
        let beside = Beside::of(dir).map_err(|cause| cannot_make(dir, &cause))?;
        let (identity, home) = owner_of(if dir.exists() { dir } else { beside.temp.path() })?;
        let temp = beside.temp.path().to_path_buf();
        if let Some(identity) = &identity {
            for path in [&beside.place, &temp] {
                chown(path, Some(identity.uid), Some(identity.gid))
                    .map_err(|cause| cannot_make(dir, &cause))?;
            }
        }
        let mut git = Git {
            exec,
            deadline,
            git_dir: temp.clone(),
            top: temp,
            base: PathBuf::new(),
            env: Vec::new(),
            identity,
            home,
            means: access::Means::default(),
            record: None,
        };
        git.means = git.means_for(source.url, access)?;
        match dir.exists() {
            true => git.clone_around(source, dir)?,
            false => git.clone_anew(source, dir)?,
        }
        let opened = Git::open(dir, deadline, exec)?;
        Ok(Git { means: git.means, ..opened })
    }

    fn clone_anew(&self, source: &Source<'_>, dir: &Path) -> Result<(), Problem> {
        let made = self.run_clone(source, &[])?;
        put(&made, dir).map_err(|cause| cannot_make(dir, &cause))
    }

    /// Only the git directory is put into place, in one step; a run that is killed after it finds a
    /// tree whose files are missing, and brings them.
    fn clone_around(&self, source: &Source<'_>, dir: &Path) -> Result<(), Problem> {
        if fs::canonicalize(dir).is_ok_and(|real| super::find(&real).is_some()) {
            return Err(Problem::setup(
                "repo_dir",
                format!("{} is in a repository already", dir.display()),
                "remove repo.url, or correct repo.dir",
            ));
        }
        let made = self.run_clone(source, &["--no-checkout"])?;
        put(&made.join(".git"), &dir.join(".git")).map_err(|cause| cannot_make(dir, &cause))?;
        let git = Git::open(dir, self.deadline, self.exec)?;
        let standing = git.standing(source.remote, source.branch)?;
        let differences = git.differences(&standing.head)?;
        let moving: Vec<&Move> = differences.iter().collect();
        let target = &standing.head;
        let moves = Moves { from: &standing, target, moving, held: Vec::new(), save_as: "clone" };
        git.follow(&moves)?;
        Ok(())
    }

    fn run_clone(&self, source: &Source<'_>, more: &[&str]) -> Result<PathBuf, Problem> {
        let made = self.top.join("tree");
        let name = made.to_string_lossy().into_owned();
        let fixed = [
            // What the rename shows must be on disk, references and index too.
            "-c",
            "core.fsync=all",
            "clone",
            "--quiet",
            "--single-branch",
            "--no-tags",
            "--no-recurse-submodules",
            "--template=",
            "--origin",
            source.remote,
            "--branch",
            source.branch,
        ];
        let done = self.run(&[&fixed[..], more, &["--", source.url, &name]].concat())?;
        if done.ok() {
            return Ok(made);
        }
        if done.complaint().contains(&format!("Remote branch {} not found", source.branch)) {
            return Err(no_such_branch(&super::redact(source.url), source.branch));
        }
        let problem = self.unreachable(&super::redact(source.url), source.branch, &done);
        let resolution = match (&*problem.reason, &self.means.hint) {
            ("git_fetch", _) => "check repo.url, the network and the git server".to_owned(),
            ("git_auth", None) => format!(
                "let `git ls-remote {}` work without a question as the user that renew runs as, or \
                 set repo.ssh_key_file or repo.token_file",
                super::redact(source.url)
            ),
            _ => return Err(problem),
        };
        Err(problem.mended_by(resolution))
    }
}

/// A temporary folder beside the one to make, on the same file system.
struct Beside {
    temp: TempDir,
    place: PathBuf,
}

impl Beside {
    fn of(dir: &Path) -> io::Result<Beside> {
        let name = dir.file_name().ok_or_else(|| io::Error::other("it has no name"))?;
        let parent = dir.parent().ok_or_else(|| io::Error::other("it has no parent folder"))?;
        fs::create_dir_all(parent)?;
        // A folder that is there may be a file system of its own.
        let around = if dir.exists() { dir } else { parent };
        let place = around.join(format!(".{}.renew-clone", name.to_string_lossy()));
        create_private_dir(&place)?;
        sweep_dead(&place)?;
        let temp = TempDir::create_in(&place)?;
        Ok(Beside { temp, place })
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.temp.path());
        // Fails while another clone is under way, which removes it then.
        let _ = fs::remove_dir(&self.place);
    }
}

fn put(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    fs::File::open(to.parent().unwrap_or(to))?.sync_all()
}

fn cannot_make(dir: &Path, cause: &io::Error) -> Problem {
    Problem::setup(
        "repo_dir",
        format!("cannot make a clone in {}: {cause}", dir.display()),
        "check that folder and the disk, or correct repo.dir",
    )
}
