//! What the remote branch means now: fetched for a run, looked up without a trace for a plan.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use super::unreachable::no_such_branch;
use super::{Commit, Git};
use crate::problem::Problem;
use crate::sys::exec::{Done, Exit};
use crate::sys::fs::TempDir;

/// What every fetch leaves alone: `FETCH_HEAD`, tags, other branches, submodules.
const FETCH: [&str; 6] = [
    "fetch",
    "--quiet",
    "--no-write-fetch-head",
    "--no-tags",
    "--no-prune",
    "--no-recurse-submodules",
];

/// `git ls-remote --exit-code` says this when nothing matches.
const NO_SUCH_REF: Exit = Exit::Code(2);

/// What asking the remote brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// The branch is where it was.
    None,
    /// Another commit, which the repository has now.
    Fetched,
}

/// What the remote branch is, and a git that can read it.
pub struct Fetched<'a> {
    /// Reads the repository, and what was fetched beside it.
    pub git: Git<'a>,
    /// The commit of the remote branch.
    pub target: Commit,
    /// Holds the objects that a look brought; gone when dropped.
    _objects: Option<TempDir>,
}

impl<'a> Git<'a> {
    /// Fetches the remote branch into its remote-tracking branch. Writes nothing when nothing
    /// changed: no `FETCH_HEAD`, no tags, no housekeeping.
    ///
    /// # Errors
    /// When the remote cannot be reached, refuses, or has no such branch.
    pub fn fetch(&self, remote: &str, branch: &str) -> Result<(), Problem> {
        self.may_ask()?;
        let refspec = format!("+refs/heads/{branch}:refs/remotes/{remote}/{branch}");
        let done = self.run_fetch(remote, &[], &["--", remote, &refspec])?;
        if done.ok() { Ok(()) } else { Err(self.unreachable(&self.called(remote), branch, &done)) }
    }

    /// Fetches the remote branch if it is another commit than `known`, which the repository has. To
    /// ask first costs a quarter of a fetch that finds nothing new.
    ///
    /// # Errors
    /// As [`Git::fetch`].
    pub fn fetch_news(
        &self,
        remote: &str,
        branch: &str,
        known: Option<&Commit>,
    ) -> Result<News, Problem> {
        let id = self.remote_id(remote, branch)?;
        if known.is_some_and(|known| known.id == id) {
            return Ok(News::None);
        }
        self.fetch(remote, branch)?;
        Ok(News::Fetched)
    }

    /// Whether the remote may be asked: not as a stranger where there should be credentials.
    pub(super) fn may_ask(&self) -> Result<(), Problem> {
        self.means.lacking.clone().map_or(Ok(()), Err)
    }

    /// The id of the commit that the remote branch is now.
    fn remote_id(&self, remote: &str, branch: &str) -> Result<String, Problem> {
        self.may_ask()?;
        let full = format!("refs/heads/{branch}");
        let done = self
            .run(&["ls-remote", "--exit-code", "--", remote, &full])
            .map_err(|problem| self.naming(remote, problem))?;
        let text = done.text();
        // A pattern also matches the end of longer names.
        let id = text.lines().filter_map(|line| line.split_once('\t')).find(|(_, r)| *r == full);
        match (id, done.exit) {
            (Some((id, _)), _) => Ok(id.to_owned()),
            (None, Exit::Code(0) | NO_SUCH_REF) => {
                Err(no_such_branch(&self.called(remote), branch))
            }
            (None, _) => Err(self.unreachable(&self.called(remote), branch, &done)),
        }
    }

    /// Learns what the remote branch is. Leaves the repository byte for byte as it is: objects it
    /// lacks go to a temporary place.
    ///
    /// # Errors
    /// As [`Git::fetch`].
    pub fn look(&self, remote: &str, branch: &str) -> Result<Fetched<'a>, Problem> {
        let id = self.remote_id(remote, branch)?;
        if let Some(target) = self.commit(&id)? {
            return Ok(Fetched { git: self.clone(), target, _objects: None });
        }
        self.fetch_aside(remote, branch, &id)
    }

    fn fetch_aside(&self, remote: &str, branch: &str, id: &str) -> Result<Fetched<'a>, Problem> {
        let full = format!("refs/heads/{branch}");
        let aside = TempDir::create_in(&std::env::temp_dir()).map_err(|cause| {
            Problem::setup(
                "temp_dir",
                format!("cannot make a temporary folder: {cause}"),
                format!("make {} writable", std::env::temp_dir().display()),
            )
        })?;
        if let Some(identity) = &self.identity {
            // The fetch runs as the owner of the tree, who must be able to write here.
            let _ = chown(aside.path(), Some(identity.uid), Some(identity.gid));
        }
        let mut git = self.clone();
        git.env.push(("GIT_OBJECT_DIRECTORY".into(), aside.path().to_path_buf()));
        git.env.push(("GIT_ALTERNATE_OBJECT_DIRECTORIES".into(), quoted(&self.objects_dir())));
        // One pack: to unpack would freshen the times of objects that the repository has already.
        let pack = ["-c", "fetch.unpackLimit=1"];
        let done = git.run_fetch(remote, &pack, &["--refmap=", "--", remote, &full])?;
        if !done.ok() {
            return Err(self.unreachable(&self.called(remote), branch, &done));
        }
        let target = git.commit(id)?.ok_or_else(|| {
            Problem::setup(
                "git_fetch",
                format!("{remote}/{branch} moved while it was fetched"),
                "try again",
            )
        })?;
        Ok(Fetched { git, target, _objects: Some(aside) })
    }

    /// Since 2.48 a fetch also writes `refs/remotes/<remote>/HEAD`, unless told not to.
    fn run_fetch(&self, remote: &str, how: &[&str], args: &[&str]) -> Result<Done, Problem> {
        let setting = format!("remote.{remote}.followRemoteHEAD=never");
        self.run(&[how, &["-c", &setting], &FETCH[..], args].concat())
            .map_err(|problem| self.naming(remote, problem))
    }

    /// The commit with this id, if the repository has it.
    ///
    /// # Errors
    /// When git cannot be run.
    pub fn commit(&self, id: &str) -> Result<Option<Commit>, Problem> {
        let [commit, tree] = [format!("{id}^{{commit}}"), format!("{id}^{{tree}}")];
        let done = self.run(&["rev-parse", &commit, &tree])?;
        let text = done.text();
        match text.lines().collect::<Vec<_>>()[..] {
            [id, tree] if done.ok() => {
                Ok(Some(Commit { id: id.to_owned(), tree: tree.to_owned() }))
            }
            _ => Ok(None),
        }
    }

    /// The object store, which a linked working tree shares with its main one.
    fn objects_dir(&self) -> PathBuf {
        self.common_dir().join("objects")
    }

    /// The git directory that linked working trees share; their own names it (gitrepository-layout(5)).
    pub(super) fn common_dir(&self) -> PathBuf {
        fs::read_to_string(self.git_dir.join("commondir"))
            .map_or_else(|_| self.git_dir.clone(), |text| self.git_dir.join(text.trim()))
    }
}

/// A path as `GIT_ALTERNATE_OBJECT_DIRECTORIES` takes it when it has a colon in it (git(1)).
fn quoted(path: &Path) -> PathBuf {
    let text = path.to_string_lossy();
    match text.contains([':', '"', '\\']) {
        true => PathBuf::from(format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))),
        false => path.to_path_buf(),
    }
}
