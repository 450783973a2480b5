//! What is down and cannot be made as git declares it now: until it can, what is in force is kept up
//! instead. Changes no container.

use std::collections::BTreeSet;

use super::{Purpose, Run};
use crate::decide::plan::{Action, Step, makes};
use crate::docker::engine::State;
use crate::problem::Problem;
use crate::reconcile::observe::Sight;
use crate::reconcile::pull::Failed;
use crate::reconcile::report::ServiceReport;
use crate::reconcile::todo::{Key, key};

impl Run<'_> {
    /// Plans again for those that are down, where their image could not be had, a variable is not set, or
    /// it is known beforehand that they cannot be made. What keeps them from it becomes the problem of
    /// the report. `so_far` are the images that could not be had, and what was tried already.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub(super) fn keep_up_unmade(
        &mut self,
        sight: &mut Sight,
        (failed, tried): (&Failed, &[Action]),
        report: &mut ServiceReport,
    ) -> Result<(), Problem> {
        let waits =
            |key: &Key| self.in_force.as_ref().is_some_and(|kept| kept.waits.get(key).is_some());
        let is_up = |key: &Key| sight.of(key).any(|container| container.state == State::Running);
        let is_tried = |key: &Key| tried.iter().any(|tried| super::key(tried) == *key);
        let down = |action: &&Action| {
            let key = key(action);
            let known = self.record.service(&key.0, &key.1).is_some();
            makes(action) && known && !waits(&key) && !is_up(&key) && !is_tried(&key)
        };
        let down: Vec<Action> = report.actions.iter().filter(down).cloned().collect();
        if down.is_empty() || self.purpose == Purpose::Undo {
            return Ok(());
        }
        let (unset, doomed) = (self.unset(&down), self.doomed(sight, &down)?);
        let obstacle = |action: &Action| {
            let image = action.image.declared.as_ref().filter(|_| action.pull);
            let unset = unset.as_ref().filter(|unset| unset.refused.contains(&key(action)));
            let lost = image.and_then(|image| failed.get(image));
            lost.or(unset.map(|unset| &unset.problem)).or(doomed.get(&key(action))).cloned()
        };
        let unmade: Vec<(Key, Problem)> =
            down.iter().filter_map(|action| Some((key(action), obstacle(action)?))).collect();
        let Some((_, first)) = unmade.first() else { return Ok(()) };
        report.error.get_or_insert_with(|| first.clone());
        self.unmade.extend(unmade.iter().map(|(key, _)| key.clone()));
        self.keep_up(Some(&sight.observed.images))?;
        *sight = self.look()?;
        let mut healed = BTreeSet::new();
        for fresh in self.plan(sight)? {
            let key = key(&fresh);
            let heals = fresh.step != Step::Nothing && !fresh.pull && self.unmade.contains(&key);
            let mut planned = report.actions.iter_mut().filter(|_| heals);
            if let Some(planned) = planned.find(|planned| super::key(planned) == key) {
                *planned = fresh;
                healed.insert(key);
            }
        }
        // Of the others nothing can be kept up (one that has done its work, an image that is gone): they
        // stay what cannot be made.
        self.unmade = healed;
        self.keep_up(Some(&sight.observed.images))
    }
}
