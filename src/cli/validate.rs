//! `renew validate`: resolves the configuration offline and says what renew would make of it. It
//! asks neither git nor docker nor the network, and writes nothing but its report.

use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Local, SecondsFormat, TimeZone, Utc};
use serde::Serialize;

use crate::cli::table::{Table, wrap};
use crate::cli::text::one_line;
use crate::cli::{NO_CONFIG, ended};
use crate::config::value::Problem;
use crate::config::{self, Diagnostic, LoadError, Service, disk};
use crate::gather::sort_by_key;
use crate::sys::{env, zone};

/// How many fire times are shown.
const FIRES: usize = 5;
const WIDTH_CHARS: usize = 80;
const EXIT_GOOD: u8 = 0;
const EXIT_BAD: u8 = 1;

/// What the command line said.
#[derive(Debug, Clone, Default)]
pub struct ValidateOptions {
    /// The file, named or found; nothing when there is none.
    pub config: Option<PathBuf>,
    /// `--json`
    pub json: bool,
    /// `--schema`: print the JSON Schema and nothing else.
    pub schema: bool,
}

/// What `--json` prints; the keys are public.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// One entry a service, in the order of the file; none if there are errors in the file itself.
    pub services: Vec<ServiceReport>,
    /// What works but should be looked at.
    pub warnings: Vec<Diagnostic>,
    /// What is wrong.
    pub errors: Vec<Diagnostic>,
}

/// One service in the report.
#[derive(Debug, Clone, Serialize)]
pub struct ServiceReport {
    /// Its name.
    pub name: String,
    /// Its stacks: compose files relative to `repo.dir`.
    pub stacks: Vec<Vec<String>>,
    /// Its schedule as written.
    pub schedule: String,
    /// Its next fire times, RFC 3339 with the local UTC offset.
    pub next: Vec<String>,
    /// The compose project of each stack, as far as files tell; for people only.
    #[serde(skip)]
    pub projects: Vec<String>,
    /// Whether it exists on this host; for people only.
    #[serde(skip)]
    pub here: bool,
}

/// Runs the command and answers its exit code: 0, or 1 if there is an error or the report cannot be
/// written.
pub fn run(
    options: &ValidateOptions,
    now: DateTime<Utc>,
    out: &mut dyn io::Write,
    err: &mut dyn io::Write,
) -> u8 {
    if options.schema {
        return ended(out.write_all(config::schema::text().as_bytes()), EXIT_GOOD);
    }
    let Some(path) = &options.config else {
        return ended(not_found(options, out, err), EXIT_BAD);
    };
    let mut report = report(path, now, &Local, &[env::hostname()]);
    if let Err(bad) = zone::check() {
        // The times below it would be those of UTC without a word.
        report.errors.push(Diagnostic::of_file(path, Problem::from(bad.to_string())));
    }
    let written = match options.json {
        true => write_json(&report, out),
        false => out.write_all(human(&report, path).as_bytes()),
    };
    ended(written, if report.errors.is_empty() { EXIT_GOOD } else { EXIT_BAD })
}

/// Resolves one configuration file into a report. `hostnames` are those of this host.
pub fn report<Z: TimeZone>(
    path: &Path,
    now: DateTime<Utc>,
    zone: &Z,
    hostnames: &[String],
) -> Report
where
    Z::Offset: std::fmt::Display,
{
    let loaded = match config::load(path) {
        Ok(loaded) => loaded,
        Err(LoadError { errors }) => {
            return Report { services: Vec::new(), warnings: Vec::new(), errors };
        }
    };
    let checked = disk::check(&loaded, path);
    let mut warnings = checked.warnings;
    warnings.extend(loaded.warnings.iter().cloned());
    warnings.extend(config::unreachable_peers(&loaded, path, hostnames));
    warnings.extend(config::missed_windows(&loaded, path, now, zone));
    sort_by_key(&mut warnings, |warning| (warning.line, warning.column));
    let describe = |service: &Service| service_report(service, now, zone, hostnames);
    let described = loaded.config.services.iter().map(describe).zip(checked.projects);
    let services = described.map(|(service, projects)| ServiceReport { projects, ..service });
    Report { services: services.collect(), warnings, errors: checked.errors }
}

fn service_report<Z: TimeZone>(
    service: &Service,
    now: DateTime<Utc>,
    zone: &Z,
    hostnames: &[String],
) -> ServiceReport
where
    Z::Offset: std::fmt::Display,
{
    let mut next = Vec::with_capacity(FIRES);
    let mut after = now;
    while next.len() < FIRES {
        let Some(fire) = service.schedule.next_after(after, zone, now) else { break };
        next.push(fire.with_timezone(zone).to_rfc3339_opts(SecondsFormat::Secs, false));
        after = fire;
    }
    let files = |stack: &Vec<PathBuf>| stack.iter().map(|f| f.display().to_string()).collect();
    ServiceReport {
        name: service.name.to_string(),
        stacks: service.stacks.iter().map(files).collect(),
        schedule: service.schedule_text.clone(),
        next,
        projects: Vec::new(),
        here: service.runs_on(hostnames),
    }
}

fn not_found(
    options: &ValidateOptions,
    out: &mut dyn io::Write,
    err: &mut dyn io::Write,
) -> io::Result<()> {
    let (message, hint) = NO_CONFIG;
    if !options.json {
        return writeln!(err, "renew: {message}\n  -> {hint}");
    }
    let error = Diagnostic::of_file(Path::new("renew.json"), Problem::new(message, hint));
    let report = Report { services: Vec::new(), warnings: Vec::new(), errors: vec![error] };
    write_json(&report, out)
}

fn write_json(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, report)?;
    out.write_all(b"\n")
}

/// The report for people: stacks, schedules, then what is wrong.
fn human(report: &Report, path: &Path) -> String {
    let mut text = String::new();
    if !report.services.is_empty() {
        text.push_str(&stacks(report));
        text.push('\n');
        text.push_str(&schedules(report));
        text.push('\n');
    }
    for (title, findings) in [("warnings", &report.warnings), ("errors", &report.errors)] {
        if findings.is_empty() {
            continue;
        }
        text.push_str(&format!("{title}:\n"));
        for finding in findings {
            text.push_str(&shown(finding));
        }
        text.push('\n');
    }
    let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    text.push_str(&format!(
        "{}: {}, {}, {}\n",
        path.display(),
        count(report.services.len(), "service"),
        count(report.warnings.len(), "warning"),
        count(report.errors.len(), "error"),
    ));
    text
}

fn stacks(report: &Report) -> String {
    let mut table = Table::new(&["SERVICE", "STACK", "PROJECT", "FILES"]);
    for service in &report.services {
        let note = if service.here { "" } else { "\n(other hosts)" };
        for (index, files) in service.stacks.iter().enumerate() {
            let name = if index == 0 { format!("{}{note}", service.name) } else { String::new() };
            let project = service.projects.get(index).cloned().unwrap_or_default();
            table.row(&[name, (index + 1).to_string(), project, files.join("\n")]);
        }
    }
    table.render(WIDTH_CHARS)
}

fn schedules(report: &Report) -> String {
    let mut table = Table::new(&["SERVICE", "SCHEDULE", "NEXT"]);
    for service in &report.services {
        let next = match service.next.is_empty() {
            true => "never".to_owned(),
            false => service.next.join("\n"),
        };
        table.row(&[service.name.as_str(), service.schedule.as_str(), next.as_str()]);
    }
    table.render(WIDTH_CHARS)
}

/// `file:line:col: path: message` unbroken for tools, the hint wrapped for people.
fn shown(finding: &Diagnostic) -> String {
    let mut text = format!("{}\n", one_line(&finding.headline()));
    for (index, line) in
        wrap(finding.hint.as_deref().unwrap_or_default(), WIDTH_CHARS - 8).iter().enumerate()
    {
        let lead = if index == 0 { "  hint: " } else { "        " };
        text.push_str(&format!("{lead}{line}\n"));
    }
    text
}
