//! What a person decides about releases: to try a failed target once more, or to go back to an earlier
//! release and stay there. Only the record is written; the next run does the rest.

use chrono::{DateTime, Utc};

use crate::config::Config;
use crate::config::value::choice::FilesAction;
use crate::problem::Problem;
use crate::state::{Delays, Hold, Projects, Record, Release, StateDir};

/// Lifts what keeps a service from following git: what failed is tried again, and it is no longer held on
/// a release. Returns whether there was anything.
///
/// # Errors
/// When another run works on the service, or the state cannot be read or written.
pub fn retry(config: &Config, service: &str) -> Result<bool, Problem> {
    let state = StateDir::at(&config.state_dir);
    state.prepare()?;
    let lock = state.lock(service)?;
    let before = state.record(service)?;
    let mut record = before.clone();
    record.quarantine.clear();
    record.delays = Delays::default();
    record.hold = None;
    state.store(&lock, &record)?;
    Ok(record != before)
}

/// Has a service go back to an earlier release, the one before if none is named, and stay there.
/// Returns which one.
///
/// # Errors
/// When there is no such release, another run works on the service, or the state cannot be written.
pub fn rollback(
    config: &Config,
    service: &str,
    to: Option<u64>,
    now: DateTime<Utc>,
) -> Result<Release, Problem> {
    let state = StateDir::at(&config.state_dir);
    state.prepare()?;
    let lock = state.lock(service)?;
    let record = state.record(service)?;
    let releases = state.releases(service);
    let Some(release) = choose(&releases, &record, to) else {
        let known: Vec<String> = releases.iter().map(|release| release.id.to_string()).collect();
        let (message, resolution) = match (to, known.is_empty()) {
            (_, true) => (
                format!("no earlier release of {service} is kept"),
                "one is kept from the first change on; `git revert` and a push go back as well"
                    .to_owned(),
            ),
            (Some(id), false) => (
                format!("release {id} of {service} is not kept"),
                format!("kept are: {}; keep_releases says how many are", known.join(", ")),
            ),
            (None, false) => (
                format!("{service} is on its earliest kept release already"),
                format!("`renew retry {service}` lets it follow git again"),
            ),
        };
        return Err(Problem::setup("no_release", message, resolution));
    };
    let n_kept = releases.len().max(1);
    if !releases.iter().any(|known| known.id == record.release) {
        state.keep_release(&lock, &record, n_kept + 1)?;
    }
    let signals = |name: &str| {
        let known = config.services.iter().find(|one| one.name.as_str() == service);
        let action = known.map(|one| one.for_compose_service(name).files_action);
        matches!(action, Some(FilesAction::Signal(_)))
    };
    let held = Record {
        projects: gone_back(&record.projects, &release.projects, signals),
        commit: release.commit.clone(),
        behind: false,
        at: Some(now),
        release: release.id,
        newest_release: record.newest_release.max(record.release),
        hold: Some(Hold { release: release.id, since: now }),
        probation: None,
        attempts: std::collections::BTreeMap::new(),
        delays: Delays::default(),
        ..record
    };
    state.store(&lock, &held)?;
    Ok(release.clone())
}

/// What was in force, with what is now where the very same would run: its containers stay. One that was
/// told of other files by a signal has read them: it is none of the earlier release any more.
fn gone_back(is: &Projects, was: &Projects, signals: impl Fn(&str) -> bool) -> Projects {
    let mut back = was.clone();
    for (project, past) in &mut back {
        for (name, one) in &mut past.services {
            let now = is.get(project).and_then(|now| now.services.get(name));
            if let Some(now) = now.filter(|now| now.runs_as(one) && now.replicas == one.replicas) {
                one.clone_from(now);
            } else if signals(name) && now.is_some_and(|now| now.files != one.files) {
                one.containers.clear();
            }
        }
    }
    back
}

fn choose<'r>(releases: &'r [Release], record: &Record, to: Option<u64>) -> Option<&'r Release> {
    match to {
        Some(id) => releases.iter().find(|release| release.id == id),
        None => releases.iter().rev().find(|release| release.id < record.release),
    }
}
