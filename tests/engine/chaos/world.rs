//! The small host on which the matrix plays: what runs on it, what happens to it, and what must be
//! true of it when all is over.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::point::{Point, Route, Source, Verb};
use super::traps::Traps;
use crate::support::{Output, Sandbox, label, text};

/// `web` is what changes. `db` and, of another service of renew, `cache` have no part in a push.
const APP: &str = "\
services:
  db:
    image: IMAGES/db:1
    environment: {TOKEN: \"${TOKEN}\"}
  web:
    image: IMAGES/web:IMAGE
    environment: {TOKEN: \"${TOKEN}\", RELEASE: \"TURN\"}
    init: false
    volumes: [\"./web.conf:/web.conf:ro\", \"./conf.d:/conf.d:ro\"]
";
const SIDE: &str = "services:\n  cache:\n    image: IMAGES/cache:1\n";

/// In the place of what would end `web`.
const GOOD: &str = "init: false";

fn image(push: usize) -> usize {
    push % 2 + 1
}

/// A host with everything in place.
pub struct World {
    sandbox: Sandbox,
    traps: Traps,
    /// How many pushes, and how many env files there were.
    pushes: usize,
    tokens: usize,
    /// The push that is in force: the last good one.
    in_force: usize,
    /// Whether git may have been killed in the middle of a file. Nobody can tell that from a local
    /// edit, so renew saves it.
    torn: bool,
    /// Containers by name, before what is happening now happened.
    before: BTreeMap<String, String>,
}

/// What became of a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Somebody was killed, and after so many more runs all was well.
    Well(usize),
    /// There was nobody to kill: no child was at work.
    NoVictim,
    /// The run had fewer effects.
    Beyond,
}

impl World {
    /// A host on which all is settled; `None` without an engine.
    pub fn begin() -> Option<World> {
        let sandbox = Sandbox::open()?;
        let traps = Traps::lay(&sandbox);
        for image in ["db:1", "web:1", "web:2", "cache:1"] {
            sandbox.publish(image);
        }
        let script = format!("#!/bin/sh\nexec '{}'\n", traps.script().display());
        sandbox.commit(&[("script", &script)], "A script");
        let config = json!({
            "repo": { "dir": "SANDBOX" },
            "state_dir": "state",
            "docker": { "host": traps.engine() },
            "defaults": { "verify": { "timeout": "20s" } },
            "services": [
                { "name": "app", "compose_files": ["compose.yaml"], "env_file": "secret.env",
                  "pre_script": "script", "clean_script": "script" },
                { "name": "side", "compose_files": ["side/compose.yaml"],
                  "compose_project_name": "SANDBOX-side" },
            ],
        });
        sandbox.write("renew.json", &sandbox.fill(&config.to_string()));
        let mut world = World {
            sandbox,
            traps,
            pushes: 0,
            tokens: 0,
            in_force: 0,
            torn: false,
            before: BTreeMap::new(),
        };
        world.write_token();
        world.push(GOOD);
        let output = world.sync();
        assert_eq!(output.code, 0, "{output}");
        world.good().unwrap_or_else(|why| panic!("{why}\n{output}"));
        Some(world)
    }

    /// Lets something happen, and kills in the run that is to deal with it.
    ///
    /// # Errors
    /// What is wrong with the host after two more runs.
    pub fn play(&mut self, point: Point) -> Result<Ended, String> {
        if self.in_force != self.pushes && point.route != Route::Undo {
            self.push(GOOD);
            let output = self.sync();
            self.good().map_err(|why| format!("after a bad push a good one: {why}\n{output}"))?;
        }
        self.before = self.containers()?;
        self.torn |= matches!(point.source, Source::Inside(Verb::Checkout, _));
        self.happen(point.route);
        let hunted = self.traps.hunt(&self.sandbox, point);
        let mut story = format!("the run that was struck at:\n{}", hunted.output);
        for runs in 1..=2 {
            let output = self.sync();
            story = format!("{story}\nrun {runs} after it:\n{output}");
            match self.good().and_then(|()| self.untouched(point.route)) {
                Ok(()) => {
                    let settled = self.settled();
                    settled.map_err(|why| format!("{why}\n{story}"))?;
                    return Ok(match (hunted.fired, hunted.reached) {
                        (true, _) => Ended::Well(runs),
                        (false, true) => Ended::NoVictim,
                        (false, false) => Ended::Beyond,
                    });
                }
                Err(why) if runs == 2 => return Err(format!("{why}\n{story}")),
                Err(_) => {}
            }
        }
        unreachable!("the second run returns")
    }

    /// How many effects of each source a run on this route has.
    pub fn count(&mut self, route: Route) -> Vec<(Source, usize)> {
        self.happen(route);
        let (output, counts) = self.traps.count(&self.sandbox);
        assert_eq!(output.code, self.code(), "{output}");
        self.good().unwrap_or_else(|why| panic!("{why}\n{output}"));
        counts
    }

    fn happen(&mut self, route: Route) {
        match route {
            Route::Change => self.push(GOOD),
            Route::Undo => self.push("command: [\"false\"]"),
            Route::Rotation => self.write_token(),
            Route::Heal => {
                let [db, web] = ["db", "web"].map(|name| format!("{}-{name}-1", self.sandbox.id));
                self.sandbox.docker(["kill", &db]);
                self.sandbox.docker(["rm", "-f", &web]);
            }
        }
    }

    fn push(&mut self, manner: &str) {
        self.pushes += 1;
        if manner == GOOD {
            self.in_force = self.pushes;
        }
        let turn = self.pushes.to_string();
        let image = format!("web:{}", image(self.pushes));
        let app = APP.replace("web:IMAGE", &image).replace("TURN", &turn).replace(GOOD, manner);
        let files = [
            ("compose.yaml", app.as_str()),
            ("web.conf", &format!("release {turn}\n")),
            ("side/compose.yaml", SIDE),
            // One that was not there before.
            (&format!("notes/{turn}"), "Nobody uses it.\n"),
            (&format!("conf.d/{turn}"), "Everybody of app does.\n"),
        ];
        self.sandbox.commit(&files, &format!("Release {turn}"));
    }

    /// How a run ends that has nothing to do.
    fn code(&self) -> i32 {
        if self.in_force == self.pushes { 0 } else { 2 }
    }

    fn write_token(&mut self) {
        self.tokens += 1;
        self.sandbox.write("secret.env", &format!("TOKEN=token-{}\n", self.tokens));
    }

    fn sync(&self) -> Output {
        self.sandbox.renew(["sync"])
    }

    /// A further run finds nothing to do.
    fn settled(&self) -> Result<(), String> {
        let before = self.containers()?;
        self.sandbox.forget_started();
        let output = self.sync();
        let started = self.sandbox.started();
        let quiet = self.code() == 2 || output.stdout.is_empty() && output.stderr.is_empty();
        if output.code != self.code()
            || !quiet
            || !started.is_empty()
            || self.containers()? != before
        {
            return Err(format!("it is not settled: {started:#?}\n{output}"));
        }
        Ok(())
    }

    /// Containers by name, with what tells one from another and a restarted one from one that went on.
    fn containers(&self) -> Result<BTreeMap<String, String>, String> {
        let pairs = self.sandbox.containers().into_iter().map(|one| {
            let facts = [text(&one, "/Id"), text(&one, "/State/StartedAt")].join(" ");
            (text(&one, "/Name").trim_start_matches('/').to_owned(), facts)
        });
        Ok(pairs.collect())
    }

    /// Whoever has no part in what happened still runs as before.
    fn untouched(&self, route: Route) -> Result<(), String> {
        let after = self.containers()?;
        let id = &self.sandbox.id;
        let mut names = vec![format!("{id}-side-cache-1")];
        if matches!(route, Route::Change | Route::Undo) {
            names.push(format!("{id}-db-1"));
        }
        for name in names {
            let (before, after) = (self.before.get(&name), after.get(&name));
            if before != after {
                return Err(format!("{name} was touched: {before:?} became {after:?}"));
            }
        }
        // One that had only stopped is started, not replaced.
        let db = format!("{id}-db-1");
        let [was, is] = [self.before.get(&db), after.get(&db)]
            .map(|facts| facts.and_then(|facts| facts.split_once(' ')).map(|(id, _)| id));
        if route == Route::Heal && was != is {
            return Err(format!("{db} was replaced: {was:?} became {is:?}"));
        }
        Ok(())
    }

    /// Everything that is to be true at rest.
    fn good(&self) -> Result<(), String> {
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
                let conf = self.sandbox.docker(["exec", &name[1..], "cat", "/web.conf"]);
                if conf != format!("release {}", self.in_force) {
                    return Err(format!(
                        "{name} has {conf} mounted, not release {}",
                        self.in_force
                    ));
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
        let filter = format!("label={}={}", crate::support::LABEL, self.sandbox.id);
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
