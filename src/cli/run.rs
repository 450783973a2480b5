//! `renew run`: the daemon, with what it needs from this process: signals, the configuration file and
//! the way to the engine.

use std::path::Path;
use std::sync::Arc;

use super::args::SyncArgs;
use super::signals::{Asked, Signals};
use super::sync::{self, EXIT_SETUP};
use super::{NO_CONFIG, ended, logging, render};
use crate::config::{self, Loaded};
use crate::daemon::{self, Job, Message, Outcome, Setup};
use crate::problem::Problem;
use crate::reconcile::{self, Order, Report, Shared, Synced};
use crate::sys::clock::SystemClock;
use crate::sys::zone::{self, ZoneError};

/// Runs until it is asked to stop, and returns the exit code.
pub fn run(path: Option<&Path>) -> u8 {
    match path.ok_or_else(no_config).and_then(begin) {
        Ok(()) => 0,
        Err(problems) => {
            let report = Report { problems, ..Report::default() };
            ended(render::problems(&mut std::io::stderr().lock(), &report), EXIT_SETUP)
        }
    }
}

fn no_config() -> Vec<Problem> {
    let (message, resolution) = NO_CONFIG;
    vec![Problem::setup("config", message, resolution)]
}

fn begin(path: &Path) -> Result<(), Vec<Problem>> {
    let bad_zone = |bad: ZoneError| {
        vec![Problem::setup("time_zone", bad.to_string(), "correct TZ or /etc/localtime")]
    };
    zone::check().map_err(bad_zone)?;
    let ready = sync::load(path, &SyncArgs::default())?;
    for problem in &ready.broken {
        log::error!("{problem}");
    }
    // A fault in one run is a line, as everything else is.
    std::panic::set_hook(Box::new(|fault| log::error!("a fault in renew: {fault}")));
    let (clock, shared) = (SystemClock::default(), Arc::new(Shared::default()));
    let inbox = Setup::inbox();
    let told = inbox.0.clone();
    Signals::tell(move |asked| {
        let message = match asked {
            Asked::Reload => Message::Reload,
            Asked::Stop => Message::Stop,
        };
        // Whoever does not listen any more has stopped.
        let _ = told.send(message);
    });
    let setup = Setup {
        path,
        config: ready.config,
        rejected: !ready.broken.is_empty(),
        load: &|| load(path),
        keep: &|config, text| sync::keep_last_good(config, path, text),
        work: Arc::new(move |job: &Job| work(job, &clock, &shared)),
        clock: Arc::new(clock),
        inbox,
    };
    daemon::run(setup).map_err(|problem| vec![problem])
}

/// The file as it is now: a daemon has the last good one in its hands.
fn load(path: &Path) -> Result<Loaded, Vec<Problem>> {
    let loaded = config::load(path).map_err(|wrong| sync::problems_of(&wrong.errors))?;
    for warning in &loaded.warnings {
        log::warn!("{}", warning.headline());
    }
    logging::format(loaded.config.log_format);
    Ok(loaded)
}

/// One run of one service.
fn work(job: &Job, clock: &SystemClock, shared: &Arc<Shared>) -> Outcome {
    let host = sync::at(clock, &job.config, job.stop.clone());
    let host = host.triggered_by(job.trigger.name()).sharing(shared);
    let services = job.config.service(&job.service).into_iter().collect();
    let moved = Arc::clone(&job.moved);
    let order = Order { config: &job.config, services, restart: job.restart, moved };
    match reconcile::sync(&host, &order) {
        Synced::Done(report) => Outcome::Done(report),
        Synced::ConfigMoved(_) => Outcome::ConfigMoved,
    }
}
