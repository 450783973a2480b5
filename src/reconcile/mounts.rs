//! What the data guard is asked about: what a model mounts, what a container has mounted, and which
//! directories are ours. Looks at paths of this host; reads no content and changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use super::Host;
use super::model::Model;
use super::pass::Pass;
use crate::decide::plan::{ContainerFact, Desired, ImageFact, Mount, Mounts, Source};
use crate::docker::engine;
use crate::docker::reference::Reference;
use crate::problem::Problem;

/// A path without symbolic links, as far as it exists.
#[must_use]
pub fn real(path: &Path) -> PathBuf {
    for (rest, there) in path.ancestors().enumerate() {
        if let Ok(mut found) = fs::canonicalize(there) {
            let missing: Vec<Component<'_>> = path.components().rev().take(rest).collect();
            found.extend(missing.into_iter().rev());
            return found;
        }
    }
    path.to_path_buf()
}

fn real_text(path: &str) -> String {
    real(Path::new(path)).to_string_lossy().into_owned()
}

/// The directories that the containers of a configuration's stacks belong to.
#[must_use]
pub fn directories(pass: &Pass<'_>) -> BTreeSet<String> {
    let place = pass.git.top().join(pass.git.base());
    let stacks = pass.services().iter().flat_map(|service| &service.stacks);
    let folders = stacks.filter_map(|files| Some(place.join(files.first()?.parent()?)));
    folders.chain([place.clone()]).map(|dir| real(&dir).to_string_lossy().into_owned()).collect()
}

/// What a service of a model mounts.
#[must_use]
pub fn declared(model: Model<'_>, service: &Value) -> Mounts {
    let mut mounts = Mounts::default();
    for volume in service["volumes"].as_array().into_iter().flatten() {
        let text = |key: &str| volume[key].as_str().map(plain).unwrap_or_default();
        let source = match (volume["type"].as_str().unwrap_or_default(), text("source")) {
            ("volume", name) if name.is_empty() => Source::Anonymous(String::new()),
            ("volume", name) => Source::Volume(model.real_name("volumes", &name)),
            ("bind", path) => Source::Bind(real_text(&path)),
            (kind, _) => Source::Other(kind.to_owned()),
        };
        mounts.declared.insert(clean(&text("target")), source);
    }
    let in_memory = match &service["tmpfs"] {
        Value::String(one) => vec![one.as_str()],
        list => list.as_array().into_iter().flatten().filter_map(Value::as_str).collect(),
    };
    for entry in in_memory {
        let target = entry.split(':').next().unwrap_or(entry);
        mounts.declared.insert(clean(&plain(target)), Source::Other("tmpfs".to_owned()));
    }
    for from in service["volumes_from"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        match from.strip_prefix("container:") {
            Some(_) => mounts.borrows_elsewhere = true,
            None => {
                let name = from.split(':').next().unwrap_or(from);
                mounts.borrowed_from.insert(name.to_owned());
            }
        }
    }
    mounts
}

/// Compose writes a dollar of a model as two.
fn plain(text: &str) -> String {
    text.replace("$$", "$")
}

/// A path of a container as the engine tells it.
fn clean(target: &str) -> String {
    let mut plain = PathBuf::from("/");
    for part in Path::new(target).components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::Normal(name) => plain.push(name),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    plain.to_string_lossy().into_owned()
}

/// The mounts of a container that may hold data nobody else has: writable, and neither a file of the
/// repository, which git has, nor a socket or device. `files` are the mounted paths of the repository
/// at `top`.
#[must_use]
pub fn observed(
    mounts: &[engine::Mount],
    top: &Path,
    files: &BTreeMap<String, String>,
) -> Vec<Mount> {
    let of = |mount: &engine::Mount| {
        let source = match mount.kind.as_str() {
            "volume" if is_id(&mount.name) => Source::Anonymous(mount.name.clone()),
            "volume" => Source::Volume(mount.name.clone()),
            "bind" => {
                let path = real(Path::new(&mount.source));
                if holds_no_data(&path, top, files) {
                    return None;
                }
                Source::Bind(path.to_string_lossy().into_owned())
            }
            _ => return None,
        };
        Some(Mount { target: clean(&mount.destination), source })
    };
    mounts.iter().filter(|mount| mount.writable).filter_map(of).collect()
}

/// The engine names a volume that nobody named after 32 random bytes.
fn is_id(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn holds_no_data(path: &Path, top: &Path, files: &BTreeMap<String, String>) -> bool {
    let tracked = path.strip_prefix(top).ok().and_then(Path::to_str);
    let tracked = tracked.is_some_and(|path| files.contains_key(path));
    match fs::metadata(path).map(|meta| meta.file_type()) {
        Ok(kind) if kind.is_dir() => false,
        Ok(kind) if kind.is_file() => tracked,
        Ok(kind) => kind.is_socket() || kind.is_char_device() || kind.is_fifo(),
        Err(_) => tracked,
    }
}

/// Asks which volumes the image of a service brings along, where a container has a volume that
/// nobody declared: whether it stays with the service depends on that.
///
/// # Errors
/// When the engine does not answer.
pub fn ask_for_volumes(
    host: &Host<'_>,
    desired: &Desired,
    containers: &[ContainerFact],
    images: &mut BTreeMap<String, ImageFact>,
) -> Result<(), Problem> {
    for stack in &desired.stacks {
        for container in containers.iter().filter(|c| c.project == stack.project) {
            let Some(service) = stack.services.get(&container.compose_service) else { continue };
            let undeclared = |mount: &Mount| {
                let nameless = matches!(mount.source, Source::Anonymous(_));
                nameless && !service.mounts.declared.contains_key(&mount.target)
            };
            let Some(fact) = images.get_mut(&service.image) else { continue };
            if fact.volumes.is_some() || !container.mounts.iter().any(undeclared) {
                continue;
            }
            if let Ok(reference) = Reference::parse(&service.image) {
                let image = host.engine()?.image(&reference)?;
                fact.volumes = image.map(|image| image.volumes);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use serde_json::json;

    use super::{Model, clean, declared, is_id, observed, real};
    use crate::decide::plan::Source;
    use crate::docker::engine;

    #[test]
    fn what_a_model_mounts() {
        let model = json!({
            "name": "p",
            "services": {"s": {
                "volumes": [
                    {"type": "volume", "source": "data", "target": "/data/"},
                    {"type": "volume", "source": "other", "target": "/other"},
                    {"type": "volume", "target": "/anonymous"},
                    {"type": "bind", "source": "/no/such/$$dir", "target": "/b/../bind"},
                    {"type": "tmpfs", "target": "/tmp"}
                ],
                "tmpfs": ["/run:size=1m"],
                "volumes_from": ["x:ro", "container:y"]
            }},
            "volumes": {"data": {"name": "p_data"}}
        });
        let mounts = declared(Model::new(&model), &model["services"]["s"]);
        let found: Vec<String> =
            mounts.declared.iter().map(|(target, source)| format!("{target} {source}")).collect();
        assert_eq!(
            found,
            [
                "/anonymous an anonymous volume",
                "/bind /no/such/$dir",
                "/data volume p_data",
                "/other volume p_other",
                "/run a tmpfs",
                "/tmp a tmpfs",
            ]
        );
        assert!(mounts.borrows_elsewhere && mounts.borrowed_from.contains("x"));
    }

    #[test]
    fn what_of_a_container_may_hold_data() {
        let dir = tempfile::tempdir().unwrap();
        let top = real(dir.path());
        std::fs::create_dir(top.join("data")).unwrap();
        std::fs::write(top.join("site.conf"), "").unwrap();
        std::fs::write(top.join("own.db"), "").unwrap();
        symlink(&top, top.join("link")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(top.join("socket")).unwrap();
        let files = BTreeMap::from([("site.conf", "1"), ("data", "2")]);
        let files = files.into_iter().map(|(path, id)| (path.to_owned(), id.to_owned())).collect();
        let id = "0123456789abcdef".repeat(4);
        let bind = |name: &str| ("bind", String::new(), top.join(name).display().to_string(), true);
        let mounts: Vec<engine::Mount> = [
            bind("link/data"),
            bind("site.conf"),
            bind("own.db"),
            bind("socket"),
            bind("gone"),
            ("bind", String::new(), "/etc".to_owned(), false),
            ("volume", "p_data".to_owned(), String::new(), true),
            ("volume", id.clone(), String::new(), true),
            ("tmpfs", String::new(), String::new(), true),
        ]
        .into_iter()
        .map(|(kind, name, source, writable)| engine::Mount {
            kind: kind.to_owned(),
            name,
            source,
            destination: "/x".to_owned(),
            writable,
        })
        .collect();
        let found: Vec<Source> =
            observed(&mounts, &top, &files).into_iter().map(|mount| mount.source).collect();
        let path = |name: &str| Source::Bind(top.join(name).display().to_string());
        assert_eq!(
            found,
            [
                path("data"),
                path("own.db"),
                path("gone"),
                Source::Volume("p_data".to_owned()),
                Source::Anonymous(id),
            ]
        );
    }

    #[test]
    fn a_path_is_followed_as_far_as_it_exists() {
        let dir = tempfile::tempdir().unwrap();
        let top = real(dir.path());
        std::fs::create_dir(top.join("a")).unwrap();
        symlink("a", top.join("b")).unwrap();
        assert_eq!(real(&top.join("b/c/d")), top.join("a/c/d"));
        assert_eq!(real(&top.join("b")), top.join("a"));
        assert_eq!(real(Path::new("/no-such/thing")), Path::new("/no-such/thing"));
        assert_eq!(clean("data/"), "/data");
        assert!(!is_id("data") && is_id(&"a".repeat(64)));
    }
}
