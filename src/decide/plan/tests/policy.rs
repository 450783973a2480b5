//! Table tests of what the operator allows.

use super::super::{
    Action, Changes, FilesAction, Heal, Reason, Step, Wait, Waits, at_rest, put_off,
};
use super::{
    BTreeMap, ContainerState, ImageFact, Lifetime, Orphans, Registry, World, container, decide,
    plan, world,
};

use ContainerState::{Exited, Paused, Running, Stopped};

/// The details of all actions, after changing the world.
fn details(change: impl FnOnce(&mut World)) -> String {
    let mut world = world();
    change(&mut world);
    let actions = plan(&world.desired, &world.memory, &world.observed);
    actions.into_iter().map(|action| action.detail).collect::<Vec<_>>().join("\n")
}

fn file(w: &mut World) {
    w.service().files = BTreeMap::from([("a".to_owned(), "2".to_owned())]);
    w.past().files = BTreeMap::from([("a".to_owned(), "1".to_owned())]);
}

fn hup() -> FilesAction {
    FilesAction::Signal("HUP".to_owned())
}

#[test]
fn changed_files_lead_to_what_was_chosen() {
    let told = |state, more: fn(&mut World)| {
        decide(|w| {
            file(w);
            w.service().policy.files = hup();
            w.only(state, "new");
            more(w);
        })
    };
    let single = |w: &mut World| {
        w.service().policy.single_files = ["a".to_owned()].into();
    };
    assert_eq!(told(Running, |_| {}), "signal files");
    assert_eq!(told(Running, |w| w.service().policy.on_files = false), "signal files");
    assert_eq!(told(Running, single), "recreate files");
    assert_eq!(
        told(Running, |w| {
            w.service().policy.single_files = ["a".to_owned()].into();
            w.service().policy.on_files = false;
        }),
        "none files",
        "no recreate where files do not lead to one"
    );
    assert_eq!(told(Exited(1), |_| {}), "start stopped", "it sees them when it starts");
    assert_eq!(told(Paused, |_| {}), "none held");
    assert_eq!(told(Exited(0), |w| w.service().lifetime = Lifetime::OneShot), "none files");
    assert_eq!(told(Running, |w| w.service().definition = "e".into()), "recreate config");
    assert_eq!(told(Running, |w| w.image().registry = Registry::Newer), "recreate+pull image");
    assert_eq!(told(Running, |w| w.past().files = w.service().files.clone()), "none settled");
    let left = |state| {
        decide(|w| {
            file(w);
            w.service().policy.files = FilesAction::Nothing;
            w.only(state, "new");
        })
    };
    assert_eq!(left(Running), "none files");
    assert_eq!(left(Exited(1)), "start stopped");
}

#[test]
fn who_is_down_is_started_as_far_as_it_is_to_be_healed() {
    let [all, crashed, none] = [Heal::All, Heal::Crashed, Heal::Nothing];
    for (heal, state, image, expected) in [
        (all, Stopped(0), "new", "start stopped"),
        (all, Stopped(0), "old", "recreate image"),
        (crashed, Running, "new", "none settled"),
        (crashed, Exited(1), "new", "start stopped"),
        (crashed, Exited(0), "new", "start stopped"),
        (crashed, Stopped(143), "new", "none stopped"),
        (crashed, Stopped(0), "old", "none stopped"),
        (crashed, Exited(1), "old", "recreate image"),
        (crashed, Paused, "new", "none held"),
        (none, Exited(1), "new", "none stopped"),
        (none, Stopped(0), "new", "none stopped"),
        (none, Exited(1), "old", "none stopped"),
        (none, Running, "old", "recreate image"),
    ] {
        let decided = decide(|w| {
            w.service().policy.heal = heal;
            w.only(state, image);
        });
        assert_eq!(decided, expected, "{heal:?} {state:?} {image}");
    }
    // A one-shot stands still between its runs, and a fixed one is another run.
    for (heal, state, expected) in [
        (none, Exited(0), "recreate image"),
        (none, Exited(1), "recreate image"),
        (none, Stopped(143), "none stopped"),
    ] {
        let decided = decide(|w| {
            w.service().policy.heal = heal;
            w.service().lifetime = Lifetime::OneShot;
            w.only(state, "old");
        });
        assert_eq!(decided, expected, "a one-shot, {heal:?} {state:?}");
    }
}

#[test]
fn who_is_gone_is_made_again_as_far_as_it_is_to_be_healed() {
    for heal in [Heal::Crashed, Heal::Nothing] {
        let gone = |more: fn(&mut World)| {
            decide(|w| {
                w.service().policy.heal = heal;
                w.observed.containers.clear();
                more(w);
            })
        };
        assert_eq!(gone(|_| {}), "none missing");
        assert_eq!(gone(|w| w.memory.projects.clear()), "start missing", "it was never there");
        assert_eq!(gone(|w| w.past().replicas = 0), "start missing", "git wants it now");
        let begun = |w: &mut World| {
            w.observed.begun = [("p".to_owned(), "s".to_owned())].into();
        };
        assert_eq!(gone(begun), "start missing", "a change of ours was cut off");
    }
    let two = decide(|w| {
        w.service().policy.heal = Heal::Crashed;
        let mut second = container("s", Exited(1), "new");
        second.id = "c-s-2".into();
        w.observed.containers = vec![container("s", Stopped(0), "new"), second];
    });
    assert_eq!(two, "start stopped", "the one of two that crashed");
}

#[test]
fn what_fails_its_health_check_is_replaced_where_that_is_wanted() {
    let sick = |w: &mut World| w.observed.unhealthy = ["c-s".to_owned()].into();
    assert_eq!(decide(sick), "none settled");
    let acts = |more: fn(&mut World)| {
        decide(|w| {
            sick(w);
            w.service().policy.on_unhealthy = true;
            more(w);
        })
    };
    assert_eq!(acts(|_| {}), "recreate unhealthy");
    assert_eq!(acts(|w| w.image().registry = Registry::Newer), "recreate+pull image");
    assert_eq!(acts(|w| w.only(Exited(1), "new")), "start stopped");
    assert_eq!(acts(|w| w.observed.unhealthy.clear()), "none settled");
}

/// Something that can be wanted, what it is called, and what is left of it when changes wait.
type Wish = (fn(&mut World), &'static str, &'static str);

fn wishes() -> Vec<Wish> {
    vec![
        (|_| {}, "none settled", "none settled"),
        (|w| w.only(Running, "old"), "recreate image", "none deferred"),
        (|w| w.image().registry = Registry::Newer, "recreate+pull image", "none deferred"),
        (|w| w.service().definition = "e".into(), "recreate config", "none deferred"),
        (|w| w.service().env = Some("v2".into()), "recreate env", "none deferred"),
        (file, "recreate files", "none deferred"),
        (|w| w.only(Exited(1), "new"), "start stopped", "start stopped"),
        (|w| w.only(Exited(1), "old"), "recreate image", "start stopped"),
        (|w| w.observed.containers.clear(), "start missing", "start missing"),
        (|w| w.memory.projects.clear(), "none adopted", "none adopted"),
        (|w| w.only(Paused, "new"), "none held", "none held"),
        (
            |w| {
                w.memory.projects.get_mut("p").unwrap().services.clear();
                w.observed.containers.clear();
            },
            "start missing",
            "none deferred",
        ),
        (
            |w| {
                w.observed.unhealthy = ["c-s".to_owned()].into();
                w.service().policy.on_unhealthy = true;
            },
            "recreate unhealthy",
            "recreate unhealthy",
        ),
        (
            |w| {
                file(w);
                w.service().policy.files = hup();
            },
            "signal files",
            "none deferred",
        ),
        (
            |w| {
                file(w);
                w.service().policy.files = FilesAction::Nothing;
            },
            "none files",
            "none deferred",
        ),
        (
            |w| {
                w.desired.orphans = Orphans::Remove;
                w.observed.containers.push(container("gone", Running, "x"));
            },
            "none settled; remove orphan",
            "none settled; none deferred",
        ),
        (
            |w| {
                let topology = &mut w.desired.stacks[0].topology;
                topology.insert("network default".into(), "other".into());
                w.only(Running, "old");
            },
            "none refused",
            "none refused",
        ),
    ]
}

fn shown(actions: &[Action]) -> String {
    let words = |action: &Action| {
        let pull = if action.pull { "+pull" } else { "" };
        format!("{}{pull} {}", action.step.name(), action.reason.name())
    };
    actions.iter().map(words).collect::<Vec<_>>().join("; ")
}

/// The plan while changes wait until noon: what is in force is as the memory has it.
fn outside(change: impl FnOnce(&mut World)) -> Vec<Action> {
    let mut world = world();
    change(&mut world);
    let mut in_force = world.desired.clone();
    let past = world.memory.projects.get("p").and_then(|past| past.services.get("s"));
    if let Some(past) = past {
        let service = in_force.stacks[0].services.get_mut("s").unwrap();
        service.definition.clone_from(&past.definition);
        service.replicas = past.replicas;
        service.image = "i".into();
    }
    let (memory, observed) = (&world.memory, &world.observed);
    let healed = plan(&at_rest(&in_force), memory, observed);
    let actions = plan(&world.desired, memory, observed);
    let noon = Waits { all: Some(Wait::Window("noon".into())), ..Waits::default() };
    put_off(actions, (&healed, &in_force), &world.desired, memory, observed, &noon)
}

#[test]
fn outside_its_windows_a_service_is_only_healed() {
    for (wish, now, then) in wishes() {
        assert_eq!(decide(wish), now);
        let actions = outside(wish);
        assert_eq!(shown(&actions), then, "instead of {now}");
        for action in actions.iter().filter(|action| action.reason == Reason::Deferred) {
            assert!(action.detail.starts_with("until noon; wanted: "), "{}", action.detail);
        }
        for action in actions.iter().filter(|action| action.step == Step::Start) {
            let changed = now.contains("recreate");
            assert_eq!(action.detail.contains("deferred until noon"), changed, "{}", action.detail);
        }
    }
}

#[test]
fn outside_its_windows_what_is_gone_is_made_as_it_was() {
    let gone = |w: &mut World| {
        w.service().image = "j".into();
        w.observed.images.insert("j".into(), ImageFact::default());
        w.observed.containers.clear();
    };
    assert_eq!(decide(gone), "start+pull missing");
    assert_eq!(shown(&outside(gone)), "start missing", "nothing is pulled for it");
    let more = |w: &mut World| w.service().replicas = 2;
    assert_eq!(decide(more), "start missing");
    assert_eq!(shown(&outside(more)), "none deferred", "there was one");
    let down = |w: &mut World| {
        more(w);
        w.observed.containers.clear();
    };
    assert_eq!(shown(&outside(down)), "start missing", "the one there was");
    let fewer = |w: &mut World| {
        w.past().replicas = 2;
        w.service().replicas = 2;
    };
    assert_eq!(shown(&outside(fewer)), "start missing", "there were two");
}

#[test]
fn what_is_observed_is_told_and_not_done() {
    for (wish, now, _) in wishes() {
        let then = |w: &mut World| {
            wish(w);
            w.service().policy.changes = Changes::Observed;
            w.desired.changes = Changes::Observed;
        };
        let words = |one: &str| match one.strip_prefix("none ") {
            Some("files" | "refused") | None => "none observed".to_owned(),
            Some(calm) => format!("none {calm}"),
        };
        let expected = now.split("; ").map(words).collect::<Vec<_>>().join("; ");
        assert_eq!(decide(then), expected, "instead of {now}");
        if now != expected {
            assert!(details(then).contains("wanted: "), "{}", details(then));
        }
    }
}
