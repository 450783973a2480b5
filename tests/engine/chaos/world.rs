//! The small host on which the matrix plays: what runs on it, and what happens to it.

mod rest;

use std::collections::BTreeMap;
use std::fs;

use serde_json::json;

use super::point::{Point, Route, Source, Verb};
use super::traps::Traps;
use crate::support::{Output, Sandbox, text};

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

/// Of two images they take turns.
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
            // What goes bad here does so at once, and thousands of runs wait for it.
            "defaults": { "verify": { "timeout": "20s", "soak": "2s" } },
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
        // Those of the push before go, or each push would have more effects than the one before it.
        for folder in ["notes", "conf.d"] {
            let _ = fs::remove_dir_all(self.sandbox.root().join("author").join(folder));
        }
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
}
