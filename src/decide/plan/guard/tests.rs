//! Table tests of the data guard: one world a line.

use std::collections::BTreeSet;

use super::super::tests::{World, container, decide, world};
use super::super::{
    ContainerState, Definition, DesiredService, ImageFact, Mount, Orphans, Source, dangers, plan,
    wanted, withholds,
};

use ContainerState::{Absent, Exited, Paused, Running};

fn volume(name: &str) -> Source {
    Source::Volume(name.into())
}

fn nameless() -> Source {
    Source::Anonymous("0123456789abcdef".repeat(4))
}

/// The container has this at `/data`.
fn has(world: &mut World, source: Source) {
    let mount = Mount { target: "/data".into(), source };
    world.observed.containers[0].mounts.push(mount);
}

fn declares(world: &mut World, source: Source) {
    world.service().mounts.declared.insert("/data".into(), source);
}

/// What becomes of a changed definition when `/data` is this and would be that.
fn from_to(from: Source, to: Option<Source>) -> String {
    decide(|w| {
        w.service().definition = "e".into();
        has(w, from);
        if let Some(to) = to {
            declares(w, to);
        }
    })
}

#[test]
fn data_stays_where_it_is() {
    let bind = |path: &str| Source::Bind(path.into());
    for (from, to, expected) in [
        (volume("a"), Some(volume("a")), "recreate config"),
        (volume("a"), Some(volume("b")), "none refused"),
        (volume("a"), Some(bind("/a")), "none refused"),
        (volume("a"), Some(Source::Other("tmpfs".into())), "none refused"),
        (volume("a"), Some(Source::Anonymous(String::new())), "none refused"),
        (volume("a"), None, "none refused"),
        (bind("/a"), Some(bind("/a")), "recreate config"),
        (bind("/a"), Some(bind("/b")), "none refused"),
        (bind("/a"), None, "none refused"),
        (nameless(), Some(Source::Anonymous(String::new())), "recreate config"),
        (nameless(), Some(volume("a")), "none refused"),
        (nameless(), None, "recreate config"),
    ] {
        assert_eq!(from_to(from.clone(), to.clone()), expected, "{from:?} to {to:?}");
    }
}

#[test]
fn a_volume_of_the_image_stays_while_the_image_has_it() {
    for (path, expected) in [("/data", "recreate config"), ("/other", "none refused")] {
        let found = decide(|w| {
            w.service().definition = "e".into();
            w.image().volumes = Some(BTreeSet::from([path.to_owned()]));
            has(w, nameless());
        });
        assert_eq!(found, expected, "{path}");
    }
}

#[test]
fn only_a_recreate_of_what_ran_loses_data() {
    let moves = |w: &mut World| {
        has(w, volume("a"));
        declares(w, volume("b"));
    };
    for (state, image, expected) in [
        (Running, "new", "none settled"),
        (Exited(1), "new", "start stopped"),
        (Running, "old", "none refused"),
        (Exited(1), "old", "start stopped"),
        (Paused, "old", "none held"),
        (Absent, "old", "start missing"),
    ] {
        let found = decide(|w| {
            w.only(state, image);
            moves(w);
        });
        assert_eq!(found, expected, "{state:?} {image}");
    }
}

#[test]
fn what_stands_still_is_started_as_it_was() {
    let mut world = world();
    world.only(Exited(1), "old");
    has(&mut world, volume("a"));
    let actions = plan(&world.desired, &world.memory, &world.observed);
    assert_eq!(actions[0].containers, ["c-s"], "the very container, and nothing of the target");
    assert!(!actions[0].pull);
    let words = "exited with code 1; refused: mount_moved: /data is volume a and would be nothing";
    assert!(actions[0].detail.starts_with(words), "{}", actions[0].detail);
    assert!(withholds(&actions, &world.desired, &world.memory, &world.observed));
    world.memory.accepted = dangers(&world.desired, &world.memory, &world.observed)
        .into_iter()
        .map(|danger| danger.fingerprint)
        .collect();
    let actions = plan(&world.desired, &world.memory, &world.observed);
    assert_eq!(actions[0].step.name(), "recreate");
    assert!(!withholds(&actions, &world.desired, &world.memory, &world.observed));
}

#[test]
fn what_another_service_lends_is_its_own_matter() {
    let borrows = |w: &mut World| {
        w.service().definition = "e".into();
        w.service().mounts.borrowed_from.insert("db".into());
        has(w, volume("a"));
    };
    assert_eq!(decide(borrows), "recreate config", "nobody knows what it lends");
    let lender = |w: &mut World| {
        w.desired.known_services.get_mut("p").unwrap().insert("db".into());
        w.observed.containers.push(container("db", Running, "new"));
    };
    let found = decide(|w| {
        borrows(w);
        lender(w);
    });
    assert_eq!(found, "none refused", "it lends nothing there");
    let found = decide(|w| {
        borrows(w);
        lender(w);
        let mount = w.observed.containers[0].mounts[0].clone();
        w.observed.containers[1].mounts.push(mount);
    });
    assert_eq!(found, "recreate config");
}

#[test]
fn the_words_name_the_path_and_the_way_out() {
    let mut world = world();
    world.service().definition = "e".into();
    has(&mut world, volume("p_a"));
    declares(&mut world, volume("p_b"));
    let actions = plan(&world.desired, &world.memory, &world.observed);
    assert_eq!(
        actions[0].detail,
        "mount_moved: /data is volume p_a and would be volume p_b; wanted: recreate (config); \
         move the data by hand if it is needed, then `renew accept app`"
    );
}

/// Accepts whatever is refused in a world, changes the world, and decides.
fn accepted(first: impl FnOnce(&mut World), then: impl FnOnce(&mut World)) -> String {
    decide(|world| {
        first(world);
        let found = dangers(&world.desired, &world.memory, &world.observed);
        let actions = wanted(&world.desired, &world.memory, &world.observed);
        let refused = |danger: &super::Danger| actions.iter().any(|a| danger.lies_in(a));
        world.memory.accepted =
            found.into_iter().filter(refused).map(|danger| danger.fingerprint).collect();
        then(world);
    })
}

#[test]
fn what_is_accepted_is_done_and_nothing_else() {
    let moves = |w: &mut World| {
        w.service().definition = "e".into();
        has(w, volume("a"));
        declares(w, volume("b"));
    };
    assert_eq!(accepted(moves, |_| {}), "recreate config");
    assert_eq!(accepted(moves, |w| declares(w, volume("c"))), "none refused", "another volume");
    let one_more = |w: &mut World| {
        let mount = Mount { target: "/more".into(), source: volume("m") };
        w.observed.containers[0].mounts.push(mount);
    };
    assert_eq!(accepted(moves, one_more), "none refused", "one more");
    let elsewhere = |w: &mut World| w.observed.containers[0].working_dir = Some("/tmp/p".into());
    assert_eq!(accepted(moves, elsewhere), "none refused", "another danger");
}

#[test]
fn a_project_of_another_directory_is_left_alone() {
    let foreign =
        |w: &mut World| w.observed.containers[0].working_dir = Some("/opt/other/p".into());
    assert_eq!(decide(foreign), "none settled", "nothing to do");
    let drifts = |w: &mut World| {
        w.only(Running, "old");
        foreign(w);
    };
    assert_eq!(decide(drifts), "none refused");
    assert_eq!(accepted(drifts, |_| {}), "recreate image");
    let stopped = |w: &mut World| {
        w.only(Exited(1), "new");
        foreign(w);
    };
    assert_eq!(decide(stopped), "start stopped", "starting what is there harms nobody");
    let missing = |w: &mut World| {
        w.desired.orphans = Orphans::Remove;
        w.observed.containers = vec![container("theirs", Running, "x")];
        foreign(w);
    };
    assert_eq!(decide(missing), "none refused; none refused", "it is no orphan of ours");
    assert_eq!(accepted(missing, |_| {}), "start missing; remove orphan");
    let in_part = |w: &mut World| {
        drifts(w);
        with_another(w, Running);
    };
    assert_eq!(decide(in_part), "recreate image; none settled", "it is ours in part");
    let by_hand = |w: &mut World| {
        foreign(w);
        w.observed.containers[0].definition = Definition::Foreign;
    };
    assert_eq!(decide(by_hand), "recreate config", "what was done by hand is put right");
    let unlabelled = |w: &mut World| {
        w.only(Running, "old");
        w.observed.containers[0].working_dir = None;
    };
    assert_eq!(decide(unlabelled), "recreate image");
}

fn network_moves(w: &mut World) {
    let topology = &mut w.desired.stacks[0].topology;
    topology.insert("network default".into(), "other".into());
}

#[test]
fn a_moved_topology_is_not_applied_in_part() {
    assert_eq!(decide(network_moves), "none settled", "nothing else to do");
    let drifts = |w: &mut World| {
        network_moves(w);
        w.only(Running, "old");
    };
    assert_eq!(decide(drifts), "none refused");
    assert_eq!(
        decide(|w| {
            network_moves(w);
            w.only(Exited(1), "new");
        }),
        "start stopped",
        "starting what is there needs no compose"
    );
    assert_eq!(
        decide(|w| {
            let topology = &mut w.desired.stacks[0].topology;
            topology.insert("volume extra".into(), "v".into());
            w.only(Running, "old");
        }),
        "recreate image",
        "a new volume disturbs nobody"
    );
    assert_eq!(accepted(drifts, |_| {}), "recreate image");
    let again = |w: &mut World| {
        let topology = &mut w.desired.stacks[0].topology;
        topology.insert("network default".into(), "a third".into());
    };
    assert_eq!(accepted(drifts, again), "none refused");
}

/// A second service `t` beside `s`, on the same network.
fn with_another(w: &mut World, state: ContainerState) {
    let service = DesiredService { image: "j".into(), ..w.service().clone() };
    w.desired.stacks[0].services.insert("t".into(), service);
    let past = w.past().clone();
    w.memory.projects.get_mut("p").unwrap().services.insert("t".into(), past);
    w.desired.known_services.get_mut("p").unwrap().insert("t".into());
    let local_id = Some("new".to_owned());
    w.observed.images.insert("j".into(), ImageFact { local_id, ..ImageFact::default() });
    w.observed.containers.push(container("t", state, "new"));
}

#[test]
fn an_accepted_network_takes_everything_on_it_along_or_nothing() {
    let drifts = |state: ContainerState| {
        move |w: &mut World| {
            with_another(w, state);
            network_moves(w);
            w.observed.containers[0].image_id = "old".into();
        }
    };
    assert_eq!(decide(drifts(Running)), "none refused; none settled");
    assert_eq!(accepted(drifts(Running), |_| {}), "recreate image; recreate config");
    assert_eq!(accepted(drifts(Exited(3)), |_| {}), "recreate image; recreate config");
    assert_eq!(accepted(drifts(Paused), |_| {}), "none refused; none held");
    let apart = |w: &mut World| {
        let other = w.desired.stacks[0].services.get_mut("t").unwrap();
        other.networks.clear();
    };
    assert_eq!(accepted(drifts(Running), apart), "recreate image; none settled");
    let unsafe_besides = |w: &mut World| {
        w.desired.stacks[0].services.get_mut("t").unwrap().definition = "e".into();
        w.observed.containers[1].mounts =
            vec![Mount { target: "/data".into(), source: volume("a") }];
    };
    assert_eq!(accepted(drifts(Running), unsafe_besides), "none refused; none refused");
}
