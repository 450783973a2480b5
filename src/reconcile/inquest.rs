//! What happened to containers that nobody of ours touched: which have ended, and how, and which are
//! gone. Asks the engine about what is recorded, and changes nothing.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};

use super::Host;
use crate::docker::engine::{Container, HealthStatus, Inspected, RestartPolicy, State};
use crate::problem::Problem;
use crate::state::{Record, ServiceRecord};

/// How long after the end of a container the engine may tell that it was stopped.
const STOP_EVENT_DELAY: TimeDelta = TimeDelta::seconds(5);

/// A compose service that does not run as it should, or did not for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Its name.
    pub compose_service: String,
    /// What happened.
    pub what: Happened,
    /// When, if that is known.
    pub at: Option<DateTime<Utc>>,
}

/// What happened to a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happened {
    /// It ended by itself.
    Exited {
        /// Its exit code.
        code: i64,
        /// Whether the kernel ended it for want of memory.
        oom: bool,
        /// How often docker has started it again since; it may run now.
        restarts: u64,
        /// Whether it runs now.
        runs: bool,
    },
    /// Somebody stopped it.
    Stopped,
    /// Somebody froze it.
    Paused,
    /// It says of itself that it is unhealthy.
    Unhealthy,
    /// There is none any more.
    Gone,
}

/// Looks at the containers of everything that is recorded.
///
/// # Errors
/// When the engine does not answer.
pub fn inquire(host: &Host<'_>, record: &Record) -> Result<Vec<Finding>, Problem> {
    let mut findings = Vec::new();
    for (project, past) in &record.projects {
        let containers = host.engine()?.containers(project)?;
        for (name, known) in &past.services {
            let own: Vec<&Container> =
                containers.iter().filter(|one| one.compose_service == *name).collect();
            if own.is_empty() && is_expected(known) {
                findings.push(Finding {
                    compose_service: name.clone(),
                    what: Happened::Gone,
                    at: None,
                });
            }
            for container in own {
                if let Some(seen) = host.engine()?.inspect(&container.id)? {
                    findings.extend(judge(host, name, &seen)?);
                }
            }
        }
    }
    Ok(findings)
}

fn is_expected(known: &ServiceRecord) -> bool {
    known.replicas > 0 && known.containers != BTreeSet::new()
}

fn judge(host: &Host<'_>, name: &str, seen: &Inspected) -> Result<Option<Finding>, Problem> {
    let found = |what, at| Some(Finding { compose_service: name.to_owned(), what, at });
    let exited = |runs| Happened::Exited {
        code: seen.exit_code,
        oom: seen.oom_killed,
        restarts: seen.restart_count,
        runs,
    };
    Ok(match &seen.state {
        State::Paused => found(Happened::Paused, None),
        State::Exited | State::Dead if was_stopped(host, seen)? => {
            found(Happened::Stopped, seen.finished_at)
        }
        State::Exited | State::Dead if is_done(seen) => None,
        State::Exited | State::Dead | State::Restarting => found(exited(false), seen.finished_at),
        State::Running if is_unhealthy(seen) => found(Happened::Unhealthy, None),
        State::Running if seen.restart_count > 0 => found(exited(true), seen.finished_at),
        _ => None,
    })
}

fn is_unhealthy(seen: &Inspected) -> bool {
    seen.health.as_ref().is_some_and(|health| health.status == HealthStatus::Unhealthy)
}

/// A one-shot that did its work.
fn is_done(seen: &Inspected) -> bool {
    let lasting = matches!(
        seen.restart_policy,
        RestartPolicy::Always | RestartPolicy::UnlessStopped | RestartPolicy::Unknown(_)
    );
    seen.exit_code == 0 && !lasting
}

fn was_stopped(host: &Host<'_>, seen: &Inspected) -> Result<bool, Problem> {
    let (Some(started), Some(finished)) = (seen.started_at, seen.finished_at) else {
        return Ok(false);
    };
    let until = (finished + STOP_EVENT_DELAY).min(host.clock.now());
    Ok(host.engine()?.was_stopped(&seen.id, started, until)?)
}
