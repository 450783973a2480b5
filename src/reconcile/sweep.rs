//! What a compose that was killed in the middle of a recreate leaves: a container with a temporary
//! name. Compose itself then fails, or runs it under that name for ever; so it is put right before.

use std::time::Duration;

use super::Host;
use crate::docker::engine::{Container, State};
use crate::problem::Problem;

/// How long a container that is being removed is waited for.
const REMOVAL: Duration = Duration::from_secs(30);

/// Whether compose gave this name to a replacement before the old container was gone: twelve hex
/// digits of the old id, `_`, and the name it will have (docker/compose `recreateContainer`).
#[must_use]
pub fn is_temporary(name: &str) -> bool {
    real_name(name).is_some()
}

fn real_name(name: &str) -> Option<&str> {
    let (prefix, rest) = name.split_once('_')?;
    let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    (prefix.len() == 12 && prefix.chars().all(hex) && !rest.is_empty()).then_some(rest)
}

/// Clears the leftovers of one project.
///
/// # Errors
/// When the engine refuses or does not answer.
pub fn sweep(host: &Host<'_>, project: &str) -> Result<(), Problem> {
    let engine = host.engine()?;
    let mut containers = engine.containers(project)?;
    let start = host.clock.monotonic();
    while containers.iter().any(|c| c.state == State::Removing)
        && host.clock.monotonic() - start < REMOVAL
        && !host.cancel.is_set()
    {
        host.clock.sleep(Duration::from_millis(100));
        containers = engine.containers(project)?;
    }
    for leftover in containers.iter().filter(|c| is_temporary(&c.name)) {
        let same = |c: &&Container| {
            c.id != leftover.id
                && c.compose_service == leftover.compose_service
                && c.number == leftover.number
        };
        match (containers.iter().find(same), real_name(&leftover.name)) {
            (Some(_), _) if leftover.state != State::Running => {
                log::info!("removing {}, left by a compose that was killed", leftover.name);
                engine.remove_by_force(&leftover.id)?;
            }
            (Some(old), Some(name)) => {
                log::info!("{} replaces {}: finishing what compose began", leftover.name, old.name);
                engine.remove_by_force(&old.id)?;
                engine.rename(&leftover.id, name)?;
            }
            (None, Some(name)) => {
                log::info!("renaming {} to {name}", leftover.name);
                engine.rename(&leftover.id, name)?;
            }
            (_, None) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::real_name;

    #[test]
    fn temporary_names_are_told_from_real_ones() {
        let cases = [
            ("41912f6b2361_p-s-1", Some("p-s-1")),
            ("41912f6b236_p-s-1", None),
            ("41912F6B2361_p", None),
            ("p-s-1", None),
            ("41912f6b2361_", None),
        ];
        for (name, expected) in cases {
            assert_eq!(real_name(name), expected, "{name}");
        }
    }
}
