//! A change that was good and turns out to be bad soon after. Looked for at the beginning of a run, and
//! only while a change is on probation; what is found is written down, and the plan does the rest.

use std::collections::BTreeSet;

use crate::config::Service;
use crate::config::value::choice::OnFailure;
use crate::docker::engine::{HealthStatus, Inspected, State};
use crate::problem::Problem;
use crate::reconcile::pass::Pass;
use crate::reconcile::sweep;
use crate::reconcile::todo::Key;
use crate::state::{Projects, Quarantine, Record, Release, ServiceLock, ServiceRecord};

/// So many restarts within the probation count as a failed verify.
const RESTARTS_MAX: u64 = 3;

/// The record as it is after what is on probation was looked at. With the lock of a run it is stored.
///
/// # Errors
/// When the engine does not answer.
pub(super) fn judge(
    pass: &Pass<'_>,
    service: &Service,
    lock: Option<&ServiceLock>,
    record: Record,
) -> Result<Record, Problem> {
    let now = pass.host.clock.now();
    let Some(probation) = record.probation.clone().filter(|one| now < one.until) else {
        return Ok(record);
    };
    let mut bad = Vec::new();
    for (project, names) in &probation.services {
        let containers = pass.host.engine()?.containers(project)?;
        for name in names {
            let mine = containers.iter().filter(|c| c.compose_service == *name);
            for container in mine.filter(|c| !sweep::is_temporary(&c.name)) {
                let known = service_of(&record.projects, &(project.clone(), name.clone()));
                if !known.is_some_and(|known| known.containers.contains(&container.id.0)) {
                    continue;
                }
                let seen = pass.host.engine()?.inspect(&container.id)?;
                let older = probation.ran_before.contains(&container.id.0);
                if let Some((reason, message)) = seen.and_then(|seen| fault(name, &seen, older)) {
                    bad.push(((project.clone(), name.clone()), reason, message));
                    break;
                }
            }
        }
    }
    // A migration that came with the change has been: what was written for it stays.
    let of_change = probation.services.iter().flat_map(|(project, names)| {
        names.iter().map(|name| service_of(&record.projects, &(project.clone(), name.clone())))
    });
    let migrated = of_change.flatten().any(|one| one.completed);
    let keeps = |key: &Key| match service.for_compose_service(&key.1).on_failure {
        Some(OnFailure::Keep) => true,
        Some(OnFailure::Rollback) => false,
        None => migrated,
    };
    bad.retain(|(key, ..)| !keeps(key));
    let earlier = pass.state.releases(service.name.as_str());
    let earlier = earlier.iter().rev().find(|release| release.id != record.release);
    match (bad.first(), earlier) {
        (Some(_), Some(earlier)) => {
            let record = put_back(record, &bad, earlier, keeps, now);
            for (_, _, message) in &bad {
                log::warn!("{}: within its probation: {message}", service.name.as_str());
            }
            if let Some(lock) = lock {
                pass.state.store(lock, &record)?;
            }
            Ok(record)
        }
        _ => Ok(record),
    }
}

/// What speaks against a container that was good when its run ended. Of an older one restarts do not
/// count: how many there were before nobody knows.
fn fault(name: &str, seen: &Inspected, older: bool) -> Option<(&'static str, String)> {
    let health = seen.health.as_ref().map(|health| &health.status);
    match (&seen.state, health) {
        (State::Running, Some(HealthStatus::Unhealthy)) => {
            Some(("unhealthy", format!("{name} became unhealthy soon after its change")))
        }
        _ if !older && seen.restart_count >= RESTARTS_MAX => {
            let message = format!("{name} restarted {} times after its change", seen.restart_count);
            Some(("restarting", message))
        }
        // Ended by a signal it may have been by anybody's hand.
        (State::Exited, _) if ![0, 137, 143].contains(&seen.exit_code) || seen.oom_killed => {
            let message =
                format!("{name} exited with code {} soon after its change", seen.exit_code);
            Some(("exited", message))
        }
        _ => None,
    }
}

type Bad = (Key, &'static str, String);

/// The record with the earlier release in force, and with the one that was as what failed.
fn put_back(
    mut record: Record,
    bad: &[Bad],
    earlier: &Release,
    keeps: impl Fn(&Key) -> bool,
    now: chrono::DateTime<chrono::Utc>,
) -> Record {
    let of = |projects: &Projects| -> BTreeSet<Key> {
        let all = projects.iter();
        all.flat_map(|(p, past)| past.services.keys().map(|name| (p.clone(), name.clone())))
            .collect()
    };
    let all = &of(&record.projects) | &of(&earlier.projects);
    let commit = record.commit.clone();
    for key in all.into_iter().filter(|key| !keeps(key)) {
        let (is, was) =
            (service_of(&record.projects, &key).cloned(), service_of(&earlier.projects, &key));
        let same = match (&is, was) {
            (Some(is), Some(was)) => is.runs_as(was),
            (None, None) => true,
            _ => false,
        };
        if same {
            continue;
        }
        let own = bad.iter().find(|(other, ..)| *other == key);
        let Some((first, reason, message)) = own.or(bad.first()) else { continue };
        let failed = Quarantine {
            target: is.clone().unwrap_or_default(),
            absent: is.is_none(),
            commit: commit.clone(),
            since: now,
            reason: (*reason).to_owned(),
            message: message.clone(),
            with: own.is_none().then(|| first.clone()),
            until: None,
            tries: 1,
        };
        record.quarantine(&key.0, &key.1, failed);
        let project = record.projects.entry(key.0.clone()).or_default();
        match was {
            Some(was) => drop(project.services.insert(key.1.clone(), was.clone())),
            None => drop(project.services.remove(&key.1)),
        }
    }
    record.release = earlier.id;
    earlier.commit.clone_into(&mut record.commit);
    record.probation = None;
    record
}

fn service_of<'p>(projects: &'p Projects, key: &Key) -> Option<&'p ServiceRecord> {
    projects.get(&key.0)?.services.get(&key.1)
}
