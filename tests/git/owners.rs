//! Stories about trees that belong to somebody else.

use std::fs;
use std::os::unix::fs::{MetadataExt, lchown};
use std::path::Path;
use std::time::Duration;

use renew::git::Git;

use crate::world::{World, assert_same, snapshot};

/// No account has it: neither a name nor a home is needed.
pub const SOMEBODY: u32 = 54_321;

pub fn give_to(uid: u32, dir: &Path) {
    for path in snapshot(dir).keys() {
        lchown(path, Some(uid), Some(uid)).unwrap();
    }
}

/// A world whose remote and host belong to somebody; nothing when we may not give things away.
fn world_of_somebody() -> Option<World> {
    if renew::sys::env::effective_uid() != 0 {
        return None;
    }
    let world = World::with(&[("a", "1"), ("d/b", "1")]);
    let owned = world.publish(&[("a", "2"), ("new/c", "1")]);
    assert_eq!(owned.len(), 40);
    give_to(SOMEBODY, &world.remote);
    give_to(SOMEBODY, &world.host);
    Some(world)
}

#[test]
fn git_runs_as_the_owner_of_the_tree() {
    let Some(world) = world_of_somebody() else { return };
    let identity = world.open().identity().cloned().expect("another identity");
    assert_eq!((identity.uid, identity.gid), (SOMEBODY, SOMEBODY));
    world.write("a", "mine");
    assert!(world.follow().unwrap().is_some());
    assert_eq!(world.read("new/c"), "1");
    for path in snapshot(&world.host).keys() {
        let uid = path.symlink_metadata().unwrap().uid();
        // The edit of this test was made by root, into a file that stays theirs.
        assert_eq!(uid, SOMEBODY, "{}", path.display());
    }
}

#[test]
fn a_look_works_for_another_owner_too() {
    let Some(world) = world_of_somebody() else { return };
    let before = snapshot(&world.host);
    let git = world.open();
    let looked = git.look("origin", "main").unwrap();
    assert!(looked.git.list(&looked.target.tree).unwrap().entries.contains_key("new/c"));
    assert_eq!(looked.git.differences(&looked.target).unwrap().len(), 2);
    drop(looked);
    assert_same(&before, &snapshot(&world.host));
}

#[test]
fn a_tree_of_two_owners_is_explained() {
    let Some(world) = world_of_somebody() else { return };
    give_to(0, &world.host.join(".git"));
    let git = Git::open(&world.host, Duration::from_secs(60), &world.exec).unwrap();
    let problem = git.standing("origin", "main").unwrap_err();
    assert!(problem.resolution.contains("belong to one user"), "{problem}");
    assert!(fs::metadata(world.host.join(".git/index.lock")).is_err());
}
