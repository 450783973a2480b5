//! Stories about repositories that power loss or a bad card damaged.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::world::World;

/// Brings the host to the remote, mending what is damaged.
fn follow(world: &World) {
    let git = world.open();
    let mended = git.past_damage("origin", "main", |git| {
        git.fetch("origin", "main")?;
        let standing = git.standing("origin", "main")?;
        git.differences(standing.upstream.as_ref().unwrap_or(&standing.head))
    });
    if let Err(problem) = mended {
        panic!("{} {problem}", problem.reason);
    }
    // Damage that nothing needs to read is not looked for, so this is not about `git fsck`.
    assert_eq!(world.follow().unwrap(), None, "something was saved");
    assert_eq!(world.differing(), Vec::<String>::new());
    assert_eq!(world.git(&world.host, &["status", "--porcelain"]), "?? mine");
}

pub fn spoil(path: &Path, text: &[u8]) {
    // Objects are read-only; a new file in their place is not.
    let _ = fs::remove_file(path);
    fs::File::create(path).unwrap().write_all(text).unwrap();
}

pub fn loose(world: &World, rev: &str) -> PathBuf {
    let id = world.git(&world.host, &["rev-parse", rev]);
    world.host.join(".git/objects").join(&id[..2]).join(&id[2..])
}

/// A host with loose objects, a file of its own, a saved reference and a hook.
fn world() -> World {
    let world = World::with(&[("a", "1"), ("d/b", "1")]);
    world.fetched();
    world.write("mine", "untracked");
    world.write(".git/hooks/post-merge", "#!/bin/sh\n");
    world.git(&world.host, &["update-ref", "refs/renew/saved/T", "HEAD"]);
    world
}

fn assert_kept(world: &World) {
    assert!(world.has(".git/hooks/post-merge") && !world.has(".git/renew-mend"));
    let saved = world.git(&world.host, &["for-each-ref", "--format=%(refname)", "refs/renew"]);
    assert_eq!(saved, "refs/renew/saved/T");
}

fn settle(world: &World) {
    follow(world);
    assert_eq!(world.read("mine"), "untracked");
}

#[test]
fn a_damaged_object_is_had_again() {
    for rev in ["HEAD", "HEAD^{tree}", "HEAD:d"] {
        for text in [&b""[..], b"garbage"] {
            let world = world();
            // Each of the objects is needed to see what changed.
            world.publish(&[("a", "2"), ("d/b", "2")]);
            spoil(&loose(&world, rev), text);
            settle(&world);
            assert_kept(&world);
            assert_eq!(world.read("a"), "2");
        }
    }
}

#[test]
fn a_missing_object_is_had_again() {
    let world = world();
    let path = loose(&world, "HEAD");
    fs::remove_file(path).unwrap();
    settle(&world);
    assert_kept(&world);
}

#[test]
fn a_damaged_pack_is_had_again() {
    let world = world();
    world.git(&world.host, &["repack", "-q", "-a", "-d"]);
    let dir = world.host.join(".git/objects/pack");
    let pack = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path());
    let pack = pack.into_iter().find(|path| path.extension().unwrap() == "pack").unwrap();
    let whole = fs::read(&pack).unwrap();
    spoil(&pack, &whole[..whole.len() / 2]);
    settle(&world);
    assert_kept(&world);
}

#[test]
fn a_damaged_index_is_made_anew() {
    for text in [&b""[..], b"garbage that is long enough to be an index of some kind"] {
        let world = world();
        spoil(&world.host.join(".git/index"), text);
        settle(&world);
        assert_kept(&world);
    }
}

#[test]
fn an_empty_remote_reference_is_fetched_again() {
    let world = world();
    let path = world.host.join(".git/refs/remotes/origin/main");
    spoil(&path, b"");
    settle(&world);
    assert_kept(&world);
}

#[test]
fn damage_that_stays_is_explained() {
    let world = world();
    spoil(&loose(&world, "HEAD"), b"garbage");
    fs::rename(&world.remote, world.root.path().join("moved")).unwrap();
    let git = world.open();
    let said = git.past_damage("origin", "main", |git| git.standing("origin", "main"));
    let problem = said.unwrap_err();
    assert_eq!(problem.reason, "git_corrupt", "{problem}");
    assert!(problem.message.contains("could not be mended"), "{problem}");
    assert!(problem.resolution.contains("git clone --no-checkout"), "{problem}");
    assert_kept(&world);
}
