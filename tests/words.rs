//! The public words of a run, read from the sources that define them: each reason, action, result,
//! JSON key and error key is explained in docs/reconcile.md.

#![allow(clippy::expect_used, clippy::panic, reason = "a test says no by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|cause| panic!("{name}: {cause}"))
}

/// The string after `=> ` in the arms of a `match` of one enum: its public names.
fn names_of(source: &str, variant_of: &str) -> Vec<String> {
    let text = read(source);
    let lead = format!("{variant_of}::");
    let names = text.lines().filter_map(|line| {
        let arm = line.trim().strip_prefix(&lead)?;
        let (_, name) = arm.split_once("=> \"")?;
        Some(name.split('"').next().unwrap_or_default().to_owned())
    });
    names.collect()
}

#[test]
fn every_reason_action_and_result_has_its_row() {
    let page = read("docs/reconcile.md");
    let types = "src/decide/plan/action.rs";
    let report = "src/reconcile/report.rs";
    for (source, variant_of, at_least) in
        [(types, "Reason", 13), (types, "Step", 5), (report, "Outcome", 6)]
    {
        let names = names_of(source, variant_of);
        assert!(names.len() >= at_least, "only {names:?} of {variant_of} were found in {source}");
        for name in names {
            let row = format!("| `{name}` | ");
            let there = page.lines().any(|line| line.starts_with(&row));
            assert!(there, "docs/reconcile.md has no row for {name}, a {variant_of}");
        }
    }
    for gate in names_of(report, "Gate") {
        assert!(page.contains(&format!("`{gate}`")), "docs/reconcile.md lacks the gate {gate}");
    }
}

/// The fields of the structs in a source that are written out as JSON.
fn json_keys(source: &str) -> BTreeSet<String> {
    let text = read(source);
    let mut keys = BTreeSet::new();
    for part in text.split("#[derive(Serialize)]\nstruct ").skip(1) {
        let body = part.split('}').next().unwrap_or_default();
        let names = body.lines().skip(1).filter_map(|line| line.split_once(':'));
        keys.extend(names.map(|(name, _)| name.trim().to_owned()));
    }
    keys
}

#[test]
fn every_key_of_the_json_document_is_explained() {
    let page = read("docs/reconcile.md");
    let keys = json_keys("src/cli/render.rs");
    assert!(keys.len() >= 18, "only {keys:?} were found");
    for key in keys {
        let row = format!("| `{key}` | ");
        let there = page.lines().any(|line| line.starts_with(&row));
        assert!(there, "docs/reconcile.md does not explain {key}");
        assert!(page.contains(&format!("\"{key}\":")), "no example shows {key}");
    }
}

/// The fields of every struct in a source that can be written out.
fn written_keys(source: &str) -> BTreeSet<String> {
    let text = read(source);
    let mut keys = BTreeSet::new();
    for part in text.split("#[derive(").skip(1) {
        let (derived, rest) = part.split_once(")]\n").unwrap_or_default();
        let Some((head, body)) = rest.split_once(" {\n") else { continue };
        if !derived.split(", ").any(|one| one == "Serialize") || !head.contains("struct ") {
            continue;
        }
        let fields = body.split("\n}").next().unwrap_or_default().lines().map(str::trim);
        let fields = fields.filter(|line| !line.starts_with("//") && !line.starts_with('#'));
        let names = fields.filter_map(|line| line.split_once(": "));
        keys.extend(names.map(|(name, _)| name.trim_start_matches("pub ").to_owned()));
    }
    keys
}

#[test]
fn every_key_of_what_commands_tell_is_explained() {
    let page = read("docs/commands.md");
    let first_cells: Vec<&str> =
        page.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next()).collect();
    let mut found = BTreeSet::new();
    for source in [
        "src/cli/history.rs",
        "src/standing/human.rs",
        "src/standing/live.rs",
        "src/standing/mod.rs",
        "src/state/history.rs",
    ] {
        let keys = written_keys(source);
        assert!(keys.len() >= 3, "only {keys:?} were found in {source}");
        found.extend(keys);
    }
    // Those of the file around what is printed, and one whose own fields stand in its place.
    for stored in ["format", "last", "told"] {
        assert!(found.remove(stored), "{stored}");
    }
    assert!(found.len() >= 40, "only {found:?} were found");
    for key in found {
        let named = first_cells.iter().any(|cell| cell.contains(&format!("`{key}`")));
        assert!(named, "docs/commands.md does not explain {key}");
        assert!(page.contains(&format!("\"{key}\":")), "no example shows {key}");
    }
}

/// The keys of the problems that a source names where it makes them.
fn problem_keys(text: &str) -> Vec<String> {
    let product = text.split("#[cfg(test)]\nmod ").next().unwrap_or(text);
    let mut keys = Vec::new();
    for maker in ["Problem::setup(", "Problem::engine(", "Problem::new(", "bad("] {
        for made in product.split(maker).skip(1) {
            let made = made.trim_start();
            let after_kind = || made.strip_prefix("Trouble::")?.split_once(',').map(|(_, r)| r);
            let text = after_kind().unwrap_or(made).trim_start();
            let key = text.strip_prefix('"').and_then(|text| text.split('"').next());
            let is_key = |key: &&str| key.chars().all(|c| c.is_ascii_lowercase() || c == '_');
            keys.extend(key.filter(is_key).map(str::to_owned));
        }
    }
    keys
}

#[test]
fn every_reason_of_an_error_is_listed() {
    let page = read("docs/reconcile.md");
    let (_, list) = page.split_once("### Reasons of errors").expect("the heading");
    let mut keys = BTreeSet::new();
    let mut open = vec![root().join("src")];
    while let Some(dir) = open.pop() {
        for path in fs::read_dir(&dir).expect("a folder").flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                open.push(path);
            } else {
                keys.extend(problem_keys(&fs::read_to_string(&path).expect("a source")));
            }
        }
    }
    assert!(keys.len() >= 30, "only {keys:?} were found");
    for key in keys {
        assert!(list.contains(&format!("`{key}`")), "docs/reconcile.md does not list {key}");
    }
}
