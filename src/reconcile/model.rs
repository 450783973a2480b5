//! Reading compose's resolved model: what the planner desires of each service, its definition hash,
//! what it mounts of the repository, and what it waits for. Reads values only.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::decide::plan::{DesiredService, Lifetime, Policy};
use crate::decide::waves::{Condition, Dependencies};

/// Keys of a service that are not part of its definition: the image is compared by itself, the rest
/// says how to get or order it (docker/compose `pkg/compose/hash.go` leaves the same ones out).
const NOT_DEFINITION: &[&str] =
    &["image", "build", "pull_policy", "depends_on", "profiles", "scale"];

/// A resolved model of one stack.
#[derive(Debug, Clone, Copy)]
pub struct Model<'m>(&'m Value);

impl<'m> Model<'m> {
    /// Wraps what `compose config --format json` printed.
    #[must_use]
    pub fn new(value: &'m Value) -> Model<'m> {
        Model(value)
    }

    /// The compose project that compose chose.
    #[must_use]
    pub fn project(&self) -> &'m str {
        self.0["name"].as_str().unwrap_or_default()
    }

    /// The active compose services.
    pub fn services(&self) -> impl Iterator<Item = (&'m String, &'m Value)> {
        self.0["services"].as_object().into_iter().flatten()
    }

    /// SHA-256 per top-level network and volume. External ones are not ours to define.
    #[must_use]
    pub fn topology(&self) -> BTreeMap<String, String> {
        let mut hashes = BTreeMap::new();
        for (section, word) in [("networks", "network"), ("volumes", "volume")] {
            for (name, definition) in self.0[section].as_object().into_iter().flatten() {
                if definition["external"] != json!(true) {
                    hashes.insert(format!("{word} {name}"), sha256(&definition.to_string()));
                }
            }
        }
        hashes
    }

    /// Who waits for whom.
    #[must_use]
    pub fn depends_on(&self) -> Dependencies {
        let condition = |value: &Value| match value["condition"].as_str() {
            Some("service_healthy") => Condition::Healthy,
            Some("service_completed_successfully") => Condition::Completed,
            _ => Condition::Started,
        };
        self.services()
            .map(|(name, service)| {
                let on = service["depends_on"].as_object().into_iter().flatten();
                (name.clone(), on.map(|(other, how)| (other.clone(), condition(how))).collect())
            })
            .collect()
    }

    /// One service as the planner wants it; `object` gives the git object id of a mounted path.
    pub fn desired(
        &self,
        name: &str,
        service: &Value,
        policy: Policy,
        sources: &BTreeMap<String, String>,
        top: &Path,
    ) -> DesiredService {
        let mounted = self.mounted(service, top);
        DesiredService {
            image: image_of(self.project(), name, service),
            build: service["build"].is_object(),
            replicas: replicas(service),
            definition: sha256(&self.definition(service).to_string()),
            files: mounted
                .into_iter()
                .filter_map(|path| sources.get(&path).map(|oid| (path.clone(), oid.clone())))
                .collect(),
            lifetime: self.lifetime(name, service),
            policy,
        }
    }

    /// The definition of a service with everything it refers to, keys in order.
    #[must_use]
    pub fn definition(&self, service: &Value) -> Value {
        let mut own = service.as_object().cloned().unwrap_or_default();
        own.retain(|key, _| !NOT_DEFINITION.contains(&key.as_str()) && !key.starts_with("x-"));
        if let Some(deploy) = own.get_mut("deploy").and_then(Value::as_object_mut) {
            deploy.remove("replicas");
        }
        let mut whole = Map::from_iter([("service".to_owned(), Value::Object(own))]);
        for section in ["networks", "volumes", "configs", "secrets"] {
            let mut refers = Map::new();
            for name in referred(&service[section]) {
                if let Some(definition) = self.0[section].get(&name) {
                    refers.insert(name, definition.clone());
                }
            }
            if !refers.is_empty() {
                whole.insert(section.to_owned(), Value::Object(refers));
            }
        }
        Value::Object(whole)
    }

    /// Paths inside the repository that any service mounts, or takes a config or secret from.
    #[must_use]
    pub fn all_mounted(&self, top: &Path) -> BTreeSet<String> {
        self.services().flat_map(|(_, service)| self.mounted(service, top)).collect()
    }

    fn mounted(&self, service: &Value, top: &Path) -> BTreeSet<String> {
        let mut paths = BTreeSet::new();
        for volume in service["volumes"].as_array().into_iter().flatten() {
            if volume["type"] == "bind" {
                paths.extend(volume["source"].as_str().and_then(|path| inside(path, top)));
            }
        }
        for section in ["configs", "secrets"] {
            for name in referred(&service[section]) {
                let file = self.0[section][&name]["file"].as_str();
                paths.extend(file.and_then(|path| inside(path, top)));
            }
        }
        paths
    }

    /// A service that nobody restarts, that answers nobody, and that has no health to keep is meant
    /// to end; so is one that others wait for to complete.
    fn lifetime(&self, name: &str, service: &Value) -> Lifetime {
        let awaited = self.services().any(|(_, other)| {
            other["depends_on"][name]["condition"] == "service_completed_successfully"
        });
        let policy = service["deploy"]["restart_policy"]["condition"]
            .as_str()
            .or_else(|| service["restart"].as_str())
            .unwrap_or("no");
        let restarted = matches!(policy, "always" | "unless-stopped" | "any");
        let disabled = service["healthcheck"]["disable"] == json!(true);
        let checked = service["healthcheck"].is_object() && !disabled;
        let answers = service["ports"].as_array().is_some_and(|ports| !ports.is_empty());
        if awaited || !(restarted || checked || answers) {
            Lifetime::OneShot
        } else {
            Lifetime::Lasting
        }
    }
}

/// Which keys differ between two definitions, without their values.
#[must_use]
pub fn difference(before: &Value, after: &Value) -> String {
    let mut keys = Vec::new();
    differing(before, after, &mut Vec::new(), &mut keys);
    let shown = keys.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
    match keys.len() {
        0..=5 => shown,
        n => format!("{shown} and {} more", n - 5),
    }
}

fn differing(before: &Value, after: &Value, path: &mut Vec<String>, keys: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(old), Value::Object(new)) if path.len() < 3 => {
            let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for name in names {
                path.push(name.clone());
                let [a, b] = [old.get(name), new.get(name)].map(|v| v.unwrap_or(&Value::Null));
                differing(a, b, path, keys);
                path.pop();
            }
        }
        _ if before == after => {}
        _ => {
            let shown = path.iter().skip_while(|part| *part == "service");
            keys.push(shown.cloned().collect::<Vec<_>>().join("."));
        }
    }
}

/// The names that a service's section refers to: a map by name, or a list of `{source}`.
fn referred(section: &Value) -> BTreeSet<String> {
    match section {
        Value::Object(by_name) => by_name.keys().cloned().collect(),
        Value::Array(list) => {
            list.iter().filter_map(|item| item["source"].as_str()).map(str::to_owned).collect()
        }
        _ => BTreeSet::new(),
    }
}

fn image_of(project: &str, name: &str, service: &Value) -> String {
    let declared = service["image"].as_str().map(str::to_owned);
    // Compose's own name for an image that is built without one.
    declared.unwrap_or_else(|| format!("{project}-{name}"))
}

fn replicas(service: &Value) -> u32 {
    let declared = service["deploy"]["replicas"].as_u64().or_else(|| service["scale"].as_u64());
    declared.map_or(1, |count| u32::try_from(count).unwrap_or(u32::MAX))
}

/// The repository path of an absolute path, if it lies inside.
fn inside(path: &str, top: &Path) -> Option<String> {
    let mut plain = PathBuf::new();
    for part in Path::new(path).components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    let inside = plain.strip_prefix(top).ok()?.to_str()?;
    (!inside.is_empty()).then(|| inside.to_owned())
}

/// SHA-256 of a text, in hex.
#[must_use]
pub fn sha256(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
