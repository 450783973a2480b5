//! `renew sync` and `renew plan`: one pass, then what it did, for a person or a program.

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use super::args::{SyncArgs, nearest};
use super::render;
use super::signals::Signals;
use crate::config::{self, Config, Diagnostic, Loaded, Service};
use crate::docker::credentials::default_config_dir;
use crate::problem::Trouble;
use crate::reconcile::{self, DockerPlace, Host, Order, Report, Restart, Synced};
use crate::sys;
use crate::sys::clock::SystemClock;
use crate::sys::exec::SystemExec;

/// Exit: a configuration, git or compose file trouble.
const EXIT_SETUP: u8 = 1;
/// Exit: the engine or compose failed.
const EXIT_ENGINE: u8 = 2;
/// Exit: refused.
const EXIT_REFUSED: u8 = 3;

/// Runs the command and returns the exit code.
///
/// # Errors
/// Only when standard output cannot be written.
pub fn run(config: &Path, args: &SyncArgs, signals: &Signals) -> io::Result<u8> {
    let first = match load(config, args) {
        Ok(loaded) => loaded,
        Err(errors) => return refuse_config(&errors, args),
    };
    let clock = SystemClock::default();
    let exec = SystemExec { cancel: signals.cancel.clone() };
    let host =
        Host::new(std::sync::Arc::new(exec), &clock, signals.cancel.clone(), place(&first.config));
    let (report, loaded) = match args.dry_run {
        true => foretell(&host, first, args),
        false => carry_out(&host, first, config, args),
    };
    let (report, loaded) = match report {
        Ok(report) => (report, loaded),
        Err(errors) => return refuse_config(&errors, args),
    };
    let of_report =
        if args.dry_run { plan_code(&report) } else { exit_code(&report, loaded.broken) };
    let code = signals.exit_code().unwrap_or(of_report);
    print(&report, code, args)?;
    Ok(code)
}

/// A configuration that loaded, and whether it is only the last good copy of a broken one.
struct Ready {
    config: Config,
    broken: bool,
}

/// Either the report of a pass, or why the configuration it needed does not load.
type Passed = (Result<Report, Vec<Diagnostic>>, Ready);

fn load(path: &Path, args: &SyncArgs) -> Result<Ready, Vec<Diagnostic>> {
    match config::load_or_last_good(path) {
        config::Outcome::Good(loaded) => {
            if !args.dry_run {
                keep_last_good(&loaded.config, path);
            }
            Ok(warned(loaded, false))
        }
        config::Outcome::LastGood { loaded, errors } => {
            complain("", &errors);
            log::error!("working from the last configuration that loaded");
            Ok(warned(loaded, true))
        }
        config::Outcome::Bad(errors) => Err(errors),
    }
}

/// Keeps the configuration for a day when the file is broken. A state directory that cannot be
/// written is told by the pass itself.
fn keep_last_good(config: &Config, path: &Path) {
    let kept = sys::fs::read_bounded(path, config::FILE_BYTES_MAX)
        .and_then(|text| config::last_good::store(&config.state_dir, path, &text));
    if let Err(cause) = kept {
        log::debug!("cannot keep a copy of {}: {cause}", path.display());
    }
}

/// One log line a line: a hint stands on its own.
fn complain(whose: &str, errors: &[Diagnostic]) {
    for error in errors {
        for line in error.to_string().lines() {
            log::error!("{whose}{line}");
        }
    }
}

fn warned(loaded: Loaded, broken: bool) -> Ready {
    for warning in &loaded.warnings {
        log::debug!("{warning}");
    }
    Ready { config: loaded.config, broken }
}

fn place(config: &Config) -> DockerPlace {
    DockerPlace {
        host: config.docker.host.clone().or_else(|| sys::env::text("DOCKER_HOST")),
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
    let synced = match order(&first.config, args, Restart::Allowed) {
        Ok(order) => reconcile::sync(host, &order),
        Err(unknown) => return (Err(vec![unknown]), first),
    };
    match synced {
        Synced::Done(report) => (Ok(report), first),
        Synced::ConfigMoved => {
            log::info!("{} came with the fetch: starting again with it", path.display());
            let second = match load(path, args) {
                Ok(second) => second,
                Err(errors) => return (Err(errors), first),
            };
            match order(&second.config, args, Restart::Done).map(|o| reconcile::sync(host, &o)) {
                Ok(Synced::Done(report)) => (Ok(report), second),
                Ok(Synced::ConfigMoved) => (Ok(Report::default()), second),
                Err(unknown) => (Err(vec![unknown]), second),
            }
        }
    }
}

/// A plan, from the configuration that the sync would work from.
fn foretell(host: &Host<'_>, first: Ready, args: &SyncArgs) -> Passed {
    let incoming = reconcile::incoming_config(host, &first.config).ok().flatten();
    let ready = match incoming.map(|text| config::parse(&text, &first.config.path)) {
        None => first,
        Some(Ok(loaded)) => warned(loaded, false),
        Some(Err(errors)) => {
            complain("incoming ", &errors);
            Ready { broken: true, ..first }
        }
    };
    match order(&ready.config, args, Restart::Done) {
        Ok(order) => (Ok(reconcile::plan(host, &order)), ready),
        Err(unknown) => (Err(vec![unknown]), ready),
    }
}

/// The services that are meant: of this host, and named if any were.
fn order<'c>(
    config: &'c Config,
    args: &SyncArgs,
    restart: Restart,
) -> Result<Order<'c>, Diagnostic> {
    let names = config.services.iter().map(|service| service.name.as_str());
    for wanted in &args.services {
        if !names.clone().any(|name| name == wanted) {
            let near = nearest(wanted, names.clone());
            let hint = near.map(|near| format!("did you mean `{near}`?"));
            let message = format!("there is no service `{wanted}`");
            return Err(Diagnostic::of_file(
                &config.path,
                config::value::Problem { message, hint, within: None },
            ));
        }
    }
    let host = sys::env::hostname();
    let meant = |service: &&Service| {
        let named = args.services.is_empty()
            || args.services.iter().any(|name| name == service.name.as_str());
        named && service.runs_on(std::slice::from_ref(&host))
    };
    Ok(Order { config, services: config.services.iter().filter(meant).collect(), restart })
}

fn refuse_config(errors: &[Diagnostic], args: &SyncArgs) -> io::Result<u8> {
    let mut out = io::stdout().lock();
    if args.json {
        render::config_errors(&mut out, errors, EXIT_SETUP)?;
    }
    let mut err = io::stderr().lock();
    for error in errors {
        writeln!(err, "renew: {error}")?;
    }
    Ok(EXIT_SETUP)
}

/// A plan is 1 only when there is a service for which none could be made.
fn plan_code(report: &Report) -> u8 {
    let unplanned = |s: &reconcile::ServiceReport| s.error.is_some() && s.actions.is_empty();
    if report.services.iter().any(unplanned) { EXIT_SETUP } else { 0 }
}

/// 2 before 1 before 3.
fn exit_code(report: &Report, broken_config: bool) -> u8 {
    let troubles = report.troubles();
    let has = |trouble: Trouble| troubles.contains(&trouble);
    match () {
        () if has(Trouble::Engine) => EXIT_ENGINE,
        () if has(Trouble::Setup) || broken_config => EXIT_SETUP,
        () if has(Trouble::Refused) => EXIT_REFUSED,
        () => 0,
    }
}

/// Prints: one JSON document when asked; for a person on a terminal always, elsewhere only when
/// there is something to say, since cron mails whatever is printed.
fn print(report: &Report, code: u8, args: &SyncArgs) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if args.json {
        return render::json(&mut out, report, code);
    }
    if args.dry_run {
        render::plan(&mut out, report)?;
    } else if out.is_terminal() || report.has_news() {
        render::sync(&mut out, report)?;
    }
    let mut err = io::stderr().lock();
    render::problems(&mut err, report)
}
