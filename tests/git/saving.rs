//! Stories about local work: nothing that was made here and nowhere else is ever lost.

use std::fs;
use std::os::unix::fs::symlink;

use renew::git::{Moves, Standing};
use renew::sys::clock::{Clock, SystemClock};

use crate::world::World;

impl World {
    /// A file as it is in what was saved.
    fn saved(&self, name: &str, path: &str) -> String {
        self.git(&self.host, &["show", &format!("{name}:{path}")])
    }
}

#[test]
fn an_edit_is_saved_and_replaced() {
    let world = World::with(&[("a", "1"), ("b", "1")]);
    world.write("a", "mine");
    let saved = world.follow().unwrap().expect("a save");
    assert_eq!(saved, "refs/renew/saved/T");
    assert_eq!((world.saved(&saved, "a"), world.read("a")), ("mine".into(), "1".into()));
    world.assert_settled();
    assert_eq!(world.follow().unwrap(), None, "once is enough");
}

#[test]
fn an_edit_under_a_new_commit_is_saved() {
    let world = World::with(&[("a", "1"), ("b", "1")]);
    world.publish(&[("a", "2"), ("b", "2")]);
    world.write("a", "mine");
    let saved = world.follow().unwrap().expect("a save");
    assert_eq!((world.saved(&saved, "a"), world.read("a")), ("mine".into(), "2".into()));
    world.assert_settled();
}

#[test]
fn a_staged_edit_is_saved_even_if_the_file_went_back() {
    let world = World::with(&[("a", "1"), ("b", "1")]);
    world.write("a", "staged");
    world.git(&world.host, &["add", "a"]);
    world.write("a", "1");
    let saved = world.follow().unwrap().expect("a save");
    assert_eq!(world.saved(&format!("{saved}^2"), "a"), "staged");
    world.assert_settled();
}

#[test]
fn a_file_that_was_added_but_not_committed_is_saved() {
    let world = World::with(&[("a", "1")]);
    world.write("added", "mine");
    world.git(&world.host, &["add", "added"]);
    let saved = world.follow().unwrap().expect("a save");
    assert_eq!(world.saved(&saved, "added"), "mine");
    world.assert_settled();
}

#[test]
fn a_link_that_was_edited_is_saved() {
    let world = World::with(&[("a", "1"), ("file", "1")]);
    symlink("a", world.dev.join("link")).unwrap();
    world.publish_tree();
    world.settle();
    for (path, to) in [("link", "elsewhere"), ("file", "also-elsewhere")] {
        fs::remove_file(world.host.join(path)).unwrap();
        symlink(to, world.host.join(path)).unwrap();
    }
    let saved = world.follow().unwrap().expect("a save");
    assert_eq!(world.saved(&saved, "link"), "elsewhere");
    assert_eq!(world.saved(&saved, "file"), "also-elsewhere");
    world.assert_settled();
}

#[test]
fn a_file_that_git_was_told_not_to_look_at_is_saved() {
    for flag in ["--assume-unchanged", "--skip-worktree"] {
        let world = World::with(&[("a", "1")]);
        world.git(&world.host, &["update-index", flag, "a"]);
        world.write("a", "mine");
        world.publish(&[("a", "2")]);
        let saved = world.follow().unwrap().expect("a save");
        assert_eq!((world.saved(&saved, "a"), world.read("a")), ("mine".into(), "2".into()));
        world.assert_settled();
    }
}

#[test]
fn an_edit_that_is_what_the_target_brings_is_no_loss() {
    let world = World::with(&[("a", "1")]);
    world.publish(&[("a", "2")]);
    world.write("a", "2");
    world.git(&world.host, &["add", "a"]);
    world.settle();
}

#[test]
fn a_file_put_back_to_an_old_version_is_no_loss() {
    let world = World::with(&[("a", "1")]);
    world.publish(&[("a", "2")]);
    world.settle();
    world.write("a", "1");
    world.settle();
    assert_eq!(world.read("a"), "2");
}

#[test]
fn a_version_of_long_ago_is_found_and_that_of_yesterday_without_a_look_at_all_history() {
    let world = World::with(&[("a", "1")]);
    for version in 2..=40 {
        world.publish(&[("a", &version.to_string())]);
    }
    world.settle();
    for (version, looks_at_all) in [("39", false), ("1", true)] {
        world.write("a", version);
        world.exec.take();
        world.settle();
        let looked = world.exec.take().iter().any(|line| line.ends_with("rev-list --all"));
        assert_eq!((world.read("a"), looked), ("40".to_owned(), looks_at_all), "{version}");
    }
}

#[test]
fn content_that_only_lies_about_in_the_object_store_is_saved() {
    let world = World::with(&[("a", "1")]);
    world.write("a", "mine");
    world.git(&world.host, &["add", "a"]);
    world.git(&world.host, &["reset", "-q"]);
    let saved = world.follow().unwrap().expect("a save");
    assert_eq!(world.saved(&saved, "a"), "mine");
}

#[test]
fn a_deletion_is_undone_without_a_save() {
    let world = World::with(&[("a", "1"), ("d/b", "1")]);
    fs::remove_file(world.host.join("a")).unwrap();
    fs::remove_dir_all(world.host.join("d")).unwrap();
    world.settle();
    assert_eq!(world.read("d/b"), "1");
}

#[test]
fn a_commit_that_was_not_pushed_is_saved() {
    let world = World::with(&[("a", "1")]);
    world.write("a", "mine");
    world.git(&world.host, &["commit", "-q", "-a", "-m", "mine"]);
    let mine = world.git(&world.host, &["rev-parse", "HEAD"]);
    let saved = world.follow().unwrap().expect("a save");
    assert_eq!(world.git(&world.host, &["rev-parse", &saved]), mine);
    assert_eq!(world.read("a"), "1");
    world.assert_settled();
}

#[test]
fn a_commit_and_an_edit_are_saved_together() {
    let world = World::with(&[("a", "1"), ("b", "1")]);
    world.write("a", "committed");
    world.git(&world.host, &["commit", "-q", "-a", "-m", "mine"]);
    world.write("b", "edited");
    world.publish(&[("a", "2")]);
    let saved = world.follow().unwrap().expect("a save");
    assert_eq!(world.saved(&saved, "a"), "committed");
    assert_eq!(world.saved(&saved, "b"), "edited");
    world.assert_settled();
}

#[test]
fn two_saves_at_the_same_time_keep_both() {
    let world = World::with(&[("a", "1")]);
    let mut names = Vec::new();
    for text in ["first", "second", "third"] {
        world.write("a", text);
        names.push((world.follow().unwrap().expect("a save"), text));
    }
    assert_eq!(names[1].0, "refs/renew/saved/T-2");
    for (name, text) in names {
        assert_eq!(world.saved(&name, "a"), text);
    }
}

#[test]
fn an_edit_in_a_held_path_stays_and_is_saved_when_it_moves() {
    let world = World::with(&[("web/a", "1"), ("free", "1")]);
    world.publish(&[("web/a", "2"), ("free", "2")]);
    world.write("web/a", "mine");
    assert_eq!(world.follow_but(&["web"]).unwrap(), None);
    assert_eq!((world.read("web/a"), world.read("free")), ("mine".into(), "2".into()));
    let saved = world.follow().unwrap().expect("a save");
    assert_eq!(world.saved(&saved, "web/a"), "mine");
    world.assert_settled();
}

#[test]
fn what_is_written_after_the_look_is_saved_and_what_was_checked_out_costs_no_second_look() {
    for edit in [None, Some("9")] {
        let world = World::with(&[("web/a", "1")]);
        let before = world.open().standing("origin", "main").unwrap().head;
        world.publish(&[("web/a", "2")]);
        assert_eq!(world.follow_but(&["web"]).unwrap(), None);
        let (git, target) = (world.open(), world.fetched());
        // What was written just before the look could be written again without a trace.
        SystemClock::default().sleep(std::time::Duration::from_millis(2100));
        let now = git.standing("origin", "main").unwrap();
        let from = &Standing { before: Some(before), ..now };
        let changes = git.differences(&target).unwrap();
        edit.inspect(|text| world.write("web/a", text));
        world.exec.take();
        let (moving, held) = (changes.iter().collect(), Vec::new());
        let saved = git.follow(&Moves { from, target: &target, moving, held, save_as: "T" });
        let looked = world.exec.take().iter().any(|line| {
            ["hash-object", "rev-list"].iter().any(|verb| line.contains(&format!(" {verb} ")))
        });
        let saved = saved.unwrap().map(|name| world.saved(&name, "web/a"));
        assert_eq!((saved.as_deref(), looked), (edit, edit.is_some()));
        assert_eq!(world.read("web/a"), "2");
        world.assert_settled();
    }
}

#[test]
fn a_file_with_an_edit_that_the_target_removes() {
    let world = World::with(&[("a", "1"), ("x/y", "1")]);
    world.write("a", "mine");
    world.write("x/y", "mine too");
    world.remove(&["a", "x"]);
    world.publish(&[("x", "file")]);
    let saved = world.follow().unwrap().expect("a save");
    assert_eq!(world.saved(&saved, "a"), "mine");
    assert_eq!(world.saved(&saved, "x/y"), "mine too");
    world.assert_settled();
}
