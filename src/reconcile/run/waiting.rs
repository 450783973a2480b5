//! Who waits, and for what: a window, a release that a person holds on to, another target than the one
//! that failed. Changes nothing.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::Run;
use crate::decide::plan::{ImageFact, Wait, Waits};
use crate::decide::quarantine::{self, AllFailed, Failed, Target};
use crate::gather::Gather;
use crate::problem::Problem;
use crate::reconcile::resolve::short;
use crate::state::{Quarantine, ServiceRecord};

impl Run<'_> {
    /// Who waits now. Without `images` everybody who might.
    pub(super) fn waits(
        &self,
        images: Option<&BTreeMap<String, ImageFact>>,
        now: DateTime<Utc>,
    ) -> Waits {
        let mut waits = Waits { all: self.window.clone().map(Wait::Window), ..Waits::default() };
        if let Some(hold) = &self.record.hold {
            let since = hold.since.format("%Y-%m-%d %H:%M UTC");
            let name = self.service.name.as_str();
            let words = format!(
                "held on release {} since {since}; `renew retry {name}` lets it follow git again",
                hold.release
            );
            let recorded = self.record.projects.iter();
            let recorded = recorded
                .flat_map(|(p, past)| past.services.keys().map(|name| (p.clone(), name.clone())));
            let stacks = self.desired.stacks.iter();
            let declared = stacks
                .flat_map(|s| s.services.keys().map(|name| (s.project.clone(), name.clone())));
            let all = recorded.chain(declared);
            waits.of = all.map(|key| (key, Wait::Hold(words.clone()))).gather();
        } else if !self.record.quarantine.is_empty() {
            let failed = self.failed();
            waits.of = quarantine::waits(&failed, &self.desired, images, now);
        }
        for key in &self.unmade {
            let wait = || Wait::Window("it can be made".to_owned());
            waits.of.entry(key.clone()).or_insert_with(wait);
        }
        waits
    }

    /// The targets that failed, in terms of these stacks: where only compose changed, its new reading
    /// is taken as what was meant all along.
    fn failed(&self) -> AllFailed {
        let memory = |project: &str, name: &str, target: &ServiceRecord| {
            self.stacks.reading(project, name, target)
        };
        let mut all = AllFailed::new();
        for (project, services) in &self.record.quarantine {
            for (name, list) in services {
                let one = |one: &Quarantine| Failed {
                    target: Target {
                        definition: memory(project, name, &one.target),
                        files: one.target.files.clone(),
                        env: one.target.env_sha256.clone(),
                        image_id: Some(one.target.image_id.clone()).filter(|id| !id.is_empty()),
                        digests: one.target.image_digests.clone(),
                        absent: one.absent,
                    },
                    with: one.with.clone(),
                    until: one.until,
                    words: words(one),
                };
                all.insert((project.clone(), name.clone()), list.iter().map(one).collect());
            }
        }
        all
    }

    /// What a run has to say as long as somebody waits for a target that failed.
    pub(super) fn waiting(&self) -> Option<Problem> {
        let waits = &self.in_force.as_ref()?.waits.of;
        let first = |wanted: fn(&Wait) -> bool| waits.iter().find(|(_, wait)| wanted(wait));
        let retry = format!("`renew retry {}` tries it again now", self.service.name.as_str());
        if let Some(((_, name), wait)) = first(|wait| matches!(wait, Wait::Quarantine(_))) {
            let message = format!("the target of {name} is not tried again: it {}", wait.words());
            let resolution = format!("push another one; {retry}");
            return Some(Problem::engine("quarantined", message, resolution));
        }
        let ((_, name), wait) = first(|wait| matches!(wait, Wait::Retry(_)))?;
        let message = format!("{name} is {}", wait.words());
        Some(Problem::engine("retried_later", message, retry))
    }
}

/// What a person is told of a target that waits.
fn words(one: &Quarantine) -> String {
    let since = one.since.format("%Y-%m-%d %H:%M UTC");
    let commit = short(&one.commit);
    match (&one.with, one.until) {
        (Some((_, other)), _) => {
            format!("undone with {other} since {since} ({commit}); it comes back with it")
        }
        (None, Some(until)) => {
            let until = until.format("%Y-%m-%d %H:%M UTC");
            format!("tried again from {until} on ({commit}): {}", one.message)
        }
        (None, None) => format!("failed at {since} ({commit}): {}", one.message),
    }
}
