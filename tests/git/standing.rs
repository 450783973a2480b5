//! Stories about where a working tree stands.

use crate::world::World;

#[test]
fn on_a_branch_with_its_upstream() {
    let world = World::with(&[("a", "1")]);
    world.publish(&[("a", "2")]);
    let target = world.fetched();
    world.exec.count();
    let standing = world.open().standing("origin", "main").unwrap();
    assert_eq!(world.exec.count(), 1);
    assert_eq!(standing.branch, "refs/heads/main");
    assert_eq!(standing.upstream.as_ref(), Some(&target));
    assert_eq!(standing.head.id, world.git(&world.host, &["rev-parse", "HEAD"]));
    assert_eq!(standing.head.tree, world.git(&world.host, &["rev-parse", "HEAD^{tree}"]));
    assert_ne!(standing.head, target);
}

#[test]
fn on_no_branch() {
    let world = World::with(&[("a", "1")]);
    world.git(&world.host, &["checkout", "-q", "--detach"]);
    let standing = world.open().standing("origin", "main").unwrap();
    assert_eq!(standing.branch, "HEAD");
    assert!(standing.upstream.is_some());
}

#[test]
fn without_an_upstream() {
    let world = World::with(&[("a", "1"), ("HEAD", "a file of that name")]);
    let standing = world.open().standing("origin", "other").unwrap();
    assert_eq!(standing.upstream, None);
    assert_eq!(standing.branch, "refs/heads/main");
}

#[test]
fn with_nothing_committed() {
    let world = World::with(&[("a", "1")]);
    let fresh = world.root.path().join("fresh");
    world.git(world.root.path(), &["init", "-q", "-b", "main", "fresh"]);
    let problem = world.open_at(&fresh).standing("origin", "main").unwrap_err();
    assert_eq!(problem.reason, "nothing_committed");
    assert!(problem.resolution.contains("pull origin main"), "{problem}");
}

#[test]
fn in_a_repository_that_is_broken() {
    let world = World::with(&[("a", "1")]);
    world.write(".git/HEAD", "nonsense");
    let problem = world.open().standing("origin", "main").unwrap_err();
    assert_eq!(problem.reason, "git_failed");
    assert!(problem.message.contains("not a git repository"), "{problem}");
}
