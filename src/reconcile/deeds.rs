//! What a run did so far, and what is left of its plan. Pure.

use std::collections::BTreeSet;

use super::apply::Verdicts;
use super::observe::Sight;
use super::precheck::Doomed;
use super::pull::Failed;
use super::todo::{Obstacles, possible};
use crate::decide::plan::Action;
use crate::docker::engine::ContainerId;

/// What a run did so far.
pub struct Deeds {
    /// The world as it was looked at last.
    pub sight: Sight,
    /// Images that could not be had.
    pub failed: Failed,
    /// Those of them that were not even asked for, since they could not be had before.
    pub unasked: Failed,
    /// Who is not started or made again yet, having gone bad before.
    pub delayed: Doomed,
    /// What is known to fail.
    pub doomed: Doomed,
    /// Containers that ran before anything was changed.
    pub ran_before: BTreeSet<ContainerId>,
    /// What was carried out or tried.
    pub tried: Vec<Action>,
    /// Removals that were put off, since something went bad.
    pub put_off: Vec<Action>,
    /// What became of it.
    pub verdicts: Verdicts,
}

impl Deeds {
    /// The actions that can be carried out, may be, and were not yet.
    #[must_use]
    pub fn possible(
        &self,
        planned: &[Action],
        obstacles: &Obstacles<'_>,
        may: impl Fn(&Action) -> bool,
    ) -> Vec<Action> {
        possible(planned, obstacles, &self.tried, &self.sight.observed, may)
    }
}
