//! Writes down what became of runs and passes, for people who ask later. It decides nothing, and
//! where it cannot write, the run goes on as if it had.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::Host;
use super::pass::Pass;
use super::report::{Outcome, ServiceReport};
use super::todo::{Key, key};
use crate::config::Config;
use crate::decide::plan::{Action, Reason, Step};
use crate::docker::engine::{Event, EventKind};
use crate::problem::{Problem, Trouble};
use crate::state::history::{Done, Entry, Failed, Images, Judged, Standing, Told, Waits};
use crate::state::{Record, ServiceLock, StateDir};

/// Writes down how a run ended that `began` then, and what it did. What differs from the time before in
/// nothing but its time is not written.
pub fn write(pass: &Pass<'_>, lock: &ServiceLock, report: &ServiceReport, began: DateTime<Utc>) {
    let (Some(result), story) = (report.result, &report.story) else { return };
    let interrupted =
        report.error.as_ref().map(|error| error.trouble) == Some(Trouble::Interrupted);
    if interrupted && story.tried.is_empty() {
        // It says nothing about the service.
        return;
    }
    let before = match pass.state.history(lock.service()) {
        Ok(history) => history,
        Err(problem) => return log::debug!("{problem}"),
    };
    let (mut history, now) = (before.clone(), pass.host.clock.now());
    let judged = judged(result);
    let standing = Standing {
        result: at_rest(result).name().to_owned(),
        error: report.error.as_ref().map(Told::from),
        gate: report.gate.name().to_owned(),
        waits: report.actions.iter().filter_map(waits).collect(),
        since: now,
        until: None,
    };
    if !story.tried.is_empty() {
        history.add(entry(pass, report, &standing, result, began), judged);
    }
    history.end(standing, judged);
    if history == before {
        return;
    }
    if let Err(problem) = pass.state.store_history(lock, &history) {
        log::debug!("{problem}");
    }
}

/// Writes down what is wrong with a pass as a whole.
pub fn write_troubles(host: &Host<'_>, config: &Config, problems: &[Problem]) {
    let state = StateDir::at(&config.state_dir);
    if !state.root().exists() || state.check().is_err() {
        return;
    }
    let lasting = problems.iter().filter(|problem| problem.trouble != Trouble::Interrupted);
    if let Err(problem) = state.store_troubles(lasting, host.clock.now()) {
        log::debug!("{problem}");
    }
}

/// What is wanted and not done, of those that somebody has to know of.
fn waits(action: &Action) -> Option<Waits> {
    let waits = match action.reason {
        Reason::Quarantined
        | Reason::Held
        | Reason::Refused
        | Reason::Observed
        | Reason::Deferred
        | Reason::NeedsBuild => action.step == Step::Nothing,
        _ => false,
    };
    waits.then(|| Waits {
        project: action.project.clone(),
        compose_service: action.compose_service.clone(),
        reason: action.reason.name().to_owned(),
        detail: action.detail.clone(),
    })
}

/// What failed in a run that `began` then, and is remembered.
fn failed(record: &Record, began: DateTime<Utc>) -> Vec<Failed> {
    let mut failed = Vec::new();
    for (project, services) in &record.quarantine {
        for (name, list) in services {
            let of_run = list.iter().filter(|one| one.since >= began);
            failed.extend(of_run.map(|one| Failed {
                project: project.clone(),
                compose_service: name.clone(),
                reason: one.reason.clone(),
                message: one.message.clone(),
                with: one.with.as_ref().map(|(_, name)| name.clone()),
                until: one.until,
            }));
        }
    }
    failed
}

/// How the service stands after it: what was changed and is good needs no second note from the run
/// that finds it settled.
fn at_rest(result: Outcome) -> Outcome {
    if result == Outcome::Changed { Outcome::Ok } else { result }
}

fn judged(result: Outcome) -> Judged {
    match result {
        Outcome::Failed | Outcome::RolledBack | Outcome::Quarantined => Judged::Badly,
        Outcome::Ok
        | Outcome::Changed
        | Outcome::Unverified
        | Outcome::Refused
        | Outcome::Deferred
        | Outcome::Observed
        | Outcome::Paused
        | Outcome::Held
        | Outcome::Skipped => Judged::Well,
    }
}

fn entry(
    pass: &Pass<'_>,
    report: &ServiceReport,
    standing: &Standing,
    result: Outcome,
    began: DateTime<Utc>,
) -> Entry {
    let story = &report.story;
    let about = pass.git.about(&story.commit).inspect_err(|problem| log::debug!("{problem}")).ok();
    let (author, subject) = about.unzip();
    let world = World::look(pass.host, &story.tried, began, standing.since);
    let done = |action: &Action| Done {
        project: action.project.clone(),
        compose_service: action.compose_service.clone(),
        action: action.step.name().to_owned(),
        reason: action.reason.name().to_owned(),
        detail: action.detail.clone(),
        image: Images {
            before: story.images.get(&key(action)).cloned(),
            running: action.image.running.clone(),
            declared: action.image.declared.clone(),
            now: world.images.get(&key(action)).cloned(),
        },
        down_ms: world.down_ms.get(&key(action)).copied(),
    };
    let record = pass.state.record(&report.name).unwrap_or_default();
    Entry {
        id: record.release,
        at: standing.since,
        last_at: standing.since,
        times: 1,
        commit: story.commit.clone(),
        from: Some(story.from.clone()).filter(|from| !from.is_empty()),
        author,
        subject,
        trigger: pass.host.trigger.to_owned(),
        result: result.name().to_owned(),
        gate: standing.gate.clone(),
        error: standing.error.clone(),
        actions: story.tried.iter().map(done).collect(),
        quarantined: failed(&record, began),
    }
}

/// What the engine tells after a change. What it does not tell stays unknown.
#[derive(Debug, Default)]
struct World {
    images: BTreeMap<Key, String>,
    down_ms: BTreeMap<Key, u64>,
}

impl World {
    fn look(host: &Host<'_>, tried: &[Action], began: DateTime<Utc>, now: DateTime<Utc>) -> World {
        let mut world = World::default();
        let mut projects: Vec<&str> = tried.iter().map(|action| action.project.as_str()).collect();
        projects.sort_unstable();
        projects.dedup();
        for project in projects {
            if let Err(problem) = world.learn(host, project, tried, began, now) {
                log::debug!("{problem}");
            }
        }
        world
    }

    fn learn(
        &mut self,
        host: &Host<'_>,
        project: &str,
        tried: &[Action],
        began: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<(), Problem> {
        let engine = host.engine()?;
        let containers = engine.containers(project)?;
        let events = engine.events(project, began, now)?;
        for action in tried.iter().filter(|action| action.project == project) {
            let mine = |name: &str| name == action.compose_service;
            let own: Vec<_> = containers.iter().filter(|c| mine(&c.compose_service)).collect();
            let Some(first) = own.first() else { continue };
            self.images.insert(key(action), first.image_id.0.clone());
            if own.len() > 1 {
                continue;
            }
            let own: Vec<&Event> = events.iter().filter(|e| mine(&e.compose_service)).collect();
            let started = own.iter().rev().find(|event| event.kind == EventKind::Started);
            let died = own.iter().find(|event| event.kind == EventKind::Died);
            let down = match (died, started) {
                (Some(died), Some(started)) => Some(started.at - died.at),
                // It stood still before, and its last end is still known.
                (None, Some(started)) if action.containers == [first.id.0.clone()] => {
                    let seen = engine.inspect(&first.id)?.and_then(|seen| seen.finished_at);
                    seen.map(|finished| started.at - finished)
                }
                _ => None,
            };
            let down_ms = down.and_then(|down| u64::try_from(down.num_milliseconds()).ok());
            self.down_ms.extend(down_ms.map(|down_ms| (key(action), down_ms)));
        }
        Ok(())
    }
}
