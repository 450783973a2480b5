//! The working tree and its remote, driven through the git command. Runs as the owner of the tree,
//! never asks a question, and never runs `git clean`.

mod fetch;
mod follow;
mod objects;

pub use fetch::{Fetched, Reach};
pub use follow::{Move, Moves};
pub use objects::{Entry, Kind};

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use crate::problem::Problem;
use crate::sys;
use crate::sys::exec::{Done, Exec, ExecError, Exit, Identity, Job};

/// What every git process of ours is told: no hooks, no background work, no helpers that a tree
/// could bring along, and an end to connections that carry nothing (git-config(1)).
const SETTINGS: &[&str] = &[
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.askPass=",
    "core.quotePath=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "submodule.recurse=false",
    "protocol.ext.allow=never",
    "http.lowSpeedLimit=1000",
    "http.lowSpeedTime=20",
    "advice.detachedHead=false",
];

/// A git working tree.
#[derive(Clone)]
pub struct Git<'a> {
    exec: &'a dyn Exec,
    deadline: Duration,
    top: PathBuf,
    git_dir: PathBuf,
    env: Vec<(String, PathBuf)>,
    identity: Option<Identity>,
    home: PathBuf,
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
        Ok(Git { exec, deadline, top, git_dir, env: Vec::new(), identity, home })
    }

    /// The root of the working tree.
    #[must_use]
    pub fn top(&self) -> &Path {
        &self.top
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
    /// When nothing is committed yet, or git fails.
    pub fn standing(&self, remote: &str, branch: &str) -> Result<Standing, Problem> {
        let upstream = format!("refs/remotes/{remote}/{branch}");
        let tree = format!("{upstream}^{{tree}}");
        let with_upstream =
            ["rev-parse", "HEAD", "HEAD^{tree}", &upstream, &tree, "--symbolic-full-name", "HEAD"];
        let done = self.run(&with_upstream)?;
        let text = if done.ok() {
            done.text()
        } else {
            self.check(&["rev-parse", "HEAD", "HEAD^{tree}", "--symbolic-full-name", "HEAD"])?
                .text()
        };
        let lines: Vec<&str> = text.lines().collect();
        let commit = |id: &str, tree: &str| Commit { id: id.to_owned(), tree: tree.to_owned() };
        match lines[..] {
            [id, tree, branch] => {
                Ok(Standing { head: commit(id, tree), upstream: None, branch: branch.to_owned() })
            }
            [id, tree, up, up_tree, branch] => Ok(Standing {
                head: commit(id, tree),
                upstream: Some(commit(up, up_tree)),
                branch: branch.to_owned(),
            }),
            _ => Err(Problem::setup(
                "git_failed",
                format!("git rev-parse in {} answered oddly: {text:?}", self.top.display()),
                "check the repository with `git status`",
            )),
        }
    }

    /// Runs git; a non-zero exit is a result.
    fn run<S: AsRef<OsStr>>(&self, args: &[S]) -> Result<Done, Problem> {
        self.run_fed(args, None)
    }

    /// Runs git with something to read.
    fn run_fed<S: AsRef<OsStr>>(
        &self,
        args: &[S],
        stdin: Option<Vec<u8>>,
    ) -> Result<Done, Problem> {
        let mut job = Job::new("git", self.deadline)
            .env("PATH", sys::env::search_path())
            .env("HOME", &self.home)
            .env("LANG", "C.UTF-8")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("SSH_ASKPASS_REQUIRE", "never")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_LITERAL_PATHSPECS", "1")
            .env("GIT_LFS_SKIP_SMUDGE", "1");
        for (name, value) in &self.env {
            job = job.env(name, value);
        }
        job = job.arg("-C").arg(&self.top);
        for setting in SETTINGS {
            job = job.arg("-c").arg(setting);
        }
        job = job.args(args);
        job.stdin = stdin;
        job.identity.clone_from(&self.identity);
        self.exec.run(&job).map_err(|error| trouble(&error, args))
    }

    /// Runs git and takes a non-zero exit for a failure.
    fn check<S: AsRef<OsStr>>(&self, args: &[S]) -> Result<Done, Problem> {
        self.check_fed(args, None)
    }

    fn check_fed<S: AsRef<OsStr>>(
        &self,
        args: &[S],
        stdin: Option<Vec<u8>>,
    ) -> Result<Done, Problem> {
        let done = self.run_fed(args, stdin)?;
        if done.ok() { Ok(done) } else { Err(self.failed(args, &done)) }
    }

    /// The problem of a git that said no.
    fn failed<S: AsRef<OsStr>>(&self, args: &[S], done: &Done) -> Problem {
        let complaint = redact(&done.complaint());
        let resolution = if complaint.contains("dubious ownership") {
            format!("run renew as root or as the owner of {}", self.top.display())
        } else if complaint.contains("index.lock") {
            "another git works here, or one was killed: if none runs, remove that lock file".into()
        } else {
            format!("try `git -C {} {}` by hand", self.top.display(), verb(args))
        };
        let how = match done.exit {
            Exit::Code(code) => format!("exit {code}"),
            Exit::Signal(signal) => format!("signal {signal}"),
        };
        Problem::setup(
            "git_failed",
            format!("git {} failed ({how}): {complaint}", verb(args)),
            resolution,
        )
    }
}

fn verb<S: AsRef<OsStr>>(args: &[S]) -> String {
    args.first().map(|arg| arg.as_ref().to_string_lossy().into_owned()).unwrap_or_default()
}

fn trouble<S: AsRef<OsStr>>(error: &ExecError, args: &[S]) -> Problem {
    match error {
        ExecError::Cancelled => Problem::interrupted(),
        ExecError::NotFound(_) => {
            Problem::setup("git_missing", "git is not installed", "install it (`apt install git`)")
        }
        ExecError::Deadline(..) => Problem::setup(
            "git_timeout",
            format!("git {}: {error}", verb(args)),
            "check the network and the git server, or raise timeouts.git",
        ),
        ExecError::Io(..) | ExecError::TooMuchOutput(_) => {
            Problem::setup("git_failed", format!("git {}: {error}", verb(args)), "")
        }
    }
}

/// Hides `user:password@` in every URL of a text.
#[must_use]
pub fn redact(text: &str) -> String {
    let mut safe = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        safe.push_str(before);
        let end = after.find(|c: char| c.is_whitespace() || "/'\"".contains(c));
        let (host, tail) = after.split_at(end.unwrap_or(after.len()));
        match host.rsplit_once('@') {
            Some((_, host)) => {
                safe.push_str("***@");
                safe.push_str(host);
            }
            None => safe.push_str(host),
        }
        rest = tail;
    }
    safe.push_str(rest);
    safe
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
    use super::redact;

    #[test]
    fn credentials_in_urls_are_hidden() {
        let cases = [
            (
                "fatal: 'https://me:pw@git.example/x.git/' gone",
                "fatal: 'https://***@git.example/x.git/' gone",
            ),
            ("https://tok@h", "https://***@h"),
            ("ssh://git@h:22/x and http://a@b@c/d", "ssh://***@h:22/x and http://***@c/d"),
            ("https://h/a@b", "https://h/a@b"),
            ("no url at all", "no url at all"),
        ];
        for (text, expected) in cases {
            assert_eq!(redact(text), expected);
        }
    }
}
