//! `renew validate` of 1,000 services as a process: from its start to its end, compose files on
//! disk included. It asks nobody and changes nothing.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::table::{Table, timed};

const SERVICES: usize = 1_000;
const RUNS: usize = 5;
const BUDGET: Duration = Duration::from_millis(100);
const SCHEDULES: &[&str] = &["*/3 * * * *", "@every 90s", "0 4 * * 1", "@daily", "30 2 29 2 *"];

pub fn measure(table: &mut Table) {
    let dir = tempfile::tempdir().expect("a folder");
    let entries: Vec<String> = (0..SERVICES)
        .map(|n| {
            let folder = dir.path().join(format!("s{n}"));
            fs::create_dir(&folder).expect("a folder");
            let text = "services:\n  web:\n    image: web:1\n";
            fs::write(folder.join("compose.yml"), text).expect("a file");
            let schedule = SCHEDULES[n % SCHEDULES.len()];
            format!(
                "{{\"name\": \"s{n}\", \"compose_files\": [\"s{n}/compose.yml\"], \
                 \"schedule\": \"{schedule}\"}}"
            )
        })
        .collect();
    let config = dir.path().join("renew.json");
    fs::write(&config, format!("{{\"services\": [{}]}}", entries.join(",\n"))).expect("a file");
    let run = || {
        let mut renew = Command::new(env!("CARGO_BIN_EXE_renew"));
        renew.arg("validate").arg("--config").arg(&config).stdout(Stdio::null());
        let (took, status) = timed(|| renew.status().expect("renew"));
        assert!(status.success(), "renew validate ended with {status}");
        took
    };
    run(); // The files are in the page cache from here on.
    let runs = (0..RUNS).map(|_| run()).collect();
    table.row("renew validate, 1,000 services, the whole process", runs, Some(BUDGET));
}
