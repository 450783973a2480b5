//! Logs: lines on standard error, filtered by `RUST_LOG`. A person at a terminal gets the bare
//! words; under journald the time is left to it and the priority is told in its own way
//! (sd-daemon(3)). It never lets a library log what it sends and receives.
//!
//! One who reads both streams is told each change once: at a terminal lines are progress and leave the
//! why to the table at the end, in the journal lines have it all, and elsewhere the table has.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicBool, Ordering};

use log::{Level, LevelFilter};

use super::render::Told;
use super::text::one_line;
use crate::config::value::choice::LogFormat;
use crate::reconcile::WHY;
use crate::sys;

/// What libraries may not say less important things than, whatever `RUST_LOG` says: below it they
/// print requests and answers, and with them the environment of containers.
const LIBRARIES: &[&str] = &["ureq", "rustls"];

/// Who reads the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reader {
    Terminal,
    Journal,
    /// A file or a pipe that gets standard output as well, as from cron.
    Both,
    File,
}

impl Reader {
    fn find() -> Reader {
        let err = io::stderr();
        match () {
            // A terminal inherits the variable from the session that started it.
            () if err.is_terminal() => Reader::Terminal,
            () if is_journal(&err) => Reader::Journal,
            () if place_of(&err).is_some() && place_of(&err) == place_of(&io::stdout()) => {
                Reader::Both
            }
            () => Reader::File,
        }
    }

    /// What is shown unless `RUST_LOG` says otherwise. The table tells every change in the end, so
    /// that whoever reads both streams needs no line for each.
    fn level(self) -> LevelFilter {
        match self {
            Reader::Terminal | Reader::Journal | Reader::File => LevelFilter::Info,
            Reader::Both => LevelFilter::Warn,
        }
    }
}

/// Whether lines are JSON objects, for a program to read.
static JSON: AtomicBool = AtomicBool::new(false);

/// From now on lines are as the configuration wants them. A person at a terminal gets words.
pub fn format(wanted: LogFormat) {
    let json = wanted == LogFormat::Json && Reader::find() != Reader::Terminal;
    JSON.store(json, Ordering::Relaxed);
}

fn object(level: Level, text: &str) -> String {
    let level = level.as_str().to_lowercase();
    serde_json::json!({ "ts": sys::clock::local_time(), "level": level, "msg": text }).to_string()
}

/// Whether a table at the end tells what was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// It does.
    Comes,
    /// It does not: the daemon's lines are all there is.
    Never,
}

/// Begins to log.
pub fn start(table: Table) {
    let reader = match (Reader::find(), table) {
        (Reader::Terminal | Reader::Both, Table::Never) => Reader::File,
        (reader, _) => reader,
    };
    let mut builder = env_logger::Builder::new();
    match sys::env::text("RUST_LOG") {
        Some(filter) => builder.parse_filters(&filter),
        None => builder.filter_level(reader.level()),
    };
    builder.format(move |line, record| {
        let text = record.args().to_string();
        let level = record.level();
        match reader {
            Reader::Terminal => {
                let progress = text.split(WHY).next().unwrap_or_default();
                writeln!(line, "{}{}", prefix(level), one_line(progress))
            }
            Reader::Journal => match JSON.load(Ordering::Relaxed) {
                true => writeln!(line, "<{}>{}", priority(level), object(level, &whole(&text))),
                false => writeln!(line, "<{}>{}", priority(level), whole(&text)),
            },
            _ if JSON.load(Ordering::Relaxed) => writeln!(line, "{}", object(level, &whole(&text))),
            Reader::Both | Reader::File => {
                writeln!(line, "{} {level:5} {}", sys::clock::local_time(), whole(&text))
            }
        }
    });
    for library in LIBRARIES {
        builder.filter_module(library, LevelFilter::Warn);
    }
    // A second logger in one process is a mistake of ours, not the user's: the first one stays.
    let _ = builder.try_init();
}

/// What whoever reads standard output was told on standard error.
pub fn told() -> Told {
    let journal_has_both = is_journal(&io::stderr()) && is_journal(&io::stdout());
    match journal_has_both && log::max_level() >= LevelFilter::Info {
        true => Told::Steps,
        false => Told::Progress,
    }
}

/// Whether a stream leads to the journal: `JOURNAL_STREAM` names its device and inode
/// (systemd.exec(5)).
fn is_journal(stream: &impl AsFd) -> bool {
    let named = sys::env::text("JOURNAL_STREAM");
    place_of(stream).is_some_and(|(dev, ino)| named == Some(format!("{dev}:{ino}")))
}

/// Device and inode of what a stream leads to.
fn place_of(stream: &impl AsFd) -> Option<(u64, u64)> {
    let own = stream.as_fd().try_clone_to_owned().ok()?;
    let meta = File::from(own).metadata().ok()?;
    Some((meta.dev(), meta.ino()))
}

fn whole(text: &str) -> String {
    one_line(&text.replacen(WHY, " ", 1))
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
