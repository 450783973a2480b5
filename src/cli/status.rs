//! `renew status`: how each service stands as the last runs left it, and what needs a human. Reads
//! stored state, and asks a running daemon for what only it knows; waits for no run.

mod shown;

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use super::signals::Signals;
use super::stored;
use super::sync::EXIT_SETUP;
use super::{EXIT_USAGE, ended};
use crate::control;
use crate::standing::{HumanPart, Seen};
use crate::sys::clock::{Clock, SystemClock};

/// Between two looks of `--watch`.
const EVERY: Duration = Duration::from_secs(2);
/// How soon Ctrl-C is noticed.
const STEP: Duration = Duration::from_millis(100);
/// Clears a terminal and goes to its first line (ECMA-48, `ED` and `CUP`).
const CLEAR: &str = "\u{1b}[2J\u{1b}[H";

/// Prints one JSON document and returns the exit code.
pub fn json(path: Option<&Path>) -> u8 {
    let seen = look(path);
    let code = if seen.problems.is_empty() { 0 } else { EXIT_SETUP };
    stored::print_json(&seen.document(), code)
}

/// Prints it for a person and returns the exit code.
pub fn once(path: Option<&Path>) -> u8 {
    let seen = look(path);
    stored::print_text(&shown::text(&seen, SystemClock::default().now()), seen.problems)
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
        shown.push_str(&shown::text(&seen, SystemClock::default().now()));
        let mut out = io::stdout().lock();
        let written = out.write_all(shown.as_bytes()).and_then(|()| out.flush());
        drop(out);
        let code = stored::print_text("", seen.problems);
        if written.is_err() {
            return ended(written, code);
        }
        let end = clock.monotonic() + EVERY;
        while clock.monotonic() < end {
            if signals.cancel().is_set() {
                return 0;
            }
            clock.sleep(STEP);
        }
    }
}

fn look(path: Option<&Path>) -> Seen {
    let now = SystemClock::default().now();
    let stored = match stored::load(path) {
        Ok(stored) => stored,
        Err(problems) => return Seen { problems, at: now, ..Seen::default() },
    };
    let (live, silent) = match control::live(&stored.config.control_socket) {
        Ok(live) => (live, None),
        Err(silent) => (None, Some(HumanPart::from(silent))),
    };
    let mut seen = Seen::look(&stored.config, now, live);
    seen.problems.splice(0..0, stored.broken);
    seen.human.extend(silent);
    seen
}
