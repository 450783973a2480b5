//! What is in force instead of what git declares: while changes wait, what is healed is made again
//! as it was recorded, and not as the target has it.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::Host;
use super::model::{NOT_DEFINITION, sha256};
use super::observe::Sight;
use super::stack::{Stack, Stacks};
use super::todo::Key;
use crate::decide::plan::{
    Action, ContainerFact, Definition, Desired, Kind, Memory, Observed, Wait, Waits, dangers, plan,
    put_off, resting,
};
use crate::docker::reference::Reference;
use crate::problem::Problem;
use crate::state::{Record, ServiceRecord};

/// The parts of a recorded definition beside the service itself.
const SECTIONS: &[&str] = &["networks", "volumes", "configs", "secrets"];

/// What is kept up while changes wait.
pub struct InForce {
    /// The stacks, with those that wait as they were recorded.
    pub stacks: Stacks,
    /// The same for the planner.
    pub desired: Desired,
    /// Who waits, and why.
    pub waits: Waits,
}

impl InForce {
    /// The plan for what git declares, with what heals or restores what is in force in the place of
    /// those that wait.
    #[must_use]
    pub fn put_off(
        &self,
        actions: Vec<Action>,
        declared: &Desired,
        memory: &Memory,
        sight: &Sight,
    ) -> Vec<Action> {
        let mut remembered = self.stacks.memory(&sight.record);
        let mut desired = resting(&self.desired, &self.waits);
        let observed = self.told_apart(&sight.observed, &sight.record, &mut desired);
        if self.waits.of.values().any(Wait::restores) {
            // What was put elsewhere by the target that failed stays where it is, and is nobody's loss.
            let found = dangers(&desired, &remembered, &observed).into_iter();
            let moved = found.filter(|danger| danger.kind == Kind::MountMoved);
            remembered.accepted.extend(moved.map(|danger| danger.fingerprint));
        }
        let healed = plan(&desired, &remembered, &observed);
        put_off(actions, (&healed, &self.desired), declared, memory, &sight.observed, &self.waits)
    }

    /// What was seen, with the containers of those that are restored told apart: only the recorded ones
    /// are of the release in force, whatever their labels say. One that is loses nothing by the loss
    /// of its image.
    fn told_apart(&self, observed: &Observed, record: &Record, desired: &mut Desired) -> Observed {
        let mut observed = observed.clone();
        for (project, name) in self.waits.of.iter().filter(|(_, w)| w.restores()).map(|(k, _)| k) {
            let past = record.projects.get(project).and_then(|past| past.services.get(name));
            let mut all_in_force = true;
            let mine = |c: &&mut ContainerFact| c.project == *project && c.compose_service == *name;
            for container in observed.containers.iter_mut().filter(mine) {
                let known = past.is_some_and(|past| past.containers.contains(&container.id));
                container.definition = if known { Definition::Known } else { Definition::Foreign };
                all_in_force &= past.is_some_and(|past| past.image_id == container.image_id);
            }
            let stacks = desired.stacks.iter_mut().filter(|stack| stack.project == *project);
            let declared = stacks.filter_map(|stack| stack.services.get_mut(name));
            for declared in declared {
                declared.policy.on_image &= !all_in_force;
                if let Some(past) = past {
                    declared.files.clone_from(&past.files);
                }
            }
        }
        observed
    }
}

impl Stacks {
    /// The same stacks with the recorded definitions in the place of the declared ones, for those that
    /// wait and differ. `image` says by which reference a recorded image is to be had.
    ///
    /// # Errors
    /// Those of `image`.
    pub fn in_force(
        &self,
        record: &Record,
        waits: &Waits,
        image: impl Fn(&ServiceRecord) -> Result<String, Problem>,
    ) -> Result<Stacks, Problem> {
        let mut list = self.list.clone();
        let memory = self.memory(record);
        let mut placed: BTreeSet<Key> = BTreeSet::new();
        for stack in &mut list {
            let project = stack.project().to_owned();
            let (Some(recorded), Some(meant)) =
                (record.projects.get(&project), memory.projects.get(&project))
            else {
                continue;
            };
            for (name, past) in &recorded.services {
                let key = (project.clone(), name.clone());
                let (Some(meant), Some(wait)) = (meant.services.get(name), waits.get(&key)) else {
                    continue;
                };
                let declared = stack.model().service(name).is_some();
                // What git no longer declares goes where the rest of its project is.
                let left = !self.declare(name);
                if !past.definition["service"].is_object() || !(declared || left) {
                    continue;
                }
                let image = if wait.restores() { image(past)? } else { past.image.clone() };
                let differs = !declared
                    || wait.restores()
                    || stack.differs(name, past, &meant.definition, &image);
                if differs && placed.insert(key) {
                    overlay(&mut stack.resolved.model, name, past, &image);
                    stack.in_force.insert(name.clone());
                    if !declared {
                        stack.resolved.services.insert(name.clone());
                    }
                }
            }
        }
        Ok(Stacks { list, env: self.env.clone(), fallen_back: self.fallen_back.clone() })
    }
}

/// The reference by which the image of a recorded container is to be had now: as declared while that
/// still means it, else its id, and where it is gone the digest under which a registry has it.
///
/// # Errors
/// When the engine does not answer.
pub fn image_in_force(host: &Host<'_>, past: &ServiceRecord) -> Result<String, Problem> {
    let engine = host.engine()?;
    let id_of = |text: &str| -> Result<Option<String>, Problem> {
        let Ok(reference) = Reference::parse(text) else { return Ok(None) };
        Ok(engine.image(&reference)?.map(|image| image.id.0))
    };
    if past.image_id.is_empty() || id_of(&past.image)?.as_ref() == Some(&past.image_id) {
        return Ok(past.image.clone());
    }
    match (id_of(&past.image_id)?, past.image_digests.first()) {
        (None, Some(digest)) => Ok(digest.clone()),
        (Some(_), _) | (None, None) => Ok(past.image_id.clone()),
    }
}

impl Stack {
    /// Whether one compose service is declared otherwise than recorded; `meant` is its recorded
    /// definition as compose reads it now.
    fn differs(&self, name: &str, past: &ServiceRecord, meant: &str, image: &str) -> bool {
        let model = self.model();
        let Some((_, value)) = model.services().find(|(other, _)| *other == name) else {
            return false;
        };
        model.image(name, value) != image
            || model.replicas(value) != past.replicas
            || sha256(&model.definition(value).to_string()) != meant
    }
}

/// One recorded compose service in a resolved model, with all it refers to.
fn overlay(model: &mut Value, name: &str, past: &ServiceRecord, image: &str) {
    let declared = model["services"][name].as_object().cloned().unwrap_or_default();
    let recorded = past.definition["service"].as_object().cloned().unwrap_or_default();
    // The image is there; what compose would do to get another is of no use.
    let kept = |(key, _): &(String, Value)| {
        NOT_DEFINITION.contains(&key.as_str()) && !["build", "pull_policy"].contains(&key.as_str())
    };
    let mut whole: Map<String, Value> = declared.into_iter().filter(kept).collect();
    whole.extend(recorded);
    whole.insert("image".to_owned(), json!(image));
    whole.insert("scale".to_owned(), json!(past.replicas));
    model["services"][name] = Value::Object(whole);
    for section in SECTIONS {
        for (other, definition) in past.definition[section].as_object().into_iter().flatten() {
            model[section][other] = definition.clone();
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::overlay;
    use crate::reconcile::model::Model;
    use crate::state::ServiceRecord;

    #[test]
    fn a_recorded_service_takes_the_place_of_the_declared_one() {
        let was = json!({
            "name": "p",
            "services": { "web": {
                "image": "web:1",
                "command": ["old"],
                "deploy": { "resources": { "limits": { "cpus": 1 } } },
                "networks": { "default": null },
                "secrets": [{ "source": "key" }],
            } },
            "networks": { "default": { "name": "p_default" } },
            "secrets": { "key": { "file": "/srv/old.key" } },
        });
        let mut now = json!({
            "name": "p",
            "services": {
                "web": {
                    "image": "web:2",
                    "command": ["new"],
                    "depends_on": { "db": { "condition": "service_started" } },
                    "deploy": { "replicas": 3 },
                    "environment": { "LEVEL": "2" },
                },
                "db": { "image": "db:1" },
            },
            "networks": { "default": { "name": "p_default" }, "front": { "name": "p_front" } },
        });
        let before = Model::new(&was);
        let definition = before.definition(&was["services"]["web"]);
        let image = "web:1".to_owned();
        let record = ServiceRecord {
            image,
            definition: definition.clone(),
            replicas: 2,
            ..ServiceRecord::default()
        };
        overlay(&mut now, "web", &record, "web:1");
        let model = Model::new(&now);
        let web = &now["services"]["web"];
        assert_eq!(model.definition(web), definition, "it means what it meant");
        assert_eq!((model.image("web", web).as_str(), model.replicas(web)), ("web:1", 2));
        assert!(web["depends_on"]["db"].is_object(), "the order is that of the target");
        assert_eq!(now["services"]["db"], json!({ "image": "db:1" }), "others are as declared");
        assert!(now["networks"]["front"].is_object());
    }
}
