//! Stories about locks that a killed git left behind, and locks that somebody holds.

use std::fs::{self, File, FileTimes};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use renew::problem::Problem;
use renew::sys::clock::{Clock, SystemClock};

use crate::world::{World, write};

/// Makes a lock that is this many seconds old.
pub fn lock(path: &Path, age: i64) -> File {
    write(path, "");
    let file = File::options().write(true).open(path).unwrap();
    let made = SystemClock::default().now().timestamp() - age;
    let made = UNIX_EPOCH + Duration::from_secs(made.cast_unsigned());
    file.set_times(FileTimes::new().set_modified(made)).unwrap();
    file
}

fn fetch(world: &World) -> Result<(), Problem> {
    world.open().past_stale_locks(&SystemClock::default(), |git| git.fetch("origin", "main"))
}

fn paths(world: &World) -> [PathBuf; 3] {
    ["refs/remotes/origin/main.lock", "index.lock", "packed-refs.lock"]
        .map(|name| world.host.join(".git").join(name))
}

#[test]
fn a_stale_lock_is_removed_and_the_work_done() {
    let world = World::with(&[("a", "1")]);
    let id = world.publish(&[("a", "2")]);
    for path in paths(&world) {
        drop(lock(&path, 700));
    }
    // Not git's: a lock of ours stays, whatever its age.
    let ours = world.host.join(".git/renew.lock");
    drop(lock(&ours, 70_000));
    fetch(&world).unwrap();
    assert_eq!(world.open().standing("origin", "main").unwrap().upstream.unwrap().id, id);
    assert!(paths(&world).iter().all(|path| !path.exists()));
    assert!(ours.exists());
}

#[test]
fn a_young_lock_stops_the_work() {
    let world = World::with(&[("a", "1")]);
    world.publish(&[("a", "2")]);
    let [path, ..] = paths(&world);
    drop(lock(&path, 60));
    let problem = fetch(&world).unwrap_err();
    assert_eq!(problem.reason, "git_locked");
    assert!(
        problem.message.contains("s old") && problem.resolution.contains("10 min"),
        "{problem}"
    );
    assert!(path.exists());
}

#[test]
fn a_lock_that_somebody_has_open_stays() {
    let world = World::with(&[("a", "1")]);
    world.publish(&[("a", "2")]);
    let [path, ..] = paths(&world);
    let held = lock(&path, 7000);
    let problem = fetch(&world).unwrap_err();
    let holder = format!("process {}", std::process::id());
    assert!(problem.message.contains(&holder), "{problem}");
    drop(held);
    fetch(&world).unwrap();
}

#[test]
fn a_lock_stays_while_a_git_works_in_the_tree() {
    let world = World::with(&[("a", "1")]);
    world.publish(&[("a", "2")]);
    let [path, ..] = paths(&world);
    drop(lock(&path, 7000));
    let ready = world.root.path().join("ready");
    let said = std::thread::scope(|scope| {
        // A git that waits, as one does while somebody writes a commit message.
        let wait = format!(
            "!touch '{}'; while test -e '{}'; do sleep 0.05; done",
            ready.display(),
            ready.display()
        );
        let world = &world;
        let waiting = scope.spawn(move || {
            world.git(&world.host, &["-c", &format!("alias.wait={wait}"), "wait"]);
        });
        while !ready.exists() {
            SystemClock::default().sleep(Duration::from_millis(10));
        }
        let said = fetch(world);
        fs::remove_file(&ready).unwrap();
        waiting.join().unwrap();
        said
    });
    assert!(said.unwrap_err().message.contains("may be held by process"));
    fetch(&world).unwrap();
}

#[test]
fn other_trouble_is_not_tried_twice() {
    let world = World::with(&[("a", "1")]);
    let mut count = 0;
    let said = world.open().past_stale_locks(&SystemClock::default(), |_| {
        count += 1;
        Err::<(), _>(Problem::setup("git_fetch", "gone", ""))
    });
    assert_eq!((&*said.unwrap_err().reason, count), ("git_fetch", 1));
}

#[test]
fn what_a_killed_git_of_ours_left_goes_at_once() {
    let world = World::with(&[("a", "1")]);
    world.publish(&[("a", "2")]);
    let objects = world.host.join(".git/objects");
    let unfinished = ["ab/tmp_obj_x1", "pack/tmp_pack_x2", "pack/tmp_idx_x3"];
    let unfinished = unfinished.map(|name| objects.join(name));
    for path in paths(&world).iter().chain(&unfinished) {
        drop(lock(path, 5));
    }
    let [older, held, ..] = paths(&world);
    drop(lock(&older, 60));
    let holder = lock(&held, 5);
    let pack = objects.join("pack/pack-whole.keep");
    write(&pack, "");
    world.open().clear_left(SystemClock::default().now().timestamp() - 10);
    let [_, _, gone] = paths(&world);
    assert!(!gone.exists() && unfinished.iter().all(|path| !path.exists()));
    assert!(older.exists(), "it was there before that git");
    assert!(held.exists(), "somebody has it open");
    assert!(pack.exists(), "it is not git's to lose");
    drop(holder);
}
