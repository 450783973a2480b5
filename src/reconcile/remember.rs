//! What a run writes down: the release that is now in force. What was not acted on and is not
//! settled keeps its old record.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::apply::Verdicts;
use super::observe::Sight;
use super::resolve::inputs;
use super::stack::{Stack, Stacks};
use super::sweep;
use super::verify::Verdict;
use crate::decide::plan::{Action, Desired, DesiredService, Reason, Step};
use crate::state::{Record, ServiceRecord};

/// Everything that a record is made of.
pub struct Facts<'a> {
    /// The stacks.
    pub stacks: &'a Stacks,
    /// What they declare.
    pub desired: &'a Desired,
    /// What was decided.
    pub actions: &'a [Action],
    /// What became of it.
    pub verdicts: &'a Verdicts,
    /// The world after it.
    pub sight: &'a Sight,
    /// The target commit.
    pub commit: &'a str,
}

/// The record after a run. Equal to the old one when nothing happened.
#[must_use]
pub fn remember(old: &Record, facts: &Facts<'_>, now: DateTime<Utc>) -> Record {
    let mut record = Record { projects: Default::default(), ..old.clone() };
    for (stack, desired) in facts.stacks.list.iter().zip(&facts.desired.stacks) {
        let before = old.projects.get(&desired.project);
        let project = record.projects.entry(desired.project.clone()).or_default();
        for (name, hash) in &desired.topology {
            // A definition that changed was not applied: what exists is what was recorded.
            let existing = before.and_then(|before| before.topology.get(name)).unwrap_or(hash);
            project.topology.insert(name.clone(), existing.clone());
        }
        for (name, service) in &desired.services {
            let past = before.and_then(|before| before.services.get(name));
            let fresh = one(facts, stack, &desired.project, name, service, past);
            if let Some(fresh) = fresh.or_else(|| past.cloned()) {
                project.services.insert(name.clone(), fresh);
            }
        }
    }
    if facts.stacks.fallen_back.is_none() {
        record.paths = facts.stacks.paths();
    }
    if record != *old {
        facts.commit.clone_into(&mut record.commit);
        record.at = Some(now);
    }
    record
}

/// The new record of one compose service, if this run has something to say about it.
fn one(
    facts: &Facts<'_>,
    stack: &Stack,
    project: &str,
    name: &str,
    declared: &DesiredService,
    past: Option<&ServiceRecord>,
) -> Option<ServiceRecord> {
    let mine = |a: &&Action| a.project == project && a.compose_service == name;
    let action = facts.actions.iter().find(mine)?;
    let verdict = facts.verdicts.get(&(project.to_owned(), name.to_owned()));
    let standing = match (action.step, action.reason) {
        (Step::Recreate | Step::Start, _) => match verdict? {
            // Still starting counts: these containers are the ones in force.
            Verdict::Good | Verdict::Starting => Standing::Applied,
            Verdict::Bad(_) => return None,
        },
        (Step::Remove, _) => Standing::Kept,
        (_, Reason::Adopted) => Standing::Applied,
        (_, Reason::Settled | Reason::Completed | Reason::Unknown) => Standing::Kept,
        _ => return None,
    };
    let now = current(facts, stack, project, name, declared)?;
    Some(match (standing, past) {
        (Standing::Applied, _) | (Standing::Kept, None) => now,
        (Standing::Kept, Some(past)) => keep(past, now),
    })
}

/// Whether a service took on the declared definition in this run, or had it before.
enum Standing {
    Applied,
    Kept,
}

/// A settled service: what it runs is refreshed, what it was made from stays, since a drift that
/// `recreate_on` ignores has not been applied. A reading that only compose changed is taken over.
fn keep(past: &ServiceRecord, now: ServiceRecord) -> ServiceRecord {
    let same_meaning = past.definition_sha256 == now.definition_sha256;
    let by_compose_alone = past.inputs == now.inputs && past.compose_version != now.compose_version;
    let labels: BTreeSet<String> = past.labels.union(&now.labels).cloned().collect();
    if same_meaning || by_compose_alone {
        return ServiceRecord { labels, files: past.files.clone(), ..now };
    }
    ServiceRecord {
        containers: now.containers,
        image: now.image,
        image_id: now.image_id,
        replicas: now.replicas,
        labels,
        ..past.clone()
    }
}

fn current(
    facts: &Facts<'_>,
    stack: &Stack,
    project: &str,
    name: &str,
    declared: &DesiredService,
) -> Option<ServiceRecord> {
    let containers: Vec<_> = facts
        .sight
        .containers
        .iter()
        .filter(|c| c.project == project && c.compose_service == name)
        .filter(|c| !sweep::is_temporary(&c.name))
        .collect();
    let value = stack.model().services().find(|(other, _)| *other == name)?.1;
    Some(ServiceRecord {
        image: declared.image.clone(),
        image_id: containers.first().map(|c| c.image_id.0.clone()).unwrap_or_default(),
        definition_sha256: declared.definition.clone(),
        definition: stack.model().definition(value),
        files: declared.files.clone(),
        replicas: declared.replicas,
        containers: containers.iter().map(|c| c.id.0.clone()).collect(),
        labels: containers.iter().filter_map(|c| c.config_hash.clone()).collect(),
        inputs: inputs(&stack.resolved, &stack.spec),
        compose_version: stack.resolved.compose_version.clone(),
    })
}
