//! The command line: one file per command, the only place that prints or picks an exit code.

mod args;
mod help;
mod logging;
mod render;
mod signals;
mod sync;
mod table;
mod text;
pub mod validate;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use args::{Command, Line};

use crate::config;
use crate::sys;
use crate::sys::clock::{Clock, SystemClock};

/// Exit: the command line itself is wrong (`EX_USAGE` of sysexits.h).
const EXIT_USAGE: u8 = 64;
/// What to say, and what to do, when there is no configuration file.
const NO_CONFIG: (&str, &str) = (
    "no renew.json here, in any folder above, or in /etc/renew",
    "name one with --config, or write one: see renew.example.json",
);

/// Runs the command that the process was started with.
#[must_use]
pub fn main() -> ExitCode {
    logging::start();
    let code = match args::parse(std::env::args_os().skip(1)) {
        Ok(line) => run(&line),
        Err(message) => {
            let mut err = io::stderr().lock();
            ended(writeln!(err, "renew: {message}\nTry `renew --help`."), EXIT_USAGE)
        }
    };
    ExitCode::from(code)
}

fn run(line: &Line) -> u8 {
    let config = line.config.clone().or_else(find_config);
    match &line.command {
        Command::Help(topic) => ended(say(help::text(*topic)), 0),
        Command::Version => ended(say(format!("renew {}\n", env!("CARGO_PKG_VERSION"))), 0),
        Command::Validate { json, schema } => {
            let options = validate::ValidateOptions { config, json: *json, schema: *schema };
            let now = SystemClock::default().now();
            let (mut out, mut err) = (io::stdout().lock(), io::stderr().lock());
            validate::run(&options, now, &mut out, &mut err)
        }
        Command::Sync(args) => sync::run(config.as_deref(), args, &signals::Signals::listen()),
    }
}

fn say(text: String) -> io::Result<()> {
    io::stdout().lock().write_all(text.as_bytes())
}

/// The exit code of a command that is over, once its output was `written`. A reader that went away
/// (`renew plan | head`) has all it wanted: the code stays that of the work.
fn ended(written: io::Result<()>, code: u8) -> u8 {
    match written {
        Err(cause) if cause.kind() != io::ErrorKind::BrokenPipe => {
            // Nothing is left to do if that cannot be said either.
            let _ = writeln!(io::stderr(), "renew: cannot write the output: {cause}");
            code.max(1)
        }
        Ok(()) | Err(_) => code,
    }
}

fn find_config() -> Option<PathBuf> {
    config::find(&sys::env::current_dir())
}
