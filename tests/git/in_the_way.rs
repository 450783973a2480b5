//! Stories about untracked things where the target brings a path: they are never touched.

use std::fs;
use std::os::unix::fs::symlink;

use renew::git::Moves;

use crate::locked::lock;
use crate::world::{World, assert_same, snapshot, write};

/// Following must be refused with this path named, and nothing may have changed.
fn assert_refused(world: &World, named: &str) {
    world.fetched();
    let before = snapshot(&world.host);
    let problem = world.follow().unwrap_err();
    assert_eq!(problem.reason, "untracked_in_the_way", "{problem}");
    let path = world.host.join(named).display().to_string();
    assert!(problem.message.starts_with(&format!("{path} ")), "{problem}");
    assert_same(&before, &snapshot(&world.host));
}

#[test]
fn an_untracked_file_with_other_content_is_refused() {
    let world = World::with(&[("a", "1")]);
    world.publish(&[("a", "2"), ("new", "theirs"), (".env", "theirs")]);
    world.write("new", "mine");
    assert_refused(&world, "new");
    fs::remove_file(world.host.join("new")).unwrap();
    world.write(".gitignore", ".env\n");
    world.write(".env", "mine");
    assert_refused(&world, ".env");
    fs::remove_file(world.host.join(".env")).unwrap();
    fs::remove_file(world.host.join(".gitignore")).unwrap();
    world.settle();
}

#[test]
fn an_untracked_file_with_the_same_content_is_taken_over() {
    let world = World::with(&[("a", "1")]);
    symlink("a", world.dev.join("link")).unwrap();
    world.publish(&[("new", "theirs"), ("a", "2")]);
    world.write("new", "theirs");
    symlink("a", world.host.join("link")).unwrap();
    world.settle();
}

#[test]
fn a_link_is_not_a_file_of_the_same_text() {
    let world = World::with(&[("a", "1")]);
    world.publish(&[("new", "a")]);
    symlink("a", world.host.join("new")).unwrap();
    assert_refused(&world, "new");
}

#[test]
fn an_untracked_folder_where_a_file_comes() {
    let world = World::with(&[("a", "1")]);
    world.publish(&[("new", "1")]);
    world.write("new/deep/data", "mine");
    assert_refused(&world, "new/deep/data");
    fs::remove_file(world.host.join("new/deep/data")).unwrap();
    world.settle();
    assert_eq!(world.read("new"), "1", "empty folders give way");
}

#[test]
fn an_untracked_folder_where_a_tracked_file_was() {
    let world = World::with(&[("conf", "1")]);
    world.publish(&[("conf", "2")]);
    fs::remove_file(world.host.join("conf")).unwrap();
    world.write("conf/data", "mine");
    assert_refused(&world, "conf/data");
    fs::remove_dir_all(world.host.join("conf")).unwrap();
    fs::create_dir(world.host.join("conf")).unwrap();
    world.settle();
    assert_eq!(world.read("conf"), "2", "docker makes such empty folders for missing files");
}

#[test]
fn an_untracked_file_in_a_folder_that_becomes_a_file() {
    let world = World::with(&[("x/a", "1"), (".gitignore", ".env\n")]);
    world.write("x/.env", "mine");
    world.remove(&["x"]);
    world.publish(&[("x", "file")]);
    assert_refused(&world, "x/.env");
}

#[test]
fn an_untracked_file_where_a_folder_comes() {
    let world = World::with(&[("a", "1")]);
    world.publish(&[("new/deep/file", "1")]);
    world.write("new", "mine");
    assert_refused(&world, "new");
}

#[test]
fn a_folder_that_was_moved_away_behind_a_link() {
    let world = World::with(&[("data/a", "1"), ("b", "1")]);
    let elsewhere = world.root.path().join("elsewhere");
    fs::rename(world.host.join("data"), &elsewhere).unwrap();
    symlink(&elsewhere, world.host.join("data")).unwrap();
    world.publish(&[("data/a", "2"), ("b", "2")]);
    let before = snapshot(&elsewhere);
    assert_refused(&world, "data");
    assert_same(&before, &snapshot(&elsewhere));
}

#[test]
fn a_file_that_git_was_told_to_forget() {
    let world = World::with(&[("a", "1"), ("b", "1")]);
    world.git(&world.host, &["rm", "-q", "--cached", "a"]);
    world.write("a", "mine");
    world.publish(&[("b", "2")]);
    assert_refused(&world, "a");
}

#[test]
fn what_a_checkout_of_ours_left_half_written_is_no_obstacle() {
    let world = World::with(&[("a", "1")]);
    let record = world.root.path().join("git~");
    let marker = world.root.path().join("checkout~");
    world.publish(&[("a", "1"), ("new", "a line, and another")]);
    let git = world.open().recorded_at(record);
    git.fetch("origin", "main").unwrap();
    let standing = git.standing("origin", "main").unwrap();
    let target = standing.upstream.clone().unwrap();
    let differences = git.differences(&target).unwrap();
    let moving: Vec<_> = differences.iter().collect();
    let new = world.host.join("new");
    write(&new, "a line, a");
    assert!(git.refuse_obstacles(&moving).is_err(), "no checkout was begun: somebody made it");
    write(&marker, "");
    git.refuse_obstacles(&moving).unwrap();
    assert!(marker.exists(), "until it was written to its end");
    write(&new, "a line of mine");
    assert!(git.refuse_obstacles(&moving).is_err(), "not what comes");
    drop(lock(&new, 60));
    assert!(git.refuse_obstacles(&moving).is_err(), "it was there before that checkout");
    write(&new, "a line");
    let moves =
        Moves { from: &standing, target: &target, moving, held: Vec::new(), save_as: "now" };
    git.follow(&moves).unwrap();
    assert_eq!(std::fs::read_to_string(&new).unwrap(), "a line, and another");
    assert!(!marker.exists());
}
