//! The scripts of a service: one that may object before a running container stops, one that cleans
//! up after a change. Both are those of the commit being deployed. Changes no container itself.

use std::cell::Cell;
use std::ffi::OsString;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::export::write_program;
use super::make::secrets;
use super::pass::Pass;
use super::report::Outcome;
use super::resolve::short;
use super::stack::Stacks;
use crate::config::Service;
use crate::decide::plan::Action;
use crate::git::{Kind, redact};
use crate::problem::{Problem, Trouble};
use crate::sys;
use crate::sys::exec::{ExecError, Exit, Job, Output};

/// So many of its last lines are told when a script fails.
const LINES_MAX: usize = 5;
/// Longer lines are cut.
const LINE_CHARS_MAX: usize = 200;

/// The scripts around one run of one service.
pub struct Scripts<'a> {
    pass: &'a Pass<'a>,
    service: &'a Service,
    /// The commit of the release in force; empty before the first.
    previous: String,
    agreed: Cell<bool>,
}

impl<'a> Scripts<'a> {
    /// The scripts of a service, none of which has run.
    #[must_use]
    pub fn new(pass: &'a Pass<'a>, service: &'a Service, previous: &str) -> Scripts<'a> {
        Scripts { pass, service, previous: previous.to_owned(), agreed: Cell::new(false) }
    }

    /// Asks `pre_script` whether the actions may be carried out, and returns its objection.
    ///
    /// # Errors
    /// When we are asked to stop.
    pub fn before(&self, stacks: &Stacks, actions: &[Action]) -> Result<Option<Problem>, Problem> {
        let Some(path) = &self.service.pre_script else { return Ok(None) };
        let env = self.env("pre_script", actions);
        match self.run("pre_script", path, env, stacks) {
            Ok(()) => {
                self.agreed.set(true);
                Ok(None)
            }
            Err(problem) if problem.trouble == Trouble::Interrupted => Err(problem),
            Err(problem) => Ok(Some(problem)),
        }
    }

    /// Whether `pre_script` ran and did not object: then `clean_script` runs whatever came of it.
    #[must_use]
    pub fn agreed(&self) -> bool {
        self.agreed.get()
    }

    /// What would keep `pre_script` from running at all.
    #[must_use]
    pub fn unusable(&self) -> Option<Problem> {
        let path = self.service.pre_script.as_ref()?;
        self.lay_out("pre_script", path).err()
    }

    /// Runs `clean_script` after a change. That it fails changes nothing.
    pub fn after(&self, stacks: &Stacks, actions: &[Action], result: Outcome) -> Option<String> {
        let path = self.service.clean_script.as_ref()?;
        let mut env = self.env("clean_script", actions);
        env.push(("RENEW_RESULT", result.name().into()));
        let problem = self.run("clean_script", path, env, stacks).err()?;
        let said = match problem.trouble {
            Trouble::Interrupted => format!("clean_script {}: {problem}", path.display()),
            _ => problem.into_parts().message,
        };
        log::warn!("{}: {said}", self.service.name.as_str());
        Some(said)
    }

    /// The whole environment of a script; nothing of ours is inherited.
    fn env(&self, key: &str, actions: &[Action]) -> Vec<(&'static str, OsString)> {
        let mut list = String::new();
        for action in actions {
            let (step, reason) = (action.step.name(), action.reason.name());
            // Writing to a string cannot fail.
            let _ = writeln!(list, "{step} {} {} {reason}", action.project, action.compose_service);
        }
        let mut env = vec![
            ("PATH", sys::env::search_path()),
            ("HOME", sys::env::var("HOME").unwrap_or_else(|| OsString::from("/root"))),
            ("LANG", "C.UTF-8".into()),
            ("RENEW_SCRIPT", key.into()),
            ("RENEW_SERVICE", self.service.name.as_str().into()),
            ("RENEW_COMMIT", self.pass.target.id.as_str().into()),
            ("RENEW_PREVIOUS_COMMIT", self.previous.as_str().into()),
            ("RENEW_ACTIONS", list.into()),
        ];
        env.extend(self.pass.host.docker_env());
        env
    }

    fn run(
        &self,
        key: &str,
        path: &Path,
        env: Vec<(&'static str, OsString)>,
        stacks: &Stacks,
    ) -> Result<(), Problem> {
        let program = self.lay_out(key, path)?;
        log::info!("{}: running {key} {}", self.service.name.as_str(), path.display());
        let mut job = Job::new(&program, self.service.timeouts.script);
        job.cwd = Some(self.pass.git.top().join(self.pass.git.base()));
        job.output = Output::Together;
        job.record = Some(self.pass.state.running(self.service.name.as_str()));
        job = env.into_iter().fold(job, |job, (name, value)| job.env(name, value));
        let (how, said) = match self.pass.host.exec.run(&job) {
            Ok(done) if done.ok() => {
                log::debug!("{key} said: {}", self.hide(stacks, &done.complaint()));
                return Ok(());
            }
            Ok(done) => match done.exit {
                Exit::Code(code) => (format!("exited with code {code}"), done.complaint()),
                Exit::Signal(signal) => (format!("was ended by signal {signal}"), done.complaint()),
            },
            Err(ExecError::Deadline(_, limit, said)) => {
                (format!("did not finish within {} s (timeouts.script)", limit.as_secs()), said)
            }
            Err(ExecError::Cancelled) => return Err(Problem::interrupted()),
            Err(error) => return Err(self.cannot_run(key, path, &program, &error)),
        };
        let said = match last_lines(&self.hide(stacks, &said)) {
            lines if lines.is_empty() => "; it said nothing".to_owned(),
            lines => format!("; it said: {lines}"),
        };
        Err(Problem::new(
            Trouble::Refused,
            "pre_script",
            format!("{key} {} {how}{said}", self.named(path)),
            "nothing was stopped, and the next run asks it again; \
             if it is the script that is wrong, mend it in git",
        ))
    }

    /// Where a script of the target lies with the files beside it, ready to be run.
    fn lay_out(&self, key: &str, path: &Path) -> Result<PathBuf, Problem> {
        let bad = |reason: &'static str, what: &str, way_out: String| {
            let message = format!("{key} {} {what}", self.named(path));
            Err(Problem::setup(reason, message, way_out))
        };
        let path = &self.pass.git.base().join(path);
        let name = path.to_string_lossy();
        let export = self.pass.resolver.export()?;
        let Some(entry) = export.entry(&name) else {
            let way_out = format!("correct {key}, or push the file");
            return bad("script_missing", "is not there", way_out);
        };
        let place = export.root().join(path);
        if matches!(entry.kind, Kind::Link | Kind::Submodule) {
            let way_out = format!("name the file itself in {key}");
            return bad("script_unusable", "is a link, not a file", way_out);
        }
        if entry.kind == Kind::Program && place.is_file() {
            return Ok(place);
        }
        // Too large to be laid out with the rest, or run by its first line alone.
        let content = self.pass.git.contents(&[entry])?.remove(&entry.oid).unwrap_or_default();
        if entry.kind == Kind::File && !content.starts_with(b"#!") {
            let what = "is not executable and does not begin with `#!`";
            let way_out = format!("run `git update-index --chmod=+x {name}` and push that");
            return bad("script_unusable", what, way_out);
        }
        write_program(&place, &content).map_err(|cause| {
            let message = format!("cannot write {key} to {}: {cause}", place.display());
            Problem::setup("export", message, "free space there, or make it writable")
        })?;
        Ok(place)
    }

    fn cannot_run(&self, key: &str, path: &Path, program: &Path, error: &ExecError) -> Problem {
        let dir = self.pass.state.temp();
        let (why, way_out) = match error {
            ExecError::NotFound(_) => (
                "this host has no program as its first line names".to_owned(),
                "install that program, or name another in the script",
            ),
            _ if sys::fs::is_noexec(program) => (
                format!("{} is on a file system mounted noexec", dir.display()),
                "set state_dir to a place from which programs may be run",
            ),
            ExecError::Io(_, cause) => {
                (cause.to_string(), "a script must begin with a line like `#!/bin/sh`")
            }
            other => (other.to_string(), ""),
        };
        let message = format!("{key} {} cannot be run: {why}", self.named(path));
        Problem::setup("script_unusable", message, way_out)
    }

    /// As messages call a script.
    fn named(&self, path: &Path) -> String {
        format!("{} of commit {}", path.display(), short(&self.pass.target.id))
    }

    /// A script may print what it can read: the values of the env file and of all environments.
    fn hide(&self, stacks: &Stacks, said: &str) -> String {
        let all = stacks.list.iter().map(|stack| secrets(stack, &stacks.env, self.pass.git.top()));
        all.fold(redact(said), |text, secrets| secrets.hide(&text))
    }
}

/// The end of what a script said, in one line.
fn last_lines(said: &str) -> String {
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let cut = |line: &&str| -> String {
        match line.char_indices().nth(LINE_CHARS_MAX) {
            Some((end, _)) => format!("{}…", &line[..end]),
            None => (*line).to_owned(),
        }
    };
    let last: Vec<String> =
        lines[lines.len().saturating_sub(LINES_MAX)..].iter().map(cut).collect();
    last.join("; ")
}

#[cfg(test)]
mod tests {
    use super::last_lines;

    #[test]
    fn only_the_end_of_what_was_said_is_told() {
        let long = "x".repeat(300);
        for (said, told) in [
            ("", String::new()),
            ("\n  \n", String::new()),
            ("one\n", "one".to_owned()),
            ("1\n2\n\n 3 \n4\n5\n6", "2; 3; 4; 5; 6".to_owned()),
            (long.as_str(), format!("{}…", "x".repeat(200))),
        ] {
            assert_eq!(last_lines(said), told, "{said:?}");
        }
    }
}
