//! What a pass has to say, as one JSON document or as text that fits 80 columns.

use std::io::{self, Write};

use serde::Serialize;

use super::table::Table;
use crate::config::Diagnostic;
use crate::decide::plan::{Action, Step};
use crate::problem::Problem;
use crate::reconcile::{Outcome, Report, ServiceReport, short};

/// Columns of human output.
const WIDTH: usize = 80;

#[derive(Serialize)]
struct Document<'r> {
    commit: CommitPart<'r>,
    services: Vec<ServicePart<'r>>,
    errors: Vec<ErrorPart<'r>>,
    exit_code: u8,
}

#[derive(Serialize)]
struct CommitPart<'r> {
    current: Option<&'r str>,
    target: Option<&'r str>,
}

#[derive(Serialize)]
struct ServicePart<'r> {
    name: &'r str,
    result: Option<&'static str>,
    gate: &'static str,
    error: Option<ErrorPart<'r>>,
    actions: Vec<ActionPart<'r>>,
}

#[derive(Serialize)]
struct ErrorPart<'r> {
    reason: &'r str,
    message: &'r str,
    resolution: &'r str,
}

#[derive(Serialize)]
struct ActionPart<'r> {
    project: &'r str,
    compose_service: &'r str,
    action: &'static str,
    pull: bool,
    reason: &'static str,
    detail: &'r str,
    image: ImagePart<'r>,
}

#[derive(Serialize)]
struct ImagePart<'r> {
    running: Option<&'r str>,
    declared: Option<&'r str>,
}

/// The JSON document of `sync` and `plan`.
///
/// # Errors
/// When `out` cannot be written.
pub fn json(out: &mut impl Write, report: &Report, exit_code: u8) -> io::Result<()> {
    let document = Document {
        commit: CommitPart {
            current: report.commit.as_ref().map(|c| c.current.as_str()),
            target: report.commit.as_ref().map(|c| c.target.as_str()),
        },
        services: report.services.iter().map(service_part).collect(),
        errors: report.problems.iter().map(error_part).collect(),
        exit_code,
    };
    write_document(out, &document)
}

/// The JSON document when there is no configuration to work from.
///
/// # Errors
/// When `out` cannot be written.
pub fn config_errors(out: &mut impl Write, errors: &[Diagnostic], exit_code: u8) -> io::Result<()> {
    let messages: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let part = |message: &'_ String| message.clone();
    let messages: Vec<String> = messages.iter().map(part).collect();
    let document = Document {
        commit: CommitPart { current: None, target: None },
        services: Vec::new(),
        errors: messages
            .iter()
            .map(|message| ErrorPart { reason: "config", message, resolution: "mend renew.json" })
            .collect(),
        exit_code,
    };
    write_document(out, &document)
}

fn write_document(out: &mut impl Write, document: &Document<'_>) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, document)?;
    writeln!(out)
}

fn service_part(service: &ServiceReport) -> ServicePart<'_> {
    ServicePart {
        name: &service.name,
        result: service.result.map(Outcome::name),
        gate: service.gate.name(),
        error: service.error.as_ref().map(error_part),
        actions: service.actions.iter().map(action_part).collect(),
    }
}

fn error_part(problem: &Problem) -> ErrorPart<'_> {
    ErrorPart { reason: problem.reason, message: &problem.message, resolution: &problem.resolution }
}

fn action_part(action: &Action) -> ActionPart<'_> {
    ActionPart {
        project: &action.project,
        compose_service: &action.compose_service,
        action: action.step.name(),
        pull: action.pull,
        reason: action.reason.name(),
        detail: &action.detail,
        image: ImagePart {
            running: action.image.running.as_deref(),
            declared: action.image.declared.as_deref(),
        },
    }
}

/// A plan for a person: a line per compose service, and the sum.
///
/// # Errors
/// When `out` cannot be written.
pub fn plan(out: &mut impl Write, report: &Report) -> io::Result<()> {
    commit_line(out, report)?;
    let mut table = Table::new(&["SERVICE", "COMPOSE SERVICE", "ACTION", "REASON", "DETAIL"]);
    for service in &report.services {
        for action in &service.actions {
            let step = if action.pull { "pull+" } else { "" };
            table.row(&[
                &service.name,
                &action.compose_service,
                &format!("{step}{}", action.step.name()),
                action.reason.name(),
                &action.detail,
            ]);
        }
    }
    write!(out, "{}", table.render(WIDTH))?;
    for note in report.services.iter().flat_map(|service| &service.notes) {
        writeln!(out, "note: {note}")?;
    }
    writeln!(out, "{}", sum(report))
}

fn commit_line(out: &mut impl Write, report: &Report) -> io::Result<()> {
    let Some(commit) = &report.commit else { return Ok(()) };
    let [current, target] = [&commit.current, &commit.target].map(|id| short(id));
    if current == target {
        writeln!(out, "at commit {current}")
    } else {
        writeln!(out, "from commit {current} to {target}")
    }
}

fn sum(report: &Report) -> String {
    let actions = || report.services.iter().flat_map(|service| &service.actions);
    let count = |step: Step| actions().filter(|action| action.step == step).count();
    let mut line = format!(
        "{} recreate, {} start, {} remove",
        count(Step::Recreate),
        count(Step::Start),
        count(Step::Remove)
    );
    if actions().any(|action| action.pull) {
        let size = report.pull_bytes.map_or_else(|| "?".to_owned(), bytes);
        line.push_str(&format!("; pull {size}"));
        if let Some(free) = report.free_bytes {
            line.push_str(&format!(", free {}", bytes(free)));
        }
    }
    line.push_str(". Nothing changed.");
    line
}

/// A number of bytes as people read it: decimal units, as docker prints them.
fn bytes(count: u64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB"];
    let mut whole = count;
    let mut tenth = 0;
    let mut unit = 0;
    while whole >= 1000 && unit + 1 < units.len() {
        tenth = whole % 1000 / 100;
        whole /= 1000;
        unit += 1;
    }
    if unit == 0 || whole >= 100 {
        format!("{whole} {}", units[unit])
    } else {
        format!("{whole}.{tenth} {}", units[unit])
    }
}

/// What a sync did, for a person.
///
/// # Errors
/// When `out` cannot be written.
pub fn sync(out: &mut impl Write, report: &Report) -> io::Result<()> {
    commit_line(out, report)?;
    let mut table = Table::new(&["SERVICE", "COMPOSE SERVICE", "ACTION", "REASON", "DETAIL"]);
    for service in &report.services {
        let news = service.actions.iter().filter(|action| is_news(action));
        for action in news {
            table.row(&[
                &service.name,
                &action.compose_service,
                action.step.name(),
                action.reason.name(),
                &action.detail,
            ]);
        }
    }
    if !table.is_empty() {
        write!(out, "{}", table.render(WIDTH))?;
    }
    for service in &report.services {
        let result = service.result.map_or("not run", Outcome::name);
        writeln!(out, "{}: {result}", service.name)?;
    }
    Ok(())
}

fn is_news(action: &Action) -> bool {
    use crate::decide::plan::Reason;
    action.step != Step::Nothing
        || matches!(action.reason, Reason::Adopted | Reason::Refused | Reason::NeedsBuild)
}

/// What went wrong, each with the way out.
///
/// # Errors
/// When `err` cannot be written.
pub fn problems(err: &mut impl Write, report: &Report) -> io::Result<()> {
    for problem in &report.problems {
        one_problem(err, "renew", problem)?;
    }
    for service in &report.services {
        if let Some(problem) = &service.error {
            one_problem(err, &service.name, problem)?;
        }
    }
    Ok(())
}

fn one_problem(err: &mut impl Write, who: &str, problem: &Problem) -> io::Result<()> {
    writeln!(err, "{who}: {}", problem.message)?;
    if !problem.resolution.is_empty() {
        writeln!(err, "  -> {}", problem.resolution)?;
    }
    Ok(())
}

impl Report {
    /// Whether there is anything that a person who is not watching should be told.
    #[must_use]
    pub fn has_news(&self) -> bool {
        let news = |service: &ServiceReport| {
            service.result != Some(Outcome::Ok) || service.actions.iter().any(is_news)
        };
        !self.problems.is_empty() || self.services.iter().any(news)
    }
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn sizes_read_as_docker_prints_them() {
        let cases = [
            (0, "0 B"),
            (999, "999 B"),
            (1_500, "1.5 kB"),
            (142_000_000, "142 MB"),
            (9_140_000_000, "9.1 GB"),
        ];
        for (count, expected) in cases {
            assert_eq!(bytes(count), expected);
        }
    }
}
