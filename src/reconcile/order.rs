//! What waits for what while a plan is carried out, and what compose is to make in one go; and what has
//! to wait before anything of it begins. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::apply::{Verdicts, Work};
use super::model::Model;
use super::observe::Sight;
use super::precheck::Doomed;
use super::todo::{Key, key, makes};
use super::verify::Verdict;
use crate::decide::plan::{Action, DesiredService, Lifetime, Parent, Reason, Shared, Step, Tie};
use crate::decide::waves::{Condition, Dependencies, reachable};
use crate::docker::engine::{Container, State};
use crate::problem::Problem;

/// Who waits for whom in a stack. A dependent and the parent whose namespace or volumes it takes are
/// made together: compose knows their order, and the dependent is cut off for no longer than it has
/// to be. Not so where it waits for the parent's health, nor where it calls it by a container's name:
/// compose looks that up before it replaces the parent.
#[must_use]
pub fn order(
    model: Model<'_>,
    services: &BTreeMap<String, DesiredService>,
    acting: &BTreeMap<&str, &Action>,
) -> Dependencies {
    let mut depends_on = model.depends_on();
    let whole = |action: &Action| action.step == Step::Recreate || action.image.running.is_none();
    let made = |name: &str| acting.get(name).is_some_and(|a| makes(a) && whole(a));
    for (name, on) in depends_on.iter_mut().filter(|(name, _)| made(name)) {
        let ties: &[Tie] = services.get(name).map_or(&[], |declared| &declared.ties);
        for tie in ties.iter().filter(|tie| tie.shared != Shared::Restarts) {
            let Parent::Service(parent) = &tie.parent else { continue };
            if let Some(how) = on.get_mut(parent).filter(|how| **how == Condition::Started)
                && made(parent)
            {
                *how = Condition::Together;
            }
        }
    }
    after_one_shots(&mut depends_on, services, acting);
    depends_on
}

/// Has what git changes wait for the one-shots that others wait for, unless they need it themselves:
/// where a migration fails, everything else is as it was. What is down is not kept waiting.
fn after_one_shots(
    depends_on: &mut Dependencies,
    services: &BTreeMap<String, DesiredService>,
    acting: &BTreeMap<&str, &Action>,
) {
    let awaited = |name: &str| {
        depends_on.values().any(|on| on.get(name) == Some(&Condition::Completed))
            && services.get(name).is_some_and(|one| one.lifetime == Lifetime::OneShot)
    };
    let to_run = acting.iter().filter(|(name, action)| makes(action) && awaited(name));
    let to_run: Vec<(&str, BTreeSet<String>)> =
        to_run.map(|(name, _)| (*name, reachable(name, depends_on))).collect();
    for (name, _) in acting.iter().filter(|(_, action)| follows(action)) {
        for (one_shot, needs) in &to_run {
            let first = to_run.iter().any(|(other, _)| other == name);
            if !first && !needs.contains(*name) {
                let on = depends_on.entry((*name).to_owned()).or_default();
                on.entry((*one_shot).to_owned()).or_insert(Condition::Completed);
            }
        }
    }
}

/// Whether an action replaces something because git wants it otherwise, and not to repair it.
#[must_use]
pub fn follows(action: &Action) -> bool {
    let repairs = matches!(action.reason, Reason::Unhealthy | Reason::Dependent);
    action.step == Step::Recreate && !repairs
}

/// What runs and would be replaced while one that it needs healthy, and that nothing is done about, is
/// not: it would not come up, and be blamed for it.
#[must_use]
pub fn in_need(
    actions: &[&Action],
    depends_on: &BTreeMap<String, Dependencies>,
    sight: &Sight,
) -> Doomed {
    let running = |container: &&Container| container.state == State::Running;
    let runs = |action: &Action| sight.of(&key(action)).any(|one| running(&one));
    let acts = |wanted: &Key| {
        actions.iter().any(|action| key(action) == *wanted && action.step != Step::Nothing)
    };
    let mut doomed = Doomed::new();
    for action in actions.iter().filter(|action| follows(action) && runs(action)) {
        let all = depends_on.get(&action.project);
        let on = all.and_then(|all| all.get(&action.compose_service)).into_iter().flatten();
        let healthy = on.filter(|(_, how)| **how == Condition::Healthy).map(|(name, _)| name);
        let mut needed = healthy.map(|name| (action.project.clone(), name.clone()));
        let is_sick = |needed: &Key| {
            let mut all = sight.of(needed).filter(running);
            !acts(needed) && all.any(|one| one.status.contains("unhealthy"))
        };
        if let Some((_, sick)) = needed.find(is_sick) {
            let name = &action.compose_service;
            let message = format!("{name} waits for {sick}, whose health check fails");
            let resolution = format!("mend {sick}, the next run goes on; see its logs");
            doomed.insert(key(action), Problem::engine("not_reached", message, resolution));
        }
    }
    doomed
}

impl Work<'_> {
    /// Whether compose makes it together with another one: then one `up` names both.
    #[must_use]
    pub fn is_made_together(&self, name: &str) -> bool {
        let with_parent = self.depends_on.get(name).into_iter().flat_map(BTreeMap::values);
        let with_others = self.depends_on.values().filter_map(|on| on.get(name));
        with_parent.chain(with_others).any(|how| *how == Condition::Together)
    }

    /// Whether a container of another stack that it shares something with was to change and did not,
    /// or is not good.
    #[must_use]
    pub fn waits_elsewhere(&self, name: &str, verdicts: &Verdicts) -> bool {
        let parents = self.ties.get(&self.key(name)).into_iter().flatten();
        parents.filter(|(_, parent)| !self.services.contains_key(&parent.1)).any(|(_, parent)| {
            let acts = |a: &&Action| {
                a.project == parent.0
                    && a.compose_service == parent.1
                    && matches!(a.step, Step::Recreate | Step::Start)
            };
            match verdicts.get(parent) {
                Some(verdict) => matches!(verdict, Verdict::Bad(_)),
                None => self.actions.iter().any(|action| acts(&action)),
            }
        })
    }
}
