//! Bringing images to this host, one reference at a time: a bad one does not cancel the others.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Host;
use crate::decide::plan::Action;
use crate::docker::reference::Reference;
use crate::problem::Problem;

/// The images that could not be had, and why.
pub type Failed = BTreeMap<String, Problem>;

/// Pulls every image that the actions want. `stall` is how long a pull may stand still.
pub fn pull(host: &Host<'_>, actions: &[Action], stall: Duration) -> Failed {
    let wanted: BTreeSet<&String> = actions
        .iter()
        .filter(|action| action.pull)
        .filter_map(|action| action.image.declared.as_ref())
        .collect();
    let mut failed = Failed::new();
    for reference in wanted {
        if let Err(problem) = pull_one(host, reference, stall) {
            failed.insert(reference.clone(), problem);
        }
    }
    failed
}

fn pull_one(host: &Host<'_>, reference: &str, stall: Duration) -> Result<(), Problem> {
    let parsed = Reference::parse(reference).map_err(|cause| {
        Problem::setup(
            "image_reference",
            format!("{reference} is no image reference: {cause}"),
            "correct `image:` in the compose file",
        )
    })?;
    log::info!("pulling {reference}");
    let auth = host.pull_auth(&parsed)?;
    let start = host.clock.monotonic();
    let engine = host.engine()?;
    let mut last_said = start;
    engine
        .pull(&parsed, auth.as_ref(), stall, &host.cancel, &mut |progress| {
            let now = host.clock.monotonic();
            if now - last_said >= Duration::from_secs(10) {
                last_said = now;
                log::info!("pulling {reference}: {progress}");
            }
        })
        .map_err(Problem::from)?;
    let took = host.clock.monotonic() - start;
    log::info!("pulled {reference} in {:.1} s", took.as_secs_f64());
    Ok(())
}
