//! How containers stand, beyond what a list of them tells: whether a person stopped one, and whose
//! health check fails. Asks the engine only where the answer matters.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

use super::Host;
use super::todo::Key;
use crate::decide::plan::{ContainerState, Desired, DesiredService, Heal};
use crate::docker::engine::{Container, HealthStatus, Inspected, State};
use crate::problem::Problem;

/// How long after the end of a container the engine may tell that it was stopped.
const STOP_EVENT_DELAY: TimeDelta = TimeDelta::seconds(5);

/// What is known of containers that a person stopped.
pub struct Stopped<'a> {
    host: &'a Host<'a>,
    desired: &'a Desired,
    known: &'a BTreeMap<String, DateTime<Utc>>,
    /// Those seen now, by id, and when each ended. To be remembered: the engine forgets its events
    /// when it restarts, and after 256 others.
    pub found: BTreeMap<String, DateTime<Utc>>,
}

impl<'a> Stopped<'a> {
    /// Nobody was looked at yet; `known` is what the record says.
    #[must_use]
    pub fn new(
        host: &'a Host<'a>,
        desired: &'a Desired,
        known: &'a BTreeMap<String, DateTime<Utc>>,
    ) -> Self {
        Stopped { host, desired, known, found: BTreeMap::new() }
    }

    /// How a container ended. Exit 0 is the success of a one-shot, and also how a well-behaved server
    /// answers `docker stop`: only the engine's events tell the two apart. Of other codes they are
    /// asked where it matters who stopped it. What they do not tell counts as ended by itself.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub fn ended(
        &mut self,
        container: &Container,
        inspected: &Inspected,
    ) -> Result<ContainerState, Problem> {
        let code = inspected.exit_code;
        let heal = declared(self.desired, container).map_or(Heal::All, |one| one.policy.heal);
        let matters = code == 0 || heal != Heal::All;
        let (true, Some(started), Some(finished)) =
            (matters, inspected.started_at, inspected.finished_at)
        else {
            return Ok(ContainerState::Exited(code));
        };
        let id = &inspected.id;
        if self.known.get(&id.0) != Some(&finished) {
            // The event follows the end by an instant; one in the future would be waited for.
            let until = (finished + STOP_EVENT_DELAY).min(self.host.clock.now());
            if !self.host.engine()?.was_stopped(id, started, until)? {
                return Ok(ContainerState::Exited(code));
            }
        }
        if heal != Heal::All {
            self.found.insert(id.0.clone(), finished);
        }
        Ok(ContainerState::Stopped(code))
    }
}

/// The running containers whose health check fails, of compose services in which that is acted on.
/// One that a change of ours left so is not among them: making it once more would not help, and it is
/// watched already.
///
/// # Errors
/// When the engine does not answer.
pub fn failing(
    host: &Host<'_>,
    desired: &Desired,
    containers: &[Container],
    unproven: &BTreeSet<Key>,
) -> Result<BTreeSet<String>, Problem> {
    let mut ids = BTreeSet::new();
    for container in containers.iter().filter(|c| c.state == State::Running) {
        let acts = declared(desired, container).is_some_and(|one| one.policy.on_unhealthy);
        let key = (container.project.clone(), container.compose_service.clone());
        // The words of the list are a hint that costs nothing; the verdict is asked for.
        if !acts || unproven.contains(&key) || !container.status.contains("unhealthy") {
            continue;
        }
        let seen = host.engine()?.inspect(&container.id)?;
        let health = seen.and_then(|seen| seen.health).map(|health| health.status);
        if health == Some(HealthStatus::Unhealthy) {
            ids.insert(container.id.0.clone());
        }
    }
    Ok(ids)
}

fn declared<'d>(desired: &'d Desired, container: &Container) -> Option<&'d DesiredService> {
    let stacks = desired.stacks.iter().filter(|stack| stack.project == container.project);
    stacks.filter_map(|stack| stack.services.get(&container.compose_service)).next()
}
