//! Stories about moving the tree: every shape of change, in whole and in part.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::world::{World, assert_same, snapshot, write};

#[test]
fn a_plain_step_forward() {
    let world = World::with(&[("a", "1"), ("d/b", "1"), ("gone/x", "1")]);
    world.write("d/.env", "secret");
    world.remove(&["gone"]);
    world.publish(&[("a", "2"), ("new/deep/c", "1")]);
    world.git(&world.host, &["config", "status.showUntrackedFiles", "no"]);
    world.settle();
    assert_eq!(world.read("a"), "2");
    assert_eq!(world.read("new/deep/c"), "1");
    assert!(!world.has("gone"), "an emptied folder goes");
    assert_eq!(world.read("d/.env"), "secret");
    let log = world.git(&world.host, &["reflog", "-1", "--format=%gs", "main"]);
    assert_eq!(log, "renew: follow");
}

#[test]
fn a_settled_tree_is_not_written() {
    let world = World::with(&[("a", "1")]);
    world.settle();
    let before = snapshot(&world.host);
    assert_eq!(world.follow().unwrap(), None);
    assert_same(&before, &snapshot(&world.host));
}

#[test]
fn a_renamed_folder_leaves_ignored_files() {
    let world =
        World::with(&[(".gitignore", ".env\n"), ("old/compose.yml", "1"), ("old/x/y", "2")]);
    world.write("old/.env", "secret");
    fs::create_dir(world.host.join("old/data")).unwrap();
    world.git(&world.dev, &["mv", "old", "new"]);
    world.publish_tree();
    world.settle();
    assert_eq!(world.read("new/x/y"), "2");
    assert_eq!(world.read("old/.env"), "secret");
    assert!(world.has("old/data") && !world.has("old/compose.yml") && !world.has("old/x"));
}

#[test]
fn files_become_folders_and_back() {
    let world = World::with(&[("x", "file"), ("real/f", "r")]);
    symlink("real", world.dev.join("link")).unwrap();
    let first = world.publish_tree();
    world.settle();
    world.remove(&["x", "link"]);
    world.publish(&[("x/y/z", "deep"), ("x/w", "flat"), ("link/f", "own")]);
    world.settle();
    assert_eq!(world.read("x/y/z"), "deep");
    assert_eq!(world.read("real/f"), "r", "nothing went through the link");
    fs::create_dir(world.host.join("x/empty")).unwrap();
    world.git(&world.dev, &["rm", "-q", "-r", "."]);
    world.git(&world.dev, &["checkout", "-q", &first, "--", "."]);
    world.publish_tree();
    world.settle();
    assert_eq!(world.read("x"), "file");
    assert!(world.host.join("link").is_symlink());
}

#[test]
fn modes_and_links_follow() {
    let world = World::with(&[("run", "#!/bin/sh\n"), ("a", "1")]);
    symlink("a", world.dev.join("link")).unwrap();
    world.publish_tree();
    world.settle();
    fs::set_permissions(world.dev.join("run"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::remove_file(world.dev.join("link")).unwrap();
    symlink("run", world.dev.join("link")).unwrap();
    world.publish_tree();
    world.settle();
    let mode = fs::metadata(world.host.join("run")).unwrap().permissions().mode();
    assert_eq!(mode & 0o111, 0o111);
    assert_eq!(fs::read_link(world.host.join("link")).unwrap().to_str(), Some("run"));
}

#[test]
fn held_paths_stay_and_move_later() {
    let world = World::with(&[("web/a", "1"), ("web/gone", "1"), ("free", "1"), ("db/a", "1")]);
    symlink("a", world.dev.join("web/link")).unwrap();
    world.publish_tree();
    world.settle();
    world.remove(&["web/gone"]);
    fs::remove_file(world.dev.join("web/link")).unwrap();
    symlink("b", world.dev.join("web/link")).unwrap();
    let id = world.publish(&[("web/a", "2"), ("web/new", "2"), ("free", "2"), ("db/a", "2")]);
    let before = snapshot(&world.host.join("web"));
    assert_eq!(world.follow_but(&["web"]).unwrap(), None);
    assert_same(&before, &snapshot(&world.host.join("web")));
    assert_eq!((world.read("free"), world.read("db/a")), ("2".into(), "2".into()));
    assert_eq!(world.git(&world.host, &["rev-parse", "HEAD"]), id);
    assert_eq!(world.differing(), ["web/a", "web/gone", "web/link", "web/new"]);
    let status = world.git(&world.host, &["status", "--porcelain"]);
    assert_eq!(status, " M web/a\nA  web/gone\n M web/link\nD  web/new");
    world.settle();
    assert_eq!((world.read("web/a"), world.read("web/new")), ("2".into(), "2".into()));
    assert!(!world.has("web/gone"));
}

#[test]
fn held_paths_stay_through_several_steps() {
    let world = World::with(&[("web/a", "1"), ("web/b", "1"), ("free", "1")]);
    world.publish(&[("web/a", "2"), ("web/c", "2"), ("free", "2")]);
    assert_eq!(world.follow_but(&["web"]).unwrap(), None);
    world.remove(&["web/b", "web/c"]);
    world.publish(&[("web/a", "3"), ("free", "3")]);
    assert_eq!(world.follow_but(&["web"]).unwrap(), None);
    assert_eq!(world.follow_but(&["web"]).unwrap(), None);
    assert_eq!(world.differing(), ["web/a", "web/b"], "what came and went needs no move");
    assert_eq!((world.read("web/a"), world.read("web/b")), ("1".into(), "1".into()));
    world.settle();
}

#[test]
fn a_held_path_of_a_rewritten_branch_is_saved_with_its_commit() {
    let world = World::with(&[("web/a", "1"), ("free", "1")]);
    world.publish(&[("web/a", "2")]);
    world.settle();
    world.git(&world.dev, &["reset", "-q", "--hard", "HEAD~1"]);
    world.publish(&[("web/a", "3"), ("free", "3")]);
    let saved = world.follow_but(&["web"]).unwrap().expect("the lost commit");
    assert_eq!(world.read("web/a"), "2");
    assert_eq!(world.git(&world.host, &["show", &format!("{saved}:web/a")]), "2");
    world.settle();
}

#[test]
fn what_cannot_move_without_a_held_path_waits_for_it() {
    let world = World::with(&[("a/held", "1"), ("a/free", "1"), ("b", "1"), ("c", "1")]);
    world.remove(&["a", "b"]);
    world.publish(&[("a", "file"), ("b/held", "2"), ("b/free", "2"), ("c", "2")]);
    assert_eq!(world.follow_but(&["a/held", "b/held"]).unwrap(), None);
    assert_eq!((world.read("a/held"), world.read("b")), ("1".into(), "1".into()));
    assert_eq!(world.read("c"), "2");
    world.settle();
    assert_eq!((world.read("a"), world.read("b/free")), ("file".into(), "2".into()));
}

#[test]
fn an_interrupted_move_is_finished() {
    let world = World::with(&[("a", "1"), ("b", "1"), ("gone", "1"), ("c", "1")]);
    world.remove(&["gone"]);
    world.publish(&[("a", "2"), ("b", "2"), ("new", "2")]);
    // By hand: files without the index, then files with the index, as a killed git leaves them.
    world.write("a", "2");
    world.write("new", "2");
    fs::remove_file(world.host.join("gone")).unwrap();
    world.settle();
    world.publish(&[("a", "3"), ("b", "3"), ("c", "3")]);
    let target = world.fetched();
    world.git(&world.host, &["checkout", "-q", &target.id, "--", "a", "b"]);
    world.settle();
}

#[test]
fn hooks_are_not_run() {
    let world = World::with(&[("a", "1")]);
    let ran = world.root.path().join("ran");
    for hook in ["post-checkout", "post-index-change", "reference-transaction", "post-rewrite"] {
        let path = world.host.join(".git/hooks").join(hook);
        write(&path, &format!("#!/bin/sh\ntouch '{}'\n", ran.display()));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    world.publish(&[("a", "2")]);
    world.write("a", "edited");
    world.exec.count();
    assert!(world.follow().unwrap().is_some());
    assert!(!ran.exists());
}

#[test]
fn more_names_than_a_command_line_holds() {
    let world = World::with(&[("a", "1")]);
    let name = |n: usize| format!("folder/{}-{n}", "long".repeat(30));
    for n in 0..2000 {
        write(&world.dev.join(name(n)), "1");
    }
    world.publish_tree();
    world.settle();
    for n in 0..2000 {
        write(&world.dev.join(name(n)), "2");
    }
    world.publish_tree();
    assert_eq!(world.follow_but(&["folder"]).unwrap(), None);
    world.settle();
    assert_eq!(world.read(&name(1999)), "2");
}

#[test]
fn a_linked_working_tree_follows() {
    let world = World::with(&[("a", "1")]);
    let linked = world.root.path().join("linked");
    world.git(&world.host, &["checkout", "-q", "--detach"]);
    world.git(&world.host, &["worktree", "add", "-q", "../linked", "main"]);
    let world = World { host: linked, ..world };
    world.publish(&[("a", "2")]);
    world.settle();
    assert_eq!(world.read("a"), "2");
}
