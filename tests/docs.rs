//! The documentation holds: every JSON block parses, every whole configuration in it validates,
//! every field has its row, and the published schema is the one the program prints.

#![allow(clippy::expect_used, clippy::panic, reason = "a test says no by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use renew::config;
use renew::config::fields::{FIELDS, Status};
use renew::config::kind::Preset;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|cause| panic!("{name}: {cause}"))
}

/// README.md, if there is one yet, and everything in docs.
fn pages() -> Vec<PathBuf> {
    let docs = fs::read_dir(root().join("docs")).expect("docs");
    let mut pages: Vec<PathBuf> = docs.flatten().map(|entry| entry.path()).collect();
    pages.retain(|page| page.extension().is_some_and(|ext| ext == "md"));
    pages.extend(Some(root().join("README.md")).filter(|page| page.is_file()));
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
