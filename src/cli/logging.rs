//! Logs: lines on standard error, filtered by `RUST_LOG`. A person at a terminal gets the bare
//! words; under journald the time is left to it and the priority is told in its own way
//! (sd-daemon(3)). It never lets a library log what it sends and receives.

use std::io::{self, IsTerminal, Write};

use log::Level;

use super::text::one_line;
use crate::sys;

/// What libraries may not say less important things than, whatever `RUST_LOG` says: below it they
/// print requests and answers, and with them the environment of containers.
const LIBRARIES: &[&str] = &["ureq", "rustls"];

/// Who reads the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reader {
    Terminal,
    Journal,
    File,
}

/// Begins to log. `info` and worse are shown unless `RUST_LOG` says otherwise.
pub fn start() {
    let filter = sys::env::text("RUST_LOG").unwrap_or_else(|| "info".to_owned());
    let reader = match () {
        // A terminal inherits the variable from the session that started it.
        () if io::stderr().is_terminal() => Reader::Terminal,
        () if sys::env::var("JOURNAL_STREAM").is_some() => Reader::Journal,
        () => Reader::File,
    };
    let mut builder = env_logger::Builder::new();
    builder.parse_filters(&filter).format(move |line, record| {
        let text = one_line(&record.args().to_string());
        let level = record.level();
        match reader {
            Reader::Journal => writeln!(line, "<{}>{text}", priority(level)),
            Reader::Terminal => writeln!(line, "{}{text}", prefix(level)),
            Reader::File => writeln!(line, "{} {level:5} {text}", sys::clock::local_time()),
        }
    });
    for library in LIBRARIES {
        builder.filter_module(library, log::LevelFilter::Warn);
    }
    // A second logger in one process is a mistake of ours, not the user's: the first one stays.
    let _ = builder.try_init();
}

/// The priorities of syslog(3).
fn priority(level: Level) -> u8 {
    match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    }
}

/// What a person sees before the words.
fn prefix(level: Level) -> &'static str {
    match level {
        Level::Error => "error: ",
        Level::Warn => "warning: ",
        Level::Info => "",
        Level::Debug => "debug: ",
        Level::Trace => "trace: ",
    }
}
