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

#[test]
fn a_settled_tree_is_found_settled_by_one_process_and_no_other_tree_is() {
    let world = World::with(&[("a", "1"), ("b", "1")]);
    let settled = || world.open().settled_at("origin", "main");
    let head = world.git(&world.host, &["rev-parse", "HEAD"]);
    world.exec.count();
    assert_eq!((settled(), world.exec.count()), (Some(head.clone()), 1));
    // Times and strangers are no difference, and the index is not written for them.
    let index = std::fs::read(world.host.join(".git/index")).unwrap();
    world.write("untracked", "mine");
    world.write("a", "1");
    assert_eq!(settled(), Some(head.clone()));
    assert_eq!(std::fs::read(world.host.join(".git/index")).unwrap(), index);
    assert_eq!(world.open().settled_at("origin", "other"), None);
    assert_eq!(world.open().settled_at("elsewhere", "main"), None);

    let git = |args: &[&str]| world.git(&world.host, args);
    world.write("a", "2");
    assert_eq!(settled(), None, "an edit");
    git(&["add", "a"]);
    assert_eq!(settled(), None, "a staged edit");
    git(&["commit", "-q", "-m", "local"]);
    assert_eq!(settled(), None, "a commit that the remote does not have");
    git(&["reset", "-q", "--hard", &head]);
    git(&["rm", "-q", "--cached", "b"]);
    assert_eq!(settled(), None, "a file that is no longer tracked");
    git(&["reset", "-q", "--hard", &head]);
    git(&["checkout", "-q", "--detach"]);
    assert_eq!(settled(), None, "no branch");
    git(&["checkout", "-q", "-b", "other"]);
    assert_eq!(settled(), None, "another branch");
    git(&["checkout", "-q", "main"]);
    assert_eq!(settled(), Some(head));
    world.publish(&[("a", "3")]);
    git(&["fetch", "-q"]);
    assert_eq!(settled(), None, "behind what was fetched");
}
