//! `renew why`: the story of the last change of a service, and what happened since that was not
//! renew. Reads stored state, and asks docker if it answers.

use std::path::Path;

use chrono::{DateTime, Utc};

use super::history::images;
use super::signals::Signals;
use super::stored;
use super::sync::host;
use super::text::{self, folded};
use super::when::{ago, minute, took};
use crate::problem::Problem;
use crate::reconcile::{Finding, Happened, inquire, pause_in_words, short};
use crate::state::history::{Done, Entry, Told};
use crate::state::{Delays, History, Hold, Pause};
use crate::sys::clock::{Clock, SystemClock};

/// Digits of an image id that are shown.
const ID_CHARS: usize = 12;

/// Everything that the story is made of.
struct Facts {
    name: String,
    history: History,
    paused: Option<Pause>,
    hold: Option<Hold>,
    delays: Delays,
    /// What docker says of the containers, or why it says nothing.
    found: Result<Vec<Finding>, Problem>,
    now: DateTime<Utc>,
}

/// Runs the command and returns the exit code. `path` is the configuration file, if there is one.
pub fn run(path: Option<&Path>, name: &str, signals: &Signals) -> u8 {
    let (text, problems) = match look(path, name, signals) {
        Ok((facts, broken)) => (story(&facts), broken),
        Err(problems) => (String::new(), problems),
    };
    signals.exit_code().unwrap_or_else(|| stored::print_text(&text, problems))
}

fn look(
    path: Option<&Path>,
    name: &str,
    signals: &Signals,
) -> Result<(Facts, Vec<Problem>), Vec<Problem>> {
    let stored = stored::load(path)?;
    let clock = SystemClock::default();
    let now = clock.now();
    let host = host(&clock, &stored.config, signals);
    let facts = (|| {
        let name = stored.config.service_here(name)?.name.to_string();
        let state = stored.state()?;
        let record = state.record(&name)?;
        let found = inquire(&host, &record);
        let (history, paused) = (state.history(&name)?, state.paused(&name, now)?);
        Ok(Facts { name, history, paused, hold: record.hold, delays: record.delays, found, now })
    })();
    facts.map(|facts| (facts, stored.broken)).map_err(|problem| vec![problem])
}

fn story(facts: &Facts) -> String {
    let mut lines = Vec::new();
    let newest = facts.history.entries.back();
    stands(facts, &mut lines);
    match &facts.found {
        Ok(findings) => {
            // What ended before the last change was over is part of it.
            let since = newest.map(|entry| entry.last_at);
            let own = |finding: &&Finding| finding.at.is_none_or(|at| since.is_none_or(|s| at > s));
            for finding in findings.iter().filter(own) {
                lines.push(format!("Not renew: {}", not_renew(finding, facts.now)));
            }
        }
        Err(problem) => {
            lines.push(format!("What happened since is not known: {}", problem.message));
        }
    }
    match newest {
        Some(entry) => {
            change(entry, &mut lines);
            let said = facts.history.last.as_ref().filter(|_| facts.paused.is_none());
            let said = said.and_then(|last| last.error.as_ref());
            wrong(entry.error.as_ref().filter(|error| said != Some(*error)), &mut lines);
            remembered(entry, &facts.name, &mut lines);
        }
        None => lines.push("No run has changed anything yet.".to_owned()),
    }
    lines.iter().flat_map(|line| folded(line)).map(|line| line + "\n").collect()
}

/// How the service stands.
fn stands(facts: &Facts, lines: &mut Vec<String>) {
    let name = &facts.name;
    if let Some(pause) = &facts.paused {
        lines.push(format!("{name}: paused {}", pause_in_words(pause)));
        return;
    }
    if let Some(hold) = &facts.hold {
        let since = minute(hold.since);
        lines.push(format!("{name}: held on release {} since {since}", hold.release));
        lines.push(format!("  -> `renew retry {name}` lets it follow git again"));
    }
    match &facts.history.last {
        Some(last) if last.result == "held" && facts.hold.is_some() => {}
        None => lines.push(format!("{name}: never run")),
        Some(last) => {
            lines.push(format!("{name}: {} since {}", last.result, minute(last.since)));
            wrong(last.error.as_ref(), lines);
            let delays = facts.delays.notes(name, facts.now);
            lines.extend(delays.iter().map(|note| format!("  {note}")));
            for one in &last.waits {
                let what = format!("  {} ({}): {}", one.compose_service, one.reason, one.detail);
                lines.push(what.trim_end_matches([' ', ':']).to_owned());
            }
        }
    }
}

/// What happened to a container, as in `web: exit 137, OOM`.
fn not_renew(finding: &Finding, now: DateTime<Utc>) -> String {
    let what = match finding.what {
        Happened::Exited { code, oom, restarts, runs } => {
            let mut what = format!("exit {code}");
            if oom {
                what.push_str(", OOM");
            }
            if restarts > 0 {
                let now = if runs { "runs again" } else { "is being started again" };
                what.push_str(&format!(", {now} after {restarts} restarts by docker"));
            }
            what
        }
        Happened::Stopped => "stopped by a person or a program".to_owned(),
        Happened::Paused => "frozen by `docker pause`".to_owned(),
        Happened::Unhealthy => "its health check fails".to_owned(),
        Happened::Gone => "its container is gone".to_owned(),
    };
    let at = finding.at.map(|at| format!(" ({}, {})", minute(at), ago(at, now)));
    format!("{}: {what}{}", finding.compose_service, at.unwrap_or_default())
}

/// What was done, for whom, and what came of it.
fn change(entry: &Entry, lines: &mut Vec<String>) {
    let when = minute(entry.at);
    lines.push(format!("Last change: {when}, by {}: {}", entry.trigger, entry.result));
    if entry.times > 1 {
        let last = minute(entry.last_at);
        lines.push(format!("  done {} times, the last time {last}", entry.times));
    }
    let commit = short(&entry.commit);
    lines.push(match (&entry.author, &entry.subject) {
        (Some(author), Some(subject)) => format!("  commit {commit} by {author}: {subject}"),
        _ => format!("  commit {commit}"),
    });
    if let Some(from) = entry.from.as_ref().filter(|from| **from != entry.commit) {
        lines.push(format!("  the release before was that of {}", short(from)));
    }
    if entry.gate != "unasked" {
        lines.push(format!("  gate {}", entry.gate));
    }
    for done in &entry.actions {
        action(done, lines);
    }
}

/// What failed and is not tried again by itself.
fn remembered(entry: &Entry, name: &str, lines: &mut Vec<String>) {
    for failed in &entry.quarantined {
        let who = &failed.compose_service;
        lines.push(match (&failed.with, failed.until) {
            (Some(with), _) => format!("  {who} was undone with {with} and comes back with it"),
            (None, Some(until)) => format!("  {who} is tried again from {} on", minute(until)),
            (None, None) => format!(
                "  {who} is quarantined: not tried again before its target changes, or `renew retry {name}`"
            ),
        });
    }
}

/// What went wrong, and the way out.
fn wrong(error: Option<&Told>, lines: &mut Vec<String>) {
    let Some(error) = error else { return };
    lines.extend(text::lines(&error.message).map(|line| format!("  {line}")));
    lines.push(format!("  -> {}", error.resolution));
}

fn action(done: &Done, lines: &mut Vec<String>) {
    let down = done.down_ms.map(|ms| format!(", down for {}", took(ms))).unwrap_or_default();
    let (action, who) = (&done.action, &done.compose_service);
    lines.push(format!("  {action} {who} ({}){down}", done.reason));
    match images(done) {
        Some(images) => {
            let id = |id: &Option<String>| {
                let hex = id.as_deref().unwrap_or("none");
                let hex = hex.strip_prefix("sha256:").unwrap_or(hex);
                hex.get(..ID_CHARS).unwrap_or(hex).to_owned()
            };
            let image = &done.image;
            lines.push(format!("    {images} ({} -> {})", id(&image.running), id(&image.now)));
            // Of an image the detail says no more than that, but for what changed beside it.
            match done.detail.split_once("; changed: ") {
                Some((_, keys)) if done.reason == "image" => {
                    lines.push(format!("    changed: {keys}"));
                }
                _ if done.reason == "image" => {}
                _ => lines.push(format!("    {}", done.detail)),
            }
        }
        None if done.detail.is_empty() => {}
        None => lines.push(format!("    {}", done.detail)),
    }
}
