//! What containers share with others, as the engine has it. Only those are asked about whose compose
//! file says that they share: a stack without sharing costs no request. Changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::Host;
use crate::decide::plan::{Desired, DesiredService, Join, Joined, Parent, Shared};
use crate::docker::engine::{Container, ContainerId, Inspected, State};
use crate::problem::Problem;

/// Asks about each container once.
pub struct Joins<'a> {
    host: &'a Host<'a>,
    desired: &'a Desired,
    /// Ids of containers that are there and will not be: an earlier service of the plan replaces them.
    replaced: BTreeSet<String>,
    known: BTreeMap<String, Option<Inspected>>,
}

impl<'a> Joins<'a> {
    /// Nothing was asked yet.
    pub fn new(host: &'a Host<'a>, desired: &'a Desired, replaced: BTreeSet<String>) -> Joins<'a> {
        Joins { host, desired, replaced, known: BTreeMap::new() }
    }

    /// How a container stands to those that it shares something with.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub fn of(&mut self, container: &Container) -> Result<Vec<Join>, Problem> {
        let stacks = self.desired.stacks.iter().filter(|stack| stack.project == container.project);
        let declared = stacks.filter_map(|stack| stack.services.get(&container.compose_service));
        let shares = |service: &&DesiredService| {
            service.ties.iter().any(|tie| tie.shared != Shared::Restarts)
        };
        let Some(declared) = declared.into_iter().find(shares) else { return Ok(Vec::new()) };
        let Some(own) = self.ask(&container.id.0)? else { return Ok(Vec::new()) };
        let mut joins = Vec::new();
        for (shared, with) in shared(&own) {
            let state = self.state(declared, shared, &own, &with)?;
            joins.push(Join { shared, with, state });
        }
        Ok(joins)
    }

    fn state(
        &mut self,
        declared: &DesiredService,
        shared: Shared,
        own: &Inspected,
        with: &str,
    ) -> Result<Joined, Problem> {
        let Some(parent) = self.ask(with)? else { return self.successor(declared, shared) };
        if self.replaced.contains(&parent.id.0) {
            return Ok(Joined::ParentGone);
        }
        // A clock that went back makes everything look older than it is, and a repair would not end
        // it: what was made or started in the future proves nothing.
        let now = self.host.clock.now();
        let later = |of_parent: Option<_>, of_own| of_parent > of_own && of_parent <= Some(now);
        let runs = |state: &State| matches!(state, State::Running | State::Paused);
        Ok(match shared {
            // By its name a container is found again, although it is another one.
            Shared::Volumes if later(parent.created, own.created) => Joined::ParentGone,
            Shared::Volumes | Shared::Restarts => Joined::Holds,
            _ if !runs(&parent.state) => Joined::ParentDown,
            _ if runs(&own.state) && later(parent.started_at, own.started_at) => {
                Joined::ParentRestarted
            }
            _ => Joined::Holds,
        })
    }

    /// Whether there is another container to join, where the parent is called by name. Of a compose
    /// service the planner knows.
    fn successor(&mut self, declared: &DesiredService, shared: Shared) -> Result<Joined, Problem> {
        for tie in declared.ties.iter().filter(|tie| tie.shared == shared) {
            if let Parent::Container(name) = &tie.parent
                && self.ask(name)?.is_none()
            {
                return Ok(Joined::NobodyThere);
            }
        }
        Ok(Joined::ParentGone)
    }

    fn ask(&mut self, id: &str) -> Result<Option<Inspected>, Problem> {
        if let Some(known) = self.known.get(id) {
            return Ok(known.clone());
        }
        let found = self.host.engine()?.inspect(&ContainerId(id.to_owned()))?;
        self.known.insert(id.to_owned(), found.clone());
        Ok(found)
    }
}

/// With whom a container shares what.
fn shared(own: &Inspected) -> Vec<(Shared, String)> {
    let modes = [
        (Shared::Network, &own.network_mode),
        (Shared::Ipc, &own.ipc_mode),
        (Shared::Processes, &own.pid_mode),
    ];
    let namespaces = modes.into_iter().filter_map(|(shared, mode)| {
        mode.strip_prefix("container:").map(|with| (shared, with.to_owned()))
    });
    let volumes = own
        .volumes_from
        .iter()
        .map(|from| (Shared::Volumes, from.split(':').next().unwrap_or(from).to_owned()));
    namespaces.chain(volumes).collect()
}
