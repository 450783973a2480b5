//! What a pass has to say: values for the command line to print. Prints nothing itself.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::Host;
use super::todo::Key;
use crate::decide::plan::Action;
use crate::gather::Gather;
use crate::problem::{Problem, Trouble};

/// Stands in a log line between what is done and why: whoever is shown the why elsewhere is told the
/// first half only. A control character, which no text of others has after it was made fit to print.
pub const WHY: char = '\u{1f}';

/// The outcome of one pass over services.
#[derive(Debug, Default)]
pub struct Report {
    /// Commit the working tree was on, and the commit the pass worked towards.
    pub commit: Option<Commits>,
    /// One entry a service, in the order of the configuration.
    pub services: Vec<ServiceReport>,
    /// What went wrong for the pass as a whole: git, engine, state.
    pub problems: Vec<Problem>,
    /// Bytes that the planned pulls would bring at the most, when all registries told.
    pub pull_bytes: Option<u64>,
    /// Bytes free under docker's root directory.
    pub free_bytes: Option<u64>,
}

/// From where to where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commits {
    /// Object id of the commit that was checked out.
    pub current: String,
    /// Object id of the target.
    pub target: String,
}

/// What became of one service.
#[derive(Debug)]
pub struct ServiceReport {
    /// Its name in the configuration.
    pub name: String,
    /// The result; nothing in a plan.
    pub result: Option<Outcome>,
    /// What the gate said.
    pub gate: Gate,
    /// The first thing that went wrong.
    pub error: Option<Problem>,
    /// What was decided per compose service.
    pub actions: Vec<Action>,
    /// Remarks that are no failure.
    pub notes: Vec<String>,
    /// What is told of it to those who ask later.
    pub story: Story,
}

/// What a run tried, and from where.
#[derive(Debug, Default)]
pub struct Story {
    /// The commit of the release before; empty before the first.
    pub from: String,
    /// The commit that was worked towards.
    pub commit: String,
    /// What was carried out or tried.
    pub tried: Vec<Action>,
    /// The image references that were declared before, by compose project and service.
    pub images: BTreeMap<Key, String>,
}

/// The result of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing had to be done.
    Ok,
    /// Something was changed and is good.
    Changed,
    /// Something could not be done or is not good.
    Failed,
    /// Changed; its health is not yet known.
    Unverified,
    /// Not done, because that would not be safe.
    Refused,
    /// A change waits for its window.
    Deferred,
    /// There is something to do, and it is only looked at.
    Observed,
    /// A person paused it: it was not even looked at.
    Paused,
    /// What was changed went bad, and what was in force before is again.
    RolledBack,
    /// The target has failed before and is not tried again.
    Quarantined,
    /// A person put it back and wants it to stay there.
    Held,
    /// Another run works on it.
    Skipped,
}

impl Outcome {
    /// The public name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::Changed => "changed",
            Outcome::Failed => "failed",
            Outcome::Unverified => "unverified",
            Outcome::Refused => "refused",
            Outcome::Deferred => "deferred",
            Outcome::Observed => "observed",
            Outcome::Paused => "paused",
            Outcome::RolledBack => "rolled_back",
            Outcome::Quarantined => "quarantined",
            Outcome::Held => "held",
            Outcome::Skipped => "skipped",
        }
    }
}

/// What the gate said before a running container would stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// It was not asked: nothing would stop, or none is configured.
    Unasked,
    /// Enough peers are healthy.
    Open,
    /// The service is down here, so that stopping it takes nothing away.
    Bypassed,
    /// Too few peers are healthy: what runs goes on running.
    Refused,
}

impl Gate {
    /// The public name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Gate::Unasked => "unasked",
            Gate::Open => "open",
            Gate::Bypassed => "bypassed",
            Gate::Refused => "refused",
        }
    }
}

impl ServiceReport {
    /// A report that says nothing yet.
    #[must_use]
    pub fn new(name: &str) -> ServiceReport {
        ServiceReport {
            name: name.to_owned(),
            result: None,
            gate: Gate::Unasked,
            error: None,
            actions: Vec::new(),
            notes: Vec::new(),
            story: Story::default(),
        }
    }

    /// A report of a run that could not begin.
    #[must_use]
    pub fn stopped(name: &str, problem: Problem) -> ServiceReport {
        let result = match problem.trouble {
            Trouble::Busy => Outcome::Skipped,
            Trouble::Refused => Outcome::Refused,
            Trouble::Setup | Trouble::Engine | Trouble::Interrupted => Outcome::Failed,
        };
        ServiceReport { result: Some(result), error: Some(problem), ..ServiceReport::new(name) }
    }
}

impl Report {
    /// Learns how much the planned pulls would bring and how much room there is. Asked only by a
    /// plan, for people: a registry that does not tell leaves the number out.
    pub fn measure(&mut self, host: &Host<'_>) {
        let images: BTreeSet<&String> = self
            .services
            .iter()
            .flat_map(|service| &service.actions)
            .filter(|action| action.pull)
            .filter_map(|action| action.image.declared.as_ref())
            .gather();
        self.pull_bytes = images.iter().map(|image| host.pull_size(image)).sum();
        self.free_bytes =
            host.info().and_then(|info| crate::sys::fs::free_bytes(Path::new(&info.root_dir)).ok());
    }

    /// Every kind of trouble in it.
    #[must_use]
    pub fn troubles(&self) -> Vec<Trouble> {
        let refused = |s: &ServiceReport| {
            (s.result == Some(Outcome::Refused) && s.error.is_none()).then_some(Trouble::Refused)
        };
        self.problems
            .iter()
            .chain(self.services.iter().filter_map(|service| service.error.as_ref()))
            .map(|problem| problem.trouble)
            .chain(self.services.iter().filter_map(refused))
            .collect()
    }
}
