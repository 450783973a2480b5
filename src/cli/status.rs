//! `renew status`: how each service stands as the last runs left it, and what needs a human. Reads
//! stored state, asks nobody and waits for nobody.

mod human;
mod stand;

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::signals::Signals;
use super::stored::{self, ErrorPart};
use super::sync::EXIT_SETUP;
use super::{EXIT_USAGE, ended};
use crate::problem::Problem;
use crate::sys::clock::{Clock, SystemClock};
use crate::sys::zone;
use human::HumanPart;
use stand::{ServicePart, Stand};

/// Between two looks of `--watch`.
const EVERY: Duration = Duration::from_secs(2);
/// How soon Ctrl-C is noticed.
const STEP: Duration = Duration::from_millis(100);
/// Clears a terminal and goes to its first line (ECMA-48, `ED` and `CUP`).
const CLEAR: &str = "\u{1b}[2J\u{1b}[H";

#[derive(Serialize)]
struct Document<'s> {
    services: Vec<ServicePart<'s>>,
    needs_human: Vec<HumanPart>,
    errors: Vec<ErrorPart>,
}

/// What there is to say.
struct Seen {
    services: Vec<Stand>,
    human: Vec<HumanPart>,
    problems: Vec<Problem>,
}

/// Prints one JSON document and returns the exit code.
pub fn json(path: Option<&Path>) -> u8 {
    let seen = look(path);
    let code = if seen.problems.is_empty() { 0 } else { EXIT_SETUP };
    let services = seen.services.iter().map(Stand::part).collect();
    let errors = seen.problems.iter().map(ErrorPart::from).collect();
    stored::print_json(&Document { services, needs_human: seen.human, errors }, code)
}

/// Prints it for a person and returns the exit code.
pub fn once(path: Option<&Path>) -> u8 {
    let seen = look(path);
    stored::print_text(&text(&seen), seen.problems)
}

/// Prints it anew until somebody has seen enough, and returns the exit code.
pub fn watch(path: Option<&Path>, signals: &Signals) -> u8 {
    if !io::stdout().is_terminal() {
        let said = writeln!(io::stderr(), "renew: status --watch needs a terminal");
        return ended(said, EXIT_USAGE);
    }
    let clock = SystemClock::default();
    loop {
        let seen = look(path);
        let mut shown = String::from(CLEAR);
        shown.push_str(&text(&seen));
        let mut out = io::stdout().lock();
        let written = out.write_all(shown.as_bytes()).and_then(|()| out.flush());
        drop(out);
        let code = stored::print_text("", seen.problems);
        if written.is_err() {
            return ended(written, code);
        }
        let end = clock.monotonic() + EVERY;
        while clock.monotonic() < end {
            if signals.cancel.is_set() {
                return 0;
            }
            clock.sleep(STEP);
        }
    }
}

fn look(path: Option<&Path>) -> Seen {
    let mut seen = Seen { services: Vec::new(), human: Vec::new(), problems: Vec::new() };
    let stored = match stored::load(path) {
        Ok(stored) => stored,
        Err(problems) => return Seen { problems, ..seen },
    };
    seen.problems.extend(stored.broken.iter().cloned());
    let now = SystemClock::default().now();
    if let Err(bad) = zone::check() {
        let message = format!("{bad}: times are in UTC");
        seen.human.push(HumanPart::new(None, "time_zone", message, "correct TZ or /etc/localtime"));
    }
    let state = match stored.state() {
        Ok(state) => state,
        Err(problem) => {
            seen.problems.push(problem);
            return seen;
        }
    };
    match state.troubles() {
        Ok(troubles) => seen.human.extend(troubles.into_iter().map(HumanPart::of_all)),
        Err(problem) => seen.problems.push(problem),
    }
    for service in stored.here() {
        match Stand::look(&state, service, now) {
            Ok(stand) => {
                seen.human.extend(human::of(&stand));
                seen.services.push(stand);
            }
            Err(problem) => seen.problems.push(problem),
        }
    }
    seen
}

fn text(seen: &Seen) -> String {
    let mut text = String::new();
    if !seen.services.is_empty() {
        text.push_str(&stand::table(&seen.services));
        text.push('\n');
        text.push_str(&stand::images(&seen.services));
        text.push('\n');
    }
    text.push_str(&human::list(&seen.human));
    text
}
