//! Processes that a test starts: to their end with a deadline, or in the background to be killed.
//! Output goes to files, never pipes: an orphan that outlives its parent must not hold the test up.

use std::fmt;
use std::fs::{self, File};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::Value;
use tempfile::NamedTempFile;

/// No command of a test may take longer.
const DEADLINE: Duration = Duration::from_secs(120);

/// What a finished command left.
#[derive(Clone)]
pub struct Output {
    /// Exit code; 128 + signal when a signal ended it.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// The command line and directory, for messages.
    pub command: String,
}

impl Output {
    /// Fails the test, with everything known about the command, unless it exited with `code`.
    #[track_caller]
    pub fn expect(self, code: i32) -> Output {
        assert!(self.code == code, "expected exit code {code}\n{self}");
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("standard output is not JSON: {error}\n{self}"))
    }
}

impl fmt::Display for Output {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Output { code, stdout, stderr, command } = self;
        write!(out, "$ {command}\nexit code: {code}\n--- stdout\n{stdout}\n--- stderr\n{stderr}")
    }
}

/// A command that still runs, in a process group of its own.
pub struct Running {
    child: Child,
    stdout: NamedTempFile,
    stderr: NamedTempFile,
    command: String,
}

impl Running {
    /// Starts a command; its input is closed.
    pub fn start(mut command: Command) -> Running {
        let directory = command.get_current_dir().map(|dir| dir.display().to_string());
        let line = format!("{command:?}\nin {}", directory.unwrap_or_else(|| ".".to_owned()));
        let stdout = NamedTempFile::new().expect("a file for standard output");
        let stderr = NamedTempFile::new().expect("a file for standard error");
        let handle = |file: &NamedTempFile| -> File { file.reopen().expect("a second handle") };
        let child = command
            .stdin(Stdio::null())
            .stdout(handle(&stdout))
            .stderr(handle(&stderr))
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {line}: {error}"));
        Running { child, stdout, stderr, command: line }
    }

    /// Its process id, which is also its group's.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Sends SIGKILL to this one process and to nothing it started.
    pub fn kill_alone(mut self) {
        kill_process(self.pid(), Signal::KILL).expect("to kill the process");
        self.child.wait().expect("a dead child");
    }

    /// Sends SIGKILL to its process group and to the given groups that it started.
    pub fn kill_with(mut self, groups: &[i32]) {
        kill_process_group(self.pid(), Signal::KILL).expect("to kill the group");
        for group in groups {
            if let Some(pid) = Pid::from_raw(*group) {
                // The group may have ended by itself.
                let _ = kill_process_group(pid, Signal::KILL);
            }
        }
        self.child.wait().expect("a dead child");
    }

    /// Asks the process to end, as systemd or a person would.
    pub fn terminate(&self) {
        kill_process(self.pid(), Signal::TERM).expect("to signal the process");
    }

    /// Waits for the end.
    #[track_caller]
    pub fn finish(mut self) -> Output {
        let status = self.wait();
        self.output(status)
    }

    /// The same, where nobody wants to know what it said.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        let end = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().expect("to ask for the child") {
                return status;
            }
            if Instant::now() > end {
                let _ = kill_process_group(self.pid(), Signal::KILL);
                let status = self.child.wait().expect("a dead child");
                panic!("not finished after {} s\n{}", DEADLINE.as_secs(), self.output(status));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn output(&self, status: ExitStatus) -> Output {
        let text = |file: &NamedTempFile| -> String {
            String::from_utf8_lossy(&fs::read(file.path()).expect("the output")).into_owned()
        };
        Output {
            code: status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
            stdout: text(&self.stdout),
            stderr: text(&self.stderr),
            command: self.command.clone(),
        }
    }
}

impl Drop for Running {
    /// A test that panics leaves nothing running.
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = kill_process_group(self.pid(), Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

/// Runs a command to its end.
#[track_caller]
pub fn run(command: Command) -> Output {
    Running::start(command).finish()
}
