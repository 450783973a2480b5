//! The command line as typed: parsed, not yet looked into. `--config` may stand before or after the
//! command; a wrong line is an error with the way out, never a guess.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::{Arg, Parser, ValueExt};

use super::text::one_line;

/// What renew was asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// One reconcile pass.
    Sync(SyncArgs),
    /// Check the configuration offline.
    Validate {
        /// Print one JSON document.
        json: bool,
        /// Print the JSON Schema instead.
        schema: bool,
    },
    /// Print help: of a command, or of renew.
    Help(Option<&'static str>),
    /// Print the version.
    Version,
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
    ("sync", "bring the stacks in step with the repository, once"),
    ("plan", "say what sync would do, and change nothing"),
    ("validate", "check renew.json, offline"),
    ("help", "help on renew or one of these"),
];

/// Commands that a later version will have: somebody who read of them is not typing nonsense.
const LATER: &[&str] = &[
    "run",
    "status",
    "why",
    "history",
    "rollback",
    "retry",
    "accept",
    "pause",
    "resume",
    "doctor",
    "init",
    "compose",
    "leave",
    "completions",
    "man",
];

/// The options that each command takes, besides those that stand anywhere.
const OPTIONS: &[(&str, &[&str])] = &[
    ("sync", &["--service", "--dry-run", "--json"]),
    ("plan", &["--service", "--json"]),
    ("validate", &["--json", "--schema"]),
];
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
    let mut args = SyncArgs::default();
    let mut schema = false;
    let mut help = false;
    while let Some(arg) = parser.next().map_err(|error| error.to_string())? {
        match (arg, name) {
            (Arg::Short('h') | Arg::Long("help"), _) => help = true,
            (Arg::Short('V') | Arg::Long("version"), _) => {
                return Ok(Line { config, command: Command::Version });
            }
            (Arg::Short('c') | Arg::Long("config"), _) => {
                let value = parser.value().map_err(|error| error.to_string())?;
                if value.is_empty() {
                    return Err("--config needs the path of a file".to_owned());
                }
                config = Some(PathBuf::from(value));
            }
            (Arg::Long("service"), Some("sync" | "plan")) => {
                let value = parser.value().map_err(|error| error.to_string())?;
                let name = value.string().map_err(|error| error.to_string())?;
                if name.is_empty() {
                    return Err("--service needs the name of a service".to_owned());
                }
                args.services.push(name);
            }
            (Arg::Long("dry-run"), Some("sync")) => args.dry_run = true,
            (Arg::Long("json"), Some("sync" | "plan" | "validate")) => args.json = true,
            (Arg::Long("schema"), Some("validate")) => schema = true,
            (Arg::Value(word), None) => name = Some(command(&word.to_string_lossy())?),
            (Arg::Value(word), Some("help")) => {
                let topic = command(&word.to_string_lossy())?;
                return Ok(Line { config, command: Command::Help(Some(topic)) });
            }
            (other, name) => return Err(unexpected(&other, name)),
        }
    }
    let command = match name {
        None | Some("help") if help || name.is_some() => Command::Help(None),
        Some(topic) if help => Command::Help(Some(topic)),
        Some("sync") => Command::Sync(args),
        Some("plan") => Command::Sync(SyncArgs { dry_run: true, ..args }),
        Some("validate") => Command::Validate { json: args.json, schema },
        _ => return Err("say what to do: sync, plan or validate".to_owned()),
    };
    Ok(Line { config, command })
}

fn command(word: &str) -> Result<&'static str, String> {
    if let Some((name, _)) = COMMANDS.iter().find(|(name, _)| *name == word) {
        return Ok(name);
    }
    let shown = one_line(word);
    if LATER.contains(&word) {
        let version = env!("CARGO_PKG_VERSION");
        return Err(format!("renew {version} has no `{shown}` yet; it has sync, plan, validate"));
    }
    let near = nearest(word, COMMANDS.iter().map(|(name, _)| *name));
    Err(format!("there is no command `{shown}`{}", did_you_mean(near)))
}

fn unexpected(arg: &Arg<'_>, command: Option<&str>) -> String {
    let typed = match arg {
        Arg::Short(letter) => format!("-{letter}"),
        Arg::Long(word) => format!("--{word}"),
        Arg::Value(word) => word.to_string_lossy().into_owned(),
    };
    let shown = one_line(&typed);
    let all = || OPTIONS.iter().map(|(command, options)| (*command, options.iter().copied()));
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

/// The candidate that a typing slip away from `word`, if one is.
#[must_use]
pub fn nearest<'c>(word: &str, candidates: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    candidates
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().max(3) / 3)
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::{Command, Line, SyncArgs, parse};

    fn line(text: &str) -> Result<Line, String> {
        parse(text.split_whitespace().map(Into::into))
    }

    #[test]
    fn config_stands_before_and_after_the_command() {
        let sync = Command::Sync(SyncArgs { json: true, ..SyncArgs::default() });
        for text in ["--config a sync --json", "sync --json --config a", "sync --config=a --json"] {
            let expected = Line { config: Some("a".into()), command: sync.clone() };
            assert_eq!(line(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn plan_is_a_dry_run_of_sync() {
        assert_eq!(
            line("plan --service a --service b"),
            line("sync --dry-run --service a --service b")
        );
    }

    #[test]
    fn wrong_lines_are_told_apart() {
        for (text, expected) in [
            ("", "say what to do: sync, plan or validate"),
            ("snyc", "there is no command `snyc`; did you mean `sync`?"),
            ("frobnicate", "there is no command `frobnicate`"),
            ("status", "renew VERSION has no `status` yet; it has sync, plan, validate"),
            ("sync --jsn", "`sync` takes no --jsn; did you mean `--json`?"),
            ("sync --cofnig a", "`sync` takes no --cofnig; did you mean `--config`?"),
            ("plan --dry-run", "`plan` takes no --dry-run"),
            ("validate --service a", "`validate` takes no --service"),
            ("sync --config=", "--config needs the path of a file"),
            ("sync --service=", "--service needs the name of a service"),
            ("sync extra", "`sync` takes no extra"),
            ("--json", "--json goes behind the command: `renew COMMAND --json`"),
            ("--confg a", "there is no option --confg; did you mean `--config`?"),
            ("--colour", "there is no option --colour"),
            ("sync --service", "missing argument for option '--service'"),
        ] {
            let expected = expected.replace("VERSION", env!("CARGO_PKG_VERSION"));
            assert_eq!(line(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn help_is_had_in_every_way() {
        for text in ["--help", "-h", "help"] {
            assert_eq!(line(text).unwrap().command, Command::Help(None), "{text}");
        }
        for text in ["sync --help", "help sync", "--help sync", "sync -h"] {
            assert_eq!(line(text).unwrap().command, Command::Help(Some("sync")), "{text}");
        }
        assert_eq!(line("-V").unwrap().command, Command::Version);
    }
}
