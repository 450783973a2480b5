//! Reading compose's resolved model: what the planner desires of each service, its definition hash,
//! what it mounts of the repository, and what it waits for. Reads values only.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::decide::plan::{DesiredService, Lifetime, Parent, Policy, is_name_of};
use crate::decide::waves::{Condition, Dependencies};
use crate::gather::Gather;

/// Keys of a service that are not part of its definition: the image is compared by itself, the rest
/// says how to get or order it (docker/compose `pkg/compose/hash.go` leaves the same ones out).
pub(super) const NOT_DEFINITION: &[&str] =
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

    /// The engine's name of a top-level network (`networks`) or volume (`volumes`).
    #[must_use]
    pub fn real_name(&self, section: &str, name: &str) -> String {
        let declared = self.0[section][name]["name"].as_str();
        let declared = declared.map(|name| name.replace("$$", "$"));
        declared.unwrap_or_else(|| format!("{}_{name}", self.project()))
    }

    /// The engine's names of what [`Model::topology`] has.
    #[must_use]
    pub fn real_names(&self) -> BTreeMap<String, String> {
        let real = |key: String| {
            let (word, name) = key.split_once(' ')?;
            let section = if word == "volume" { "volumes" } else { "networks" };
            let real = self.real_name(section, name);
            Some((key, real))
        };
        self.topology().into_keys().filter_map(real).gather()
    }

    /// The engine's names of the networks that a service is in, external ones included.
    #[must_use]
    pub fn networks_of(&self, service: &str) -> Vec<String> {
        let names = referred(&self.0["services"][service]["networks"]);
        names.into_iter().map(|name| self.real_name("networks", &name)).collect()
    }

    /// One active compose service.
    #[must_use]
    pub fn service(&self, name: &str) -> Option<&'m Value> {
        self.0["services"].get(name)
    }

    /// The top-level definition of a network, volume, config or secret.
    #[must_use]
    pub fn top(&self, section: &str, name: &str) -> &'m Value {
        &self.0[section][name]
    }

    /// The real names of the networks or volumes that a service uses and that somebody else makes.
    #[must_use]
    pub fn external(&self, section: &str, service: &Value) -> Vec<String> {
        let used = referred(&service[section]);
        let mine = self.all_external(section).into_iter().filter(|(key, _)| used.contains(*key));
        mine.map(|(_, name)| name).collect()
    }

    /// Key and real name of all networks or volumes that somebody else makes.
    #[must_use]
    pub fn all_external(&self, section: &str) -> Vec<(&'m String, String)> {
        let all = self.0[section].as_object().into_iter().flatten();
        let external = all.filter(|(_, definition)| definition["external"] == json!(true));
        external.map(|(key, _)| (key, self.real_name(section, key))).collect()
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

    /// Who waits for whom. Compose itself adds the services that namespaces and volumes are taken from,
    /// unless they are called by the name of a container.
    #[must_use]
    pub fn depends_on(&self) -> Dependencies {
        let condition = |value: &Value| match value["condition"].as_str() {
            Some("service_healthy") => Condition::Healthy,
            Some("service_completed_successfully") => Condition::Completed,
            _ => Condition::Started,
        };
        self.services()
            .map(|(name, service)| {
                let declared = service["depends_on"].as_object().into_iter().flatten();
                let declared = declared.map(|(other, how)| (other.clone(), condition(how)));
                let by_name = self.named_parents(service).map(|other| (other, Condition::Started));
                // What is said twice counts as declared.
                (name.clone(), by_name.chain(declared).gather())
            })
            .gather()
    }

    /// The services of this stack that a service calls by the name of their container.
    fn named_parents(&self, service: &Value) -> impl Iterator<Item = String> {
        let owner = |container: String| {
            let mut all = self.services();
            let owns = |name: &str, other: &Value| {
                is_name_of(&container, self.project(), name, container_name(other))
            };
            all.find(|(name, other)| owns(name, other)).map(|(name, _)| name.clone())
        };
        let named = ties::of(service).into_iter().filter_map(|tie| match tie.parent {
            Parent::Container(container) => owner(container),
            Parent::Service(_) => None,
        });
        named.collect::<Vec<_>>().into_iter()
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
            image: self.image(name, service),
            build: service["build"].is_object(),
            replicas: self.replicas(service),
            definition: sha256(&self.definition(service).to_string()),
            files: mounted
                .into_iter()
                .filter_map(|path| sources.get(&path).map(|oid| (path.clone(), oid.clone())))
                .gather(),
            env: None,
            mounts: super::mounts::declared(*self, service),
            networks: referred(&service["networks"])
                .into_iter()
                .map(|name| format!("network {name}"))
                .collect(),
            lifetime: self.lifetime(name, service),
            policy,
            container_name: container_name(service).map(str::to_owned),
            ties: ties::of(service),
        }
    }

    /// The image reference of a service, or compose's own name for one that is built without any.
    #[must_use]
    pub fn image(&self, name: &str, service: &Value) -> String {
        let declared = service["image"].as_str().map(str::to_owned);
        declared.unwrap_or_else(|| format!("{}-{name}", self.project()))
    }

    /// How many containers a service is to have.
    #[must_use]
    pub fn replicas(&self, service: &Value) -> u32 {
        let declared = service["deploy"]["replicas"].as_u64().or_else(|| service["scale"].as_u64());
        declared.map_or(1, |count| u32::try_from(count).unwrap_or(u32::MAX))
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

/// Takes a network or volume out of a model, and out of the services that use it.
pub fn drop_external(model: &mut Value, section: &str, key: &str) {
    let leave_out = |part: Option<&mut Value>| match part {
        Some(Value::Object(by_name)) => drop(by_name.remove(key)),
        Some(Value::Array(list)) => list.retain(|item| item["source"] != key),
        _ => {}
    };
    leave_out(model.get_mut(section));
    let services = model["services"].as_object_mut().into_iter().flatten();
    services.for_each(|(_, service)| leave_out(service.get_mut(section)));
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
            let names: BTreeSet<&String> = old.keys().chain(new.keys()).gather();
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
pub fn referred(section: &Value) -> BTreeSet<String> {
    match section {
        Value::Object(by_name) => by_name.keys().cloned().collect(),
        Value::Array(list) => {
            list.iter().filter_map(|item| item["source"].as_str()).map(str::to_owned).collect()
        }
        _ => BTreeSet::new(),
    }
}

fn container_name(service: &Value) -> Option<&str> {
    service["container_name"].as_str()
}

/// The repository path of an absolute path, if it lies inside.
pub fn inside(path: &str, top: &Path) -> Option<String> {
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
    sha256_of(text.as_bytes())
}

/// SHA-256 of any content, in hex.
#[must_use]
pub fn sha256_of(content: &[u8]) -> String {
    let digest = Sha256::digest(content);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

mod ties;

#[cfg(test)]
mod tests;
