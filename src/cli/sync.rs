//! `renew sync` and `renew plan`: one pass, then what it did, for a person or a program.

use std::io::{self, IsTerminal};
use std::path::Path;
use std::sync::Arc;

use super::args::SyncArgs;
use super::signals::Signals;
use super::{NO_CONFIG, ended, logging, render};
use crate::config::{self, Config, Diagnostic, Loaded, Service};
use crate::docker::credentials::default_config_dir;
use crate::problem::{Problem, Trouble};
use crate::reconcile::{
    self, Commits, DockerPlace, EngineAddress, Host, Order, Report, Restart, Synced,
};
use crate::state::StateDir;
use crate::sys;
use crate::sys::clock::SystemClock;
use crate::sys::exec::SystemExec;
use crate::sys::stop::Stop;

/// Exit: a configuration, git or compose file trouble.
pub const EXIT_SETUP: u8 = 1;
/// Exit: the engine or compose failed.
const EXIT_ENGINE: u8 = 2;
/// Exit: refused.
const EXIT_REFUSED: u8 = 3;

/// Runs the command and returns the exit code. `path` is the configuration file, if there is one.
pub fn run(path: Option<&Path>, args: &SyncArgs, signals: &Signals) -> u8 {
    let passed = match path {
        Some(path) => pass(path, args, signals),
        None => {
            let (message, resolution) = NO_CONFIG;
            Err(vec![Problem::setup("config", message, resolution)])
        }
    };
    let (report, of_report) = match passed {
        Ok(report) => {
            let code = if args.dry_run { plan_code(&report) } else { exit_code(&report) };
            (report, code)
        }
        Err(problems) => (Report { problems, ..Report::default() }, EXIT_SETUP),
    };
    let code = signals.exit_code().unwrap_or(of_report);
    ended(print(&report, code, args), code)
}

/// The report of a pass, or why there could be none.
type Passed = Result<Report, Vec<Problem>>;

fn pass(path: &Path, args: &SyncArgs, signals: &Signals) -> Passed {
    let first = load(path, args)?;
    let clock = SystemClock::default();
    let host = host(&clock, &first.config, signals);
    match args.dry_run {
        true => foretell(&host, first, args),
        false => carry_out(&host, first, path, args),
    }
}

/// The outside, as the configuration says.
pub fn host<'c>(clock: &'c SystemClock, config: &Config, signals: &Signals) -> Host<'c> {
    at(clock, config, signals.stop.clone())
}

/// The same, with another way to be asked to stop.
pub fn at<'c>(clock: &'c SystemClock, config: &Config, stop: Stop) -> Host<'c> {
    let exec = SystemExec { cancel: stop.cancel().clone() };
    Host::new(std::sync::Arc::new(exec), clock, stop, place(config))
}

/// A configuration to work from.
pub struct Ready {
    /// The configuration.
    pub config: Config,
    /// Why it is only the copy of the last one that loaded; empty when the file itself loads.
    pub broken: Vec<Problem>,
}

impl Ready {
    /// The report, with what is wrong with the configuration before everything else.
    fn finish(self, mut report: Report, args: &SyncArgs) -> Report {
        if someone_looks(args) {
            elsewhere(&self.config, args);
        }
        report.problems.splice(0..0, self.broken);
        report
    }
}

/// Loads the configuration, or the last one that did.
pub fn load(path: &Path, args: &SyncArgs) -> Result<Ready, Vec<Problem>> {
    match config::load_or_last_good(path) {
        config::Outcome::Good(loaded) => {
            if !args.dry_run {
                keep_last_good(&loaded.config, path, &loaded.text);
            }
            logging::format(loaded.config.log_format);
            warn(&loaded, args);
            Ok(Ready { config: loaded.config, broken: Vec::new() })
        }
        config::Outcome::LastGood { loaded, errors } => {
            logging::format(loaded.config.log_format);
            log::warn!(
                "{} does not load: working from a copy of the last one that did",
                path.display()
            );
            Ok(Ready { config: loaded.config, broken: problems_of(&errors) })
        }
        config::Outcome::Bad(errors) => Err(problems_of(&errors)),
    }
}

/// Keeps the text of the configuration for a day when the file is broken. Nothing is made where there
/// is no repository: a mistyped `repo.dir` must not come into being. A state directory that cannot
/// be written, or that others can write, is told by the pass itself.
pub fn keep_last_good(config: &Config, path: &Path, text: &str) {
    if !config.repo.dir.ancestors().any(|dir| dir.join(".git").exists()) {
        return;
    }
    if StateDir::at(&config.state_dir).check().is_err() {
        return;
    }
    if let Err(cause) = config::last_good::store(&config.state_dir, path, text) {
        log::debug!("cannot keep a copy of {}: {cause}", path.display());
    }
}

/// What is wrong with a configuration file, as problems.
pub fn problems_of(errors: &[Diagnostic]) -> Vec<Problem> {
    let problem = |error: &Diagnostic| {
        Problem::setup("config", error.headline(), error.hint.clone().unwrap_or_default())
    };
    errors.iter().map(problem).collect()
}

/// Whether a remark reaches a person: a run from cron that mailed it each time would be muted.
fn someone_looks(args: &SyncArgs) -> bool {
    args.dry_run || io::stderr().is_terminal()
}

fn warn(loaded: &Loaded, args: &SyncArgs) {
    if someone_looks(args) {
        for warning in &loaded.warnings {
            log::warn!("{}", warning.headline());
        }
    }
}

/// Says why there is less than was asked for: services of other hosts are left out.
fn elsewhere(config: &Config, args: &SyncArgs) {
    let host = sys::env::hostname();
    let here = |service: &Service| service.runs_on(std::slice::from_ref(&host));
    if args.services.is_empty() && !config.services.iter().any(here) {
        log::warn!("no service of {} is for this host ({host})", config.path.display());
    }
    for name in &args.services {
        if config.service(name).is_some_and(|service| !here(service)) {
            log::warn!("{name} is not for this host ({host}): see its `hosts`");
        }
    }
}

fn place(config: &Config) -> DockerPlace {
    DockerPlace {
        host: match (config.docker.host.clone(), sys::env::text("DOCKER_HOST")) {
            (Some(host), _) => EngineAddress::Config(host),
            (None, Some(host)) => EngineAddress::Environment(host),
            (None, None) => EngineAddress::Default,
        },
        config_dir: config.docker.config_dir.clone().unwrap_or_else(|| {
            let [own, home] = ["DOCKER_CONFIG", "HOME"].map(sys::env::var);
            default_config_dir(own.as_deref().map(Path::new), home.as_deref().map(Path::new))
        }),
        auth_config: sys::env::text("DOCKER_AUTH_CONFIG"),
        helper_env: ["HOME", "DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR"]
            .into_iter()
            .filter_map(|name| Some((name.into(), sys::env::var(name)?)))
            .collect(),
    }
}

/// A sync; once more from the start when the fetch brought another configuration.
fn carry_out(host: &Host<'_>, first: Ready, path: &Path, args: &SyncArgs) -> Passed {
    let unknown = unknown(&first.config, args);
    if let Some(problem) = &unknown
        && !arrives(host, &first.config, args)
    {
        return Err(first.broken.into_iter().chain([problem.clone()]).collect());
    }
    match reconcile::sync(host, &order(&first.config, args, Restart::Allowed)) {
        Synced::Done(mut report) => {
            report.problems.extend(unknown);
            Ok(first.finish(report, args))
        }
        Synced::ConfigMoved(moved) => {
            log::info!("{} came with the fetch: starting again with it", path.display());
            again(host, load(path, args)?, &moved, args)
        }
    }
}

/// The second try, with a configuration that the first one brought. It began where the first did.
fn again(host: &Host<'_>, second: Ready, moved: &Commits, args: &SyncArgs) -> Passed {
    if let Some(problem) = unknown(&second.config, args) {
        return Err(second.broken.into_iter().chain([problem]).collect());
    }
    match reconcile::sync(host, &order(&second.config, args, Restart::Done)) {
        Synced::Done(mut report) => {
            if let Some(commit) = &mut report.commit {
                commit.current.clone_from(&moved.current);
            }
            Ok(second.finish(report, args))
        }
        Synced::ConfigMoved(_) => Ok(second.finish(Report::default(), args)),
    }
}

/// A plan, from the configuration that the sync would work from.
fn foretell(host: &Host<'_>, first: Ready, args: &SyncArgs) -> Passed {
    let ready = incoming(host, first, args);
    match unknown(&ready.config, args) {
        Some(problem) => Err(ready.broken.into_iter().chain([problem]).collect()),
        None => {
            let report = reconcile::plan(host, &order(&ready.config, args, Restart::Done));
            Ok(ready.finish(report, args))
        }
    }
}

/// The configuration that the next sync would work from.
pub fn incoming(host: &Host<'_>, first: Ready, args: &SyncArgs) -> Ready {
    let incoming = reconcile::incoming_config(host, &first.config).ok().flatten();
    match incoming.map(|text| config::parse(&text, &first.config.path)) {
        None => first,
        Some(Ok(loaded)) => {
            warn(&loaded, args);
            Ready { config: loaded.config, broken: Vec::new() }
        }
        Some(Err(errors)) => {
            let branch = &first.config.repo.branch;
            let told = |problem: Problem| {
                let message = format!("as {branch} has it now: {}", problem.message);
                problem.saying(message)
            };
            let broken = problems_of(&errors).into_iter().map(told).collect();
            Ready { broken, ..first }
        }
    }
}

/// Whether every named service is in the configuration that the fetch is about to bring.
fn arrives(host: &Host<'_>, config: &Config, args: &SyncArgs) -> bool {
    let incoming = reconcile::incoming_config(host, config).ok().flatten();
    let loaded = incoming.and_then(|text| config::parse(&text, &config.path).ok());
    loaded.is_some_and(|loaded| unknown(&loaded.config, args).is_none())
}

/// What is wrong with the named services: the first that the configuration does not have.
fn unknown(config: &Config, args: &SyncArgs) -> Option<Problem> {
    args.services.iter().find_map(|name| config.unknown(name))
}

/// The services that are meant: of this host, and named if any were.
pub fn order<'c>(config: &'c Config, args: &SyncArgs, restart: Restart) -> Order<'c> {
    let services = config.here().filter(|service| named(service, args)).collect();
    Order { config, services, restart, moved: Arc::default() }
}

fn named(service: &Service, args: &SyncArgs) -> bool {
    args.services.is_empty() || args.services.iter().any(|name| name == service.name.as_str())
}

/// A plan is 1 only when there is a service for which none could be made.
fn plan_code(report: &Report) -> u8 {
    let unplanned = |s: &reconcile::ServiceReport| s.error.is_some() && s.actions.is_empty();
    let stopped = report.commit.is_none() && !report.problems.is_empty();
    if stopped || report.services.iter().any(unplanned) { EXIT_SETUP } else { 0 }
}

/// 2 before 1 before 3.
fn exit_code(report: &Report) -> u8 {
    let troubles = report.troubles();
    let has = |trouble: Trouble| troubles.contains(&trouble);
    match () {
        () if has(Trouble::Engine) => EXIT_ENGINE,
        () if has(Trouble::Setup) => EXIT_SETUP,
        () if has(Trouble::Refused) => EXIT_REFUSED,
        () => 0,
    }
}

/// Prints: one JSON document when asked, and nothing beside it; for a person on a terminal always,
/// elsewhere only when there is something to say, since cron mails whatever is printed.
fn print(report: &Report, code: u8, args: &SyncArgs) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if args.json {
        return render::json(&mut out, report, code);
    }
    let said = match args.dry_run {
        true => render::plan(&mut out, report),
        false if !out.is_terminal() && !report.has_news() => Ok(()),
        false => render::sync(&mut out, report, logging::told()),
    };
    // Whoever closed standard output may still read this.
    render::problems(&mut io::stderr().lock(), report).and(said)
}
