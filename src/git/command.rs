//! How git is run: settings and environment that keep it from asking, hooking or working in the
//! background, and what its refusals mean. Never runs anything but git.

use std::ffi::OsStr;

use super::Git;
use crate::problem::Problem;
use crate::sys;
use crate::sys::exec::{Done, ExecError, Exit, Job};

/// What every git process of ours is told: no hooks, no background work, no helpers that a tree
/// could bring along, and an end to connections that carry nothing (git-config(1)).
const SETTINGS: &[&str] = &[
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.askPass=",
    "core.quotePath=false",
    "user.name=renew",
    "user.email=renew@localhost",
    "credential.interactive=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "fetch.writeCommitGraph=false",
    "submodule.recurse=false",
    "protocol.ext.allow=never",
    "http.lowSpeedLimit=1000",
    "http.lowSpeedTime=20",
    "advice.detachedHead=false",
];

/// The commands that change the repository, and lock parts of it meanwhile.
const CHANGING: &[&str] = &["fetch", "checkout", "read-tree", "update-index", "update-ref"];

/// The tree owner's own ssh command, told to fail where it would ask: ssh asks on `/dev/tty`,
/// whatever its standard input is. A shell runs this, with ssh's arguments behind it, and only when
/// the remote is reached by ssh.
const SSH: &str = "f() { ssh=$(git config --get core.sshCommand || echo ssh); \
                   eval \"$ssh -o BatchMode=yes -o ConnectTimeout=20 \\\"\\$@\\\"\"; }; f";

/// The reason of a problem that a lock of git stands for.
pub(super) const LOCKED: &str = "git_locked";

/// How a host is told to reach the outside (curl(1)); git gets them as we got them.
const PROXIES: &[&str] =
    &["http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"];

impl Git<'_> {
    /// Runs git; a non-zero exit is a result. One that was killed says nothing, neither yes nor no.
    pub(super) fn run<S: AsRef<OsStr>>(&self, args: &[S]) -> Result<Done, Problem> {
        self.run_fed(args, None)
    }

    /// Runs git with something to read.
    pub(super) fn run_fed<S: AsRef<OsStr>>(
        &self,
        args: &[S],
        stdin: Option<Vec<u8>>,
    ) -> Result<Done, Problem> {
        let mut job = self.environment(Job::new("git", self.deadline));
        job = job.arg("-C").arg(&self.top);
        let own = self.means.settings.iter().map(String::as_str);
        for setting in SETTINGS.iter().copied().chain(own) {
            job = job.arg("-c").arg(setting);
        }
        job = job.args(args);
        job.stdin = stdin;
        if CHANGING.contains(&verb(args).as_str()) {
            job.record.clone_from(&self.record);
        }
        job.identity.clone_from(&self.identity);
        let done = self.exec.run(&job).map_err(|error| trouble(&error, args))?;
        match done.exit {
            Exit::Code(_) => Ok(done),
            Exit::Signal(_) => Err(self.failed(args, &done)),
        }
    }

    /// Runs git and takes a non-zero exit for a failure.
    pub(super) fn check<S: AsRef<OsStr>>(&self, args: &[S]) -> Result<Done, Problem> {
        self.check_fed(args, None)
    }

    /// As [`Git::check`], with something to read.
    pub(super) fn check_fed<S: AsRef<OsStr>>(
        &self,
        args: &[S],
        stdin: Option<Vec<u8>>,
    ) -> Result<Done, Problem> {
        let done = self.run_fed(args, stdin)?;
        if done.ok() { Ok(done) } else { Err(self.failed(args, &done)) }
    }

    fn environment(&self, job: Job) -> Job {
        let mut job = job
            .env("PATH", sys::env::search_path())
            .env("HOME", &self.home)
            .env("LANG", "C.UTF-8")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("SSH_ASKPASS_REQUIRE", "never")
            .env("GIT_SSH_COMMAND", self.means.ssh.as_deref().unwrap_or(SSH))
            .env("GIT_SSH_VARIANT", "ssh")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_LITERAL_PATHSPECS", "1")
            .env("GIT_LFS_SKIP_SMUDGE", "1");
        for name in PROXIES {
            if let Some(value) = sys::env::var(name) {
                job = job.env(name, value);
            }
        }
        for (name, value) in &self.env {
            job = job.env(name, value);
        }
        job
    }

    /// The problem of a git that said no.
    pub(super) fn failed<S: AsRef<OsStr>>(&self, args: &[S], done: &Done) -> Problem {
        let complaint = redact(&done.complaint());
        let [verb, top] = [verb(args), self.top.display().to_string()];
        if let Some(problem) = self.known_trouble(&verb, &complaint) {
            return problem;
        }
        let how = match done.exit {
            Exit::Code(code) => format!("exit {code}"),
            Exit::Signal(signal) => format!("signal {signal}"),
        };
        Problem::setup(
            "git_failed",
            format!("git {verb} in {top} failed ({how}): {complaint}"),
            format!("try `git -C {top} {verb}` by hand"),
        )
    }

    /// Complaints of git whose way out is known, whatever it was doing.
    pub(super) fn known_trouble(&self, verb: &str, complaint: &str) -> Option<Problem> {
        let top = self.top.display();
        let failed = |resolution: String| {
            Some(Problem::setup(
                "git_failed",
                format!("git {verb} in {top} failed: {complaint}"),
                resolution,
            ))
        };
        if complaint.contains("unknown option") {
            // `fetch --no-write-fetch-head` is the youngest option we use.
            let first = complaint.lines().next().unwrap_or_default();
            return Some(Problem::setup(
                "git_too_old",
                format!("the installed git is too old: git {verb} says {first}"),
                "install git 2.29 or newer (`git --version` tells which one is there)",
            ));
        }
        if complaint.contains("dubious ownership") {
            return failed(format!(
                "let {top} and its .git belong to one user, and run renew as that user or as root"
            ));
        }
        if complaint.contains(".lock': File exists") {
            return Some(Problem::setup(
                "git_locked",
                format!("git {verb} in {top} failed: {complaint}"),
                "another git works here, or one was killed: if none runs, remove that lock file",
            ));
        }
        self.damage(verb, complaint)
    }
}

/// The command among the arguments: the first that is not a setting.
fn verb<S: AsRef<OsStr>>(args: &[S]) -> String {
    let mut rest = args;
    while let [option, _, more @ ..] = rest
        && option.as_ref() == "-c"
    {
        rest = more;
    }
    rest.first().map(|arg| arg.as_ref().to_string_lossy().into_owned()).unwrap_or_default()
}

fn trouble<S: AsRef<OsStr>>(error: &ExecError, args: &[S]) -> Problem {
    let what = format!("git {}: {error}", verb(args));
    match error {
        ExecError::Cancelled => Problem::interrupted(),
        ExecError::NotFound(_) => {
            Problem::setup("git_missing", "git is not installed", "install it (`apt install git`)")
        }
        ExecError::Deadline(..) => Problem::setup(
            "git_timeout",
            what,
            "check the network and the git server, or raise timeouts.git",
        ),
        ExecError::Io(..) => {
            Problem::setup("git_failed", what, "check memory, disk and process limits of the host")
        }
        ExecError::TooMuchOutput(_) => {
            Problem::setup("git_failed", what, "keep large files out of the repository")
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

#[cfg(test)]
mod tests {
    use super::{redact, verb};

    #[test]
    fn the_command_is_found_behind_settings() {
        assert_eq!(verb(&["-c", "a=b", "-c", "c=d", "fetch", "-c"]), "fetch");
        assert_eq!(verb(&["fetch"]), "fetch");
        assert_eq!(verb::<&str>(&[]), "");
    }

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
            ("", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(redact(text), expected);
        }
    }
}
