//! The second half of verifying: what became good must stay so for a while, and the service's own
//! address must answer. Looks only.

use std::collections::BTreeSet;

use super::{Deeds, Run};
use crate::decide::plan::{Lifetime, makes};
use crate::docker::redact::Secrets;
use crate::problem::Problem;
use crate::reconcile::gate::OwnUrl;
use crate::reconcile::make::secrets;
use crate::reconcile::todo::{Key, key};
use crate::reconcile::verify::{Subject, Verdict, soak};

impl Run<'_> {
    /// Looks on for `verify.soak` whether what was made stays good, and whether `health.local_url`
    /// answers. An address that never answered before proves nothing by its silence.
    ///
    /// # Errors
    /// When we are asked to stop, or the engine does not answer.
    pub(super) fn soak(&self, deeds: &mut Deeds) -> Result<(), Problem> {
        let good = self.made_and_good(deeds);
        if good.is_empty() {
            return Ok(());
        }
        let verify = self.service.verify;
        if !verify.soak.is_zero() {
            let mut hidden = Secrets::default();
            for stack in &self.kept_up().0.list {
                hidden.join(secrets(stack, &self.stacks.env, self.pass.git.top()));
            }
            let subjects: Vec<Subject> = good.iter().map(|key| self.lasting(key, deeds)).collect();
            let verdicts = soak(self.host, &subjects, verify.soak, &hidden)?;
            deeds.verdicts.extend(good.iter().cloned().zip(verdicts));
        }
        let still_good = good.iter().all(|key| deeds.verdicts.get(key) == Some(&Verdict::Good));
        if still_good && let OwnUrl::Silent(message) = self.gate.own_url(verify.timeout)? {
            let resolution = "look at the logs of the service";
            let bad = Verdict::Bad(Problem::engine("local_url", message, resolution));
            deeds.verdicts.extend(good.into_iter().map(|key| (key, bad.clone())));
        }
        Ok(())
    }

    /// What this run made, is meant to last, and came up.
    fn made_and_good(&self, deeds: &Deeds) -> Vec<Key> {
        let lasts = |key: &Key| !deeds.sight.is_completed(key);
        let made = deeds.tried.iter().filter(|action| makes(action)).map(key);
        let good = |key: &Key| deeds.verdicts.get(key) == Some(&Verdict::Good);
        let mut seen = BTreeSet::new();
        made.filter(|key| lasts(key) && good(key) && seen.insert(key.clone())).collect()
    }

    fn lasting(&self, key: &Key, deeds: &Deeds) -> Subject {
        let declared = self.kept_up().1.of(&key.0, &key.1);
        Subject {
            name: key.1.clone(),
            lifetime: declared.map_or(Lifetime::Lasting, |declared| declared.lifetime),
            must_end: false,
            containers: deeds.sight.of(key).map(|container| container.id.clone()).collect(),
            ran_before: deeds.ran_before.clone(),
        }
    }
}
