//! `make soak`: the daemon ticks every second for twenty minutes (`MINUTES=1` for less) while now and
//! then something happens. What it holds at the end it held after its first minutes: memory, files,
//! threads.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test is not the product: it drives processes and clocks, and says no by panicking"
)]

#[allow(dead_code, reason = "the stories have more than a beginning")]
#[path = "../stage.rs"]
mod stage;
#[allow(dead_code, unused_imports, reason = "the other stories need the rest of it")]
#[path = "../../support/mod.rs"]
mod support;

use std::fs;
use std::time::{Duration, Instant};

use serde_json::json;
use stage::{THREE, three_pushed};
use support::Sandbox;

/// Between two looks at the process.
const EVERY: Duration = Duration::from_secs(2);
/// How much more memory the last quarter may take than the second: allocators breathe.
const GROWTH_MAX: f64 = 1.05;
const MINUTES: u64 = 20;

/// What a process holds.
#[derive(Debug, Clone, Copy)]
struct Held {
    anonymous_kib: u64,
    files: usize,
    threads: usize,
}

impl Held {
    fn of(pid: i32) -> Held {
        let below = |what: &str| fs::read_dir(format!("/proc/{pid}/{what}")).expect("a process");
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
        let kib = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kib = kib.and_then(|text| text.trim().strip_suffix(" kB")?.parse().ok());
        Held {
            anonymous_kib: kib.expect("its memory"),
            files: below("fd").count(),
            threads: below("task").count(),
        }
    }
}

fn middle(of: impl Iterator<Item = u64>) -> f64 {
    let mut sorted: Vec<u64> = of.collect();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default() as f64
}

/// What happens once a minute, in turn.
fn happens(sandbox: &Sandbox, minute: u64) {
    let config = fs::read_to_string(sandbox.root().join("renew.json")).expect("a file");
    match minute % 5 {
        0 => drop(sandbox.commit(
            &[(
                "compose.yaml",
                &THREE.replace("db:1\n", &format!("db:1\n    labels: [m{minute}]\n")),
            )],
            "Another label",
        )),
        1 => drop(sandbox.docker(["rm", "-f", &sandbox.ids()["web"][0]])),
        2 => sandbox.write("renew.json", &config.replace("services", "survices")),
        3 => sandbox.write("renew.json", &config.replace("survices", "services")),
        _ => drop(sandbox.renew(["status", "--json"]).expect(0)),
    }
}

#[test]
fn a_daemon_holds_no_more_after_twenty_minutes_than_after_five() {
    let Some(sandbox) = three_pushed() else { return };
    let minutes = std::env::var("MINUTES").ok().and_then(|text| text.parse().ok());
    let minutes: u64 = minutes.unwrap_or(MINUTES);
    let config = json!({
        "repo": { "dir": "SANDBOX" }, "state_dir": "state", "run_on_start": true,
        "defaults": { "verify": { "soak": "0s" } },
        "services": [{ "name": "app", "compose_files": ["compose.yaml"], "schedule": "@every 1s" }],
    });
    sandbox.write("renew.json", &sandbox.fill(&config.to_string()));
    let daemon = sandbox.start_renew(["run"]);
    let pid = daemon.pid().as_raw_nonzero().get();
    let (begin, end) = (Instant::now(), Duration::from_secs(minutes * 60));
    let (mut seen, mut minute) = (Vec::new(), 0);
    while begin.elapsed() < end {
        std::thread::sleep(EVERY);
        seen.push(Held::of(pid));
        if begin.elapsed().as_secs() / 60 > minute {
            minute += 1;
            eprintln!("minute {minute}: {:?}", seen.last().expect("a look"));
            happens(&sandbox, minute - 1);
        }
    }
    let status = sandbox.renew(["status", "--json"]).expect(0).json();
    daemon.terminate();
    let said = daemon.finish().expect(0).stderr;

    let quarter = seen.len() / 4;
    let (early, late) = (&seen[quarter..2 * quarter], &seen[3 * quarter..]);
    let memory = |part: &[Held]| middle(part.iter().map(|held| held.anonymous_kib));
    // A look may fall into the moment in which a child is started.
    let most = |part: &[Held], what: fn(&Held) -> usize| {
        let mut sorted: Vec<usize> = part.iter().map(what).collect();
        sorted.sort_unstable();
        sorted[sorted.len() * 9 / 10]
    };
    eprintln!("anonymous memory: {} KiB, then {} KiB", memory(early), memory(late));
    assert!(memory(late) <= memory(early) * GROWTH_MAX, "{seen:?}");
    assert!(most(late, |held| held.files) <= most(&seen[..2 * quarter], |held| held.files));
    assert!(most(late, |held| held.threads) <= most(early, |held| held.threads));
    // It did tick, and what happened was seen to.
    let last = &status["daemon"]["services"][0]["last"]["run"];
    let runs = last.as_str().and_then(|id| id.rsplit_once('-')?.1.parse::<u64>().ok());
    eprintln!("{} runs", runs.expect("a run"));
    assert!(runs.expect("a run") > minutes * 60 / 4, "{last}");
    assert!(said.contains("recreate db"), "{said}");
    sandbox.runs(&["cache", "db", "web"]);
}
