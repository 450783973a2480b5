//! SIGKILL in the middle of a change: renew alone, or together with everything it started.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::chaos::{Call, Ended, Point, Route, Source, World};
use crate::support::{Sandbox, wait_for};
use crate::{SLOW, slow_running};

/// One sync must be enough to reach the new version, with nothing left of the interrupted one.
fn heals(sandbox: &Sandbox, db: &[String]) {
    sandbox.renew(["sync"]).expect(0);
    sandbox.runs(&["db", "web"]);
    assert!(sandbox.version("web").starts_with("web:2 "));
    assert_eq!(sandbox.ids()["db"], db, "db has no part in this");
    sandbox.settled();
}

#[test]
fn a_sync_killed_with_its_children_is_taken_up_again() {
    let Some(sandbox) = slow_running() else { return };
    let db = sandbox.ids()["db"].clone();
    sandbox.commit(&[("compose.yaml", &SLOW.replace("web:1", "web:2"))], "web 2");
    sandbox.forget_started();
    let sync = sandbox.start_renew(["sync"]);
    sandbox.wait_for_recreate("web");
    let groups: Vec<i32> = sandbox.started().iter().map(|one| one.pid).collect();
    sync.kill_with(&groups);
    heals(&sandbox, &db);
}

#[test]
fn a_sync_killed_alone_is_taken_up_again() {
    let Some(sandbox) = slow_running() else { return };
    let db = sandbox.ids()["db"].clone();
    sandbox.commit(&[("compose.yaml", &SLOW.replace("web:1", "web:2"))], "web 2");
    let sync = sandbox.start_renew(["sync"]);
    sandbox.wait_for_recreate("web");
    sync.kill_alone();
    heals(&sandbox, &db);
}

#[test]
fn a_sync_killed_as_compose_begins_is_taken_up_again() {
    let Some(sandbox) = slow_running() else { return };
    let db = sandbox.ids()["db"].clone();
    sandbox.commit(&[("compose.yaml", &SLOW.replace("web:1", "web:2"))], "web 2");
    sandbox.forget_started();
    let sync = sandbox.start_renew(["sync"]);
    let up = wait_for("compose up", 60, || {
        sandbox.started().into_iter().find(|one| one.line.contains(" up "))
    });
    sync.kill_with(&[up.pid]);
    heals(&sandbox, &db);
}

#[test]
fn a_sync_told_to_end_finishes_its_change_and_told_twice_does_not() {
    let Some(sandbox) = slow_running() else { return };
    let db = sandbox.ids()["db"].clone();
    sandbox.commit(&[("compose.yaml", &SLOW.replace("web:1", "web:2"))], "web 2");
    let sync = sandbox.start_renew(["sync"]);
    sandbox.wait_for_recreate("web");
    sync.terminate();
    let output = sync.finish().expect(143);
    assert!(output.stderr.contains("a second signal stops now"), "{output}");
    assert!(sandbox.version("web").starts_with("web:2 "), "the change was finished");
    sandbox.settled();

    sandbox.commit(&[("compose.yaml", SLOW)], "web 1");
    let sync = sandbox.start_renew(["sync"]);
    sandbox.wait_for_recreate("web");
    sync.terminate();
    std::thread::sleep(Duration::from_millis(300));
    sync.terminate();
    sync.finish().expect(143);
    sandbox.renew(["sync"]).expect(0);
    assert!(sandbox.version("web").starts_with("web:1 "));
    assert_eq!(sandbox.ids()["db"], db, "db has no part in this");
    sandbox.settled();
}

/// How long points are played for.
const SAMPLE: Duration = Duration::from_secs(10);
/// What every route has some of.
const COMMON: &[Source] = &[
    Source::Git,
    Source::Compose,
    Source::Engine,
    Source::Call(Call::Write),
    Source::Call(Call::Rename),
    Source::Call(Call::Unlink),
    Source::Call(Call::Sync),
    Source::Call(Call::Spawn),
];

/// Picks one of a few, by a number that changes with each pick.
fn pick<T: Copy>(seed: &mut u64, from: &[T]) -> T {
    // Knuth's MMIX generator; its upper bits are the good ones.
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    from[usize::try_from(*seed >> 33).expect("31 bits") % from.len()]
}

/// `make chaos` plays all points. Which few are played here is another matter each time; the message
/// of a failure says how to play the same one again.
#[test]
fn a_few_points_of_the_kill_matrix() {
    let Some(mut world) = World::begin() else { return };
    let begin = Instant::now();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970");
    let mut seed = u64::from(now.subsec_nanos()) ^ now.as_secs();
    let mut killed = 0;
    while killed == 0 || begin.elapsed() < SAMPLE {
        let (route, source) = (pick(&mut seed, Route::ALL), pick(&mut seed, COMMON));
        let (moment, victim) = pick(&mut seed, source.blows());
        let mut nth = pick(&mut seed, &[1, 2, 3, 4, 6, 8]);
        loop {
            let point = Point { route, source, nth, moment, victim };
            let ended = world.play(point);
            match ended.unwrap_or_else(|why| panic!("make chaos POINT={point}\n{why}")) {
                // A run with fewer effects than that: an earlier one, if it has any.
                Ended::Beyond if nth > 1 => nth /= 2,
                Ended::Beyond | Ended::NoVictim => break,
                Ended::Well(_) => {
                    killed += 1;
                    break;
                }
            }
        }
    }
}

#[test]
fn a_bad_change_whose_run_was_killed_is_undone_all_the_same() {
    let Some(mut world) = World::begin() else { return };
    // Which of them makes the containers is compose's business; what it made ends at once, and to the
    // next run it is something that has stopped.
    for nth in 2..=4 {
        let point: Point = format!("undo:compose:{nth}:after:renew").parse().expect("a point");
        let ended =
            world.play(point).unwrap_or_else(|why| panic!("make chaos POINT={point}\n{why}"));
        assert!(matches!(ended, Ended::Well(_)), "{point}: {ended:?}");
    }
}
