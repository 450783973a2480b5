//! The documentation holds: every JSON block parses, every whole configuration in it validates,
//! every field, reason and flag has its place, every command and link leads somewhere, and the
//! published schema is the one the program prints.

#![allow(clippy::expect_used, clippy::panic, reason = "a test says no by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use renew::config;
use renew::config::fields::{FIELDS, Status};
use renew::config::kind::Preset;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|cause| panic!("{name}: {cause}"))
}

/// README.md and everything in docs.
fn pages() -> Vec<PathBuf> {
    let docs = fs::read_dir(root().join("docs")).expect("docs");
    let mut pages: Vec<PathBuf> = docs.flatten().map(|entry| entry.path()).collect();
    pages.retain(|page| page.extension().is_some_and(|ext| ext == "md"));
    pages.push(root().join("README.md"));
    pages.sort();
    pages
}

/// The blocks between ```` ```json ```` and the closing fence, with the line each begins on.
fn json_blocks(text: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (number, line) in text.lines().enumerate() {
        match (&mut open, line.trim()) {
            (None, "```json") => open = Some((number + 2, String::new())),
            (None, _) => {}
            (Some(_), "```") => blocks.extend(open.take()),
            (Some((_, block)), _) => {
                block.push_str(line);
                block.push('\n');
            }
        }
    }
    assert!(open.is_none(), "a block is not closed");
    blocks
}

#[test]
fn every_json_block_parses_and_whole_configurations_validate() {
    let mut whole = 0;
    for page in pages() {
        for (line, block) in json_blocks(&fs::read_to_string(&page).expect("a page")) {
            let at = format!("{}:{line}", page.display());
            let value: serde_json::Value =
                serde_json::from_str(&block).unwrap_or_else(|cause| panic!("{at}: {cause}"));
            let services = value.get("services").and_then(|services| services.get(0));
            if services.is_some_and(|service| service.get("compose_files").is_some()) {
                whole += 1;
                if let Err(errors) = config::parse(block.as_bytes(), Path::new("/srv/renew.json")) {
                    panic!("{at}: {errors:#?}");
                }
            }
        }
    }
    assert!(whole >= 8, "only {whole} whole configurations were found");
}

#[test]
fn every_field_has_its_row() {
    let page = read("docs/configuration.md");
    for field in FIELDS {
        let default = match field.preset {
            Preset::Required => "required".to_owned(),
            Preset::Nothing => "none".to_owned(),
            Preset::Is(text) => format!("`{text}`"),
            Preset::Said(words) => words.to_owned(),
        };
        let later = match field.status {
            Status::Acted => "",
            Status::Later => " *(later)*",
        };
        let word = field.kind.word();
        let row = format!("| `{}` | {word} | {default} | {}{later} |", field.path, field.doc);
        assert!(page.lines().any(|line| line == row), "docs/configuration.md lacks\n{row}");
    }
    let rows = page.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(rows, FIELDS.len(), "a row of a field that is gone");
}

#[test]
fn the_example_is_valid_and_shows_every_field() {
    let text = read("renew.example.json");
    if let Err(errors) = config::parse(text.as_bytes(), Path::new("/etc/renew/renew.json")) {
        panic!("{errors:#?}");
    }
    let example: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    for field in FIELDS {
        let mut at = vec![&example];
        for part in field.path.split('.') {
            let (key, is_list) = part.strip_suffix("[]").map_or((part, false), |key| (key, true));
            at = match key {
                "*" => at.iter().filter_map(|v| v.as_object()).flat_map(|o| o.values()).collect(),
                _ => at.iter().filter_map(|value| value.get(key)).collect(),
            };
            if is_list {
                at = at.iter().filter_map(|value| value.as_array()).flatten().collect();
            }
        }
        assert!(!at.is_empty(), "renew.example.json does not show {}", field.path);
    }
}

#[test]
fn the_published_schema_is_the_one_the_program_prints() {
    let published = read("renew.schema.json");
    assert!(
        published == config::schema::text(),
        "run `renew validate --schema > renew.schema.json`"
    );
}

#[test]
fn the_schema_knows_every_field() {
    let schema: serde_json::Value = serde_json::from_str(&config::schema::text()).expect("JSON");
    for field in FIELDS {
        let mut at = &schema;
        for part in field.path.split('.') {
            let (key, is_list) = part.strip_suffix("[]").map_or((part, false), |key| (key, true));
            at = match key {
                "*" => &at["additionalProperties"],
                _ => &at["properties"][key],
            };
            if is_list {
                at = &at["items"];
            }
        }
        assert!(at.is_object(), "{} is not in the schema", field.path);
        assert!(at["description"].as_str().is_some_and(|said| said.starts_with(field.doc)));
    }
    let defaults = &schema["properties"]["defaults"]["properties"];
    assert!(defaults["schedule"].is_object() && defaults["name"].is_null());
}

#[test]
fn every_page_is_linked_and_every_link_leads_somewhere() {
    let mut linked = BTreeSet::new();
    let own = ["CHANGELOG.md", "CONTRIBUTING.md"].map(|name| root().join(name));
    for page in pages().into_iter().chain(own.clone()) {
        let text = fs::read_to_string(&page).expect("a page");
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.starts_with("https://") {
                continue;
            }
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let folder = page.parent().expect("a folder");
            let leads_to = if file.is_empty() { page.clone() } else { folder.join(file) };
            let text = fs::read_to_string(&leads_to)
                .unwrap_or_else(|_| panic!("{}: no file {target}", page.display()));
            let found = heading.is_empty() || headings(&text).contains(heading);
            assert!(found, "{}: no heading {target}", page.display());
            if leads_to != page && !own.contains(&page) {
                linked.insert(leads_to.canonicalize().expect("a path"));
            }
        }
    }
    let files = ["LICENSE", "renew.example.json", "renew.schema.json"].map(|f| root().join(f));
    for file in pages().into_iter().chain(own).chain(files) {
        let known = linked.contains(&file.canonicalize().expect("a path"));
        let is_start = file.ends_with("README.md");
        assert!(known || is_start, "{}: no page links to it", file.display());
    }
}

/// The anchors of a page's headings, as the usual renderers make them.
fn headings(text: &str) -> BTreeSet<String> {
    let anchor = |line: &str| {
        let kept = line.to_lowercase();
        let kept = kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.collect::<String>().trim().replace(' ', "-")
    };
    text.lines().filter(|line| line.starts_with('#')).map(anchor).collect()
}

/// What `renew` prints when asked for help in this way.
#[expect(clippy::disallowed_methods, reason = "the binary is what is documented")]
fn help(args: &[&str]) -> String {
    let done = Command::new(env!("CARGO_BIN_EXE_renew")).args(args).output().expect("renew");
    assert!(done.status.success(), "renew {args:?}: {done:?}");
    String::from_utf8(done.stdout).expect("UTF-8")
}

/// Every command of the binary with its help.
fn commands() -> BTreeMap<String, String> {
    let overview = help(&["--help"]);
    let lines = overview.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = lines.map_while(|line| line.split_whitespace().next()).map(str::to_owned);
    let commands: BTreeMap<String, String> =
        names.map(|name| (name.clone(), help(&[&name, "--help"]))).collect();
    assert!(commands.contains_key("sync"), "the commands were not found in:\n{overview}");
    commands
}

/// The long options in a text, without values.
fn flags(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'));
    let flag = |word: &&str| word.strip_prefix("--").is_some_and(|name| !name.is_empty());
    words.filter(flag).map(|word| word.trim_end_matches('-').to_owned()).collect()
}

#[test]
fn every_flag_is_documented() {
    let text: String = pages().iter().map(|p| fs::read_to_string(p).expect("a page")).collect();
    let documented = flags(&text);
    let overview = ("renew".to_owned(), help(&["--help"]));
    for (command, help) in commands().into_iter().chain([overview]) {
        for flag in flags(&help) {
            assert!(documented.contains(&flag), "{flag} of {command} is in no page");
        }
    }
}

/// What a reader may type: spans of code, and the lines of blocks that a shell, cron or systemd
/// reads. In a `console` block only the lines behind a prompt.
fn typed(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut block: Option<&str> = None;
    for (number, line) in text.lines().enumerate() {
        let mut add = |code: &str| found.push((number + 1, code.to_owned()));
        match (block, line.trim().strip_prefix("```")) {
            (None, Some(language)) => block = Some(language),
            (Some(_), Some(_)) => block = None,
            // A row of a field that comes later may name a command that comes later.
            (None, None) if line.ends_with("*(later)* |") => {}
            (None, None) => line.split('`').skip(1).step_by(2).for_each(add),
            (Some("console"), None) => line.strip_prefix("$ ").into_iter().for_each(add),
            (Some("sh" | "cron" | "ini"), None) => add(line.split(" #").next().unwrap_or(line)),
            (Some(_), None) => {}
        }
    }
    assert!(block.is_none(), "a block is not closed");
    found
}

/// The command and the flags of a call of renew in a line, if there is one.
fn call(line: &str) -> Option<(Option<&str>, BTreeSet<String>)> {
    let mut words =
        line.split_whitespace().skip_while(|word| *word != "renew" && !word.ends_with("/renew"));
    words.next()?;
    let rest: Vec<&str> = words.collect();
    let mut command = None;
    let mut is_value = false;
    for word in &rest {
        let is_word = word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
        match *word {
            _ if is_value => is_value = false,
            "--config" | "--service" => is_value = true,
            word if word.starts_with('-') => {}
            word if is_word && command.is_none() => command = Some(word),
            _ => break,
        }
    }
    Some((command, flags(&rest.join(" "))))
}

#[test]
fn every_command_line_in_the_pages_exists() {
    let commands = commands();
    let general = flags(&help(&["--help"]));
    let mut calls = 0;
    for page in pages() {
        for (line, code) in typed(&fs::read_to_string(&page).expect("a page")) {
            let Some((command, used)) = call(&code) else { continue };
            let at = format!("{}:{line}: `{code}`", page.display());
            let own = match command {
                None => BTreeSet::new(),
                Some(name) => flags(commands.get(name).unwrap_or_else(|| panic!("{at}: {name}?"))),
            };
            for flag in used {
                assert!(own.contains(&flag) || general.contains(&flag), "{at}: {flag}?");
            }
            calls += usize::from(command.is_some());
        }
    }
    assert!(calls >= 15, "only {calls} command lines were found");
}
