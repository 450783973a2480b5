//! What a changed mounted file leads to: new containers, a signal to those that run, or nothing.

use std::collections::BTreeSet;

use super::action::{Reason, Step};
use super::judge::{Verdict, recreate};
use super::policy::FilesAction;
use super::types::{
    ContainerFact, ContainerState, DesiredService, ImageFact, Lifetime, ServiceMemory,
};

/// Whether mounted files changed and something follows from it.
pub fn drift(
    service: &DesiredService,
    past: &ServiceMemory,
    there: &[&ContainerFact],
    image: &ImageFact,
) -> Option<Verdict> {
    let changed = changed(service, past);
    if changed.is_empty() {
        return None;
    }
    let paths = changed.iter().copied().collect::<Vec<_>>().join(", ");
    let detail = format!("changed: {paths}");
    let policy = &service.policy;
    let signal = match &policy.files {
        FilesAction::Recreate => {
            return policy.on_files.then(|| recreate(Reason::Files, detail, image));
        }
        // What stands still sees them when it is started.
        FilesAction::Signal(_) | FilesAction::Nothing if stands_still(service, there) => {
            return None;
        }
        FilesAction::Nothing => {
            let detail = format!("{detail}; files_action is none");
            return Some(Verdict::new(Step::Nothing, Reason::Files, detail));
        }
        FilesAction::Signal(signal) => signal,
    };
    // Git puts another file in the place of the old one, and a mount of a single file stays with
    // the old one: who reads it again reads what was there before.
    let blind: Vec<&str> =
        changed.into_iter().filter(|path| policy.single_files.contains(*path)).collect();
    if !blind.is_empty() {
        let detail = format!(
            "{detail}; a signal would not do, since {} is mounted as a single file",
            blind.join(", ")
        );
        return Some(match policy.on_files {
            true => recreate(Reason::Files, detail, image),
            false => Verdict::new(Step::Nothing, Reason::Files, detail),
        });
    }
    let running = |c: &&&ContainerFact| c.state == ContainerState::Running;
    let ids: Vec<String> = there.iter().filter(running).map(|c| c.id.clone()).collect();
    Some(match ids.is_empty() {
        true => Verdict::new(Step::Nothing, Reason::Files, format!("{detail}; nothing runs")),
        false => {
            let detail = format!("{detail}; {signal}");
            Verdict::new(Step::Signal, Reason::Files, detail).on(ids)
        }
    })
}

fn changed<'f>(service: &'f DesiredService, past: &'f ServiceMemory) -> BTreeSet<&'f str> {
    let new = service.files.iter().filter(|(path, oid)| past.files.get(*path) != Some(oid));
    let gone = past.files.keys().filter(|path| !service.files.contains_key(*path));
    new.map(|(path, _)| path.as_str()).chain(gone.map(String::as_str)).collect()
}

/// Whether a container does not run that should.
fn stands_still(service: &DesiredService, there: &[&ContainerFact]) -> bool {
    there.iter().any(|container| match container.state {
        ContainerState::Exited(0) => service.lifetime == Lifetime::Lasting,
        ContainerState::Exited(_) | ContainerState::Stopped(_) => true,
        ContainerState::Running | ContainerState::Paused | ContainerState::Absent => false,
    })
}
