//! What the remote branch means now: fetched for a run, looked up without a trace for a plan.

use std::fs;
use std::os::unix::fs::chown;
use std::path::PathBuf;

use super::{Commit, Git};
use crate::problem::Problem;
use crate::sys::fs::TempDir;

/// Whether looking at the remote may change the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Fetch into the remote-tracking branch.
    Fetch,
    /// Leave the repository byte for byte as it is: new objects go to a temporary place.
    Trackless,
}

/// What the remote branch is, and a git that can read it.
pub struct Fetched<'a> {
    /// Reads the repository, and what was fetched beside it.
    pub git: Git<'a>,
    /// The commit of the remote branch.
    pub target: Commit,
    /// Holds the objects that a trackless look brought; gone when dropped.
    _objects: Option<TempDir>,
}

impl<'a> Git<'a> {
    /// Fetches the remote branch into its remote-tracking branch. Writes nothing when nothing
    /// changed: no `FETCH_HEAD`, no tags, no housekeeping.
    ///
    /// # Errors
    /// When the remote cannot be reached, refuses, or has no such branch.
    pub fn fetch(&self, remote: &str, branch: &str) -> Result<(), Problem> {
        let refspec = format!("+refs/heads/{branch}:refs/remotes/{remote}/{branch}");
        let args = [
            "fetch",
            "--quiet",
            "--no-write-fetch-head",
            "--no-tags",
            "--no-recurse-submodules",
            "--",
            remote,
            &refspec,
        ];
        let done = self.run(&args)?;
        if done.ok() { Ok(()) } else { Err(self.unreachable(remote, branch, &done)) }
    }

    /// Learns what the remote branch is without changing the repository.
    ///
    /// # Errors
    /// As [`Git::fetch`].
    pub fn look(&self, remote: &str, branch: &str) -> Result<Fetched<'a>, Problem> {
        let full = format!("refs/heads/{branch}");
        let done = self.run(&["ls-remote", "--exit-code", "--", remote, &full])?;
        if !done.ok() {
            return Err(self.unreachable(remote, branch, &done));
        }
        let text = done.text();
        let id = text.split_whitespace().next().unwrap_or_default().to_owned();
        if let Some(target) = self.commit(&id)? {
            return Ok(Fetched { git: self.clone(), target, _objects: None });
        }
        self.fetch_aside(remote, branch, &full, &id)
    }

    fn fetch_aside(
        &self,
        remote: &str,
        branch: &str,
        full: &str,
        id: &str,
    ) -> Result<Fetched<'a>, Problem> {
        let aside = TempDir::create_in(&std::env::temp_dir()).map_err(|cause| {
            Problem::setup("temp_dir", format!("cannot make a temporary folder: {cause}"), "")
        })?;
        if let Some(identity) = &self.identity {
            // The fetch runs as the owner of the tree, who must be able to write here.
            let _ = chown(aside.path(), Some(identity.uid), Some(identity.gid));
        }
        let mut git = self.clone();
        git.env.push(("GIT_OBJECT_DIRECTORY".into(), aside.path().to_path_buf()));
        git.env.push(("GIT_ALTERNATE_OBJECT_DIRECTORIES".into(), self.objects_dir()));
        let args =
            ["fetch", "--quiet", "--no-write-fetch-head", "--refmap=", "--no-tags", "--", remote];
        let done = git.run(&[&args[..], &[full]].concat())?;
        if !done.ok() {
            return Err(self.unreachable(remote, branch, &done));
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

    /// The commit with this id, if the repository has it.
    ///
    /// # Errors
    /// When git cannot be run.
    pub fn commit(&self, id: &str) -> Result<Option<Commit>, Problem> {
        let [commit, tree] = [format!("{id}^{{commit}}"), format!("{id}^{{tree}}")];
        let done = self.run(&["rev-parse", "--quiet", "--verify", &commit])?;
        if !done.ok() {
            return Ok(None);
        }
        let tree = self.check(&["rev-parse", "--verify", &tree])?;
        Ok(Some(Commit { id: id.to_owned(), tree: tree.text().trim().to_owned() }))
    }

    /// The object store, which a linked working tree shares with its main one.
    fn objects_dir(&self) -> PathBuf {
        let common = fs::read_to_string(self.git_dir.join("commondir"))
            .map_or_else(|_| self.git_dir.clone(), |text| self.git_dir.join(text.trim()));
        common.join("objects")
    }

    fn unreachable(&self, remote: &str, branch: &str, done: &crate::sys::exec::Done) -> Problem {
        let complaint = super::redact(&done.complaint());
        let no_branch = complaint.contains("couldn't find remote ref")
            || (complaint.is_empty() && done.exit == crate::sys::exec::Exit::Code(2));
        if no_branch {
            return Problem::setup(
                "no_such_branch",
                format!("remote {remote} has no branch {branch}"),
                "correct repo.branch, or push that branch",
            );
        }
        let denied = ["Authentication failed", "could not read Username", "Permission denied"];
        if denied.iter().any(|words| complaint.contains(words)) {
            return Problem::setup(
                "git_auth",
                format!("remote {remote} refused us: {complaint}"),
                format!(
                    "make `git -C {} fetch {remote}` work without a question as the owner of the \
                     tree",
                    self.top.display()
                ),
            );
        }
        Problem::setup(
            "git_fetch",
            format!("cannot fetch {branch} from {remote}: {complaint}"),
            "check the network and the remote; the last fetched target stays in force",
        )
    }
}
