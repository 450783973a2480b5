//! A service that a person paused: its run ends before it has begun. Nothing of it is looked at,
//! pulled, moved, healed or written.

use chrono::Local;

use super::pass::Pass;
use super::report::{Outcome, ServiceReport};
use crate::config::Service;
use crate::decide::plan::{Action, ImagePair, Reason, Step};
use crate::problem::Problem;
use crate::state::Pause;

/// What a run says instead of running, if the service is paused.
///
/// # Errors
/// When it cannot be told whether it is.
pub fn paused(pass: &Pass<'_>, service: &Service) -> Result<Option<ServiceReport>, Problem> {
    let name = service.name.as_str();
    let Some(pause) = pass.state.paused(name, pass.host.clock.now())? else { return Ok(None) };
    let words = in_words(&pause);
    let mut report = ServiceReport::new(name);
    report.result = Some(Outcome::Paused);
    // What was recorded is all that is known: nobody is asked.
    for (project, recorded) in pass.state.record(name).unwrap_or_default().projects {
        let actions = recorded.services.into_iter().map(|(compose_service, known)| Action {
            project: project.clone(),
            compose_service,
            step: Step::Nothing,
            pull: false,
            reason: Reason::Paused,
            detail: words.clone(),
            image: ImagePair { running: None, declared: Some(known.image) },
            containers: Vec::new(),
        });
        report.actions.extend(actions);
    }
    report.notes.push(format!("{name} is paused {words}; `renew resume {name}` ends it"));
    Ok(Some(report))
}

/// Removes a pause that is over. Where that cannot be, it is ignored all the same.
pub fn sweep(pass: &Pass<'_>, service: &Service) {
    let name = service.name.as_str();
    match pass.state.sweep_pause(name, pass.host.clock) {
        Ok(true) => log::info!("{name}: its pause is over"),
        Ok(false) => {}
        Err(problem) => log::debug!("{problem}"),
    }
}

/// Until when and why, as in `until 2026-11-21 16:00:00 +01:00: a new disk`.
#[must_use]
pub fn in_words(pause: &Pause) -> String {
    let until = match pause.until {
        Some(until) => {
            format!("until {}", until.with_timezone(&Local).format("%Y-%m-%d %H:%M:%S %:z"))
        }
        None => "until it is resumed".to_owned(),
    };
    match &pause.reason {
        Some(reason) => format!("{until}: {reason}"),
        None => until,
    }
}
