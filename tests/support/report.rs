//! `plan` and `sync` as a pair, and the document both print. A test never calls the one without the
//! other where something changes: what the plan says must be what the sync does.

use std::fmt::Write;

use serde::Deserialize;

use super::Sandbox;
use super::process::Output;

/// What `plan --json` and `sync --json` print.
#[derive(Debug, Deserialize)]
pub struct Document {
    /// Where the branch stands.
    pub commit: Commit,
    /// One per service of the config.
    pub services: Vec<Service>,
    /// What went wrong for all of them.
    pub errors: Vec<Trouble>,
    /// The exit code, once more.
    pub exit_code: i32,
}

/// The commits of a run.
#[derive(Debug, Deserialize)]
pub struct Commit {
    /// What the run leads to.
    pub target: Option<String>,
}

/// One service of the config.
#[derive(Debug, Deserialize)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// How it went; nothing in a plan.
    pub result: Option<String>,
    /// What went wrong.
    pub error: Option<Trouble>,
    /// One entry per compose service.
    pub actions: Vec<Action>,
}

/// What went wrong, and the way out.
#[derive(Debug, Clone, Deserialize)]
pub struct Trouble {
    /// The stable key.
    pub reason: String,
    /// What happened.
    pub message: String,
    /// What to do.
    pub resolution: String,
}

/// What is done about one compose service.
#[derive(Debug, Clone, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
pub struct Action {
    /// Its compose project.
    pub project: String,
    /// Its name in the stack.
    pub compose_service: String,
    /// What happens.
    pub action: String,
    /// Whether an image is pulled for it.
    pub pull: bool,
    /// Why.
    pub reason: String,
}

impl Document {
    #[track_caller]
    fn read(output: &Output) -> Document {
        serde_json::from_value(output.json())
            .unwrap_or_else(|error| panic!("not the promised document: {error}\n{output}"))
    }

    /// The result of one service.
    #[track_caller]
    pub fn result(&self, service: &str) -> &str {
        let found = self.services.iter().find(|one| one.name == service);
        let found = found.unwrap_or_else(|| panic!("no service {service} in {self:#?}"));
        found.result.as_deref().unwrap_or("none")
    }

    /// The first thing that went wrong.
    pub fn trouble(&self) -> Option<&Trouble> {
        self.errors.first().or_else(|| self.services.iter().find_map(|one| one.error.as_ref()))
    }

    fn table(&self) -> String {
        let mut lines: Vec<String> = self
            .services
            .iter()
            .flat_map(|service| &service.actions)
            .map(|one| format!("{} {} {}\n", one.compose_service, one.action, one.reason))
            .collect();
        lines.sort();
        lines.concat()
    }
}

/// A plan and the sync that followed it.
pub struct Run {
    /// What the sync printed.
    pub sync: Document,
    /// All that the sync said.
    pub output: Output,
}

impl Run {
    /// Fails unless these are all the actions, one per line: compose service, action, reason.
    #[track_caller]
    pub fn did(&self, expected: &str) -> &Run {
        let mut lines: Vec<String> = expected
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .filter(|line| !line.is_empty())
            .collect();
        lines.sort();
        let expected = lines.iter().fold(String::new(), |mut all, line| {
            writeln!(all, "{line}").expect("to write to a string");
            all
        });
        let found = self.sync.table();
        assert!(found == expected, "expected\n{expected}\nfound\n{found}\n{}", self.output);
        self
    }

    /// Fails unless the named service of the config ended like this.
    #[track_caller]
    pub fn result(&self, service: &str, expected: &str) -> &Run {
        let found = self.sync.result(service);
        assert!(found == expected, "{service}: {found}, expected {expected}\n{}", self.output);
        self
    }
}

impl Run {
    /// The first thing that went wrong in the sync.
    #[track_caller]
    pub fn trouble(&self) -> &Trouble {
        self.sync.trouble().unwrap_or_else(|| panic!("nothing went wrong\n{}", self.output))
    }
}

impl Trouble {
    /// Fails unless the key is this one, and message and way out name these things.
    #[track_caller]
    pub fn says(&self, reason: &str, message: &[&str], resolution: &str) {
        assert_eq!(self.reason, reason, "{self:#?}");
        for part in message {
            assert!(self.message.contains(part), "the message must name {part}: {self:#?}");
        }
        let way_out = self.resolution.contains(resolution) && !self.resolution.is_empty();
        assert!(way_out, "the way out must name {resolution}: {self:#?}");
    }
}

impl Sandbox {
    /// What a sync complains of, read from its document; its text must say the same, with the same
    /// exit code.
    #[track_caller]
    pub fn complains(&self, code: i32, env: &[(&str, &str)]) -> Trouble {
        let output = self.renew_with(["sync", "--json"], env).expect(code);
        let found = Document::read(&output);
        let found = found.trouble().unwrap_or_else(|| panic!("no complaint\n{output}")).clone();
        let text = self.renew_with(["sync"], env).expect(code);
        let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let said = flat(&text.stderr);
        for part in [&found.message, &found.resolution] {
            assert!(said.contains(&flat(part)), "{part:?} is not in the text\n{text}");
        }
        // It was asked twice for one answer.
        self.later();
        found
    }

    /// Plans, checks that the plan changed nothing at all, syncs, checks the exit code and that the
    /// sync did what the plan said.
    #[track_caller]
    pub fn plan_then_sync(&self, code: i32) -> Run {
        let before = self.snapshot();
        let planned = self.renew(["plan", "--json"]);
        let changed = before.difference(&self.snapshot());
        assert!(changed.is_empty(), "the plan changed\n{changed}\n{planned}");
        let synced = self.renew(["sync", "--json"]).expect(code);
        let (plan, sync) = (Document::read(&planned), Document::read(&synced));
        // A sync that ends with 1 met a problem that a plan may meet as well.
        assert!(planned.code == 0 || (planned.code == 1 && code == 1), "{planned}");
        assert_eq!(plan.exit_code, planned.code, "{planned}");
        assert_eq!(sync.exit_code, code, "{synced}");
        assert_eq!(plan.commit.target, sync.commit.target, "{planned}\n{synced}");
        compare(&plan, &sync).unwrap_or_else(|why| panic!("{why}\n{planned}\n{synced}"));
        Run { sync, output: synced }
    }

    /// Fails unless a sync finds nothing to do: exit 0, not a word, not one docker or compose
    /// process, and every container still the same.
    #[track_caller]
    pub fn settled(&self) {
        let before = self.ids();
        self.forget_started();
        let output = self.renew(["sync"]).expect(0);
        let words = format!("{}{}", output.stdout, output.stderr);
        assert!(words.is_empty(), "a settled sync must say nothing\n{output}");
        let started = self.started();
        assert!(started.is_empty(), "a settled sync must start nothing: {started:#?}\n{output}");
        self.only_changed(&before, &[]);
    }
}

/// A plan says what the next sync does; only a pull may turn out to change nothing.
fn compare(plan: &Document, sync: &Document) -> Result<(), String> {
    let names = |document: &Document| -> Vec<String> {
        document.services.iter().map(|service| service.name.clone()).collect()
    };
    if names(plan) != names(sync) {
        return Err("plan and sync name other services".to_owned());
    }
    for (planned, synced) in plan.services.iter().zip(&sync.services) {
        let (mut left, mut right) = (planned.actions.clone(), synced.actions.clone());
        left.sort();
        right.sort();
        if planned.result.is_some() {
            return Err(format!("{}: a plan has no result", planned.name));
        }
        if left.len() != right.len() {
            return Err(format!("{}: plan and sync differ in length", planned.name));
        }
        for (one, other) in left.iter().zip(&right) {
            let unchanged_pull = one.pull
                && one.compose_service == other.compose_service
                && (other.action.as_str(), other.reason.as_str()) == ("none", "settled");
            if one != other && !unchanged_pull {
                return Err(format!("planned {one:?}\ndid     {other:?}"));
            }
        }
    }
    Ok(())
}
