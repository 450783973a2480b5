//! Keeping an image that a change takes out of use from being pruned while somebody may go back to it:
//! by a container of it that is never started. `docker image prune -a` leaves such an image alone.
//! `docker container prune` and `docker system prune` take the container away first; after them an
//! image is fetched again by its digest.

use std::collections::{BTreeMap, BTreeSet};

use super::observe::Sight;
use super::pass::Pass;
use super::todo::key;
use crate::decide::plan::{Action, Step, makes};
use crate::docker::engine::{ContainerId, Engine, EngineError, ImageId};
use crate::docker::reference::Reference;
use crate::gather::Gather;
use crate::state::Record;

/// Names of containers by the id of the image that each holds.
pub type Holders = BTreeMap<String, String>;

/// What will hold the images in force of those that get another one or go.
#[must_use]
pub fn outgoing<'a>(
    record: &Record,
    changes: impl Iterator<Item = &'a Action>,
    sight: &Sight,
) -> Holders {
    let mut holders = Holders::new();
    for action in changes.filter(|action| makes(action) || action.step == Step::Remove) {
        let (project, name) = key(action);
        let past = record.service(&project, &name);
        let Some(id) = past.map(|past| &past.image_id).filter(|id| !id.is_empty()) else {
            continue;
        };
        let stays = makes(action)
            && action.image.declared.as_ref().is_some_and(|declared| {
                let fact = sight.observed.images.get(declared);
                fact.is_some_and(|fact| fact.local_id.as_ref() == Some(id))
            });
        if !stays {
            let short = ImageId(id.clone()).short().to_owned();
            holders.entry(id.clone()).or_insert_with(|| format!("{project}-{name}-kept-{short}"));
        }
    }
    holders
}

/// Makes holders. Returns the images for which there is none now. That is no reason to leave the
/// change: an undo then needs the registry.
#[must_use]
pub fn hold(engine: &Engine, holders: &Holders) -> Vec<String> {
    let is_made = |id: &str, name: &str| {
        make(engine, id, name).unwrap_or_else(|error| {
            log::debug!("cannot keep image {id} from being pruned: {error}");
            false
        })
    };
    holders.iter().filter(|(id, name)| !is_made(id, name)).map(|(id, _)| id.clone()).collect()
}

/// Whether it is there now.
fn make(engine: &Engine, id: &str, name: &str) -> Result<bool, EngineError> {
    let Ok(reference) = Reference::parse(id) else { return Ok(false) };
    let Some(image) = engine.image(&reference)? else { return Ok(false) };
    match engine.hold(&image, name) {
        // It was made by a run that was cut off.
        Ok(()) | Err(EngineError::Refused { status: 409, .. }) => Ok(true),
        Err(error) => Err(error),
    }
}

/// Lets go of what nobody may go back to any more, and of what is in use again. What cannot be removed
/// now is tried again after the next run.
pub fn let_go(pass: &Pass<'_>, record: &mut Record, sight: &Sight) {
    if record.images.held.is_empty() {
        return;
    }
    let used = sight.containers.iter().map(|container| container.image_id.as_str()).collect();
    for (id, name) in superfluous(record, &used) {
        let removed =
            pass.host.engine().and_then(|engine| match engine.remove(&ContainerId(name.clone())) {
                Err(EngineError::Refused { status: 404, .. }) => Ok(()),
                removed => Ok(removed?),
            });
        match removed {
            Ok(()) => drop(record.images.held.remove(&id)),
            Err(problem) => log::debug!("cannot remove {name}: {problem}"),
        }
    }
}

/// The holders of images that are not kept, or that containers of the service itself hold.
fn superfluous(record: &Record, used: &BTreeSet<&str>) -> Holders {
    let kept: BTreeSet<&str> =
        record.image_pairs().map(|(_, id)| id).chain(record.images.kept()).gather();
    let needed = |id: &str| kept.contains(id) && !used.contains(id);
    let held = record.images.held.iter().filter(|(id, _)| !needed(id));
    held.map(|(id, name)| (id.clone(), name.clone())).gather()
}

#[cfg(test)]
mod tests {
    use super::superfluous;
    use crate::state::{ProjectRecord, Record, ServiceRecord};

    #[test]
    fn what_may_be_gone_back_to_and_runs_nowhere_is_held() {
        for (held, in_force, before, used, expected) in [
            // Before the change, after a good one, after one that was undone.
            ("1", "1", "", "2", ""),
            ("1", "2", "1", "2", ""),
            ("1", "1", "", "1", "1"),
            // Not kept any more, and two at once.
            ("1", "3", "2", "3", "1"),
            ("1 2", "3", "2 1", "3", ""),
            ("2", "3", "2", "3 2", "2"),
        ] {
            let service =
                ServiceRecord { image_id: in_force.to_owned(), ..ServiceRecord::default() };
            let services = [("web".to_owned(), service)].into();
            let project = ProjectRecord { services, ..ProjectRecord::default() };
            let mut record = Record::default();
            record.projects.insert("shop".to_owned(), project);
            let named = |id: &str| (id.to_owned(), format!("shop-web-kept-{id}"));
            record.images.held = held.split_whitespace().map(named).collect();
            let kept = before.split_whitespace().map(str::to_owned).collect();
            record.images.previous =
                [("shop".to_owned(), [("web".to_owned(), kept)].into())].into();
            let found = superfluous(&record, &used.split_whitespace().collect());
            let found: Vec<&str> = found.keys().map(String::as_str).collect();
            assert_eq!(found.join(" "), expected, "{held}, {in_force}, {before}, {used}");
        }
    }
}
