//! Changes that were begun. Each is written down before a container stops, and after a kill it is
//! believed only as far as the containers prove it. Changes nothing itself.

use std::collections::BTreeSet;
use std::path::Path;

use super::held::Held;
use super::observe::Sight;
use super::remember::goal;
use super::stack::Stacks;
use super::sweep;
use super::todo::{Key, key, makes};
use crate::decide::plan::{Action, Desired, Step};
use crate::docker::engine::Container;
use crate::state::{Attempt, Record};

/// The record as the containers prove it, and the changes in it that nobody saw to be good.
///
/// An attempt took place when the service has containers, none of which it had before, and all of
/// which were made from a model of ours: what it was to become is then what it is.
#[must_use]
pub fn settle(record: &Record, containers: &[Container], models: &Path) -> (Record, BTreeSet<Key>) {
    let mut settled = record.clone();
    let mut unproven = BTreeSet::new();
    for (project, services) in &record.attempts {
        for (name, attempt) in services {
            let now: Vec<&Container> = containers
                .iter()
                .filter(|c| c.project == *project && c.compose_service == *name)
                .filter(|c| !sweep::is_temporary(&c.name))
                .collect();
            let made = |c: &&Container| {
                let files = c.config_files.as_deref().unwrap_or_default();
                Path::new(files).starts_with(models) && !attempt.before.contains(&c.id.0)
            };
            if now.is_empty() || !now.iter().all(made) {
                continue;
            }
            let mut done = attempt.goal.clone();
            done.containers = now.iter().map(|c| c.id.0.clone()).collect();
            done.labels = now.iter().filter_map(|c| c.config_hash.clone()).collect();
            done.image_id = now.first().map(|c| c.image_id.0.clone()).unwrap_or_default();
            let project_record = settled.projects.entry(project.clone()).or_default();
            project_record.services.insert(name.clone(), done);
            unproven.insert((project.clone(), name.clone()));
        }
    }
    (settled, unproven)
}

/// The record with the changes that are about to be made. A service of which some containers stay
/// has none: what those are made from does not change.
#[must_use]
pub fn begin(
    record: &Record,
    todo: &[Action],
    stacks: &Stacks,
    desired: &Desired,
    sight: &Sight,
    held: &Held,
) -> Record {
    let mut begun = record.clone();
    for action in todo.iter().filter(|action| makes(action)) {
        if action.step == Step::Start && action.image.running.is_some() {
            continue;
        }
        let before = sight.ids_of(&key(action));
        let Some(goal) = goal(stacks, desired, &sight.record, action, held) else { continue };
        let attempts = begun.attempts.entry(action.project.clone()).or_default();
        let earlier = attempts.get(&action.compose_service);
        let same = earlier.filter(|one| one.goal.runs_as(&goal) && !one.ended);
        let cut_off = same.map_or(0, |one| one.cut_off + 1);
        let attempt = Attempt { goal, before, cut_off, ended: false };
        attempts.insert(action.compose_service.clone(), attempt);
    }
    begun
}
