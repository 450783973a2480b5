//! Table tests of the planner: one world a line.

use std::collections::{BTreeMap, BTreeSet};

mod env;
mod family;
mod image;
mod policy;
use super::{
    ContainerFact, ContainerState, Definition, Desired, DesiredService, DesiredStack, ImageFact,
    Lifetime, Memory, Mounts, Observed, Orphans, Policy, ProjectMemory, Registry, ServiceMemory,
    plan,
};

/// A world of one project `p` with one compose service `s`, image reference `i` = local id `new`.
pub(super) struct World {
    pub(super) desired: Desired,
    pub(super) memory: Memory,
    pub(super) observed: Observed,
}

/// One that is declared as [`world`] has it running.
pub(super) fn service() -> DesiredService {
    DesiredService {
        image: "i".into(),
        build: false,
        replicas: 1,
        definition: "d".into(),
        files: BTreeMap::new(),
        env: Some("v1".into()),
        mounts: Mounts::default(),
        networks: ["network default".to_owned()].into(),
        lifetime: Lifetime::Lasting,
        policy: Policy::default(),
        container_name: None,
        ties: Vec::new(),
    }
}

pub(super) fn world() -> World {
    let stack = DesiredStack {
        project: "p".into(),
        services: BTreeMap::from([("s".to_owned(), service())]),
        topology: BTreeMap::from([("network default".to_owned(), "n".to_owned())]),
        real_names: BTreeMap::from([("network default".to_owned(), "p_default".to_owned())]),
        directory: "/srv/p".into(),
    };
    let past = ServiceMemory {
        definition: "d".into(),
        env: Some("v1".into()),
        replicas: 1,
        ..ServiceMemory::default()
    };
    let project = ProjectMemory {
        topology: stack.topology.clone(),
        services: BTreeMap::from([("s".to_owned(), past)]),
    };
    World {
        desired: Desired {
            service: "app".into(),
            directories: ["/srv/p".to_owned()].into(),
            known_services: BTreeMap::from([("p".to_owned(), ["s".to_owned()].into())]),
            stacks: vec![stack],
            ..Desired::default()
        },
        memory: Memory {
            projects: BTreeMap::from([("p".to_owned(), project)]),
            accepted: BTreeSet::new(),
        },
        observed: Observed {
            containers: vec![container("s", ContainerState::Running, "new")],
            images: BTreeMap::from([(
                "i".to_owned(),
                ImageFact {
                    local_id: Some("new".into()),
                    registry: Registry::Same,
                    ..ImageFact::default()
                },
            )]),
            ..Observed::default()
        },
    }
}

pub(super) fn container(service: &str, state: ContainerState, image: &str) -> ContainerFact {
    ContainerFact {
        id: format!("c-{service}"),
        project: "p".into(),
        compose_service: service.into(),
        state,
        image_id: image.into(),
        definition: Definition::Known,
        mounts: Vec::new(),
        working_dir: Some("/srv/p".into()),
        joins: Vec::new(),
    }
}

impl World {
    pub(super) fn service(&mut self) -> &mut DesiredService {
        self.desired.stacks[0].services.get_mut("s").unwrap()
    }

    pub(super) fn image(&mut self) -> &mut ImageFact {
        self.observed.images.get_mut("i").unwrap()
    }

    pub(super) fn past(&mut self) -> &mut ServiceMemory {
        self.memory.projects.get_mut("p").unwrap().services.get_mut("s").unwrap()
    }

    pub(super) fn only(&mut self, state: ContainerState, image: &str) {
        self.observed.containers = vec![container("s", state, image)];
    }
}

/// `step reason` of every action, `+pull` where an image is fetched, after changing the world.
pub(super) fn decide(change: impl FnOnce(&mut World)) -> String {
    let mut world = world();
    change(&mut world);
    let words = |action: &super::Action| {
        let pull = if action.pull { "+pull" } else { "" };
        format!("{}{pull} {}", action.step.name(), action.reason.name())
    };
    let actions = plan(&world.desired, &world.memory, &world.observed);
    actions.iter().map(words).collect::<Vec<_>>().join("; ")
}

use ContainerState::{Absent, Exited, Paused, Running, Stopped};

#[test]
fn one_service_in_every_standing() {
    assert_eq!(decide(|_| {}), "none settled");
    assert_eq!(decide(|w| w.observed.containers.clear()), "start missing");
    assert_eq!(decide(|w| w.only(Absent, "new")), "start missing");
    assert_eq!(decide(|w| w.only(Exited(137), "new")), "start stopped");
    assert_eq!(decide(|w| w.only(Exited(0), "new")), "start stopped");
    assert_eq!(decide(|w| w.only(Paused, "new")), "none held");
    assert_eq!(decide(|w| w.only(Paused, "old")), "none held", "not even for another image");
    assert_eq!(decide(|w| w.service().replicas = 2), "start missing");
    assert_eq!(
        decide(|w| {
            w.service().replicas = 0;
            w.observed.containers.clear();
        }),
        "none settled"
    );
}

#[test]
fn definition_and_files_are_compared_with_what_was_recorded() {
    assert_eq!(decide(|w| w.service().definition = "e".into()), "recreate config");
    assert_eq!(
        decide(|w| w.observed.containers[0].definition = Definition::Foreign),
        "recreate config"
    );
    let by_hand = |w: &mut World| {
        w.service().definition = "e".into();
        w.observed.containers[0].definition = Definition::Declared;
    };
    assert_eq!(decide(by_hand), "none settled", "somebody made it from what is declared");
    assert_eq!(
        decide(|w| {
            by_hand(w);
            w.service().files.insert("f".into(), "1".into());
        }),
        "recreate files",
        "a label says nothing of the content of files"
    );
    let file = |w: &mut World| drop(w.service().files.insert("f".into(), "1".into()));
    assert_eq!(decide(file), "recreate files");
    assert_eq!(
        decide(|w| {
            file(w);
            w.service().policy.on_files = false;
        }),
        "none settled"
    );
    assert_eq!(
        decide(|w| {
            w.service().definition = "e".into();
            w.service().policy.on_config = false;
        }),
        "none settled"
    );
}

#[test]
fn first_sight_adopts_but_never_looks_away_from_image_and_absence() {
    let forget = |w: &mut World| w.memory.projects.clear();
    assert_eq!(decide(forget), "none adopted");
    assert_eq!(
        decide(|w| {
            forget(w);
            w.service().definition = "e".into();
        }),
        "none adopted"
    );
    assert_eq!(
        decide(|w| {
            forget(w);
            w.only(Running, "old");
        }),
        "recreate image"
    );
    assert_eq!(
        decide(|w| {
            forget(w);
            w.only(Exited(1), "new");
        }),
        "start stopped"
    );
}

#[test]
fn a_one_shot_that_ended_well_is_left_alone() {
    let one_shot = |w: &mut World| w.service().lifetime = Lifetime::OneShot;
    for (state, expected) in [
        (Exited(0), "none completed"),
        (Stopped(0), "start stopped"),
        (Exited(1), "start stopped"),
        (Running, "none settled"),
    ] {
        assert_eq!(
            decide(|w| {
                one_shot(w);
                w.only(state, "new");
            }),
            expected
        );
    }
}

#[test]
fn what_is_built_is_never_pulled() {
    let build = |w: &mut World| {
        w.service().build = true;
        w.image().local_id = None;
    };
    assert_eq!(decide(build), "none needs_build");
    assert_eq!(
        decide(|w| {
            build(w);
            w.observed.containers.clear();
        }),
        "none needs_build"
    );
    assert_eq!(
        decide(|w| {
            w.service().build = true;
            w.only(Running, "old");
        }),
        "recreate image",
        "an image that was built anew by hand is taken"
    );
}

#[test]
fn scaling() {
    let two = |w: &mut World| {
        let mut second = container("s", Running, "new");
        second.id = "c-s-2".into();
        w.observed.containers.push(second);
    };
    assert_eq!(decide(two), "none settled", "scaled by hand");
    assert_eq!(
        decide(|w| {
            two(w);
            w.past().replicas = 2;
        }),
        "remove config",
        "scaled down in git"
    );
    assert_eq!(
        decide(|w| {
            w.past().replicas = 1;
            w.service().replicas = 0;
            w.observed.containers[0].state = Exited(1);
        }),
        "remove config",
        "what is to go is not started before"
    );
    assert_eq!(
        decide(|w| {
            two(w);
            w.service().replicas = 2;
            w.observed.containers[1].image_id = "old".into();
        }),
        "recreate image",
        "one stale replica"
    );
}

#[test]
fn orphans_are_reported_or_removed() {
    let orphan = |w: &mut World| w.observed.containers.push(container("gone", Running, "x"));
    assert_eq!(decide(orphan), "none settled; none orphan");
    assert_eq!(
        decide(|w| {
            orphan(w);
            w.desired.orphans = Orphans::Remove;
        }),
        "none settled; remove orphan"
    );
    assert_eq!(
        decide(|w| {
            orphan(w);
            w.desired.orphans = Orphans::Doubt("b does not resolve".into());
        }),
        "none settled; none orphan"
    );
    assert_eq!(
        decide(|w| {
            orphan(w);
            w.desired.known_services.get_mut("p").unwrap().insert("gone".into());
        }),
        "none settled",
        "another stack or profile has it"
    );
}
