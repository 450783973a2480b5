//! What needs a human, each with the way out. Decided from stored state alone.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::stand::Stand;
use crate::cli::text::{self, one_line};
use crate::cli::when::minute;
use crate::state::PassTrouble;
use crate::state::history::Standing;

/// One thing that somebody should look at.
#[derive(Debug, Serialize)]
pub struct HumanPart {
    service: Option<String>,
    reason: String,
    message: String,
    resolution: String,
    since: Option<DateTime<Utc>>,
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

    /// What is wrong with more than one service.
    #[must_use]
    pub fn of_all(trouble: PassTrouble) -> HumanPart {
        let told = trouble.told;
        let since = Some(trouble.since);
        HumanPart { since, ..HumanPart::new(None, &told.reason, told.message, told.resolution) }
    }
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

/// The list for a person.
#[must_use]
pub fn list(parts: &[HumanPart]) -> String {
    if parts.is_empty() {
        return "Nothing needs a human.\n".to_owned();
    }
    let mut list = "Needs a human:\n".to_owned();
    for part in parts {
        let who = part.service.as_deref().unwrap_or("renew");
        let since = part.since.map(|at| format!(" (since {})", minute(at))).unwrap_or_default();
        let message: Vec<String> = text::lines(&part.message).collect();
        list.push_str(&format!("  {who}: {}{since}\n", message.join("\n    ")));
        if !part.resolution.is_empty() {
            list.push_str(&format!("    -> {}\n", one_line(&part.resolution)));
        }
    }
    list
}
