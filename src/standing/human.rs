//! What needs a human, each with the way out. Decided from stored state alone.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::Stand;
use super::live::Live;
use crate::problem::{Parts, Problem};
use crate::state::history::{Complaint, Standing};

/// One thing that somebody should look at.
#[derive(Debug, Serialize)]
pub struct HumanPart {
    /// Of which service; `None` where it is about renew as a whole.
    pub service: Option<String>,
    /// Stable machine key.
    pub reason: String,
    /// What is so.
    pub message: String,
    /// What to do about it.
    pub resolution: String,
    /// Since when.
    pub since: Option<DateTime<Utc>>,
}

impl HumanPart {
    /// Something that is so for nobody knows how long.
    #[must_use]
    pub fn new(
        service: Option<&str>,
        reason: &str,
        message: impl Into<String>,
        resolution: impl Into<String>,
    ) -> HumanPart {
        HumanPart {
            service: service.map(str::to_owned),
            reason: reason.to_owned(),
            message: message.into(),
            resolution: resolution.into(),
            since: None,
        }
    }

    /// What is wrong with a service, or with more than one.
    #[must_use]
    pub fn of(service: Option<&str>, complaint: Complaint) -> HumanPart {
        let Complaint { told, since } = complaint;
        let part = HumanPart::new(service, &told.reason, told.message, told.resolution);
        HumanPart { since: Some(since), ..part }
    }
}

impl From<Problem> for HumanPart {
    fn from(problem: Problem) -> HumanPart {
        let Parts { reason, message, resolution, .. } = problem.into_parts();
        HumanPart::new(None, &reason, message, resolution)
    }
}

/// What somebody should look at of the daemon itself.
pub fn of_daemon(live: &Live) -> impl Iterator<Item = HumanPart> {
    let rejected = live.config.rejected_since.map(|since| {
        let message = format!("{} does not load: the one before it is in use", live.config.path);
        let part = HumanPart::new(None, "config", message, "`renew validate` says what is wrong");
        HumanPart { since: Some(since), ..part }
    });
    let broken = live.services.iter().filter_map(|service| {
        let end = service.last.as_ref().filter(|end| end.result == "panicked")?;
        Some(HumanPart::of(Some(&service.name), end.error.clone()?))
    });
    let unwell = live.components.iter().filter(|one| one.state != "running");
    let unwell = unwell.filter_map(|component| {
        let part = HumanPart::of(None, component.error.clone()?);
        let message = format!("{} is {}: {}", component.name, component.state, part.message);
        Some(HumanPart { message, since: Some(component.since), ..part })
    });
    rejected.into_iter().chain(broken).chain(unwell)
}

/// What somebody should look at of one service.
#[must_use]
pub fn of(stand: &Stand) -> Vec<HumanPart> {
    let name = stand.name.as_str();
    let mut parts = Vec::new();
    if let Some(hold) = &stand.record.hold {
        let message = format!("held on release {}", hold.release);
        let way_out = format!("`renew retry {name}` lets it follow git again");
        let part = HumanPart::new(Some(name), "held", message, way_out);
        parts.push(HumanPart { since: Some(hold.since), ..part });
    }
    if let Some(pause) = &stand.paused {
        let why = pause.reason.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        let way_out = format!("`renew resume {name}` gives it back");
        let part =
            HumanPart::new(Some(name), "paused", format!("paused without an end{why}"), way_out);
        let forever = pause.until.is_none();
        parts.extend(forever.then_some(HumanPart { since: Some(pause.since), ..part }));
        return parts;
    }
    let troubled = stand.history.last.as_ref().and_then(|last| trouble(name, last));
    parts.extend(troubled.map(|part| HumanPart { since: stand.since(), ..part }));
    parts
}

/// What the last run left to somebody.
fn trouble(name: &str, last: &Standing) -> Option<HumanPart> {
    let part = |reason: &str, message: &str, way_out: String| {
        Some(HumanPart::new(Some(name), reason, message, way_out))
    };
    if let Some(error) = &last.error {
        let way_out = match last.result.as_str() {
            // What went wrong is over: what was in force before is again.
            "rolled_back" => format!(
                "{}; push another target, or `renew retry {name}` tries it once more",
                error.resolution
            ),
            _ => error.resolution.clone(),
        };
        return part(&error.reason, &error.message, way_out);
    }
    match (last.result.as_str(), last.gate.as_str()) {
        ("refused", "refused") => part(
            "gate",
            "too few of health.peer_urls answer for a change",
            "look after the other hosts; the next run asks again".to_owned(),
        ),
        ("refused", _) => part(
            "refused",
            "a change is refused",
            format!("`renew plan` says why; `renew accept {name}` lets the next run make it"),
        ),
        _ => None,
    }
}
