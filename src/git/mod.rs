//! The working tree and its remote, driven through the git command. Runs as the owner of the tree,
//! never asks a question, and never runs `git clean`.

mod access;
mod clone;
mod command;
mod differences;
mod disk;
mod fetch;
mod follow;
mod forward;
mod glance;
mod guard;
mod locks;
mod mend;
mod objects;
mod remote_url;
mod room;
mod saved;
mod signature;
mod torn;
mod trust;
mod unreachable;
mod unsupported;
mod way;

pub use access::Access;
pub use clone::Source;
pub use command::redact;
pub use differences::{Move, UNMERGED};
pub use fetch::{Fetched, News};
pub use follow::Moves;
pub use objects::{Blob, Entry, Kind, Listing};
pub use trust::Trust;
pub use unsupported::{POINTER_BYTES_MAX, Unsupported, is_pointer};

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use crate::problem::Problem;
use crate::sys;
use crate::sys::exec::{Exec, Identity};

/// A git working tree.
#[derive(Clone)]
pub struct Git<'a> {
    exec: &'a dyn Exec,
    deadline: Duration,
    top: PathBuf,
    base: PathBuf,
    git_dir: PathBuf,
    env: Vec<(String, PathBuf)>,
    identity: Option<Identity>,
    home: PathBuf,
    means: access::Means,
    record: Option<PathBuf>,
}

/// A commit and its tree, by object id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Object id of the commit.
    pub id: String,
    /// Object id of its tree.
    pub tree: String,
}

/// Where a working tree stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The commit that is checked out.
    pub head: Commit,
    /// The one that was before, if we moved the branch on from there.
    pub before: Option<Commit>,
    /// What the remote branch was when last fetched, if it ever was.
    pub upstream: Option<Commit>,
    /// The full name of the branch that is checked out, or `HEAD` when detached.
    pub branch: String,
}

impl<'a> Git<'a> {
    /// Finds the working tree that `dir` lies in. Starts no process.
    ///
    /// # Errors
    /// When `dir` is not there or in no git working tree, or its owner's identity is not known.
    pub fn open(dir: &Path, deadline: Duration, exec: &'a dyn Exec) -> Result<Git<'a>, Problem> {
        let real = fs::canonicalize(dir).map_err(|cause| {
            Problem::setup(
                "repo_missing",
                format!("cannot open repo.dir {}: {cause}", dir.display()),
                "clone the repository there, or correct repo.dir",
            )
        })?;
        let (top, git_dir) = find(&real).ok_or_else(|| {
            Problem::setup(
                "not_a_repository",
                format!("{} is not in a git working tree", real.display()),
                "clone the repository there, or correct repo.dir",
            )
        })?;
        let (identity, home) = owner_of(&top)?;
        let means = access::Means::default();
        let base = real.strip_prefix(&top).unwrap_or(&real).to_path_buf();
        let (env, record) = (Vec::new(), None);
        Ok(Git { exec, deadline, top, base, git_dir, env, identity, home, means, record })
    }

    /// Has every git process that changes the repository written down at `record` while it works.
    #[must_use]
    pub fn recorded_at(self, record: PathBuf) -> Git<'a> {
        Git { record: Some(record), ..self }
    }

    /// The root of the working tree.
    #[must_use]
    pub fn top(&self) -> &Path {
        &self.top
    }

    /// Where in the working tree `repo.dir` lies; empty when it is the root. Compose files and scripts
    /// are named from there.
    #[must_use]
    pub fn base(&self) -> &Path {
        &self.base
    }

    /// The git directory of the working tree.
    #[must_use]
    pub fn git_dir(&self) -> &Path {
        &self.git_dir
    }

    /// Whose tree it is, when that is not the user we run as.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// The path of `path` inside the working tree, or nothing when it lies outside.
    #[must_use]
    pub fn inside<'p>(&self, path: &'p Path) -> Option<&'p Path> {
        path.strip_prefix(&self.top).ok()
    }

    /// Where the tree stands, in one git process.
    ///
    /// # Errors
    /// When nothing is checked out yet, or git fails.
    pub fn standing(&self, remote: &str, branch: &str) -> Result<Standing, Problem> {
        let upstream = format!("refs/remotes/{remote}/{branch}");
        let tree = format!("{upstream}^{{tree}}");
        let with_upstream =
            ["rev-parse", "HEAD", "HEAD^{tree}", &upstream, &tree, "--symbolic-full-name", "HEAD"];
        let mut done = self.run(&with_upstream)?;
        if !done.ok() {
            let args = ["rev-parse", "HEAD", "HEAD^{tree}", "--symbolic-full-name", "HEAD"];
            done = self.run(&args)?;
            if done.complaint().contains("unknown revision") {
                // Git has told the id of a commit before it looked for the commit itself.
                return Err(match done.text().lines().next() {
                    Some(id) if is_id(id) => self.damaged("rev-parse", &done.complaint()),
                    Some(_) | None => self.nothing_committed(remote, branch),
                });
            }
            if !done.ok() {
                return Err(self.failed(&args, &done));
            }
        }
        let text = done.text();
        let lines: Vec<&str> = text.lines().collect();
        let commit = |id: &str, tree: &str| Commit { id: id.to_owned(), tree: tree.to_owned() };
        let standing = |head, upstream, branch: &str| Standing {
            head,
            before: None,
            upstream,
            branch: branch.to_owned(),
        };
        match lines[..] {
            [id, tree, branch] => Ok(standing(commit(id, tree), None, branch)),
            [id, tree, up, up_tree, branch] => {
                Ok(standing(commit(id, tree), Some(commit(up, up_tree)), branch))
            }
            _ => Err(Problem::setup(
                "git_failed",
                format!("git rev-parse in {} answered oddly: {text:?}", self.top.display()),
                "check the repository with `git status`",
            )),
        }
    }

    fn nothing_committed(&self, remote: &str, branch: &str) -> Problem {
        let top = self.top.display();
        Problem::setup(
            "nothing_committed",
            format!("{top} is a fresh repository: nothing is checked out there"),
            format!("run `git -C {top} pull {remote} {branch}`, or clone the repository there"),
        )
    }
}

fn is_id(text: &str) -> bool {
    text.len() >= 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Walks up to the directory that holds `.git`; a file there points elsewhere (gitrepository-layout(5)).
fn find(dir: &Path) -> Option<(PathBuf, PathBuf)> {
    for top in dir.ancestors() {
        let dot_git = top.join(".git");
        if dot_git.is_dir() {
            return Some((top.to_path_buf(), dot_git));
        }
        if let Ok(text) = sys::fs::read_bounded(&dot_git, 4096) {
            let text = String::from_utf8(text).ok()?;
            let target = text.strip_prefix("gitdir:")?.trim();
            return Some((top.to_path_buf(), fs::canonicalize(top.join(target)).ok()?));
        }
    }
    None
}

/// Whose tree this is, if not ours, and the home directory of whoever git runs as.
fn owner_of(top: &Path) -> Result<(Option<Identity>, PathBuf), Problem> {
    let ours = sys::env::effective_uid();
    let meta = fs::metadata(top).map_err(|cause| {
        Problem::setup("repo_missing", format!("cannot open {}: {cause}", top.display()), "")
    })?;
    let owner = if ours == 0 { meta.uid() } else { ours };
    let account = sys::env::account(owner);
    let home = account.as_ref().map_or_else(|| PathBuf::from("/"), |account| account.home.clone());
    if owner == ours {
        return Ok((None, sys::env::var("HOME").map_or(home, PathBuf::from)));
    }
    let gid = account.map_or(meta.gid(), |account| account.gid);
    Ok((Some(Identity { uid: owner, gid }), home))
}

/// Whether a path of the repository stays inside it: no root, no parent.
#[must_use]
pub fn is_plain(path: &Path) -> bool {
    path.components().all(|part| matches!(part, Component::Normal(_)))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::is_plain;

    #[test]
    fn plain_paths_stay_inside() {
        let cases = [
            ("a", true),
            ("a/b c/.env", true),
            ("a/..b", true),
            ("/a", false),
            ("../a", false),
            ("a/../b", false),
            ("./a", false),
        ];
        for (path, expected) in cases {
            assert_eq!(is_plain(Path::new(path)), expected, "{path}");
        }
    }
}
