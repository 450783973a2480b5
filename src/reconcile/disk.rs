//! Room on docker's disk: no pull begins that would leave less than `disk_floor`. It only measures;
//! it never frees anything.

use std::collections::BTreeSet;
use std::path::Path;

use super::Host;
use crate::decide::plan::Action;
use crate::gather::Gather;
use crate::problem::Problem;

/// No image is as large. With so much to spare the registry is not asked for the size: on docker.io
/// every question counts as a pull.
const PULL_BYTES_MAX: u64 = 64 << 30;

/// Whether an image may be pulled. Where docker's folder cannot be seen from here, it may.
///
/// # Errors
/// `disk_low`, when less than `floor_bytes` would be left.
pub fn room_for(host: &Host<'_>, image: &str, floor_bytes: u64) -> Result<(), Problem> {
    if floor_bytes == 0 {
        return Ok(());
    }
    let Some(root) = host.info().map(|info| Path::new(&info.root_dir)) else { return Ok(()) };
    let Ok(free) = crate::sys::fs::free_bytes(root) else { return Ok(()) };
    let refused = judge(free, floor_bytes, || host.pull_size(image), || host.missing_size(image));
    let Some(pull) = refused else { return Ok(()) };
    let would_leave = match pull {
        0 => String::new(),
        pull => format!(", the pull would bring {}", bytes(pull)),
    };
    Err(Problem::engine(
        "disk_low",
        format!(
            "{image} is not pulled: {} has {} free{would_leave}, and disk_floor is {}",
            root.display(),
            bytes(free),
            bytes(floor_bytes)
        ),
        "see what takes the space with `docker system df` and free some \
         (`docker image prune`, `docker builder prune`), or lower disk_floor",
    ))
}

/// A pull that found docker's disk full, with what only this host knows: where that disk is, and how
/// much the image wants of it. No number that changes from run to run, so that what fails like the
/// last time is said in the same words. Any other problem stays as it is.
pub fn name_the_disk(host: &Host<'_>, image: &str, problem: Problem) -> Problem {
    if problem.reason != "disk_full" {
        return problem;
    }
    let Some(root) = host.info().map(|info| &info.root_dir) else { return problem };
    let brings = host.missing_size(image).map(|size| {
        format!("; its layers bring {} to {root}, and more once they are unpacked", bytes(size))
    });
    let message = format!("{}{}", problem.message, brings.unwrap_or_default());
    problem.saying(message).mended_by(format!(
        "free space on the disk of {root}: see `df -h {root}` and `docker system df`, then \
         `docker image prune` and `docker builder prune`; renew tries again by itself"
    ))
}

/// The first planned pull for which there is no room.
#[must_use]
pub fn lacking(host: &Host<'_>, actions: &[Action], floor_bytes: u64) -> Option<Problem> {
    let pulls = actions.iter().filter(|action| action.pull);
    let images: BTreeSet<&String> = pulls.filter_map(|a| a.image.declared.as_ref()).gather();
    images.into_iter().find_map(|image| room_for(host, image, floor_bytes).err())
}

/// How many bytes a refused pull would bring, 0 when the disk is too full without it; nothing when
/// it may go on. The better size is dear: it is asked for only where the first one does not fit. A
/// size that nobody knows refuses nothing.
fn judge(
    free: u64,
    floor: u64,
    whole: impl FnOnce() -> Option<u64>,
    missing: impl FnOnce() -> Option<u64>,
) -> Option<u64> {
    let Some(spare) = free.checked_sub(floor) else { return Some(0) };
    if spare >= PULL_BYTES_MAX {
        return None;
    }
    whole().filter(|size| *size > spare)?;
    missing().filter(|size| *size > spare)
}

/// A number of bytes as people read it: decimal units, as docker prints them.
#[must_use]
pub fn bytes(count: u64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB"];
    let mut whole = count;
    let mut tenth = 0;
    let mut unit = 0;
    while whole >= 1000 && unit + 1 < units.len() {
        tenth = whole % 1000 / 100;
        whole /= 1000;
        unit += 1;
    }
    if unit == 0 || whole >= 100 {
        format!("{whole} {}", units[unit])
    } else {
        format!("{whole}.{tenth} {}", units[unit])
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::{PULL_BYTES_MAX, bytes, judge};

    #[test]
    fn the_floor_counts_what_would_be_left() {
        // Free, floor, size as a whole, size of what is missing; the answer, and sizes asked for.
        let cases = [
            (99, 100, Some(1), Some(1), Some(0), 0),
            (100, 100, Some(1), Some(0), None, 2),
            (100, 100, Some(1), Some(1), Some(1), 2),
            (110, 100, Some(10), Some(10), None, 1),
            (110, 100, Some(11), Some(11), Some(11), 2),
            (110, 100, Some(900), Some(11), Some(11), 2),
            (110, 100, Some(900), None, None, 2),
            (110, 100, None, Some(900), None, 1),
            (100 + PULL_BYTES_MAX, 100, Some(u64::MAX), Some(u64::MAX), None, 0),
        ];
        for (free, floor, whole, missing, expected, asked) in cases {
            let count = Cell::new(0);
            let told = |size: Option<u64>| {
                count.set(count.get() + 1);
                size
            };
            let found = judge(free, floor, || told(whole), || told(missing));
            assert_eq!((found, count.get()), (expected, asked), "{free} {floor} {whole:?}");
        }
    }

    #[test]
    fn sizes_read_as_docker_prints_them() {
        let cases = [
            (0, "0 B"),
            (999, "999 B"),
            (1_500, "1.5 kB"),
            (142_000_000, "142 MB"),
            (9_140_000_000, "9.1 GB"),
        ];
        for (count, expected) in cases {
            assert_eq!(bytes(count), expected);
        }
    }
}
