//! What a run writes down: the release that is now in force. What was not acted on and is not
//! settled keeps its old record.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::apply::Verdicts;
use super::held::Held;
use super::observe::Sight;
use super::spec::inputs;
use super::stack::{Stack, Stacks};
use super::todo::{Key, key, starts_again};
use super::verify::Verdict;
use crate::decide::plan::{
    Action, Definition, Desired, DesiredService, FilesAction, Lifetime, Reason, Step,
};
use crate::state::{Attempt, Record, ServiceRecord};

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
    /// Whether all of the service is at the target now, and nothing of it waits.
    pub arrived: bool,
    /// Files that did not move to it.
    pub held: &'a Held,
}

/// The record after a run. Equal to the old one when nothing happened.
#[must_use]
pub fn remember(old: &Record, facts: &Facts<'_>, now: DateTime<Utc>) -> Record {
    let (projects, attempts) = (BTreeMap::new(), BTreeMap::new());
    let stopped = facts.sight.record.stopped.clone();
    let mut record = Record { projects, attempts, stopped, ..old.clone() };
    for (stack, desired) in facts.stacks.list.iter().zip(&facts.desired.stacks) {
        let before = old.projects.get(&desired.project);
        let project = record.projects.entry(desired.project.clone()).or_default();
        let existed = facts.sight.record.projects.get(&desired.project);
        for (name, hash) in &desired.topology {
            // A definition that changed was not applied: what exists is what was recorded.
            let existing = existed.and_then(|past| past.topology.get(name)).unwrap_or(hash);
            project.topology.insert(name.clone(), existing.clone());
        }
        for (name, service) in &desired.services {
            let past = before.and_then(|before| before.services.get(name));
            let fresh = one(facts, stack, &desired.project, name, service);
            if fresh.is_none() {
                carry_over_attempt(&mut record, old, &desired.project, name);
            }
            let project = record.projects.entry(desired.project.clone()).or_default();
            if let Some(mut now) = fresh.or_else(|| past.cloned()) {
                now.commit = match past {
                    Some(past) if past.files == now.files => past.commit.clone(),
                    _ if now.files.is_empty() => String::new(),
                    _ => facts.commit.to_owned(),
                };
                project.services.insert(name.clone(), now);
            }
        }
    }
    carry_over_leaving(&mut record, old, facts);
    if facts.stacks.fallen_back.is_none() {
        record.paths = facts.stacks.paths();
        if !facts.held.0.is_empty() {
            // What runs still uses them.
            record.paths.extend(old.paths.iter().cloned());
        }
    }
    let changed = record.projects != old.projects || record.paths != old.paths;
    if changed {
        record.at = Some(now);
        record.behind = true;
    }
    if record.behind && (facts.arrived || old.commit.is_empty()) {
        facts.commit.clone_into(&mut record.commit);
        record.behind = false;
    }
    record
}

/// What git no longer declares is in force until it is gone: as long as its removal is only planned, it
/// is what a change that goes bad is undone to.
fn carry_over_leaving(record: &mut Record, old: &Record, facts: &Facts<'_>) {
    let leaving = facts.actions.iter().filter(|action| {
        let reported = action.step == Step::Nothing && action.reason == Reason::Orphan;
        let declared = facts.desired.of(&action.project, &action.compose_service);
        !reported && declared.is_none() && facts.sight.of(&key(action)).next().is_some()
    });
    for action in leaving {
        let (project, name) = key(action);
        if let (Some(past), Some(now)) =
            (old.service(&project, &name), record.projects.get_mut(&project))
        {
            now.services.insert(name, past.clone());
        }
    }
}

/// A change that is not known to be good is remembered: the next run looks at it again, and does not
/// make it again.
fn carry_over_attempt(record: &mut Record, old: &Record, project: &str, name: &str) {
    if let Some(attempt) = old.attempts.get(project).and_then(|services| services.get(name)) {
        let attempts = record.attempts.entry(project.to_owned()).or_default();
        attempts.insert(name.to_owned(), Attempt { ended: true, ..attempt.clone() });
    }
}

/// The new record of one compose service, if this run has something to say about it.
fn one(
    facts: &Facts<'_>,
    stack: &Stack,
    project: &str,
    name: &str,
    declared: &DesiredService,
) -> Option<ServiceRecord> {
    let key = (project.to_owned(), name.to_owned());
    let action = facts.actions.iter().find(|a| super::todo::key(a) == key)?;
    let past = facts.sight.record.projects.get(project).and_then(|p| p.services.get(name));
    let verdict = facts.verdicts.get(&key);
    if matches!(verdict, Some(Verdict::Bad(_))) {
        return None;
    }
    let standing = match (action.step, action.reason) {
        // Still starting counts: these containers are the ones in force.
        // It went since it is no part of what is in force.
        (Step::Remove, Reason::Quarantined | Reason::Held | Reason::Deferred) => return None,
        (Step::Recreate | Step::Start | Step::Remove, _) if verdict.is_none() => return None,
        (Step::Recreate, _) => Standing::Applied,
        (Step::Start, _) if saw_files(facts, &key, action, declared) => Standing::Told,
        (Step::Start, _) if starts_again(action) || action.image.running.is_some() => {
            Standing::Kept
        }
        (Step::Start, _) => Standing::Applied,
        (Step::Remove, _) => Standing::Kept,
        (Step::Signal, _) if verdict.is_none() => return None,
        (Step::Signal, _) => Standing::Told,
        _ if facts.sight.unproven.contains(&key) && verdict.is_none() => return None,
        (_, Reason::Adopted) => Standing::Applied,
        (_, Reason::Files) => Standing::Told,
        (_, Reason::Settled | Reason::Completed | Reason::Unknown) => Standing::Kept,
        _ => return None,
    };
    let now = current(facts, stack, &key, declared, past)?;
    Some(match (standing, past) {
        (Standing::Applied, _) | (Standing::Kept, None) => now,
        (Standing::Kept, Some(past)) => keep(past, now, definition(facts.sight, &key)),
        (Standing::Told, past) => {
            let files = now.files.clone();
            let past = past.cloned().unwrap_or_else(|| now.clone());
            ServiceRecord { files, ..keep(&past, now, definition(facts.sight, &key)) }
        }
    })
}

/// Whether every container was started just now, and so sees the files that no recreate is wanted
/// for.
fn saw_files(facts: &Facts<'_>, key: &Key, action: &Action, declared: &DesiredService) -> bool {
    let started = facts.sight.ids_of(key).iter().all(|id| action.containers.contains(id));
    declared.policy.files != FilesAction::Recreate && starts_again(action) && started
}

/// Whether a service took on the declared definition in this run, or had it before.
enum Standing {
    Applied,
    Kept,
    /// It had it before, and nothing more is due for its mounted files.
    Told,
}

/// Where the definition of what runs comes from: that of the strangest of the containers.
fn definition(sight: &Sight, key: &Key) -> Definition {
    let mine =
        |c: &&crate::decide::plan::ContainerFact| c.project == key.0 && c.compose_service == key.1;
    let all: Vec<Definition> =
        sight.observed.containers.iter().filter(mine).map(|c| c.definition).collect();
    match () {
        () if all.contains(&Definition::Foreign) => Definition::Foreign,
        () if all.iter().all(|one| *one == Definition::Declared) => Definition::Declared,
        () => Definition::Known,
    }
}

/// A settled service: what it runs is refreshed, what it was made from stays, since a drift that
/// `recreate_on` ignores has not been applied. A reading that only compose changed is taken over,
/// and so is the declared definition when somebody else applied it. The files stay as recorded, and
/// so does the env file that the containers were made with, unless it was not known.
fn keep(past: &ServiceRecord, now: ServiceRecord, definition: Definition) -> ServiceRecord {
    let same_meaning = past.definition_sha256 == now.definition_sha256;
    let by_compose_alone = past.inputs == now.inputs && past.compose_version != now.compose_version;
    let labels = match definition {
        Definition::Foreign => past.labels.clone(),
        Definition::Declared | Definition::Known => {
            past.labels.union(&now.labels).cloned().collect()
        }
    };
    if definition == Definition::Declared {
        return ServiceRecord { files: past.files.clone(), ..now };
    }
    let env_sha256 =
        now.env_sha256.as_ref().and(past.env_sha256.as_ref().or(now.env_sha256.as_ref()));
    let now = ServiceRecord { env_sha256: env_sha256.cloned(), ..now };
    if same_meaning || by_compose_alone {
        return ServiceRecord { labels, files: past.files.clone(), ..now };
    }
    ServiceRecord {
        containers: now.containers,
        image: now.image,
        image_id: now.image_id,
        image_digests: now.image_digests,
        completed: now.completed,
        replicas: now.replicas,
        labels,
        env_sha256: now.env_sha256,
        ..past.clone()
    }
}

fn current(
    facts: &Facts<'_>,
    stack: &Stack,
    key: &Key,
    declared: &DesiredService,
    past: Option<&ServiceRecord>,
) -> Option<ServiceRecord> {
    let containers: Vec<_> = facts.sight.of(key).collect();
    let image_id = containers.first().map(|c| c.image_id.0.clone()).unwrap_or_default();
    Some(ServiceRecord {
        completed: facts.sight.is_completed(key) && declared.lifetime == Lifetime::OneShot,
        image_digests: digests(facts, &image_id, past),
        image_id,
        containers: containers.iter().map(|c| c.id.0.clone()).collect(),
        labels: containers.iter().filter_map(|c| c.config_hash.clone()).collect(),
        ..made_from(stack, &key.1, declared, past, facts.held)?
    })
}

/// Under which names registries have an image: what the engine says of one that has a name here, else
/// what was known.
fn digests(facts: &Facts<'_>, id: &str, past: Option<&ServiceRecord>) -> BTreeSet<String> {
    let mut named = facts.sight.observed.images.values();
    let named = named.find(|image| image.local_id.as_deref() == Some(id));
    let known = past.filter(|past| past.image_id == id).map(|past| &past.image_digests);
    match (named.map(|image| &image.digests), known) {
        (Some(said), _) if !said.is_empty() => said.clone(),
        (_, Some(known)) => known.clone(),
        (_, None) => BTreeSet::new(),
    }
}

/// What a compose service is about to become.
#[must_use]
pub fn goal(
    stacks: &Stacks,
    desired: &Desired,
    record: &Record,
    action: &Action,
    held: &Held,
) -> Option<ServiceRecord> {
    let name = &action.compose_service;
    let past = record.projects.get(&action.project).and_then(|p| p.services.get(name));
    let pairs = stacks.list.iter().zip(&desired.stacks);
    let (stack, declared) = pairs
        .filter(|(_, desired)| desired.project == action.project)
        .find_map(|(stack, desired)| Some((stack, desired.services.get(name)?)))?;
    made_from(stack, name, declared, past, held)
}

fn made_from(
    stack: &Stack,
    name: &str,
    declared: &DesiredService,
    past: Option<&ServiceRecord>,
    held: &Held,
) -> Option<ServiceRecord> {
    if stack.in_force.contains(name) {
        return past.cloned();
    }
    let value = stack.model().services().find(|(other, _)| *other == name)?.1;
    Some(ServiceRecord {
        image: declared.image.clone(),
        definition_sha256: declared.definition.clone(),
        definition: stack.model().definition(value),
        files: held.in_force(&declared.files, past.map(|past| &past.files)),
        env_sha256: declared.env.clone(),
        replicas: declared.replicas,
        inputs: inputs(&stack.resolved, &stack.spec),
        compose_version: stack.resolved.compose_version.clone(),
        ..ServiceRecord::default()
    })
}
