//! What was typed after a command, made into the command. It decides what is missing, and what does not
//! go together.

use std::time::Duration;

use super::{Command, SyncArgs, Whose};
use crate::cli::text::one_line;
use crate::config::value::duration;

/// What was typed after a command.
#[derive(Debug, Default)]
pub struct Typed {
    /// The name of a service.
    pub name: Option<String>,
    /// Options without a value.
    pub flags: Vec<&'static str>,
    /// Options with one, in their order.
    pub values: Vec<(&'static str, String)>,
}

impl Typed {
    fn has(&self, flag: &str) -> bool {
        self.flags.contains(&flag)
    }

    fn all(self, option: &str) -> Vec<String> {
        let mine = |(name, value): (&str, String)| (name == option).then_some(value);
        self.values.into_iter().filter_map(mine).collect()
    }

    /// The last one counts, as with most programs.
    fn last(&self, option: &str) -> Option<String> {
        self.values.iter().rev().find(|(name, _)| *name == option).map(|(_, value)| value.clone())
    }

    fn one(&self, command: &str) -> Result<String, String> {
        self.name.clone().ok_or_else(|| format!("{command} needs the name of a service"))
    }

    fn whose(&self, command: &str) -> Result<Whose, String> {
        match (&self.name, self.has("--all")) {
            (Some(name), false) => Ok(Whose::One(name.clone())),
            (None, true) => Ok(Whose::All),
            (None, false) => Err(format!("{command} needs the name of a service, or --all")),
            (Some(_), true) => Err(format!("{command} takes the name of a service or --all")),
        }
    }

    /// The command of that name, if all it needs was typed.
    ///
    /// # Errors
    /// What is missing, or what does not go together.
    pub fn command(self, name: &str) -> Result<Command, String> {
        let json = self.has("--json");
        Ok(match name {
            "run" => Command::Run,
            "sync" => {
                let dry_run = self.has("--dry-run");
                Command::Sync(SyncArgs { dry_run, json, services: self.all("--service") })
            }
            "plan" => {
                Command::Sync(SyncArgs { dry_run: true, json, services: self.all("--service") })
            }
            "status" if json && self.has("--watch") => {
                return Err("status takes --json or --watch".to_owned());
            }
            "status" => Command::Status { json, watch: self.has("--watch") },
            "why" => Command::Why { service: self.one(name)? },
            "history" => Command::History { json, services: self.all("--service") },
            "accept" => Command::Accept { service: self.one(name)? },
            "retry" => Command::Retry { service: self.one(name)? },
            "rollback" => Command::Rollback {
                service: self.one(name)?,
                to: self.last("--to").map(|text| number("--to", &text)).transpose()?,
            },
            "pause" => Command::Pause {
                whose: self.whose(name)?,
                hold: self.last("--for").map(|text| duration("--for", &text)).transpose()?,
                reason: self.last("--reason"),
            },
            "resume" => Command::Resume { whose: self.whose(name)? },
            "validate" => Command::Validate { json, schema: self.has("--schema") },
            _ => Command::Help(None),
        })
    }
}

fn number(option: &str, text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("{option} needs the number of a release, not {}", one_line(text)))
}

fn duration(option: &str, text: &str) -> Result<Duration, String> {
    match duration::parse(text) {
        Ok(Duration::ZERO) => Err(format!("{option} needs more than {text}")),
        Ok(duration) => Ok(duration),
        Err(problem) => {
            let hint = problem.hint.map(|hint| format!("; {hint}")).unwrap_or_default();
            Err(format!("{option}: {}{hint}", problem.message))
        }
    }
}
