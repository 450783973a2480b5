//! The secret env file in the planner: what its rotation reaches, and what it leaves alone.

use super::{Registry, decide};
use crate::decide::plan::ContainerState::{Exited, Paused, Running, Stopped};
use crate::decide::plan::{Definition, Lifetime};

use super::World;

fn rotated(world: &mut World) {
    world.service().env = Some("v2".into());
}

#[test]
fn a_rotation_recreates_whatever_recreate_on_says() {
    assert_eq!(decide(rotated), "recreate env");
    let strict = |w: &mut World| {
        rotated(w);
        w.service().definition = "e".into();
        let policy = &mut w.service().policy;
        (policy.on_image, policy.on_config, policy.on_files) = (false, false, false);
    };
    assert_eq!(decide(strict), "recreate env", "and what it changes is not told a second time");
    for state in [Exited(1), Exited(0), Stopped(0)] {
        let stands = |w: &mut World| {
            rotated(w);
            w.only(state, "new");
        };
        assert_eq!(decide(stands), "recreate env", "{state:?}: drift before absence");
    }
    let moved = |w: &mut World| {
        rotated(w);
        w.image().registry = Registry::Newer;
    };
    assert_eq!(decide(moved), "recreate+pull image", "one recreate brings both");
}

#[test]
fn what_is_seen_for_the_first_time_or_not_named_any_more_has_not_changed() {
    assert_eq!(decide(|w| w.past().env = None), "none settled");
    assert_eq!(decide(|w| w.service().env = None), "none settled");
    let unseen = |w: &mut World| {
        rotated(w);
        w.memory.projects.clear();
    };
    assert_eq!(decide(unseen), "none adopted");
}

#[test]
fn a_rotation_leaves_alone_what_has_it_already_or_has_ended() {
    let by_hand = |w: &mut World| {
        rotated(w);
        w.service().definition = "e".into();
        w.observed.containers[0].definition = Definition::Declared;
    };
    assert_eq!(decide(by_hand), "none settled", "somebody made it from the new content");
    let one_shot = |w: &mut World, state| {
        rotated(w);
        w.service().lifetime = Lifetime::OneShot;
        w.only(state, "new");
    };
    assert_eq!(decide(|w| one_shot(w, Exited(0))), "none completed");
    let reads_it = |w: &mut World| {
        one_shot(w, Exited(0));
        w.service().definition = "e".into();
    };
    assert_eq!(decide(reads_it), "recreate config", "its own definition drifted");
    for state in [Exited(1), Running, Stopped(0)] {
        assert_eq!(decide(|w| one_shot(w, state)), "recreate env", "{state:?}: not done yet");
    }
    let frozen = |w: &mut World| {
        rotated(w);
        w.only(Paused, "new");
    };
    assert_eq!(decide(frozen), "none held");
}
