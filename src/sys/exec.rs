//! Child processes. Every one has its own process group, a deadline, a clean environment, bounded
//! output, and a standard input that is closed or fed: nothing here ever waits for a person.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::sys::child_record::{ChildRecord, MARK};
use crate::sys::pipes::{Pipes, STDOUT_BYTES_MAX};

mod job;

pub use crate::sys::cancel::Cancel;
pub use job::{Identity, Job, Output};

/// How often a quiet child is looked at: it may have exited while a grandchild holds its pipes.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

/// What a child left behind.
#[derive(Debug, Clone)]
pub struct Done {
    /// How it ended.
    pub exit: Exit,
    /// All of its standard output.
    pub stdout: Vec<u8>,
    /// The end of its standard error.
    pub stderr: Vec<u8>,
}

impl Done {
    /// Whether it ended with code 0.
    #[must_use]
    pub fn ok(&self) -> bool {
        self.exit == Exit::Code(0)
    }

    /// Standard output as text, broken UTF-8 replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error as text without surrounding blank space.
    #[must_use]
    pub fn complaint(&self) -> String {
        text_of(&self.stderr)
    }
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}

/// Why a child has no result.
#[derive(Debug)]
pub enum ExecError {
    /// The executable is not there.
    NotFound(PathBuf),
    /// It could not be started, fed or read.
    Io(PathBuf, io::Error),
    /// It was ended at its deadline; with the end of its standard error.
    Deadline(PathBuf, Duration, String),
    /// It was ended because we were asked to stop.
    Cancelled,
    /// It wrote more than a child of ours may.
    TooMuchOutput(PathBuf),
}

impl fmt::Display for ExecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExecError::NotFound(program) => {
                write!(f, "{} is not installed or not in PATH", program.display())
            }
            ExecError::Io(program, cause) => write!(f, "cannot run {}: {cause}", program.display()),
            ExecError::Deadline(program, limit, _) => {
                write!(f, "{} did not finish within {} s", program.display(), limit.as_secs())
            }
            ExecError::Cancelled => write!(f, "stopped on request"),
            ExecError::TooMuchOutput(program) => {
                write!(f, "{} wrote more than {STDOUT_BYTES_MAX} bytes", program.display())
            }
        }
    }
}

impl std::error::Error for ExecError {}

/// Runs children. The simulation and tests have their own.
pub trait Exec: Send + Sync {
    /// Runs one child to its end. When this returns, no process of its group is left.
    ///
    /// # Errors
    /// See [`ExecError`]; a non-zero exit is a result, not an error.
    fn run(&self, job: &Job) -> Result<Done, ExecError>;
}

/// Runs real processes.
#[derive(Debug, Clone, Default)]
pub struct SystemExec {
    /// Ends every child that is running when it is set.
    pub cancel: Cancel,
}

impl Exec for SystemExec {
    fn run(&self, job: &Job) -> Result<Done, ExecError> {
        if self.cancel.is_set() {
            return Err(ExecError::Cancelled);
        }
        log::debug!("run: {}", job.command_line());
        if let Some(path) = &job.record {
            ChildRecord::announce(path);
        }
        let child = spawn(job).map_err(|cause| {
            if let Some(path) = &job.record {
                ChildRecord::clear(path);
            }
            match cause.kind() {
                io::ErrorKind::NotFound => ExecError::NotFound(job.program.clone()),
                _ => ExecError::Io(job.program.clone(), cause),
            }
        })?;
        let pgid = Pid::from_child(&child);
        if let Some(path) = &job.record {
            ChildRecord::of(pgid).write(path);
        }
        let outcome = attend(child, pgid, job, &self.cancel);
        // Whatever the child left in its group would otherwise outlive us unseen.
        let _ = kill_process_group(pgid, Signal::KILL);
        // What did not end by itself may have left something, and its record tells when it began.
        let by_itself = matches!(&outcome, Ok(Done { exit: Exit::Code(_), .. }));
        if let (Some(path), true) = (&job.record, by_itself) {
            ChildRecord::clear(path);
        }
        outcome
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that starts processes")]
fn spawn(job: &Job) -> io::Result<Child> {
    // With the whole path the standard library need not fork: posix_spawn(3) copies no page tables.
    let program = whole_path(job).ok_or(io::ErrorKind::NotFound)?;
    let mut command = Command::new(program);
    command
        .arg0(&job.program)
        .args(&job.args)
        .env_clear()
        .envs(job.env.iter().map(|(name, value)| (name, value)))
        .current_dir(job.cwd.as_deref().unwrap_or_else(|| "/".as_ref()))
        .stdin(if job.stdin.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    if let Some(path) = &job.record {
        command.env(MARK, path);
    }
    if let Some(identity) = &job.identity {
        command.uid(identity.uid).gid(identity.gid);
    }
    if job.output == Output::Apart {
        return command.spawn();
    }
    let (from, to) = io::pipe()?;
    let mut child = command.stdout(to.try_clone()?).stderr(to).spawn()?;
    child.stderr = Some(OwnedFd::from(from).into());
    Ok(child)
}

/// Where the executable of a job is: a name is looked up in the `PATH` of its own environment.
fn whole_path(job: &Job) -> Option<PathBuf> {
    if job.program.components().count() > 1 || job.program.is_absolute() {
        return Some(job.program.clone());
    }
    let (_, path) = job.env.iter().find(|(name, _)| name == "PATH")?;
    std::env::split_paths(path).map(|dir| dir.join(&job.program)).find(|path| path.is_file())
}

/// The signals sent to a child so far.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sent {
    Nothing,
    Term,
    Kill,
}

/// Feeds and drains the child until it has ended, was cancelled, or ran out of time. One that even
/// KILL does not end (it hangs in the kernel) is given up.
fn attend(mut child: Child, pgid: Pid, job: &Job, cancel: &Cancel) -> Result<Done, ExecError> {
    let mut pipes = Pipes::take(&mut child, job.stdin.as_deref())
        .map_err(|e| ExecError::Io(job.program.clone(), e))?;
    let mut end = now() + job.deadline;
    let mut why_ended: Option<ExecError> = None;
    let mut exited_at: Option<Instant> = None;
    let mut sent = Sent::Nothing;
    // A group that has ended needs no signal.
    let send = |signal| {
        let _ = kill_process_group(pgid, signal);
    };
    let status = loop {
        let waited = pipes.turn(LOOK_EVERY);
        let instant = now();
        if let Err(cause) = waited {
            why_ended = Some(match cause.kind() {
                io::ErrorKind::FileTooLarge => ExecError::TooMuchOutput(job.program.clone()),
                _ => ExecError::Io(job.program.clone(), cause),
            });
            pipes.close();
            send(Signal::KILL);
            (sent, end) = (Sent::Kill, instant + job.grace);
        }
        match child.try_wait() {
            Ok(Some(status)) => {
                // A grandchild may hold the pipes open; what it still says is not waited for long.
                let since = *exited_at.get_or_insert(instant);
                if pipes.all_closed() || instant > since + Duration::from_secs(1) {
                    break status;
                }
            }
            Ok(None) => {}
            Err(cause) => return Err(ExecError::Io(job.program.clone(), cause)),
        }
        let cancelled = cancel.is_set() && why_ended.is_none();
        if cancelled || instant > end && exited_at.is_none() {
            let late = || ExecError::Deadline(job.program.clone(), job.deadline, String::new());
            let why = if cancelled { ExecError::Cancelled } else { late() };
            why_ended.get_or_insert(why);
            sent = match sent {
                Sent::Nothing => Sent::Term,
                Sent::Term => Sent::Kill,
                Sent::Kill => {
                    log::error!("{} does not end even when killed", job.program.display());
                    return Err(why_ended.unwrap_or_else(late));
                }
            };
            send(if sent == Sent::Term { Signal::TERM } else { Signal::KILL });
            end = instant + job.grace;
        }
    };
    match why_ended {
        Some(ExecError::Deadline(program, limit, _)) => {
            Err(ExecError::Deadline(program, limit, text_of(&pipes.stderr)))
        }
        Some(error) => Err(error),
        None => Ok(Done {
            exit: status
                .code()
                .map_or_else(|| Exit::Signal(status.signal().unwrap_or_default()), Exit::Code),
            stdout: pipes.stdout,
            stderr: pipes.stderr,
        }),
    }
}

#[expect(clippy::disallowed_methods, reason = "deadlines of children are real time")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests;
