//! Style as a test: what the architecture document promises and text can show. Each rule names the
//! file, the line and the way out.

#![allow(clippy::expect_used, clippy::panic, reason = "a test says no by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

/// A file over this many lines has the wrong shape.
const LINES_MAX: usize = 350;

/// Who may import whom, from the top down: a module sees only those behind its colon.
const LAYERS: &[(&str, &[&str])] = &[
    (
        "cli",
        &[
            "daemon",
            "control",
            "standing",
            "reconcile",
            "docker",
            "git",
            "health",
            "state",
            "config",
            "decide",
            "problem",
            "sys",
        ],
    ),
    (
        "daemon",
        &["control", "standing", "reconcile", "state", "config", "decide", "problem", "sys"],
    ),
    ("control", &["standing", "state", "problem", "sys"]),
    ("standing", &["state", "config", "problem", "sys"]),
    ("reconcile", &["docker", "git", "health", "state", "config", "decide", "problem", "sys"]),
    ("docker", &["decide", "problem", "sys"]),
    ("git", &["problem", "sys"]),
    ("health", &["decide", "problem", "sys"]),
    ("state", &["decide", "problem", "sys"]),
    ("config", &["decide", "problem", "sys"]),
    ("problem", &[]),
    ("decide", &[]),
    ("sys", &[]),
    ("gather", &[]),
    ("nearest", &[]),
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

/// The sentences that a file begins with, up to the first blank line of its `//!` block.
fn opening(text: &str) -> String {
    let lines = text.lines().map_while(|line| line.strip_prefix("//! "));
    lines.collect::<Vec<_>>().join(" ")
}

#[test]
fn every_file_says_what_it_is() {
    let mut problems = Vec::new();
    for below in ["src", "tests"] {
        for (path, text) in sources(below) {
            let opening = opening(&text);
            if opening.split_whitespace().count() < 3 || !opening.ends_with('.') {
                problems.push(format!(
                    "{}:1: begin with a `//!` sentence that says what the file is and never does, \
                     and end it with a full stop",
                    path.display()
                ));
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

/// What knows nothing of renew may be used by everybody.
const TOOLS: &[&str] = &["gather", "nearest"];

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
                let named = line.contains(&format!("crate::{other}")) && !TOOLS.contains(other);
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
            // The replacement has the name of what it replaces.
            let line = line.replace("sys::env::var", "");
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

/// Why a line with an `ignore` attribute is not good enough, if it is one: a test that is not run
/// says why, and names the issue (`#12`, or an address) that it waits for.
fn badly_ignored(line: &str) -> bool {
    let Some(rest) = line.trim_start().strip_prefix("#[ignore") else { return false };
    let reason = rest.trim_start().strip_prefix('=').unwrap_or_default();
    let number = |part: &str| part.starts_with(|c: char| c.is_ascii_digit());
    !(reason.split('#').skip(1).any(number) || reason.contains("https://"))
}

#[test]
fn nothing_is_left_undone() {
    // Put together here, so that the rule does not find itself.
    let words = [["TO", "DO"], ["FIX", "ME"], ["XX", "X"]].map(|parts| parts.concat());
    let mut problems = Vec::new();
    for below in ["src", "tests"] {
        for (path, text) in sources(below) {
            for (number, line) in text.lines().enumerate() {
                if words.iter().any(|word| line.contains(word.as_str())) || badly_ignored(line) {
                    problems.push(format!("{}:{}: {line}", path.display(), number + 1));
                }
            }
        }
    }
    complain(&problems);
    for (line, bad) in [
        ("#[ignore]", true),
        ("    #[ignore = \"slow\"]", true),
        ("#[ignore = \"needs a second engine, see #12\"]", false),
        ("#[ignore = \"https://git.example.org/renew/issues/12\"]", false),
        ("#[test]", false),
    ] {
        assert_eq!(badly_ignored(line), bad, "{line}");
    }
}

#[test]
fn there_is_no_unsafe_code() {
    let word = ["un", "safe"].concat();
    let mut problems = Vec::new();
    for below in ["src", "tests"] {
        for (path, text) in sources(below) {
            for (number, line) in text.lines().enumerate() {
                let code = line.split("//").next().unwrap_or_default();
                let mut words = code.split(|c: char| !c.is_alphanumeric() && c != '_');
                if words.any(|other| other == word) {
                    problems.push(format!("{}:{}: {line}", path.display(), number + 1));
                }
            }
        }
    }
    complain(&problems);
}

/// The crates that every reader of this code knows; any other says above its line what it is for.
const KNOWN_CRATES: &[&str] = &[
    "serde",
    "serde_json",
    "cron",
    "chrono",
    "ureq",
    "sha2",
    "log",
    "env_logger",
    "ctrlc",
    "lexopt",
];

/// The dependencies of a manifest: their name, their line number, and whether the line above it is
/// a comment.
fn dependencies(manifest: &str) -> Vec<(&str, usize, bool)> {
    let mut found = Vec::new();
    let mut inside = false;
    let mut above = "";
    for (number, line) in manifest.lines().enumerate() {
        if line.starts_with('[') {
            inside = line.ends_with("dependencies]");
        } else if let (true, Some((name, _))) = (inside, line.split_once('='))
            && !line.starts_with('#')
        {
            found.push((name.trim(), number + 1, above.starts_with("# ")));
        }
        above = line;
    }
    found
}

#[test]
fn every_dependency_has_its_reason() {
    let manifest = include_str!("../Cargo.toml");
    let found = dependencies(manifest);
    for known in KNOWN_CRATES {
        assert!(found.iter().any(|(name, ..)| name == known), "{known} is known and not used");
    }
    let missing = found.iter().filter(|(name, _, said)| !said && !KNOWN_CRATES.contains(name));
    let problems: Vec<String> = missing
        .map(|(name, line, _)| format!("Cargo.toml:{line}: say above it what {name} is for"))
        .collect();
    complain(&problems);
}

/// Every text file of the project: what git ignores, and lock files, are not ours to write.
fn project_files() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut open = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR"))];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).expect("a folder").flatten() {
            let path = entry.path();
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if [".git", "target", "dist", ".renew", "Cargo.lock"].contains(&name.as_ref()) {
                continue;
            }
            if path.is_dir() {
                open.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                found.push((path, text));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn nothing_of_one_machine_is_left_in_a_file() {
    // Hosts of package registries and mirrors, and places of whoever wrote it. In two parts each,
    // so that the rule does not find itself.
    let traces = [
        ["crates", ".io"],
        ["npmjs", ".org"],
        ["pypi", ".org"],
        ["proxy.golang", ".org"],
        ["rubygems", ".org"],
        ["artifact", "ory"],
        ["/wo", "rk/"],
        ["/ho", "me/"],
        ["/Us", "ers/"],
        ["/tmp/", "wt"],
        [".cargo/", "registry"],
    ]
    .map(|parts| parts.concat());
    let mut problems = Vec::new();
    let files = project_files();
    assert!(files.iter().any(|(path, _)| path.ends_with("README.md")), "no README.md was read");
    for (path, text) in files {
        for (number, line) in text.lines().enumerate() {
            for trace in traces.iter().filter(|trace| line.contains(trace.as_str())) {
                problems.push(format!("{}:{}: {trace}", path.display(), number + 1));
            }
        }
    }
    complain(&problems);
}

#[test]
fn the_changelog_has_this_version() {
    let heading = format!("## [{}]", env!("CARGO_PKG_VERSION"));
    let changelog = include_str!("../CHANGELOG.md");
    assert!(
        changelog.lines().any(|line| line.starts_with(&heading)),
        "CHANGELOG.md has no `{heading}`: say what this version brings its users"
    );
}
