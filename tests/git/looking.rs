//! Stories about looking at the remote without leaving a trace, and reading what was seen.

use std::fs;
use std::path::Path;

use renew::git::{Git, Kind};

use crate::world::{World, assert_same, snapshot};

/// Looks at a remote that has news; the folder must be untouched and the news readable.
fn assert_traceless(git: &Git<'_>, watched: &Path, id: &str) {
    let before = snapshot(watched);
    let looked = git.look("origin", "main").expect("a look");
    assert_eq!(looked.target.id, id);
    let listing = looked.git.list(&looked.target.tree).unwrap();
    let new = &listing.entries["new/file"];
    assert_eq!((new.kind, new.size), (Kind::File, 4));
    let contents = looked.git.contents(&listing.entries.values().collect::<Vec<_>>()).unwrap();
    assert_eq!(contents[&new.oid], b"news");
    assert_eq!(
        contents[&listing.entries["old"].oid], b"known",
        "what the repository has is read too"
    );
    assert!(listing.folders.contains_key("new"));
    let content = looked.git.content_at(id, "new/file").unwrap();
    assert_eq!(content.as_deref(), Some(&b"news"[..]));
    assert_eq!(looked.git.content_at(id, "none").unwrap(), None);
    assert!(!looked.git.differences(&looked.target).unwrap().is_empty());
    drop(looked);
    assert_same(&before, &snapshot(watched));
    assert_eq!(git.commit(id).unwrap(), None, "the objects are gone with the look");
}

#[test]
fn a_look_at_news_leaves_no_trace() {
    let world = World::with(&[("old", "known")]);
    let id = world.publish(&[("new/file", "news")]);
    assert_traceless(&world.open(), &world.host, &id);
}

#[test]
fn a_look_without_news_leaves_no_trace_either() {
    let world = World::with(&[("old", "known")]);
    let before = snapshot(&world.host);
    let git = world.open();
    let looked = git.look("origin", "main").unwrap();
    assert_eq!(looked.target, git.standing("origin", "main").unwrap().head);
    assert_same(&before, &snapshot(&world.host));
}

#[test]
fn a_look_from_a_linked_working_tree() {
    let world = World::with(&[("old", "known")]);
    let linked = world.root.path().join("linked");
    let branch = ["worktree", "add", "-q", "-b", "linked", "../linked"];
    world.git(&world.host, &branch);
    let id = world.publish(&[("new/file", "news")]);
    let git = world.open_at(&linked);
    assert_eq!(git.top(), fs::canonicalize(&linked).unwrap());
    assert_eq!(git.standing("origin", "main").unwrap().branch, "refs/heads/linked");
    assert_traceless(&git, world.root.path(), &id);
}

#[test]
fn a_look_from_a_folder_inside_the_tree() {
    let world = World::with(&[("old", "known"), ("deep/er/x", "1")]);
    let id = world.publish(&[("new/file", "news")]);
    let git = world.open_at(&world.host.join("deep/er"));
    assert_eq!(git.top(), fs::canonicalize(&world.host).unwrap());
    assert_eq!(git.inside(&git.top().join("deep")), Some(Path::new("deep")));
    assert_eq!(git.inside(Path::new("/elsewhere")), None);
    assert_traceless(&git, &world.host, &id);
}

#[test]
fn a_look_from_a_shallow_clone_and_a_path_with_a_colon() {
    let world = World::with(&[("old", "known")]);
    world.publish(&[("old", "known"), ("more", "x")]);
    let url = format!("file://{}", world.remote.display());
    let clone = world.root.path().join("a:b\"c");
    let clone_text = clone.display().to_string();
    world.git(world.root.path(), &["clone", "-q", "--depth", "1", &url, &clone_text]);
    let id = world.publish(&[("new/file", "news")]);
    let git = world.open_at(&clone);
    assert_traceless(&git, &clone, &id);
    world.git(&clone, &["commit", "-q", "--allow-empty", "-m", "only here"]);
    let mine = world.git(&clone, &["rev-parse", "HEAD"]);
    let looked = git.look("origin", "main").unwrap();
    assert!(looked.git.commit(&mine).unwrap().is_some(), "what is only here is read too");
}

#[test]
fn a_look_at_a_rewritten_branch() {
    let world = World::with(&[("old", "known")]);
    world.git(&world.dev, &["checkout", "-q", "--orphan", "fresh"]);
    let id = world.publish(&[("new/file", "news")]);
    assert_traceless(&world.open(), &world.host, &id);
}
