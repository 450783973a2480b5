//! What a pass has to say, as one JSON document or as text that fits 80 columns.

use std::io::{self, Write};

use serde::Serialize;

use super::table::Table;
use super::text::{self, one_line};
use crate::decide::plan::{Action, Reason, Step, key};
use crate::problem::Problem;
use crate::reconcile::{Outcome, Report, ServiceReport, bytes, short};

/// Columns of human output.
pub const WIDTH: usize = 80;
/// So many services are named that have the same problem; more are counted.
const NAMES_MAX: usize = 4;

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
    serde_json::to_writer_pretty(&mut *out, &document)?;
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
    ErrorPart {
        reason: &problem.reason,
        message: &problem.message,
        resolution: &problem.resolution,
    }
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

/// A plan for a person: a line per compose service, and the sum. Nothing of a service for which
/// there is no plan: that is a problem, and problems are told elsewhere.
///
/// # Errors
/// When `out` cannot be written.
pub fn plan(out: &mut impl Write, report: &Report) -> io::Result<()> {
    let planned = |service: &ServiceReport| service.error.is_none() || !service.actions.is_empty();
    if !report.services.iter().any(planned) {
        return Ok(());
    }
    commit_line(out, report)?;
    let step = |_: &ServiceReport, action: &Action| {
        let first = if action.pull { "pull+" } else { "" };
        format!("{first}{}", action.step.name())
    };
    write!(out, "{}", table(report, |_| true, step).render(WIDTH))?;
    for note in report.services.iter().flat_map(|service| &service.notes) {
        writeln!(out, "note: {}", one_line(note))?;
    }
    writeln!(out, "{}", sum(report))
}

/// The actions of all services, those that `shown` picks.
fn table(
    report: &Report,
    shown: impl Fn(&Action) -> bool,
    step: impl Fn(&ServiceReport, &Action) -> String,
) -> Table {
    let mut table = Table::new(&["SERVICE", "COMPOSE SERVICE", "ACTION", "REASON", "DETAIL"]);
    for service in &report.services {
        for action in service.actions.iter().filter(|action| shown(action)) {
            table.row(&[
                &service.name,
                &action.compose_service,
                &step(service, action),
                action.reason.name(),
                &one_line(&action.detail),
            ]);
        }
    }
    table
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
    if count(Step::Signal) > 0 {
        line.push_str(&format!(", {} signal", count(Step::Signal)));
    }
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

/// What the reader of a report has seen already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// No more than progress.
    Progress,
    /// Every step in a line of its own, with its why.
    Steps,
}

/// What a sync did, for a person.
///
/// # Errors
/// When `out` cannot be written.
pub fn sync(out: &mut impl Write, report: &Report, told: Told) -> io::Result<()> {
    let waits = |reason: Reason| matches!(reason, Reason::Observed | Reason::Deferred);
    let said = |action: &Action| is_news(action) || waits(action.reason);
    let shown = |action: &Action| match told {
        Told::Progress => said(action),
        Told::Steps => said(action) && action.step == Step::Nothing,
    };
    let table = table(report, shown, done);
    if told == Told::Progress {
        commit_line(out, report)?;
    }
    if !table.is_empty() {
        write!(out, "{}", table.render(WIDTH))?;
    }
    for service in &report.services {
        let result = service.result.map_or("not run", Outcome::name);
        writeln!(out, "{}: {result}", service.name)?;
        if service.result == Some(Outcome::Paused) || service.actions.iter().any(is_news) {
            for note in &service.notes {
                writeln!(out, "  -> {}", one_line(note))?;
            }
        }
    }
    Ok(())
}

/// What was done, or that it was not.
fn done(service: &ServiceReport, action: &Action) -> String {
    let tried = service.story.tried.iter().any(|tried| key(tried) == key(action));
    let what = match action.step {
        _ if tried => action.step.name(),
        Step::Nothing => action.step.name(),
        Step::Recreate => "not recreated",
        Step::Start => "not started",
        Step::Remove => "not removed",
        Step::Signal => "not signalled",
    };
    what.to_owned()
}

fn is_news(action: &Action) -> bool {
    action.step != Step::Nothing
        || matches!(action.reason, Reason::Adopted | Reason::Refused | Reason::NeedsBuild)
}

/// What went wrong, each once and with the way out.
///
/// # Errors
/// When `err` cannot be written.
pub fn problems(err: &mut impl Write, report: &Report) -> io::Result<()> {
    for problem in &report.problems {
        one_problem(err, "renew", problem)?;
    }
    let mut met: Vec<(&Problem, Vec<&str>)> = Vec::new();
    for service in &report.services {
        let Some(problem) = &service.error else { continue };
        match met.iter_mut().find(|(other, _)| *other == problem) {
            Some((_, names)) => names.push(&service.name),
            None => met.push((problem, vec![&service.name])),
        }
    }
    for (problem, names) in met {
        let who = match names.len() {
            0..=NAMES_MAX => names.join(", "),
            count => format!("{count} services"),
        };
        one_problem(err, &who, problem)?;
    }
    Ok(())
}

fn one_problem(err: &mut impl Write, who: &str, problem: &Problem) -> io::Result<()> {
    let mut lines = text::lines(&problem.message);
    writeln!(err, "{who}: {}", lines.next().unwrap_or_default())?;
    for line in lines {
        writeln!(err, "    {line}")?;
    }
    if !problem.resolution.is_empty() {
        writeln!(err, "  -> {}", one_line(&problem.resolution))?;
    }
    Ok(())
}

impl Report {
    /// Whether there is anything that a person who is not watching should be told.
    #[must_use]
    pub fn has_news(&self) -> bool {
        let news = |service: &ServiceReport| {
            // What waits or is only looked at stays so for long: mail every few minutes would be
            // mail that nobody reads.
            let quiet =
                [Outcome::Ok, Outcome::Deferred, Outcome::Observed, Outcome::Held, Outcome::Paused];
            !service.result.is_some_and(|result| quiet.contains(&result))
                || service.actions.iter().any(is_news)
        };
        !self.problems.is_empty() || self.services.iter().any(news)
    }
}

#[cfg(test)]
mod tests {
    use super::{plan, problems};
    use crate::problem::Problem;
    use crate::reconcile::{Report, ServiceReport};

    fn stopped(names: &[&str]) -> Report {
        let problem = Problem::setup("git_failed", "fatal: \u{1b}[31ma\n\n\tb\n", "mend it");
        let service = |name: &&str| ServiceReport::stopped(name, problem.clone());
        Report { services: names.iter().map(service).collect(), ..Report::default() }
    }

    #[test]
    fn what_stopped_every_service_is_said_once() {
        for (names, who) in [
            (["a"].as_slice(), "a"),
            (&["a", "b"], "a, b"),
            (&["a", "b", "c", "d", "e"], "5 services"),
        ] {
            let mut said = Vec::new();
            problems(&mut said, &stopped(names)).unwrap();
            let expected = format!("{who}: fatal: \\u{{1b}}[31ma\n     b\n  -> mend it\n");
            assert_eq!(String::from_utf8(said).unwrap(), expected);
        }
    }

    #[test]
    fn no_plan_is_not_shown_as_an_empty_one() {
        let mut said = Vec::new();
        plan(&mut said, &stopped(&["a"])).unwrap();
        assert!(said.is_empty());
    }
}
