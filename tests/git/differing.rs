//! Stories about what counts as a difference between the tree and its target.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use renew::sys::exec::{Exec, Job, SystemExec};

use crate::world::World;

/// Names that break what does not quote.
const NAMES: &[&str] = &[
    "with space",
    "\"quoted\"",
    "back\\slash",
    "ümläut",
    "-dash",
    "new\nline",
    "*",
    ":(top)x",
    "tab\t",
];

#[test]
fn a_settled_tree_differs_nowhere_and_costs_one_process() {
    let world = World::with(&[("a", "1"), ("d/b", "2")]);
    let target = world.fetched();
    world.write("untracked", "x");
    world.exec.count();
    assert_eq!(world.open().differences(&target).unwrap(), []);
    assert_eq!(world.exec.count(), 1);
}

#[test]
fn a_touched_tree_differs_nowhere() {
    let world = World::with(&[("a", "1"), ("d/b", "2")]);
    world.fetched();
    for path in ["a", "d/b"] {
        let file = File::options().write(true).open(world.host.join(path)).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(1_000_000_000)).unwrap();
    }
    assert_eq!(world.differing(), Vec::<String>::new());
}

#[test]
fn a_copied_tree_differs_nowhere() {
    let world = World::with(&[("a", "1"), ("sh", "#!/bin/sh")]);
    for name in NAMES {
        crate::world::write(&world.dev.join(name), name);
        symlink(name, world.dev.join(format!("{name} link"))).unwrap();
    }
    fs::set_permissions(world.dev.join("sh"), Permissions::from_mode(0o755)).unwrap();
    world.publish_tree();
    world.settle();
    let old = world.root.path().join("old");
    fs::rename(&world.host, &old).unwrap();
    let copy = Job::new("cp", Duration::from_secs(60))
        .env("PATH", renew::sys::env::search_path())
        .args(["-a".as_ref(), old.as_os_str(), world.host.as_os_str()]);
    assert!(SystemExec::default().run(&copy).unwrap().ok());
    world.exec.count();
    assert_eq!(world.differing(), Vec::<String>::new());
    assert!(world.exec.count() <= 5, "links are compared together");
}

#[test]
fn every_kind_of_change_is_found() {
    let files = [("mode", "1"), ("text", "1"), ("gone", "1"), ("type", "text"), ("same", "1")];
    let world = World::with(&files);
    symlink("a", world.dev.join("link")).unwrap();
    world.publish_tree();
    world.settle();
    fs::set_permissions(world.host.join("mode"), Permissions::from_mode(0o755)).unwrap();
    world.write("text", "2");
    fs::remove_file(world.host.join("gone")).unwrap();
    for (link, to) in [("link", "b"), ("type", "text")] {
        fs::remove_file(world.host.join(link)).unwrap();
        symlink(to, world.host.join(link)).unwrap();
    }
    world.write("untracked", "x");
    world.write("added", "x");
    world.git(&world.host, &["add", "added"]);
    assert_eq!(world.differing(), ["added", "gone", "link", "mode", "text", "type"]);
}

#[test]
fn odd_names_are_found_and_followed() {
    let world = World::with(&[("a", "1")]);
    let mut expected: Vec<String> = NAMES.iter().map(|name| (*name).to_owned()).collect();
    for name in NAMES {
        crate::world::write(&world.dev.join(name), "1");
    }
    world.publish_tree();
    world.fetched();
    expected.sort();
    assert_eq!(world.differing(), expected);
    world.settle();
    for name in NAMES {
        world.write(name, "edited");
        crate::world::write(&world.dev.join(name), "2");
    }
    world.publish_tree();
    assert!(world.follow().unwrap().is_some(), "edits are seen under any name");
    world.assert_settled();
    assert_eq!(world.read("new\nline"), "2");
    fs::remove_file(world.dev.join("*")).unwrap();
    world.publish_tree();
    world.settle();
    assert!(!world.has("*") && world.has("-dash"), "a star is a name, not a pattern");
}

#[test]
fn names_that_are_not_utf8_are_followed() {
    let world = World::with(&[("a", "1")]);
    let name = Path::new(OsStr::from_bytes(b"caf\xe9"));
    for text in ["1", "2"] {
        fs::write(world.dev.join(name), text).unwrap();
        world.publish_tree();
        world.settle();
        assert_eq!(fs::read(world.host.join(name)).unwrap(), text.as_bytes());
    }
}

#[test]
fn line_ends_make_no_endless_differences() {
    for attributes in ["* text=auto eol=crlf\n", "* text eol=crlf\n", "* text=auto\n"] {
        let world = World::with(&[("unix", "a\nb\n"), ("dos", "a\r\nb\r\n")]);
        // Commits of somebody whose git left line ends as they were.
        crate::world::write(&world.dev.join(".git/info/attributes"), "* -text\n");
        world.publish(&[(".gitattributes", attributes)]);
        world.git(&world.host, &["config", "core.autocrlf", "true"]);
        for text in ["a\nb\nc\n", "c\n"] {
            world.publish(&[("unix", text), ("dos", &text.replace('\n', "\r\n"))]);
            assert_eq!(world.follow().unwrap(), None, "{attributes}");
            assert_eq!(world.differing(), Vec::<String>::new(), "{attributes}");
            for name in ["unix", "dos"] {
                assert_eq!(world.read(name), text.replace('\n', "\r\n"), "{attributes}");
                let path = world.host.join(name);
                fs::rename(&path, world.root.path().join("copy")).unwrap();
                fs::copy(world.root.path().join("copy"), &path).unwrap();
            }
            assert_eq!(world.differing(), Vec::<String>::new(), "a copy, {attributes}");
        }
    }
}

#[test]
fn the_checkout_of_a_submodule_is_not_ours() {
    let world = World::with(&[("a", "1")]);
    let url = world.remote.display().to_string();
    let add = ["submodule", "add", "-q", &url, "sub"];
    world.git(&world.dev, &add);
    world.publish_tree();
    world.settle();
    world.git(&world.host, &["submodule", "update", "-q", "--init"]);
    assert_eq!(world.differing(), Vec::<String>::new());
    let sub = world.host.join("sub");
    world.git(&sub, &["commit", "-q", "--allow-empty", "-m", "elsewhere"]);
    assert_eq!(world.differing(), Vec::<String>::new());
}

#[test]
fn a_merge_in_progress_is_named() {
    let world = World::with(&[("a", "1")]);
    world.git(&world.host, &["checkout", "-q", "-b", "side"]);
    world.write("a", "2");
    world.git(&world.host, &["commit", "-q", "-a", "-m", "side"]);
    world.git(&world.host, &["checkout", "-q", "main"]);
    world.write("a", "3");
    world.git(&world.host, &["commit", "-q", "-a", "-m", "main"]);
    let tree = world.git(&world.host, &["rev-parse", "HEAD^{tree}"]);
    let [base, ours, theirs] =
        ["HEAD~1:a", "HEAD:a", "side:a"].map(|r| world.git(&world.host, &["rev-parse", r]));
    for line in [(1, base), (2, ours), (3, theirs)] {
        let entry = format!("100644 {} {}\ta", line.1, line.0);
        world.write("feed", &format!("{entry}\n"));
        feed(&world, "feed");
    }
    let target = renew::git::Commit { id: world.git(&world.host, &["rev-parse", "HEAD"]), tree };
    let problem = world.open().differences(&target).unwrap_err();
    assert_eq!(problem.reason, "unmerged");
    assert!(problem.resolution.contains("merge --abort"), "{problem}");
}

/// Gives the index of the host an entry from a file.
fn feed(world: &World, file: &str) {
    let mut job = Job::new("git", Duration::from_secs(60))
        .env("PATH", renew::sys::env::search_path())
        .args(["update-index", "--index-info"]);
    job.stdin = Some(world.read(file).into_bytes());
    job.cwd = Some(world.host.clone());
    assert!(SystemExec::default().run(&job).unwrap().ok());
}
