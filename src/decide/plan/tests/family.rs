//! Dependents in a whole plan: `n` shares the network of `s`. What keeps one of them from changing
//! keeps the other.

use super::super::{
    Action, Changes, Heal, Join, Joined, Mount, Parent, Shared, Source, Tie, Wait, Waits, at_rest,
    put_off,
};
use super::{ContainerState, World, container, decide, plan, service, world};

fn family(w: &mut World) {
    let tie = Tie { shared: Shared::Network, parent: Parent::Service("s".into()) };
    let n = super::DesiredService { ties: vec![tie], ..service() };
    w.desired.stacks[0].services.insert("n".into(), n);
    w.desired.known_services.get_mut("p").unwrap().insert("n".into());
    let past = w.past().clone();
    w.memory.projects.get_mut("p").unwrap().services.insert("n".into(), past);
    w.observed.containers.push(container("n", ContainerState::Running, "new"));
    joined(w, Joined::Holds);
}

fn joined(w: &mut World, state: Joined) {
    let n = w.observed.containers.iter_mut().find(|c| c.compose_service == "n").unwrap();
    n.joins = vec![Join { shared: Shared::Network, with: "c-s".into(), state }];
}

fn n(w: &mut World) -> &mut super::DesiredService {
    w.desired.stacks[0].services.get_mut("n").unwrap()
}

fn changed(w: &mut World) {
    family(w);
    w.service().definition = "e".into();
}

#[test]
fn a_dependent_follows_its_parent_unless_something_stands_against_it() {
    assert_eq!(decide(family), "none settled; none settled");
    assert_eq!(decide(changed), "recreate dependent; recreate config");
    let drops_data = |w: &mut World| {
        changed(w);
        let source = Source::Volume("data".into());
        let n = w.observed.containers.iter_mut().find(|c| c.compose_service == "n").unwrap();
        n.mounts.push(Mount { target: "/data".into(), source });
    };
    assert_eq!(decide(drops_data), "none refused; none refused", "the guard looks at both");
    assert_eq!(
        decide(|w| {
            changed(w);
            n(w).policy.changes = Changes::Observed;
        }),
        "none observed; none observed",
        "the parent of what is only looked at is only looked at"
    );
    assert_eq!(
        decide(|w| {
            changed(w);
            w.service().policy.changes = Changes::Observed;
        }),
        "none settled; none observed",
        "a parent that does not change takes nobody along"
    );
}

#[test]
fn what_is_not_healed_is_not_repaired_but_follows() {
    let unhealed = |w: &mut World| {
        family(w);
        n(w).policy.heal = Heal::Nothing;
    };
    for state in [Joined::ParentRestarted, Joined::ParentGone] {
        assert_eq!(
            decide(|w| {
                unhealed(w);
                joined(w, state);
            }),
            "none settled; none settled"
        );
    }
    assert_eq!(
        decide(|w| {
            unhealed(w);
            w.service().definition = "e".into();
        }),
        "recreate dependent; recreate config"
    );
    let mut world = world();
    unhealed(&mut world);
    joined(&mut world, Joined::ParentRestarted);
    let actions = plan(&world.desired, &world.memory, &world.observed);
    assert_eq!(
        actions[0].detail,
        "shares the network of s, which started later; left alone: heal is none"
    );
}

#[test]
fn outside_a_window_a_repair_goes_on_and_a_change_waits() {
    let outside = |change: fn(&mut World), state: Joined| -> String {
        let mut w = world();
        change(&mut w);
        joined(&mut w, state);
        let mut in_force = w.desired.clone();
        in_force.stacks[0].services.get_mut("s").unwrap().definition = "d".into();
        let healed = plan(&at_rest(&in_force), &w.memory, &w.observed);
        let actions = plan(&w.desired, &w.memory, &w.observed);
        let told = |a: &Action| format!("{} {}", a.step.name(), a.reason.name());
        let put_off =
            put_off(actions, (&healed, &in_force), &w.desired, &w.memory, &w.observed, &noon());
        put_off.iter().map(told).collect::<Vec<_>>().join("; ")
    };
    assert_eq!(outside(changed, Joined::Holds), "none deferred; none deferred");
    assert_eq!(outside(family, Joined::ParentRestarted), "start dependent; none settled");
    assert_eq!(outside(family, Joined::ParentGone), "recreate dependent; none settled");
    assert_eq!(outside(changed, Joined::ParentRestarted), "start dependent; none deferred");
    assert_eq!(outside(changed, Joined::ParentGone), "recreate dependent; none deferred");
}

/// All wait for a window that opens at noon.
fn noon() -> Waits {
    Waits { all: Some(Wait::Window("noon".into())), ..Waits::default() }
}
