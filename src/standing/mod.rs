//! How everything stands: the document that `renew status --json` prints and the control socket serves,
//! put together from stored state. Asks nobody, waits for nobody, writes nothing.

mod human;
mod live;

use chrono::{DateTime, Local, SecondsFormat, Utc};
use serde::Serialize;

use crate::config::{Config, Service};
use crate::problem::Problem;
use crate::state::history::{Complaint, Entry, Standing, Told, Waits};
use crate::state::{History, Hold, Pause, Record, StateDir};
use crate::sys::zone;

pub use human::HumanPart;
pub use live::{Live, LiveComponent, LiveConfig, LiveEnd, LiveRun, LiveService, LiveWorkers};

/// All there is to say.
#[derive(Debug, Default)]
pub struct Seen {
    /// The services of this host, in the order of the configuration.
    pub services: Vec<Stand>,
    /// What needs a human.
    pub human: Vec<HumanPart>,
    /// What could not be read.
    pub problems: Vec<Problem>,
    /// What the running daemon says, if there is one.
    pub live: Option<Live>,
    /// When it was looked.
    pub at: DateTime<Utc>,
}

/// The same as a document.
#[derive(Debug, Serialize)]
pub struct Document<'s> {
    daemon: Option<&'s Live>,
    services: Vec<ServicePart<'s>>,
    needs_human: &'s [HumanPart],
    errors: Vec<Complaint>,
}

impl Seen {
    /// Reads how the services of `config` stand; `live` is what a daemon says beside that.
    #[must_use]
    pub fn look(config: &Config, now: DateTime<Utc>, live: Option<Live>) -> Seen {
        let mut seen = Seen { at: now, ..Seen::default() };
        if let Err(bad) = zone::check() {
            let (message, mend) =
                (format!("{bad}: times are in UTC"), "correct TZ or /etc/localtime");
            seen.human.push(HumanPart::new(None, "time_zone", message, mend));
        }
        seen.human.extend(live.iter().flat_map(human::of_daemon));
        seen.live = live;
        let state = StateDir::at(&config.state_dir);
        if let Err(problem) = state.check() {
            seen.problems.push(problem);
            return seen;
        }
        match state.troubles() {
            Ok(troubles) => {
                seen.human.extend(troubles.into_iter().map(|one| HumanPart::of(None, one)))
            }
            Err(problem) => seen.problems.push(problem),
        }
        for service in config.here() {
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

    /// What the running daemon says of a service.
    #[must_use]
    pub fn live_of(&self, name: &str) -> Option<&LiveService> {
        self.live.as_ref()?.services.iter().find(|live| live.name == name)
    }

    /// When a service is due: the daemon knows better than the stored schedule.
    #[must_use]
    pub fn next_of(&self, stand: &Stand) -> Option<DateTime<Utc>> {
        match self.live_of(&stand.name) {
            Some(live) => live.next,
            None => stand.next,
        }
    }

    /// As a document.
    #[must_use]
    pub fn document(&self) -> Document<'_> {
        Document {
            daemon: self.live.as_ref(),
            services: self.services.iter().map(|stand| stand.part(self.next_of(stand))).collect(),
            needs_human: &self.human,
            errors: self.problems.iter().map(|one| Complaint::new(one, self.at)).collect(),
        }
    }
}

/// What is known of one service.
#[derive(Debug)]
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
    /// When it is due, as far as its schedule tells.
    pub next: Option<DateTime<Utc>>,
}

/// A service in the document.
#[derive(Debug, Serialize)]
pub struct ServicePart<'s> {
    name: &'s str,
    state: &'s str,
    since: Option<DateTime<Utc>>,
    error: Option<Complaint>,
    gate: Option<&'s str>,
    waits: &'s [Waits],
    release: u64,
    commit: Option<&'s str>,
    images: Vec<ImagePart<'s>>,
    last_change: Option<ChangePart<'s>>,
    last_failure: Option<FailurePart<'s>>,
    held: Option<&'s Hold>,
    paused: Option<PausePart<'s>>,
    schedule: &'s str,
    next: Option<String>,
}

#[derive(Debug, Serialize)]
struct ImagePart<'s> {
    project: &'s str,
    compose_service: &'s str,
    declared: &'s str,
    running: &'s str,
}

#[derive(Debug, Serialize)]
struct ChangePart<'s> {
    id: u64,
    at: DateTime<Utc>,
    commit: &'s str,
    result: &'s str,
}

#[derive(Debug, Serialize)]
struct FailurePart<'s> {
    result: &'s str,
    error: Option<Complaint>,
    gate: &'s str,
    waits: &'s [Waits],
    since: DateTime<Utc>,
    until: Option<DateTime<Utc>>,
}

#[derive(Debug, Serialize)]
struct PausePart<'s> {
    since: DateTime<Utc>,
    until: Option<DateTime<Utc>>,
    reason: Option<&'s str>,
}

impl<'s> FailurePart<'s> {
    fn of(standing: &'s Standing) -> FailurePart<'s> {
        let Standing { result, error, gate, waits, since, until } = standing;
        let error = error.as_ref().map(|told| complaint((told, *since)));
        FailurePart { result, error, gate, waits, since: *since, until: *until }
    }
}

fn complaint((told, since): (&Told, DateTime<Utc>)) -> Complaint {
    Complaint { told: told.clone(), since }
}

impl Stand {
    /// Reads what is stored of a service.
    ///
    /// # Errors
    /// When some of it cannot be read.
    fn look(state: &StateDir, service: &Service, now: DateTime<Utc>) -> Result<Stand, Problem> {
        let name = service.name.to_string();
        let anchor = state.stored_anchor(&name, service.schedule.as_str()).unwrap_or(now);
        Ok(Stand {
            history: state.history(&name)?,
            record: state.record(&name)?,
            paused: state.paused(&name, now)?,
            schedule: service.schedule_text.clone(),
            next: service.schedule.next_after(now, &Local, anchor),
            name,
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

    /// Its last change.
    #[must_use]
    pub fn last_change(&self) -> Option<&Entry> {
        self.history.entries.back()
    }

    fn part(&self, next: Option<DateTime<Utc>>) -> ServicePart<'_> {
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
            error: self.error().zip(self.since()).map(complaint),
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
            last_failure: self.history.last_failure.as_ref().map(FailurePart::of),
            held: self.record.hold.as_ref(),
            paused: self.paused.as_ref().map(|pause| PausePart {
                since: pause.since,
                until: pause.until,
                reason: pause.reason.as_deref(),
            }),
            schedule: &self.schedule,
            next: next
                .map(|next| next.with_timezone(&Local).to_rfc3339_opts(SecondsFormat::Secs, false)),
        }
    }
}
