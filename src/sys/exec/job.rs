//! What a child process is to be: program, arguments, surroundings and limits. Starts nothing.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

/// Between TERM and KILL, if not said otherwise.
const GRACE: Duration = Duration::from_secs(10);

/// Under whose identity a child runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// User id.
    pub uid: u32,
    /// Primary group id; no supplementary groups are kept.
    pub gid: u32,
}

/// What becomes of the two output streams of a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Standard output is kept as a whole, of standard error the end.
    Apart,
    /// Both are one stream in the order of writing, kept as standard error is.
    Together,
}

/// One child process to run to its end.
#[derive(Debug, Clone)]
pub struct Job {
    /// The executable: a path, or a name looked up in `PATH` of `env`.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Its whole environment; nothing is inherited.
    pub env: Vec<(OsString, OsString)>,
    /// Where it runs; `/` if not said.
    pub cwd: Option<PathBuf>,
    /// What it reads on standard input; closed (`/dev/null`) if not said.
    pub stdin: Option<Vec<u8>>,
    /// Where what it says goes.
    pub output: Output,
    /// Whose process it is; ours if not said.
    pub identity: Option<Identity>,
    /// How long it may take.
    pub deadline: Duration,
    /// How long it has to end after TERM before KILL comes.
    pub grace: Duration,
    /// Where the child is written down while it runs, so that a later run can end it when we die.
    pub record: Option<PathBuf>,
}

impl Job {
    /// A job with the given deadline and nothing else said.
    pub fn new(program: impl Into<PathBuf>, deadline: Duration) -> Job {
        Job {
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            cwd: None,
            stdin: None,
            output: Output::Apart,
            identity: None,
            deadline,
            grace: GRACE,
            record: None,
        }
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Job {
        self.args.push(arg.as_ref().to_os_string());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(mut self, args: I) -> Job {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_os_string()));
        self
    }

    /// Adds one environment variable.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Job {
        self.env.push((name.as_ref().to_os_string(), value.as_ref().to_os_string()));
        self
    }

    /// The command line for a message. Arguments never carry secrets: those go by file or stdin.
    #[must_use]
    pub fn command_line(&self) -> String {
        let mut line = self.program.display().to_string();
        for arg in &self.args {
            line.push(' ');
            line.push_str(&arg.to_string_lossy());
        }
        line
    }
}
