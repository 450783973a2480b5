//! What the engine knows of a sandbox, asked with the docker command past the wrappers, and what an
//! operator may do to it by hand. It never shows anything of another sandbox.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::process::Command;

use serde_json::{Value, json};

use super::image::LABEL;
use super::process::run;
use super::{Sandbox, wait_for};

const PROJECT: &str = "com.docker.compose.project";
const SERVICE: &str = "com.docker.compose.service";
const HOLDER: &str = "renew.holder";

impl Sandbox {
    /// Runs docker, as an operator would; gives its trimmed output.
    #[track_caller]
    pub fn docker<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> String {
        let mut docker = Command::new(&self.wrappers.docker);
        docker
            .current_dir(self.root())
            .args(args)
            .envs(self.docker_host().map(|host| ("DOCKER_HOST", host)));
        run(docker).expect(0).stdout.trim().to_owned()
    }

    /// Runs docker compose in the host's checkout, as an operator would.
    #[track_caller]
    pub fn compose<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> String {
        let mut compose = Command::new(&self.wrappers.compose);
        compose
            .current_dir(&self.host)
            .args(args)
            .envs(self.docker_host().map(|host| ("DOCKER_HOST", host)));
        run(compose).expect(0).stdout.trim().to_owned()
    }

    /// `docker inspect` of every container that came out of this sandbox's images, but for those that
    /// only hold one.
    #[track_caller]
    pub fn containers(&self) -> Vec<Value> {
        let mut all = self.containers_and_holders();
        all.retain(|one| label(one, HOLDER).is_none());
        all
    }

    /// Those that only hold an image.
    #[track_caller]
    pub fn holders(&self) -> Vec<Value> {
        let mut all = self.containers_and_holders();
        all.retain(|one| label(one, HOLDER).is_some());
        all
    }

    #[track_caller]
    fn containers_and_holders(&self) -> Vec<Value> {
        let filter = format!("label={LABEL}={}", self.id);
        let ids = self.docker(["ps", "-aq", "--no-trunc", "--filter", &filter]);
        if ids.is_empty() {
            return Vec::new();
        }
        let mut inspect = Command::new(&self.wrappers.docker);
        inspect.args(["inspect", "--type", "container"]).args(ids.split_whitespace());
        inspect.envs(self.docker_host().map(|host| ("DOCKER_HOST", host)));
        let found = run(inspect);
        // One that is being replaced may be gone by now; the others are told all the same.
        let gone = found.stderr.to_lowercase().contains("no such container");
        match found.expect(i32::from(gone)).json() {
            Value::Array(list) => list,
            other => panic!("docker inspect gives a list, not {other}"),
        }
    }

    /// `docker inspect` of the containers of one compose service, in the order of their numbers.
    #[track_caller]
    pub fn inspect(&self, service: &str) -> Vec<Value> {
        let mut found: Vec<Value> = self.containers();
        found.retain(|one| label(one, SERVICE) == Some(service));
        found.sort_by_key(|one| text(one, "/Name").to_owned());
        found
    }

    /// The one container of a compose service.
    #[track_caller]
    pub fn the(&self, service: &str) -> Value {
        let found = self.inspect(service);
        assert!(found.len() == 1, "{service} has {} containers: {found:#?}", found.len());
        found.into_iter().next().expect("one")
    }

    /// Compose service to the ids of its containers, sorted. Running or not.
    #[track_caller]
    pub fn ids(&self) -> BTreeMap<String, Vec<String>> {
        let mut ids: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for one in self.containers() {
            let (Some(service), Some(_)) = (label(&one, SERVICE), label(&one, PROJECT)) else {
                continue;
            };
            ids.entry(service.to_owned()).or_default().push(text(&one, "/Id").to_owned());
        }
        ids.values_mut().for_each(|list| list.sort());
        ids
    }

    /// Fails unless exactly these compose services changed their containers since `before`.
    #[track_caller]
    pub fn only_changed(&self, before: &BTreeMap<String, Vec<String>>, expected: &[&str]) {
        let after = self.ids();
        let mut changed: Vec<&str> = before
            .keys()
            .chain(after.keys())
            .filter(|service| before.get(*service) != after.get(*service))
            .map(String::as_str)
            .collect();
        changed.sort_unstable();
        changed.dedup();
        assert!(
            changed == expected,
            "expected other containers for {expected:?} only, got them for {changed:?}\n\
             before: {before:#?}\nafter: {after:#?}"
        );
    }

    /// Fails unless each of these compose services has exactly one container, running, under the
    /// name compose gives the first one.
    #[track_caller]
    pub fn runs(&self, services: &[&str]) {
        for service in services {
            let one = self.the(service);
            assert_eq!(text(&one, "/State/Status"), "running", "{service}: {one:#}");
            let project = label(&one, PROJECT).unwrap_or_default();
            assert_eq!(text(&one, "/Name"), format!("/{project}-{service}-1"));
        }
    }

    /// Waits until each of these compose services has one container, which runs.
    #[track_caller]
    pub fn come_up(&self, services: &[&str]) {
        super::wait_for(&format!("{services:?} to run"), 120, || {
            services.iter().all(|service| self.up(service).is_some()).then_some(())
        });
    }

    /// The same for one, with content that was published as this.
    #[track_caller]
    pub fn comes_up_as(&self, service: &str, name_and_tag: &str) {
        super::wait_for(&format!("{service} to run {name_and_tag}"), 120, || {
            let found = self.up(service)?;
            let version = label(&found, "version").unwrap_or_default();
            version.starts_with(&format!("{name_and_tag} ")).then_some(())
        });
    }

    /// The one container of a compose service, if it runs.
    fn up(&self, service: &str) -> Option<Value> {
        let mut found = self.inspect(service);
        let one = found.pop().filter(|_| found.is_empty())?;
        (text(&one, "/State/Status") == "running").then_some(one)
    }

    /// The content that the one container of a compose service was made from, as
    /// [`Sandbox::publish`] numbered it.
    #[track_caller]
    pub fn version(&self, service: &str) -> String {
        label(&self.the(service), "version").expect("a test image").to_owned()
    }

    /// Whether an environment setting (`KEY=value`) is in the one container of a compose service.
    #[track_caller]
    pub fn has_env(&self, service: &str, setting: &str) -> bool {
        let one = self.the(service);
        let env = one.pointer("/Config/Env").and_then(Value::as_array).expect("an environment");
        env.iter().any(|each| each == setting)
    }

    /// Waits until compose has made a second container for a service: the old one is being stopped.
    #[track_caller]
    pub fn wait_for_recreate(&self, service: &str) {
        wait_for("compose to be in the middle of a recreate", 60, || {
            let filter = format!("label={PROJECT}={}", self.id);
            let format = format!("{{{{.Label \"{SERVICE}\"}}}}");
            let names = self.docker(["ps", "-a", "--filter", &filter, "--format", &format]);
            (names.lines().filter(|name| *name == service).count() > 1).then_some(())
        });
    }

    /// All that an undo has to bring back, of one compose service.
    pub fn essence(&self, service: &str) -> Value {
        let one = self.the(service);
        let sorted = |pointer: &str| {
            let list = one.pointer(pointer).and_then(Value::as_array).cloned().unwrap_or_default();
            let mut list: Vec<String> = list.iter().map(Value::to_string).collect();
            list.sort();
            list
        };
        let networks = one.pointer("/NetworkSettings/Networks").and_then(Value::as_object);
        let networks: Vec<&String> = networks.into_iter().flat_map(|all| all.keys()).collect();
        json!({
            "name": text(&one, "/Name"),
            "image": text(&one, "/Image"),
            "status": text(&one, "/State/Status"),
            "env": sorted("/Config/Env"),
            "cmd": one.pointer("/Config/Cmd"),
            "mounts": sorted("/Mounts"),
            "memory": one.pointer("/HostConfig/Memory"),
            "restart": one.pointer("/HostConfig/RestartPolicy"),
            "networks": networks,
        })
    }
}

/// A label of an inspected container.
pub fn label<'a>(container: &'a Value, name: &str) -> Option<&'a str> {
    container.pointer("/Config/Labels")?.get(name)?.as_str()
}

/// A text in an inspected container; empty if it is not there.
pub fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
