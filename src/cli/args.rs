//! The command line as typed: parsed, not yet looked into. `--config` may stand before or after the
//! command; a wrong line is an error with the way out, never a guess.

mod typed;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::{Arg, Parser, ValueExt};

use super::text::one_line;
use crate::nearest::nearest;
use typed::Typed;

/// What renew was asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// The daemon.
    Run,
    /// One reconcile pass.
    Sync(SyncArgs),
    /// Check the configuration offline.
    Validate {
        /// Print one JSON document.
        json: bool,
        /// Print the JSON Schema instead.
        schema: bool,
    },
    /// Tell how services stand.
    Status {
        /// Print one JSON document.
        json: bool,
        /// Print anew every few seconds.
        watch: bool,
    },
    /// Tell the story of the last change.
    Why {
        /// Of this service.
        service: String,
    },
    /// Tell what runs did.
    History {
        /// To these services; to all when empty.
        services: Vec<String>,
        /// Print one JSON document.
        json: bool,
    },
    /// Go back to an earlier release of this service, and stay there.
    Rollback {
        /// Its name in the configuration.
        service: String,
        /// Which release; the one before, if none is named.
        to: Option<u64>,
    },
    /// Try a failed target of this service again, and follow git again.
    Retry {
        /// Its name in the configuration.
        service: String,
    },
    /// Let the next run make a change of this service that is refused.
    Accept {
        /// Its name in the configuration.
        service: String,
    },
    /// Do nothing at all to services.
    Pause {
        /// To which.
        whose: Whose,
        /// For how long; until they are resumed when not said.
        hold: Option<Duration>,
        /// Why.
        reason: Option<String>,
    },
    /// End that.
    Resume {
        /// For which.
        whose: Whose,
    },
    /// Print help: of a command, or of renew.
    Help(Option<&'static str>),
    /// Print the version.
    Version,
}

/// The services that a command is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    /// All of them.
    All,
    /// This one.
    One(String),
}

/// The arguments of `sync` and `plan`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SyncArgs {
    /// Only these services; all when empty.
    pub services: Vec<String>,
    /// Say what would be done, change nothing.
    pub dry_run: bool,
    /// Print one JSON document.
    pub json: bool,
}

/// A whole command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// `--config`.
    pub config: Option<PathBuf>,
    /// The command.
    pub command: Command,
}

/// The commands of this version, with the line that `--help` shows.
pub const COMMANDS: &[(&str, &str)] = &[
    ("run", "the daemon: sync each service by its schedule (the default)"),
    ("sync", "bring the stacks in step with the repository, once"),
    ("plan", "say what sync would do, and change nothing"),
    ("status", "how each service stands, and what needs a human"),
    ("why", "the story of the last change of a service"),
    ("history", "list what runs did, and what became of it"),
    ("pause", "do nothing at all to a service for a while"),
    ("resume", "end a pause"),
    ("rollback", "go back to an earlier release, and stay there"),
    ("retry", "try a failed target again, or follow git again"),
    ("accept", "let the next run make a change that renew refuses"),
    ("validate", "check renew.json, offline"),
    ("help", "help on renew or one of these"),
];

/// Commands that a later version will have: somebody who read of them is not typing nonsense.
const LATER: &[&str] = &["doctor", "init", "compose", "leave", "completions", "man"];

/// An option, and what its value must be if it has one.
type Opt = (&'static str, Option<&'static str>);

/// The options that each command takes, besides those that stand anywhere.
const OPTIONS: &[(&str, &[Opt])] = &[
    ("run", &[]),
    ("sync", &[SERVICE, ("--dry-run", None), JSON]),
    ("plan", &[SERVICE, JSON]),
    ("status", &[JSON, ("--watch", None)]),
    ("why", &[]),
    ("history", &[SERVICE, JSON]),
    ("pause", &[("--for", Some("a duration like 2h")), ("--reason", Some("some words")), ALL]),
    ("resume", &[ALL]),
    ("rollback", &[("--to", Some("the number of a release"))]),
    ("retry", &[]),
    ("accept", &[]),
    ("validate", &[JSON, ("--schema", None)]),
];
const SERVICE: Opt = ("--service", Some("the name of a service"));
const JSON: Opt = ("--json", None);
const ALL: Opt = ("--all", None);
/// The commands that take the name of a service.
const NAMING: &[&str] = &["why", "accept", "pause", "resume", "retry", "rollback"];
/// The options that stand anywhere.
const ANYWHERE: &[&str] = &["--config", "--help", "--version"];

/// Reads a command line without the program's name.
///
/// # Errors
/// What is wrong with it and what to type instead, for standard error.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Line, String> {
    let mut parser = Parser::from_args(args);
    let mut config = None;
    let mut name: Option<&'static str> = None;
    let mut typed = Typed::default();
    let mut help = false;
    while let Some(arg) = parser.next().map_err(|error| error.to_string())? {
        match (arg, name) {
            (Arg::Short('h') | Arg::Long("help"), _) => help = true,
            (Arg::Short('V') | Arg::Long("version"), _) => {
                return Ok(Line { config, command: Command::Version });
            }
            (Arg::Short('c') | Arg::Long("config"), _) => {
                config = Some(PathBuf::from(value(&mut parser, "--config", "the path of a file")?));
            }
            (Arg::Value(word), None) => name = Some(command(&word.to_string_lossy())?),
            (Arg::Value(word), Some("help")) => {
                let topic = command(&word.to_string_lossy())?;
                return Ok(Line { config, command: Command::Help(Some(topic)) });
            }
            (Arg::Value(word), Some(command))
                if NAMING.contains(&command) && typed.name.is_none() && !word.is_empty() =>
            {
                typed.name = Some(word.string().map_err(|error| error.to_string())?);
            }
            (other, name) => match option(&other, name) {
                Some((flag, None)) => typed.flags.push(flag),
                Some((option, Some(what))) => {
                    let text = value(&mut parser, option, what)?.string();
                    typed.values.push((option, text.map_err(|error| error.to_string())?));
                }
                None => return Err(unexpected(&other, name)),
            },
        }
    }
    let command = match name {
        topic if help => Command::Help(topic.filter(|topic| *topic != "help")),
        Some(name) => typed.command(name)?,
        None => Command::Run,
    };
    Ok(Line { config, command })
}

/// The option of a command that was typed, if it has it, with what its value must be.
fn option(arg: &Arg<'_>, command: Option<&str>) -> Option<Opt> {
    let Arg::Long(word) = arg else { return None };
    let (_, options) = OPTIONS.iter().find(|(name, _)| Some(*name) == command)?;
    options.iter().find(|(option, _)| option.strip_prefix("--") == Some(word)).copied()
}

fn value(parser: &mut Parser, option: &str, what: &str) -> Result<OsString, String> {
    let value = parser.value().map_err(|error| error.to_string())?;
    if value.is_empty() { Err(format!("{option} needs {what}")) } else { Ok(value) }
}

fn command(word: &str) -> Result<&'static str, String> {
    if let Some((name, _)) = COMMANDS.iter().find(|(name, _)| *name == word) {
        return Ok(name);
    }
    let shown = one_line(word);
    if LATER.contains(&word) {
        let version = env!("CARGO_PKG_VERSION");
        return Err(format!("renew {version} has no `{shown}` yet; it has {}", names(" and ")));
    }
    let near = nearest(word, COMMANDS.iter().map(|(name, _)| *name));
    Err(format!("there is no command `{shown}`{}", did_you_mean(near)))
}

/// The commands that do something, as in `a, b or c`.
fn names(last: &str) -> String {
    let mut names: Vec<&str> =
        COMMANDS.iter().map(|(name, _)| *name).filter(|name| *name != "help").collect();
    let end = names.pop().unwrap_or_default();
    format!("{}{last}{end}", names.join(", "))
}

fn unexpected(arg: &Arg<'_>, command: Option<&str>) -> String {
    let typed = match arg {
        Arg::Short(letter) => format!("-{letter}"),
        Arg::Long(word) => format!("--{word}"),
        Arg::Value(word) => word.to_string_lossy().into_owned(),
    };
    let shown = one_line(&typed);
    let all = || OPTIONS.iter().map(|(name, options)| (*name, options.iter().map(|(o, _)| *o)));
    match command {
        Some(command) => {
            let own = all().filter(|(name, _)| *name == command).flat_map(|(_, options)| options);
            let near = nearest(&typed, own.chain(ANYWHERE.iter().copied()));
            format!("`{command}` takes no {shown}{}", did_you_mean(near))
        }
        None if all().any(|(_, mut options)| options.any(|option| option == typed)) => {
            format!("{shown} goes behind the command: `renew COMMAND {shown}`")
        }
        None => {
            let near = nearest(&typed, ANYWHERE.iter().copied());
            format!("there is no option {shown}{}", did_you_mean(near))
        }
    }
}

fn did_you_mean(near: Option<&str>) -> String {
    near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}

#[cfg(test)]
mod tests;
