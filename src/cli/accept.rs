//! `renew accept`: a person lets the next run make a change that renew refuses to make by itself.

use std::io::{self, Write};
use std::path::Path;

use super::args::SyncArgs;
use super::signals::Signals;
use super::sync::{EXIT_SETUP, host, incoming, load, order};
use super::{NO_CONFIG, ended, render};
use crate::decide::plan::Danger;
use crate::problem::Problem;
use crate::reconcile::{self, Accepted, Report, Restart};
use crate::sys::clock::SystemClock;

/// Runs the command and returns the exit code. `path` is the configuration file, if there is one.
pub fn run(path: Option<&Path>, service: &str, signals: &Signals) -> u8 {
    let accepted = match path {
        Some(path) => accept(path, service, signals),
        None => {
            let (message, resolution) = NO_CONFIG;
            Err(vec![Problem::setup("config", message, resolution)])
        }
    };
    let (written, code) = match accepted {
        Ok(accepted) => (say(&mut io::stdout().lock(), service, &accepted), 0),
        Err(problems) => {
            let report = Report { problems, ..Report::default() };
            (render::problems(&mut io::stderr().lock(), &report), EXIT_SETUP)
        }
    };
    ended(written, signals.exit_code().unwrap_or(code))
}

fn accept(path: &Path, name: &str, signals: &Signals) -> Result<Accepted, Vec<Problem>> {
    let args = SyncArgs { services: vec![name.to_owned()], dry_run: true, json: false };
    let first = load(path, &args)?;
    let clock = SystemClock::default();
    let host = host(&clock, &first.config, signals);
    let ready = incoming(&host, first, &args);
    let service = match ready.config.service_here(name) {
        Ok(service) => service,
        Err(problem) => return Err(ready.broken.into_iter().chain([problem]).collect()),
    };
    let order = order(&ready.config, &args, Restart::Done);
    reconcile::accept(&host, &order, service).map_err(|problem| vec![problem])
}

fn say(out: &mut impl Write, service: &str, accepted: &Accepted) -> io::Result<()> {
    let Accepted { now, before } = accepted;
    if now.is_empty() && before.is_empty() {
        return writeln!(out, "{service}: nothing is refused that could be accepted");
    }
    for (word, dangers) in [("accepted", now), ("accepted before", before)] {
        for danger in dangers {
            writeln!(out, "{service}: {word}: {}", in_words(danger))?;
        }
    }
    writeln!(out, "The next `renew sync` makes the change.")
}

fn in_words(danger: &Danger) -> String {
    let who = match danger.services.len() {
        1 => danger.services.first().map(|name| format!("{name}: ")).unwrap_or_default(),
        _ => String::new(),
    };
    format!("{}: {who}{}", danger.kind.name(), danger.words)
}
