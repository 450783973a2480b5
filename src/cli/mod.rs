//! The command line: one file per command, the only place that prints or picks an exit code.

mod args;
mod help;
mod logging;
mod render;
mod signals;
mod sync;
mod table;
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

/// Runs the command that the process was started with.
#[must_use]
pub fn main() -> ExitCode {
    logging::start();
    let code = match args::parse(std::env::args_os().skip(1)) {
        Ok(line) => run(&line),
        Err(message) => {
            let mut err = io::stderr().lock();
            writeln!(err, "renew: {message}\nTry `renew --help`.").map(|()| EXIT_USAGE)
        }
    };
    match code {
        Ok(code) => ExitCode::from(code),
        // The reader of our output went away: nobody is left to tell.
        Err(cause) if cause.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn run(line: &Line) -> io::Result<u8> {
    let mut out = io::stdout().lock();
    match &line.command {
        Command::Help(topic) => out.write_all(help::text(*topic).as_bytes()).map(|()| 0),
        Command::Version => writeln!(out, "renew {}", env!("CARGO_PKG_VERSION")).map(|()| 0),
        Command::Validate { json, schema } => {
            let options = validate::ValidateOptions {
                config: line.config.clone().or_else(find_config),
                json: *json,
                schema: *schema,
            };
            let now = SystemClock::default().now();
            validate::run(&options, now, &mut out, &mut io::stderr().lock())
        }
        Command::Sync(args) => {
            drop(out);
            match line.config.clone().or_else(find_config) {
                Some(config) => sync::run(&config, args, &signals::Signals::listen()),
                None => no_config(),
            }
        }
    }
}

fn find_config() -> Option<PathBuf> {
    config::find(&sys::env::current_dir())
}

fn no_config() -> io::Result<u8> {
    let text = "renew: no renew.json here, in any folder above, or in /etc/renew\n  \
                -> name one with --config, or write one: see renew.example.json\n";
    io::stderr().lock().write_all(text.as_bytes()).map(|()| 1)
}
