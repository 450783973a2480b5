//! What an image reference means, and whether that is what runs.

use super::ContainerState::{Exited, Running};
use super::{Registry, World, container, decide};

#[test]
fn the_image_is_compared_by_id_and_by_registry() {
    assert_eq!(decide(|w| w.only(Running, "old")), "recreate image");
    assert_eq!(decide(|w| w.only(Exited(0), "old")), "recreate image", "drift before absence");
    assert_eq!(decide(|w| w.image().registry = Registry::Newer), "recreate+pull image");
    assert_eq!(decide(|w| w.image().local_id = None), "recreate+pull image");
    assert_eq!(decide(|w| w.image().registry = Registry::Unknown("down".into())), "none unknown");
    assert_eq!(
        decide(|w| {
            w.image().registry = Registry::Newer;
            w.observed.containers.clear();
        }),
        "start missing",
        "a service that is down starts from the local image at once"
    );
    assert_eq!(
        decide(|w| {
            w.image().local_id = None;
            w.observed.containers.clear();
        }),
        "start+pull missing"
    );
    let off = |w: &mut World| w.service().policy.on_image = false;
    assert_eq!(
        decide(|w| {
            off(w);
            w.only(Running, "old");
        }),
        "none settled"
    );
}

#[test]
fn an_alias_is_the_very_same_image_and_nothing_else_is() {
    let two = |w: &mut World, ids: [&str; 2]| {
        w.service().replicas = 2;
        w.observed.containers = ids.map(|id| container("s", Running, id)).to_vec();
        w.past().replicas = 2;
        w.image().aliases.insert("alias".into());
    };
    assert_eq!(decide(|w| two(w, ["alias", "alias"])), "none settled");
    assert_eq!(decide(|w| two(w, ["alias", "new"])), "none settled");
    assert_eq!(decide(|w| two(w, ["alias", "old"])), "recreate image");
}
