//! A status for a person, in tables that fit a terminal.

use chrono::{DateTime, Utc};

use crate::cli::render::WIDTH;
use crate::cli::table::Table;
use crate::cli::text::{self, folded, one_line};
use crate::cli::when::{ago, ahead, minute};
use crate::reconcile::short;
use crate::standing::{HumanPart, Live, Seen, Stand};
use crate::state::history::Waits;

/// All of it.
#[must_use]
pub fn text(seen: &Seen, now: DateTime<Utc>) -> String {
    let mut text = seen.live.as_ref().map(|live| daemon(live, now)).unwrap_or_default();
    if !seen.services.is_empty() {
        text.push_str(&table(seen, now));
        text.push('\n');
        let images = images(&seen.services);
        if !images.is_empty() {
            text.push_str(&images);
            text.push('\n');
        }
    }
    // Where not all could be read, nobody knows that.
    if !seen.human.is_empty() || seen.problems.is_empty() {
        text.push_str(&list(&seen.human));
    }
    text
}

/// A line about the daemon.
fn daemon(live: &Live, now: DateTime<Utc>) -> String {
    let doing = match (live.stopping, live.workers.busy, live.workers.waiting) {
        (true, ..) => "stopping".to_owned(),
        (false, 0, 0) => "idle".to_owned(),
        (false, busy, 0) => format!("{busy} of {} workers busy", live.workers.size),
        (false, busy, waiting) => {
            format!("{busy} of {} workers busy, {waiting} waiting", live.workers.size)
        }
    };
    format!(
        "The daemon runs (renew {}, pid {}, started {}): {doing}.\n\n",
        live.version,
        live.pid,
        ago(live.since, now)
    )
}

/// When a service runs next, or that it does.
fn next(seen: &Seen, service: &Stand, now: DateTime<Utc>) -> String {
    let live = seen.live_of(&service.name);
    if let Some(run) = live.and_then(|live| live.running.as_ref()) {
        return format!("runs, begun {}", ago(run.since, now));
    }
    if live.is_some_and(|live| live.wanted.is_some()) {
        return "waits for a worker".to_owned();
    }
    seen.next_of(service).map(|next| ahead(next, now)).unwrap_or_else(|| "never".to_owned())
}

/// A line for each service.
fn table(seen: &Seen, now: DateTime<Utc>) -> String {
    let head = ["SERVICE", "STATE", "SINCE", "COMMIT", "CHANGED", "FAILED", "NEXT"];
    let mut table = Table::new(&head);
    for service in &seen.services {
        let state = service.state().replace('_', " ");
        let state = match service.error() {
            Some(error) if error.reason != state => format!("{state}:\n{}", error.reason),
            _ => state,
        };
        let past = |at: Option<DateTime<Utc>>| at.map(|at| ago(at, now)).unwrap_or_default();
        let failure = service.history.last_failure.as_ref();
        table.row(&[
            service.name.clone(),
            state,
            past(service.since()),
            short(&service.record.commit).to_owned(),
            past(service.last_change().map(|entry| entry.last_at)),
            past(failure.map(|failure| failure.since)),
            next(seen, service, now),
        ]);
    }
    table.render(WIDTH)
}

/// The images that are in force.
fn images(services: &[Stand]) -> String {
    let mut table = Table::new(&["SERVICE", "COMPOSE SERVICE", "IMAGE IN FORCE", "WAITS"]);
    for service in services {
        let last = service.history.last.iter().flat_map(|last| &last.waits);
        let waits: Vec<&Waits> = last.collect();
        for (project, past) in &service.record.projects {
            for (name, known) in &past.services {
                let mine = |one: &&&Waits| one.project == *project && one.compose_service == *name;
                let why = waits.iter().find(mine).map_or("", |one| one.reason.as_str());
                table.row(&[service.name.as_str(), name, &known.image, why]);
            }
        }
    }
    if table.is_empty() { String::new() } else { table.render(WIDTH) }
}

/// The list for a person.
fn list(parts: &[HumanPart]) -> String {
    if parts.is_empty() {
        return "Nothing needs a human.\n".to_owned();
    }
    let mut lines = vec!["Needs a human:".to_owned()];
    for part in parts {
        let who = part.service.as_deref().unwrap_or("renew");
        let since = part.since.map(|at| format!(" (since {})", minute(at))).unwrap_or_default();
        let message: Vec<String> = text::lines(&part.message).collect();
        let said = format!("  {who}: {}{since}", message.join("\n    "));
        lines.extend(said.lines().map(str::to_owned));
        if !part.resolution.is_empty() {
            lines.push(format!("    -> {}", one_line(&part.resolution)));
        }
    }
    lines.iter().flat_map(|line| folded(line)).map(|line| line + "\n").collect()
}
