//! What the configuration allows for one compose service, in the planner's words. Decides nothing.

use std::collections::BTreeSet;

use chrono::{DateTime, Local, Utc};

use super::Host;
use super::stack::Stacks;
use crate::config::value::choice;
use crate::config::{ImageCheck, Reason, Service};
use crate::decide::plan::{Changes, Desired, DesiredService, FilesAction, Heal, Policy, Waits};
use crate::decide::window::{self, Opening, Window};
use crate::problem::Problem;
use crate::state::Record;
use crate::sys::zone;

/// How a compose service may be treated while the changes of its service may be made at `changes`.
#[must_use]
pub fn of(service: &Service, compose_service: &str, changes: &Changes) -> Policy {
    let effective = service.for_compose_service(compose_service);
    Policy {
        on_image: effective.recreate_on.contains(Reason::Image),
        on_config: effective.recreate_on.contains(Reason::Config),
        on_files: effective.recreate_on.contains(Reason::Files),
        on_unhealthy: effective.recreate_on.contains(Reason::Unhealthy),
        files: match effective.files_action {
            choice::FilesAction::Recreate => FilesAction::Recreate,
            choice::FilesAction::Signal(name) => FilesAction::Signal(name),
            choice::FilesAction::Nothing => FilesAction::Nothing,
        },
        heal: match effective.heal {
            choice::Heal::All => Heal::All,
            choice::Heal::Crashed => Heal::Crashed,
            choice::Heal::None => Heal::Nothing,
        },
        changes: match effective.mode {
            choice::Mode::Apply => changes.clone(),
            choice::Mode::Observe => Changes::Observed,
        },
        ..Policy::default()
    }
}

/// When changes of a service may be made: in its windows, and at any time while nothing of it was
/// ever here, since then there is nothing that a window protects. Where the local time is not known,
/// no window is known to be open, and the problem is told.
///
/// # Errors
/// When the engine does not answer.
pub fn changes(
    host: &Host<'_>,
    service: &Service,
    stacks: &Stacks,
    record: &Record,
) -> Result<(Changes, Option<Problem>), Problem> {
    match in_windows(&service.windows, host.clock.now()) {
        (Changes::Deferred(_), _) if is_first(host, stacks, record)? => {
            Ok((Changes::Allowed, None))
        }
        known => Ok(known),
    }
}

fn in_windows(windows: &[Window], now: DateTime<Utc>) -> (Changes, Option<Problem>) {
    if windows.is_empty() {
        return (Changes::Allowed, None);
    }
    if let Err(bad) = zone::check() {
        let problem = Problem::setup("time_zone", bad.to_string(), "windows are in local time");
        return (Changes::Deferred("the time zone is known".to_owned()), Some(problem));
    }
    let changes = match window::opening(windows, now, &Local) {
        Opening::Open => Changes::Allowed,
        Opening::Closed { opens: None } => Changes::Deferred("a window opens".to_owned()),
        Opening::Closed { opens: Some(opens) } => {
            Changes::Deferred(opens.with_timezone(&Local).format("%Y-%m-%d %H:%M %:z").to_string())
        }
    };
    (changes, None)
}

fn is_first(host: &Host<'_>, stacks: &Stacks, record: &Record) -> Result<bool, Problem> {
    if !record.projects.is_empty() {
        return Ok(false);
    }
    for project in stacks.projects() {
        if !host.engine()?.containers(&project)?.is_empty() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What holds for containers that no compose service stands behind.
#[must_use]
pub fn of_orphans(service: &Service, changes: &Changes) -> Changes {
    match service.policy.mode {
        choice::Mode::Apply => changes.clone(),
        choice::Mode::Observe => Changes::Observed,
    }
}

/// Where the meaning of a moving tag is looked up.
#[must_use]
pub fn image_check(service: &Service, compose_service: &str) -> ImageCheck {
    service.for_compose_service(compose_service).image_check
}

/// Which files of a service may move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moving {
    /// None: its changes wait, or it is only observed.
    Nothing,
    /// All but these mounted ones, whose compose services are only observed.
    AllBut(BTreeSet<String>),
}

/// Which files of a service may move with what is planned, while some of it may wait.
#[must_use]
pub fn moving(desired: &Desired, waits: &Waits) -> Moving {
    if waits.all.is_some() {
        return Moving::Nothing;
    }
    let stays = |project: &str, name: &str, service: &DesiredService| {
        let waits = waits.of.contains_key(&(project.to_owned(), name.to_owned()));
        waits || service.policy.changes != Changes::Allowed
    };
    let (mut staying, mut moving) = (Vec::new(), Vec::new());
    for stack in &desired.stacks {
        for (name, service) in &stack.services {
            let list =
                if stays(&stack.project, name, service) { &mut staying } else { &mut moving };
            list.push(service);
        }
    }
    let nothing_changes = desired.changes == Changes::Observed || !staying.is_empty();
    if moving.is_empty() && nothing_changes {
        return Moving::Nothing;
    }
    let paths = |list: Vec<&DesiredService>| -> BTreeSet<String> {
        list.into_iter().flat_map(|service| service.files.keys().cloned()).collect()
    };
    Moving::AllBut(&paths(staying) - &paths(moving))
}

/// Compose services that `per_service` names and no compose file has.
#[must_use]
pub fn unknown_names(service: &Service, known: impl Fn(&str) -> bool) -> Vec<String> {
    service.per_service.keys().filter(|name| !known(name)).cloned().collect()
}
