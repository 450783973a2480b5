//! What must be true of the small host when all is over.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{World, image};
use crate::support::{LABEL, label, text};

impl World {
    /// Everything that is to be true at rest.
    pub(super) fn good(&self) -> Result<(), String> {
        self.runs_the_release()?;
        self.tree_is_clean()?;
        state_is_whole(&self.sandbox.state())?;
        self.nobody_is_left()
    }

    fn runs_the_release(&self) -> Result<(), String> {
        let (holders, found) = (self.sandbox.holders(), self.sandbox.containers());
        self.holds_what_it_says(&holders, &found)?;
        let id = &self.sandbox.id;
        let mut names: Vec<&str> = found.iter().map(|one| text(one, "/Name")).collect();
        names.sort_unstable();
        let expected = ["db-1", "side-cache-1", "web-1"].map(|name| format!("/{id}-{name}"));
        if names != expected {
            return Err(format!("the containers are {names:?}"));
        }
        for one in &found {
            let (name, state) = (text(one, "/Name"), text(one, "/State/Status"));
            if state != "running" {
                return Err(format!("{name} is {state}"));
            }
            if !name.ends_with("-cache-1") {
                self.has(one, &format!("TOKEN=token-{}", self.tokens))?;
            }
            if name.ends_with("-web-1") {
                self.has(one, &format!("RELEASE={}", self.in_force))?;
                let version = label(one, "version").unwrap_or_default();
                let image = image(self.in_force);
                if !version.starts_with(&format!("web:{image} ")) {
                    return Err(format!("{name} has image {version}, not web:{image}"));
                }
                let see = "cat /web.conf; echo /conf.d/*";
                let seen = self.sandbox.docker(["exec", &name[1..], "sh", "-c", see]);
                let release = self.in_force;
                if seen != format!("release {release}\n/conf.d/{release}") {
                    return Err(format!("{name} has {seen} mounted, not release {release}"));
                }
            }
        }
        self.no_strange_tag()
    }

    /// What keeps images from being pruned is what the record has, and keeps none that runs.
    fn holds_what_it_says(&self, holders: &[Value], others: &[Value]) -> Result<(), String> {
        let record = fs::read(self.sandbox.state().join("services/app.json")).unwrap_or_default();
        let record: Value = serde_json::from_slice(&record).unwrap_or_default();
        let said = record.pointer("/images/held").and_then(Value::as_object);
        let mut said: Vec<&str> =
            said.into_iter().flatten().filter_map(|(_, v)| v.as_str()).collect();
        let mut names: Vec<&str> =
            holders.iter().map(|one| text(one, "/Name").trim_start_matches('/')).collect();
        said.sort_unstable();
        names.sort_unstable();
        let image = |one: &Value| text(one, "/Image").to_owned();
        let idle = holders.iter().all(|one| {
            text(one, "/State/Status") == "created"
                && !others.iter().any(|o| image(o) == image(one))
        });
        match said == names && names.len() <= 1 && idle {
            true => Ok(()),
            false => Err(format!("images are held by {names:?}, the record has {said:?}")),
        }
    }

    fn has(&self, container: &Value, setting: &str) -> Result<(), String> {
        let env = container.pointer("/Config/Env").and_then(Value::as_array);
        match env.is_some_and(|env| env.iter().any(|one| one == setting)) {
            true => Ok(()),
            false => Err(format!("{} lacks {setting}: {env:?}", text(container, "/Name"))),
        }
    }

    fn no_strange_tag(&self) -> Result<(), String> {
        let filter = format!("label={}={}", LABEL, self.sandbox.id);
        let format = "{{.Repository}}:{{.Tag}}";
        let listed = self.sandbox.docker(["images", "--filter", &filter, "--format", format]);
        let ours = self.sandbox.fill("IMAGES/");
        match listed.lines().find(|tag| !tag.starts_with(&ours)) {
            Some(tag) => Err(format!("the tag {tag} was left")),
            None => Ok(()),
        }
    }

    fn tree_is_clean(&self) -> Result<(), String> {
        let (host, author) = (&self.sandbox.host, self.sandbox.root().join("author"));
        let git = |dir: &Path, args: &[&str]| self.sandbox.git(dir, args);
        let status = git(host, &["status", "--porcelain"]);
        let saved = git(host, &["for-each-ref", "refs/renew"]);
        if git(host, &["rev-parse", "HEAD"]) != git(&author, &["rev-parse", "HEAD"]) {
            return Err("the tree is not at the target".to_owned());
        }
        // Files of what is in force stay with it.
        let stays = |line: &str| {
            // The first line has lost the blank that it may begin with.
            let path = line.rsplit(' ').next().unwrap_or_default();
            self.in_force != self.pushes && (path == "web.conf" || path.starts_with("conf.d/"))
        };
        if !status.lines().all(stays) || !saved.is_empty() && !self.torn {
            return Err(format!("the tree is not clean: {status}; saved: {saved}"));
        }
        let mut left = Vec::new();
        walk(&host.join(".git"), &mut |path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let lock = name.ends_with(".lock") && name != "renew.lock";
            if lock || name.contains("tmp_") || name == "renew-mend" {
                left.push(path.display().to_string());
            }
        });
        match left.is_empty() {
            true => Ok(()),
            false => Err(format!("git left {left:?}")),
        }
    }

    /// No process of ours still works on this sandbox.
    fn nobody_is_left(&self) -> Result<(), String> {
        let root = self.sandbox.root().display().to_string();
        let entries = fs::read_dir("/proc").expect("processes").flatten();
        for proc in entries.map(|entry| entry.path()) {
            let read = |name: &str| fs::read(proc.join(name)).unwrap_or_default();
            let line = String::from_utf8_lossy(&read("cmdline")).replace('\0', " ");
            let of_the_rig = line.contains("reaper") || line.contains("registry");
            let env = String::from_utf8_lossy(&read("environ")).into_owned();
            if !of_the_rig && (line.contains(&root) || env.contains(&root)) {
                return Err(format!("{} was left: {line}", proc.display()));
            }
        }
        Ok(())
    }
}

/// Every file of the state parses, and nothing temporary is there.
fn state_is_whole(state: &Path) -> Result<(), String> {
    let mut wrong = None;
    walk(state, &mut |path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let content = fs::read(path).unwrap_or_default();
        let json = name.ends_with(".json");
        let broken = json && serde_json::from_slice::<Value>(&content).is_err();
        let folder = path.parent().and_then(Path::file_name).unwrap_or_default();
        if broken || name.contains('~') || name.ends_with(".corrupt") || folder == "running" {
            wrong.get_or_insert(format!("{} was left", path.display()));
        }
    });
    wrong.map_or(Ok(()), Err)
}

fn walk(dir: &Path, look: &mut dyn FnMut(&Path)) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        look(&path);
        if path.is_dir() && !path.is_symlink() {
            walk(&path, look);
        }
    }
}
