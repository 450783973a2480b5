//! `renew pause` and `renew resume`: a person takes services out of renew's hands, and gives them
//! back. Neither touches a container.

use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::args::Whose;
use super::stored::{self, Stored};
use super::text::one_line;
use crate::problem::{Problem, Trouble};
use crate::reconcile::pause_in_words;
use crate::state::{Pause, StateDir};
use crate::sys::clock::{Clock, SystemClock};

/// Pauses services and returns the exit code. `path` is the configuration file, if there is one.
pub fn pause(
    path: Option<&Path>,
    whose: &Whose,
    hold: Option<Duration>,
    reason: Option<&str>,
) -> u8 {
    let clock = SystemClock::default();
    let now = clock.now();
    let pause = Pause::new(now, hold.and_then(|hold| end_of(now, hold)), reason.map(str::to_owned));
    told(load(path).and_then(|stored| pause_all(&stored, whose, &pause, &clock)))
}

/// Ends pauses and returns the exit code. `path` is the configuration file, if there is one.
pub fn resume(path: Option<&Path>, whose: &Whose) -> u8 {
    let clock = SystemClock::default();
    told(load(path).and_then(|stored| resume_all(&stored, whose, &clock)))
}

/// The configuration; a file that does not load is told, and stands in nobody's way.
fn load(path: Option<&Path>) -> Result<Stored, Vec<Problem>> {
    let stored = stored::load(path)?;
    for problem in &stored.broken {
        log::warn!("{problem}");
    }
    Ok(stored)
}

/// A pause that ends later than the calendar goes ends never.
fn end_of(now: DateTime<Utc>, hold: Duration) -> Option<DateTime<Utc>> {
    now.checked_add_signed(TimeDelta::from_std(hold).ok()?)
}

fn pause_all(
    stored: &Stored,
    whose: &Whose,
    pause: &Pause,
    clock: &dyn Clock,
) -> Result<Vec<String>, Vec<Problem>> {
    let names: Vec<&str> = match whose {
        Whose::All => stored.config.here().map(|service| service.name.as_str()).collect(),
        Whose::One(name) => {
            vec![stored.config.service_here(name).map_err(|problem| vec![problem])?.name.as_str()]
        }
    };
    let state = state(stored).map_err(|problem| vec![problem])?;
    let mut said = Vec::new();
    for name in names {
        state.pause(name, pause, clock).map_err(|problem| vec![problem])?;
        said.push(format!("{name}: paused {}", pause_in_words(pause)));
        // Taken for an instant, only to see whether somebody else has it.
        match state.lock(name) {
            Err(problem) if problem.trouble == Trouble::Busy => {
                said.push(format!("  -> {}: that run goes on to its end", problem.message));
            }
            _ => {}
        }
    }
    Ok(said)
}

fn resume_all(
    stored: &Stored,
    whose: &Whose,
    clock: &dyn Clock,
) -> Result<Vec<String>, Vec<Problem>> {
    let one = |problem| vec![problem];
    let state = stored.state().map_err(one)?;
    let paused = state.pauses_of().map_err(one)?;
    let names = match whose {
        Whose::All => paused,
        Whose::One(name) if paused.contains(name) => vec![name.clone()],
        Whose::One(name) => vec![stored.config.service_here(name).map_err(one)?.name.to_string()],
    };
    let mut said = Vec::new();
    for name in names {
        let before = state.resume(&name, clock).map_err(one)?;
        said.push(match before.filter(|pause| pause.holds(clock.now())) {
            Some(_) => format!("{name}: resumed; the next `renew sync` looks after it"),
            None => format!("{name}: was not paused"),
        });
    }
    if said.is_empty() {
        said.push("nothing was paused".to_owned());
    }
    Ok(said)
}

/// The state directory, ready to be written. None is made for a repository that is not there: a
/// mistyped `repo.dir` must not come into being.
fn state(stored: &Stored) -> Result<StateDir, Problem> {
    let (config, state) = (&stored.config, StateDir::at(&stored.config.state_dir));
    if !state.root().exists() && !config.repo.dir.exists() {
        return Err(Problem::setup(
            "repo_missing",
            format!("{} does not exist", config.repo.dir.display()),
            "correct repo.dir, or let `renew sync` clone it first",
        ));
    }
    state.prepare()?;
    Ok(state)
}

/// Says what was done, or why it was not.
fn told(done: Result<Vec<String>, Vec<Problem>>) -> u8 {
    let (lines, problems) = match done {
        Ok(lines) => (lines, Vec::new()),
        Err(problems) => (Vec::new(), problems),
    };
    let text: String = lines.iter().map(|line| one_line(line) + "\n").collect();
    stored::print_text(&text, problems)
}
