//! The whole kill matrix. `make chaos` plays it and prints how many points there were; with
//! `POINT=change:engine:3:before:all` it plays that one, with `POINT=change:engine,undo:git` those that
//! have one of these in their names, and with `POINT=count` it only says how many effects there are.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test is not the product: it drives processes and clocks, and says no by panicking"
)]

#[allow(unused_imports, reason = "the sample needs the rest of it")]
#[path = "mod.rs"]
mod chaos;
#[allow(dead_code, unused_imports, reason = "the other stories need the rest of it")]
#[path = "../../support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::sync::Mutex;

use chaos::{Ended, Moment, Point, Route, Source, Victim, World};

/// How many hosts each processor of this machine plays on, side by side: a run mostly waits.
const LANES: usize = 4;

/// What is played in order on one host: all effects of one source, struck in one way.
type Row = (Route, Source, Moment, Victim);

/// What came of a row.
#[derive(Default)]
struct Tally {
    points: usize,
    one_run: usize,
    two_runs: usize,
    failed: usize,
}

#[test]
fn a_run_may_be_killed_anywhere() {
    let wanted = std::env::var("POINT").unwrap_or_default();
    if let Ok(point) = wanted.parse::<Point>() {
        let Some(mut world) = World::begin() else { return };
        let ended = world.play(point).unwrap_or_else(|why| panic!("POINT={point}\n{why}"));
        eprintln!("{point}: {ended:?}");
        return;
    }
    if wanted == "count" {
        let Some(mut world) = World::begin() else { return };
        for route in Route::ALL {
            for (source, count) in world.count(*route) {
                eprintln!("{}:{source}: {count}", route.word());
            }
        }
        return;
    }
    let mut rows: Vec<Row> = Vec::new();
    for route in Route::ALL {
        for source in Source::all() {
            // Without a push git changes nothing.
            if matches!(source, Source::Inside(..)) && !matches!(route, Route::Change | Route::Undo)
            {
                continue;
            }
            rows.extend(source.blows().iter().map(|(m, v)| (*route, source, *m, *v)));
        }
    }
    rows.retain(|row| wanted.split(',').any(|part| name(*row).contains(part)));
    assert!(!rows.is_empty(), "no point has {wanted} in its name");
    let (rows, tallies) = (Mutex::new(rows), Mutex::new(BTreeMap::new()));
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..LANES * std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                let mut world = None;
                while let Some(row) = next(&rows) {
                    let tally = play(row, &mut world, &failures);
                    tallies.lock().expect("the tallies").insert(row, tally);
                }
            });
        }
    });
    print(&tallies.into_inner().expect("the tallies"));
    let failures = failures.into_inner().expect("the failures");
    assert!(failures.is_empty(), "{} points failed:\n{}", failures.len(), failures.join("\n"));
}

fn next(rows: &Mutex<Vec<Row>>) -> Option<Row> {
    let mut rows = rows.lock().expect("the rows");
    (!rows.is_empty()).then(|| rows.remove(0))
}

fn name((route, source, moment, victim): Row) -> String {
    Point { route, source, nth: 0, moment, victim }.to_string()
}

/// Plays a row to its end. After a failure the host is another one.
fn play(row: Row, world: &mut Option<World>, failures: &Mutex<Vec<String>>) -> Tally {
    let (route, source, moment, victim) = row;
    let mut tally = Tally::default();
    for nth in 1.. {
        let point = Point { route, source, nth, moment, victim };
        if world.is_none() {
            *world = World::begin();
        }
        let host = world.as_mut().expect("an engine");
        match host.play(point) {
            Ok(Ended::Beyond) => break,
            Ok(Ended::NoVictim) => continue,
            Ok(Ended::Well(1)) => tally.one_run += 1,
            Ok(Ended::Well(_)) => tally.two_runs += 1,
            Err(why) => {
                tally.failed += 1;
                eprintln!("FAILED: make chaos POINT={point}\n{why}\n");
                failures.lock().expect("the failures").push(format!("make chaos POINT={point}"));
                *world = None;
            }
        }
        tally.points += 1;
    }
    let Tally { points, failed, .. } = tally;
    eprintln!("{}: {points} points, {failed} failed", name(row));
    tally
}

/// The table of docs/reliability.md.
fn print(tallies: &BTreeMap<Row, Tally>) {
    let mut sums: BTreeMap<(Route, &str), Tally> = BTreeMap::new();
    for ((route, source, ..), tally) in tallies {
        let sum = sums.entry((*route, source.kind())).or_default();
        sum.points += tally.points;
        sum.one_run += tally.one_run;
        sum.two_runs += tally.two_runs;
        sum.failed += tally.failed;
    }
    eprintln!("\n| route | killed at | points | good after one run | after two | not good |");
    eprintln!("|---|---|---|---|---|---|");
    let mut all = Tally::default();
    for ((route, source), sum) in &sums {
        let Tally { points, one_run, two_runs, failed } = sum;
        let route = route.word();
        eprintln!("| {route} | {source} | {points} | {one_run} | {two_runs} | {failed} |");
        all.points += points;
        all.one_run += one_run;
        all.two_runs += two_runs;
        all.failed += failed;
    }
    let Tally { points, one_run, two_runs, failed } = all;
    eprintln!("| all | | {points} | {one_run} | {two_runs} | {failed} |");
}
