//! Whether a target is a step forward. Moves nothing.

use super::Git;
use crate::problem::Problem;

impl Git<'_> {
    /// Refuses a target that does not have the last accepted commit below it: an old commit played
    /// again, or a branch that was rewritten. Without a last commit, what is checked out counts.
    ///
    /// # Errors
    /// `not_fast_forward`, or git fails.
    pub fn check_fast_forward(&self, target: &str, last: Option<&str>) -> Result<(), Problem> {
        let last = match last {
            Some(last) => last.to_owned(),
            None => self.check(&["rev-parse", "HEAD"])?.text().trim_end().to_owned(),
        };
        if last == target || self.run(&["merge-base", "--is-ancestor", &last, target])?.ok() {
            return Ok(());
        }
        let how = match (self.commit(&last)?, self.git_dir.join("shallow").exists()) {
            (None, _) => "which this repository no longer has",
            (Some(_), true) => "as far as this shallow repository can tell",
            (Some(_), false) => "so the branch was moved back or rewritten",
        };
        Err(Problem::setup(
            "not_fast_forward",
            format!("commit {target} does not build on {last}, the last that was accepted, {how}"),
            format!(
                "push a commit on top of {last} (`git revert` undoes what is unwanted); if the \
                 rewrite is wanted, set repo.fast_forward_only to false for one sync"
            ),
        ))
    }
}
