//! How one service stands: put together from what is stored of it, and shown in a line.

use chrono::{DateTime, Local, SecondsFormat, Utc};
use serde::Serialize;

use crate::cli::render::WIDTH;
use crate::cli::table::Table;
use crate::cli::when::{ago, ahead};
use crate::config::Service;
use crate::problem::Problem;
use crate::reconcile::short;
use crate::state::history::{Entry, Standing, Told, Waits};
use crate::state::{History, Hold, Pause, Record, StateDir};

/// What is known of one service.
pub struct Stand {
    /// Its name.
    pub name: String,
    /// How its last runs ended.
    pub history: History,
    /// What is in force.
    pub record: Record,
    /// Whether a person paused it.
    pub paused: Option<Pause>,
    schedule: String,
    next: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
}

/// A service in the document.
#[derive(Serialize)]
pub struct ServicePart<'s> {
    name: &'s str,
    state: &'s str,
    since: Option<DateTime<Utc>>,
    error: Option<&'s Told>,
    gate: Option<&'s str>,
    waits: &'s [Waits],
    release: u64,
    commit: Option<&'s str>,
    images: Vec<ImagePart<'s>>,
    last_change: Option<ChangePart<'s>>,
    last_failure: Option<&'s Standing>,
    held: Option<&'s Hold>,
    paused: Option<PausePart<'s>>,
    schedule: &'s str,
    next: Option<String>,
}

#[derive(Serialize)]
struct ImagePart<'s> {
    project: &'s str,
    compose_service: &'s str,
    declared: &'s str,
    running: &'s str,
}

#[derive(Serialize)]
struct ChangePart<'s> {
    id: u64,
    at: DateTime<Utc>,
    commit: &'s str,
    result: &'s str,
}

#[derive(Serialize)]
struct PausePart<'s> {
    since: DateTime<Utc>,
    until: Option<DateTime<Utc>>,
    reason: Option<&'s str>,
}

impl Stand {
    /// Reads what is stored of a service.
    ///
    /// # Errors
    /// When some of it cannot be read.
    pub fn look(state: &StateDir, service: &Service, now: DateTime<Utc>) -> Result<Stand, Problem> {
        let name = service.name.to_string();
        Ok(Stand {
            history: state.history(&name)?,
            record: state.record(&name)?,
            paused: state.paused(&name, now)?,
            schedule: service.schedule_text.clone(),
            next: service.schedule.next_after(now, &Local, now),
            name,
            now,
        })
    }

    /// In one word.
    #[must_use]
    pub fn state(&self) -> &str {
        match (&self.paused, &self.history.last) {
            (Some(_), _) => "paused",
            (None, Some(last)) => &last.result,
            (None, None) => "never_run",
        }
    }

    /// Since when it stands so.
    #[must_use]
    pub fn since(&self) -> Option<DateTime<Utc>> {
        let paused = self.paused.as_ref().map(|pause| pause.since);
        paused.or_else(|| self.history.last.as_ref().map(|last| last.since))
    }

    /// What is wrong with it.
    #[must_use]
    pub fn error(&self) -> Option<&Told> {
        self.history.last.as_ref().filter(|_| self.paused.is_none())?.error.as_ref()
    }

    fn last_change(&self) -> Option<&Entry> {
        self.history.entries.back()
    }

    /// The same for the document.
    #[must_use]
    pub fn part(&self) -> ServicePart<'_> {
        let of_record = self.record.projects.iter().flat_map(|(project, past)| {
            past.services.iter().map(move |(name, known)| ImagePart {
                project,
                compose_service: name,
                declared: &known.image,
                running: &known.image_id,
            })
        });
        ServicePart {
            name: &self.name,
            state: self.state(),
            since: self.since(),
            error: self.error(),
            gate: self.history.last.as_ref().map(|last| last.gate.as_str()),
            waits: self.history.last.as_ref().map_or(&[], |last| &last.waits),
            release: self.record.release,
            commit: Some(self.record.commit.as_str()).filter(|commit| !commit.is_empty()),
            images: of_record.collect(),
            last_change: self.last_change().map(|entry| ChangePart {
                id: entry.id,
                at: entry.last_at,
                commit: &entry.commit,
                result: &entry.result,
            }),
            last_failure: self.history.last_failure.as_ref(),
            held: self.record.hold.as_ref(),
            paused: self.paused.as_ref().map(|pause| PausePart {
                since: pause.since,
                until: pause.until,
                reason: pause.reason.as_deref(),
            }),
            schedule: &self.schedule,
            next: self
                .next
                .map(|next| next.with_timezone(&Local).to_rfc3339_opts(SecondsFormat::Secs, false)),
        }
    }
}

/// A line for each service.
#[must_use]
pub fn table(services: &[Stand]) -> String {
    let head = ["SERVICE", "STATE", "SINCE", "COMMIT", "CHANGED", "FAILED", "NEXT"];
    let mut table = Table::new(&head);
    for service in services {
        let now = service.now;
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
            service.next.map(|next| ahead(next, now)).unwrap_or_else(|| "never".to_owned()),
        ]);
    }
    table.render(WIDTH)
}

/// The images that are in force.
#[must_use]
pub fn images(services: &[Stand]) -> String {
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
