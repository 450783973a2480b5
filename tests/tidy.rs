//! Style as a test: what the architecture document promises and text can show. Each rule names the
//! file, the line and the way out.

#![allow(clippy::expect_used, clippy::panic, reason = "a test says no by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

/// A file over this many lines has the wrong shape.
const LINES_MAX: usize = 350;

/// Who may import whom, from the top down: a module sees only those behind its colon.
const LAYERS: &[(&str, &[&str])] = &[
    ("cli", &["reconcile", "docker", "git", "state", "config", "decide", "problem", "sys"]),
    ("reconcile", &["docker", "git", "state", "config", "decide", "problem", "sys"]),
    ("docker", &["decide", "problem", "sys"]),
    ("git", &["problem", "sys"]),
    ("state", &["decide", "problem", "sys"]),
    ("config", &["decide", "problem", "sys"]),
    ("problem", &[]),
    ("decide", &[]),
    ("sys", &[]),
];

/// What only `sys` may name, and the replacement.
const ONLY_IN_SYS: &[(&str, &str)] = &[
    ("std::process::Command", "sys::exec"),
    ("Command::new(", "sys::exec"),
    ("Instant::now", "sys::clock"),
    ("SystemTime", "sys::clock"),
    ("Utc::now", "sys::clock"),
    ("Local::now", "sys::clock"),
    ("thread::sleep", "sys::clock"),
    ("env::var", "sys::env"),
];

/// What the pure deciders may not name.
const NOT_IN_DECIDE: &[&str] =
    &["std::fs", "std::net", "std::process", "std::thread", "std::env", "std::time::Instant"];

fn sources(below: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut open = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(below)];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).expect("a source folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|ext| ext == "rs") {
                let text = fs::read_to_string(&path).expect("a source file");
                found.push((path, text));
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "no sources below {below}: the rule would pass on nothing");
    found
}

fn module_of(path: &Path) -> String {
    let below =
        path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).expect("in src");
    let first = below.components().next().expect("a name").as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// The part of a file that ships: everything before its inline test module.
fn product(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod ").next().unwrap_or(text)
}

fn complain(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn every_file_says_what_it_is() {
    let mut problems = Vec::new();
    for below in ["src", "tests"] {
        for (path, text) in sources(below) {
            if !text.starts_with("//! ") {
                problems.push(format!("{}: begin with a `//!` sentence", path.display()));
            }
        }
    }
    complain(&problems);
}

#[test]
fn no_file_is_too_long() {
    let mut problems = Vec::new();
    for (path, text) in sources("src") {
        let lines = text.lines().count();
        if lines > LINES_MAX {
            problems.push(format!("{}: {lines} lines, split it by what it does", path.display()));
        }
    }
    complain(&problems);
}

#[test]
fn imports_point_down() {
    let mut problems = Vec::new();
    for (path, text) in sources("src") {
        let module = module_of(&path);
        let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == module) else {
            assert!(["lib", "main"].contains(&module.as_str()), "{module} has no layer: add it");
            continue;
        };
        for (number, line) in product(&text).lines().enumerate() {
            for (other, _) in LAYERS {
                let named = line.contains(&format!("crate::{other}"));
                if named && *other != module && !allowed.contains(other) {
                    problems.push(format!(
                        "{}:{}: {module} must not see {other}",
                        path.display(),
                        number + 1
                    ));
                }
            }
        }
    }
    complain(&problems);
}

#[test]
fn only_sys_touches_the_machine() {
    let mut problems = Vec::new();
    for (path, text) in sources("src") {
        let module = module_of(&path);
        for (number, line) in product(&text).lines().enumerate() {
            let at = format!("{}:{}", path.display(), number + 1);
            for (banned, instead) in ONLY_IN_SYS {
                if module != "sys" && line.contains(banned) {
                    problems.push(format!("{at}: {banned} is for sys; use {instead}"));
                }
            }
            for banned in NOT_IN_DECIDE {
                if module == "decide" && line.contains(banned) {
                    problems.push(format!("{at}: decide is pure and must not name {banned}"));
                }
            }
        }
    }
    complain(&problems);
}

#[test]
fn nothing_is_left_undone() {
    let words = ["TO", "FIX", "XX"].map(|w| match w {
        "TO" => "TODO".to_owned(),
        "FIX" => "FIXME".to_owned(),
        _ => "XXX".to_owned(),
    });
    let mut problems = Vec::new();
    for below in ["src", "tests"] {
        for (path, text) in sources(below) {
            if path.ends_with("tidy.rs") {
                continue;
            }
            for (number, line) in text.lines().enumerate() {
                if words.iter().any(|word| line.contains(word.as_str()))
                    || line.trim_start().starts_with("#[ignore]")
                {
                    problems.push(format!("{}:{}: {line}", path.display(), number + 1));
                }
            }
        }
    }
    complain(&problems);
}
