//! Bringing images to this host, one reference at a time: a bad one does not cancel the others.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Host;
use super::disk::{name_the_disk, room_for};
use crate::decide::plan::Action;
use crate::docker::engine::PullProgress;
use crate::docker::reference::Reference;
use crate::gather::Gather;
use crate::problem::Problem;

/// The images that could not be had, and why.
pub type Failed = BTreeMap<String, Problem>;

/// How far a pull may go.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// It is given up when it stands still for this long.
    pub stall: Duration,
    /// It does not begin when less than this would be left on docker's disk.
    pub floor_bytes: u64,
}

/// Pulls every image that the actions want, but for those that are not even asked for.
pub fn pull(host: &Host<'_>, actions: &[Action], unasked: &Failed, limits: Limits) -> Failed {
    let wanted: BTreeSet<&String> = actions
        .iter()
        .filter(|action| action.pull)
        .filter_map(|action| action.image.declared.as_ref())
        .filter(|image| !unasked.contains_key(*image))
        .gather();
    let mut failed = unasked.clone();
    for reference in wanted {
        let room = room_for(host, reference, limits.floor_bytes);
        if let Err(problem) = room.and_then(|()| pull_one(host, reference, limits.stall)) {
            failed.insert(reference.clone(), problem);
        }
    }
    failed
}

/// # Errors
/// `image_reference`.
pub fn parse(reference: &str) -> Result<Reference, Problem> {
    Reference::parse(reference).map_err(|cause| {
        Problem::setup(
            "image_reference",
            format!("`image: {reference}` names no image: {cause}"),
            "correct it in the compose file, or set the variable that is missing in it",
        )
    })
}

fn pull_one(host: &Host<'_>, reference: &str, stall: Duration) -> Result<(), Problem> {
    let parsed = parse(reference)?;
    log::info!("pulling {reference}");
    let Some(image) = parsed.named() else {
        return Err(Problem::engine(
            "image_not_found",
            format!("{reference} is an image id, and this host has no such image"),
            "name an image that a registry has",
        ));
    };
    let auth = host.pull_auth(image)?;
    let start = host.clock.monotonic();
    let engine = host.engine()?;
    let mut last_said = start;
    let pulled = engine.pull(image, auth.as_ref(), stall, &host.cancel, &mut |progress| {
        let now = host.clock.monotonic();
        if now - last_said >= Duration::from_secs(10) {
            last_said = now;
            log::info!("pulling {reference}: {}", progress_words(progress));
        }
    });
    pulled.map_err(|error| name_the_disk(host, reference, error.into()))?;
    host.has_pulled(reference);
    let took = host.clock.monotonic() - start;
    log::info!("pulled {reference} in {:.1} s", took.as_secs_f64());
    Ok(())
}

fn progress_words(progress: &PullProgress) -> String {
    let megabytes = |bytes: u64| bytes / 1_000_000;
    format!(
        "{} of {} MB, {} of {} layers",
        megabytes(progress.bytes),
        megabytes(progress.bytes_total),
        progress.layers,
        progress.layers_total
    )
}
