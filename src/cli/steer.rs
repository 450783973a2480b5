//! `renew retry` and `renew rollback`: a person decides which release a service is on. What they decide
//! is written down first, and carried out by a sync of that service.

use std::path::Path;

use super::args::SyncArgs;
use super::signals::Signals;
use super::stored::{self, Stored};
use super::sync;
use crate::problem::Problem;
use crate::reconcile::{self, short};
use crate::sys::clock::{Clock, SystemClock};

/// Lifts quarantine and hold, and brings the service in step with git. Returns the exit code.
pub fn retry(path: Option<&Path>, name: &str, signals: &Signals) -> u8 {
    let decided = with(path, name, |stored| {
        Ok(match reconcile::retry(&stored.config, name)? {
            true => format!("{name}: follows git again\n"),
            false => format!("{name}: nothing kept it from following git\n"),
        })
    });
    carry_out(path, name, signals, decided)
}

/// Puts the service back on an earlier release and keeps it there. Returns the exit code.
pub fn rollback(path: Option<&Path>, name: &str, to: Option<u64>, signals: &Signals) -> u8 {
    let now = SystemClock::default().now();
    let decided = with(path, name, |stored| {
        let release = reconcile::rollback(&stored.config, name, to, now)?;
        let (id, commit) = (release.id, short(&release.commit));
        Ok(format!(
            "{name}: back to release {id} ({commit}), and held there until `renew retry {name}`\n"
        ))
    });
    carry_out(path, name, signals, decided)
}

fn with(
    path: Option<&Path>,
    name: &str,
    decide: impl FnOnce(&Stored) -> Result<String, Problem>,
) -> Result<String, Vec<Problem>> {
    let stored = stored::load(path)?;
    let told = |problem| vec![problem];
    stored.config.service_here(name).map_err(told)?;
    let state = stored.state().map_err(told)?;
    let mut said = decide(&stored).map_err(told)?;
    if state.paused(name, SystemClock::default().now()).map_err(told)?.is_some() {
        let way = format!("  -> {name} is paused: nothing is done until `renew resume {name}`\n");
        said.push_str(&way);
    }
    Ok(said)
}

fn carry_out(
    path: Option<&Path>,
    name: &str,
    signals: &Signals,
    decided: Result<String, Vec<Problem>>,
) -> u8 {
    match decided {
        Err(problems) => stored::print_text("", problems),
        Ok(said) => {
            let said = stored::print_text(&said, Vec::new());
            let args = SyncArgs { services: vec![name.to_owned()], ..SyncArgs::default() };
            sync::run(path, &args, signals).max(said)
        }
    }
}
