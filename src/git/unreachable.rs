//! Why a remote gave nothing, in words a person can act on. It asks git for the address of a remote,
//! and never the remote itself.

use super::{Git, redact};
use crate::problem::Problem;
use crate::sys::exec::Done;

/// How git and ssh say that they were not let in.
const DENIED: [&str; 6] = [
    "unable to get password from user",
    "Authentication failed",
    "could not read Username",
    "could not read Password",
    "Permission denied",
    "returned error: 403",
];

/// How git says that there is nothing at an address: on the web, and over ssh or in a folder.
const NOT_THERE: [&str; 3] =
    ["' not found", "does not appear to be a git repository", "returned error: 404"];

impl Git<'_> {
    /// A remote by its name and its address, without what is secret in it.
    pub(super) fn called(&self, remote: &str) -> String {
        // With the rewriting that the owner's configuration asks for (`url.*.insteadOf`).
        match self.run(&["ls-remote", "--get-url", "--", remote]) {
            Ok(done) if done.ok() && done.text().trim_end() != remote => {
                format!("{remote} ({})", redact(done.text().trim_end()))
            }
            Ok(_) | Err(_) => remote.to_owned(),
        }
    }

    /// Adds the remote to a problem of running git at all, such as a deadline that is over.
    pub(super) fn naming(&self, remote: &str, problem: Problem) -> Problem {
        if problem.reason != "git_timeout" {
            return problem;
        }
        let message = format!("remote {}: {}", self.called(remote), problem.message);
        problem.saying(message)
    }

    /// The problem of a fetch that failed. `remote` is what it is [called](Git::called).
    pub(super) fn unreachable(&self, remote: &str, branch: &str, done: &Done) -> Problem {
        let complaint = redact(&done.complaint());
        let says = |words: &[&str]| words.iter().any(|words| complaint.contains(words));
        if says(&["couldn't find remote ref"]) {
            return no_such_branch(remote, branch);
        }
        if let Some(problem) = self.known_trouble("fetch", &complaint) {
            return problem;
        }
        let top = self.top.display();
        let name = remote.split(' ').next().unwrap_or(remote);
        if says(&["Host key verification failed"]) {
            return Problem::setup(
                "git_host_key",
                format!("the host key of remote {remote} is not one that is trusted: {complaint}"),
                "ask who runs the server for its host key, and only then put it into \
                 repo.known_hosts_file (or the owner's known_hosts); an attacker looks like this",
            );
        }
        if says(&DENIED) {
            let by_hand = || {
                format!(
                    "make `git -C {top} fetch {name}` work without a question as the owner of \
                     the tree, or set repo.ssh_key_file or repo.token_file"
                )
            };
            return Problem::setup(
                "git_auth",
                format!("remote {remote} refused us: {complaint}"),
                self.means.hint.clone().unwrap_or_else(by_hand),
            );
        }
        let way_out = match () {
            () if says(&NOT_THERE) && name == remote => format!(
                "add it (`git -C {top} remote add {name} URL`), or correct repo.remote or repo.url"
            ),
            () if says(&NOT_THERE) => format!(
                "check the address (`git -C {top} remote set-url {name} URL` corrects it); a \
                 server may say the same of a repository that we may not read"
            ),
            () => "check the network and the git server".to_owned(),
        };
        Problem::setup(
            "git_fetch",
            format!("cannot fetch {branch} from {remote}: {complaint}"),
            format!("{way_out}; the last fetched target stays in force"),
        )
    }
}

pub(super) fn no_such_branch(remote: &str, branch: &str) -> Problem {
    Problem::setup(
        "no_such_branch",
        format!("remote {remote} has no branch {branch}"),
        "correct repo.branch, or push that branch",
    )
}
