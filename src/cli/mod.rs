//! The command line: one file per command, the only place that prints or picks an exit code.

mod accept;
mod args;
mod help;
mod history;
mod logging;
mod pause;
mod render;
mod run;
mod signals;
mod status;
mod steer;
mod stored;
mod sync;
mod table;
mod text;
pub mod validate;
mod when;
mod why;

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
    let parsed = args::parse(std::env::args_os().skip(1));
    let is_daemon = matches!(&parsed, Ok(line) if line.command == Command::Run);
    logging::start(if is_daemon { logging::Table::Never } else { logging::Table::Comes });
    let code = match parsed {
        Ok(line) => obey(&line),
        Err(message) => {
            let mut err = io::stderr().lock();
            ended(writeln!(err, "renew: {message}\nTry `renew --help`."), EXIT_USAGE)
        }
    };
    ExitCode::from(code)
}

fn obey(line: &Line) -> u8 {
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
        Command::Accept { service } => {
            accept::run(config.as_deref(), service, &signals::Signals::listen())
        }
        Command::Status { json: true, .. } => status::json(config.as_deref()),
        Command::Status { watch: true, .. } => {
            status::watch(config.as_deref(), &signals::Signals::listen())
        }
        Command::Status { .. } => status::once(config.as_deref()),
        Command::Why { service } => {
            why::run(config.as_deref(), service, &signals::Signals::listen())
        }
        Command::Retry { service } => {
            steer::retry(config.as_deref(), service, &signals::Signals::listen())
        }
        Command::Rollback { service, to } => {
            steer::rollback(config.as_deref(), service, *to, &signals::Signals::listen())
        }
        Command::History { services, json } => history::run(config.as_deref(), services, *json),
        Command::Pause { whose, hold, reason } => {
            pause::pause(config.as_deref(), whose, *hold, reason.as_deref())
        }
        Command::Resume { whose } => pause::resume(config.as_deref(), whose),
        Command::Run => run::run(config.as_deref()),
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
