//! Stories about the first clone: whole or not at all, and never over what is there.

use std::fs;
use std::os::unix::fs::{MetadataExt, lchown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use renew::git::{Access, Git, Source};
use renew::problem::Problem;
use renew::sys::exec::{Done, Exec, ExecError, Job, SystemExec};

use crate::world::{World, snapshot, write};

fn clone(world: &World, dir: &Path, exec: &dyn Exec, branch: &str) -> Result<(), Problem> {
    let url = world.remote.display().to_string();
    let source = Source { url: &url, remote: "origin", branch };
    Git::clone_to(&source, dir, &Access::default(), Duration::from_secs(60), exec).map(|_| ())
}

fn names(dir: &Path) -> Vec<PathBuf> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into()).collect();
    names.sort();
    names
}

#[test]
fn a_tree_that_is_not_there_is_cloned() {
    let world = World::with(&[("a", "1"), ("d/b", "2")]);
    world.git(&world.dev, &["tag", "v1"]);
    world.git(&world.dev, &["push", "-q", "origin", "HEAD:refs/heads/other", "v1"]);
    let dir = world.root.path().join("new/deep/tree");
    clone(&world, &dir, &world.exec, "main").unwrap();
    assert_eq!(names(dir.parent().unwrap()), [PathBuf::from("tree")], "nothing is left beside");
    assert_eq!(names(&dir), [".git", "a", "d"].map(PathBuf::from));
    assert_eq!(world.git(&dir, &["status", "--porcelain"]), "");
    let refs = world.git(&dir, &["for-each-ref", "--format=%(refname)"]);
    assert!(refs.contains("refs/remotes/origin/main") && !refs.contains("other"), "{refs}");
    assert!(!refs.contains("tags"), "{refs}");
    let git = world.open_at(&dir);
    git.fetch("origin", "main").unwrap();
    assert_eq!(git.standing("origin", "main").unwrap().branch, "refs/heads/main");
}

#[test]
fn a_folder_with_files_of_its_own_keeps_them() {
    let world = World::with(&[("a", "1"), ("same", "x")]);
    let dir = world.root.path().join("config");
    write(&dir.join("renew.json"), "{}");
    write(&dir.join(".renew/state"), "s");
    write(&dir.join("same"), "x");
    clone(&world, &dir, &world.exec, "main").unwrap();
    assert_eq!(names(&dir), [".git", ".renew", "a", "renew.json", "same"].map(PathBuf::from));
    let status = world.git(&dir, &["status", "--porcelain"]);
    assert_eq!(status, "?? .renew/\n?? renew.json");
    let again = clone(&world, &dir, &world.exec, "main").unwrap_err();
    assert_eq!(again.reason, "repo_dir", "{again}");
}

#[test]
fn a_file_in_the_way_is_named_and_kept() {
    let world = World::with(&[("a", "1"), ("b", "1")]);
    let dir = world.root.path().join("config");
    write(&dir.join("a"), "mine");
    let problem = clone(&world, &dir, &world.exec, "main").unwrap_err();
    assert_eq!(problem.reason, "untracked_in_the_way", "{problem}");
    assert_eq!(fs::read_to_string(dir.join("a")).unwrap(), "mine");
    fs::remove_file(dir.join("a")).unwrap();
    let git = world.open_at(&dir);
    let standing = git.standing("origin", "main").unwrap();
    let missing = git.differences(&standing.head).unwrap();
    assert_eq!(missing.len(), 2, "the next run brings them");
}

/// Lets the clone work, then ends as a child that was killed does.
struct Killed;

impl Exec for Killed {
    fn run(&self, job: &Job) -> Result<Done, ExecError> {
        SystemExec::default().run(job)?;
        Err(ExecError::Cancelled)
    }
}

#[test]
fn a_clone_that_does_not_end_well_leaves_nothing() {
    let world = World::with(&[("a", "1")]);
    let before = snapshot(world.root.path());
    let dir = world.root.path().join("tree");
    assert_eq!(clone(&world, &dir, &Killed, "main").unwrap_err().reason, "interrupted");
    assert_eq!(clone(&world, &dir, &world.exec, "gone").unwrap_err().reason, "no_such_branch");
    let nowhere = Source { url: "/no/such/repository", remote: "origin", branch: "main" };
    let limit = Duration::from_secs(60);
    let said = Git::clone_to(&nowhere, &dir, &Access::default(), limit, &world.exec);
    assert_eq!(said.err().unwrap().reason, "git_fetch");
    let odd = Source { url: "ext::sh -c id", ..nowhere };
    let said = Git::clone_to(&odd, &dir, &Access::default(), limit, &world.exec);
    assert_eq!(said.err().unwrap().reason, "repo_url");
    let names = |files: &crate::world::Snapshot| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&before), names(&snapshot(world.root.path())));
}

#[test]
fn leftovers_of_a_killed_renew_go_with_the_next_clone() {
    let world = World::with(&[("a", "1")]);
    let place = world.root.path().join(".tree.renew-clone");
    // No process has an id above the kernel's largest limit, 2^22 (proc(5), `pid_max`).
    write(&place.join("renew~9999999-0/tree/half"), "");
    clone(&world, &world.root.path().join("tree"), &world.exec, "main").unwrap();
    assert!(!place.exists());
}

#[test]
fn a_folder_of_somebody_gets_a_clone_of_theirs() {
    if renew::sys::env::effective_uid() != 0 {
        return;
    }
    let world = World::with(&[("a", "1")]);
    let somebody = 54_321;
    for path in snapshot(&world.remote).keys() {
        lchown(path, Some(somebody), Some(somebody)).unwrap();
    }
    let dir = world.root.path().join("theirs");
    fs::create_dir(&dir).unwrap();
    lchown(&dir, Some(somebody), Some(somebody)).unwrap();
    clone(&world, &dir, &world.exec, "main").unwrap();
    for path in snapshot(&dir).keys() {
        assert_eq!(path.symlink_metadata().unwrap().uid(), somebody, "{}", path.display());
    }
    assert_eq!(fs::read_to_string(dir.join("a")).unwrap(), "1");
}
