//! Table tests of dependents: one world a line. A world is written in words:
//! `nm:network=x` declares that nm shares the network of x, `app:restarts=x` that it restarts with it;
//! `x!` is to be recreated, `x?` refused, `x-` not there, `x.` stopped, `x~` completed, `x^` completed
//! when it was adopted, `x*` paused;
//! `nm/gone` outlived its parent, `nm/late` is older than its parent's last start, `nm/nobody` has none.

use std::collections::{BTreeMap, BTreeSet};

use super::super::tests as fixture;
use super::super::{
    Action, ContainerFact, ContainerState, Desired, DesiredService, DesiredStack, ImageFact,
    ImagePair, Join, Joined, Observed, Parent, Reason, Sequence, Shared, Step, Tie, stack_order,
};
use super::{follow, settle, together};

struct World {
    desired: Desired,
    observed: Observed,
    judged: Vec<Action>,
}

fn service(ties: Vec<Tie>) -> DesiredService {
    DesiredService { ties, ..fixture::service() }
}

fn shared(word: &str) -> Shared {
    match word {
        "network" => Shared::Network,
        "ipc" => Shared::Ipc,
        "pid" => Shared::Processes,
        "volumes" => Shared::Volumes,
        "restarts" => Shared::Restarts,
        other => panic!("{other} is not shared"),
    }
}

/// `x!`, `nm:network=x`, `nm:network=@p-x-1/gone`.
fn read(text: &str) -> World {
    let mut stack = DesiredStack { project: "p".into(), ..DesiredStack::default() };
    let (mut containers, mut judged) = (Vec::new(), Vec::new());
    for word in text.split_whitespace() {
        let (word, state) = word.split_once('/').unwrap_or((word, ""));
        let (head, tie) = word.split_once(':').unwrap_or((word, ""));
        let name = head.trim_end_matches(['!', '?', '-', '.', '~', '^', '*']).to_owned();
        let tie = tie.split_once('=').map(|(what, parent)| Tie {
            shared: shared(what),
            parent: match parent.strip_prefix('@') {
                Some(container) => Parent::Container(container.to_owned()),
                None => Parent::Service(parent.to_owned()),
            },
        });
        let joined = match state {
            "gone" => Joined::ParentGone,
            "late" => Joined::ParentRestarted,
            "nobody" => Joined::NobodyThere,
            _ => Joined::Holds,
        };
        let join = tie.iter().filter(|tie| tie.shared != Shared::Restarts).map(|tie| Join {
            shared: tie.shared,
            with: match &tie.parent {
                Parent::Service(parent) => format!("c-{parent}"),
                Parent::Container(container) => container.clone(),
            },
            state: joined,
        });
        let mark = head.trim_start_matches(name.as_str());
        let (step, reason, is) = match mark {
            "" => (Step::Nothing, Reason::Settled, ContainerState::Running),
            "!" => (Step::Recreate, Reason::Image, ContainerState::Running),
            "!." => (Step::Recreate, Reason::Image, ContainerState::Exited(1)),
            "?" => (Step::Nothing, Reason::Refused, ContainerState::Running),
            "-" => (Step::Start, Reason::Missing, ContainerState::Absent),
            "." => (Step::Start, Reason::Stopped, ContainerState::Exited(1)),
            "~" => (Step::Nothing, Reason::Completed, ContainerState::Exited(0)),
            "^" => (Step::Nothing, Reason::Adopted, ContainerState::Exited(0)),
            "*" => (Step::Nothing, Reason::Held, ContainerState::Paused),
            other => panic!("{other} is no mark"),
        };
        let there = is != ContainerState::Absent;
        judged.push(Action {
            project: "p".into(),
            compose_service: name.clone(),
            step,
            pull: false,
            reason,
            detail: String::new(),
            image: ImagePair { running: there.then(|| "1".into()), declared: Some("i".into()) },
            containers: if mark == "." { vec![format!("c-{name}")] } else { Vec::new() },
        });
        let joins = join.collect();
        containers.push(ContainerFact { joins, ..fixture::container(&name, is, "1") });
        stack.services.insert(name, service(tie.into_iter().collect()));
    }
    let image = ImageFact { local_id: Some("1".into()), ..ImageFact::default() };
    World {
        desired: Desired { stacks: vec![stack], ..Desired::default() },
        observed: Observed {
            containers,
            images: BTreeMap::from([("i".into(), image)]),
            ..Observed::default()
        },
        judged,
    }
}

/// What is done, in words; what is settled is left out.
fn words(actions: &[Action]) -> String {
    let word = |a: &Action| {
        let ids = if a.containers.is_empty() { "" } else { "+" };
        format!("{} {}{ids} {}", a.compose_service, a.step.name(), a.reason.name())
    };
    let told = actions.iter().filter(|a| a.reason != Reason::Settled);
    told.map(word).collect::<Vec<_>>().join("; ")
}

fn planned(world: &World) -> Vec<Action> {
    follow(world.judged.clone(), &world.desired, &world.observed)
}

fn decide(text: &str) -> String {
    words(&planned(&read(text)))
}

#[test]
fn who_shares_with_what_is_replaced_is_replaced_too() {
    for what in ["network", "ipc", "pid", "volumes"] {
        let text = format!("x! a:{what}=x other");
        assert_eq!(decide(&text), "x recreate image; a recreate dependent", "{what}");
    }
    assert_eq!(decide("x! a:restarts=x"), "x recreate image; a recreate dependent");
    assert_eq!(decide("x! a:network=@p-x-1"), "x recreate image; a recreate dependent");
    assert_eq!(decide("x! a:network=@p-x-y-1"), "x recreate image", "that is somebody else's");
    assert_eq!(
        decide("b:ipc=a a:network=x x!"),
        "b recreate dependent; a recreate dependent; x recreate image",
        "and who shares with that"
    );
    assert_eq!(decide("x! a!:network=x"), "x recreate image; a recreate image");
    assert_eq!(
        decide("x! a~:network=x"),
        "x recreate image; a none completed",
        "it has done its work"
    );
    assert_eq!(decide("x! a^:network=x"), "x recreate image; a none adopted", "neither has this");
    assert_eq!(decide("x! a-:network=x"), "x recreate image; a start missing");
    assert_eq!(decide("a:network=x x"), "");
}

#[test]
fn the_detail_names_the_parent_and_how() {
    let detail = |text: &str| planned(&read(text))[1].detail.clone();
    assert_eq!(detail("x! a:network=x"), "shares the network of x, which is recreated");
    assert_eq!(detail("x! a:restarts=x"), "restarts with x, which is recreated");
    assert_eq!(
        detail("x a:pid=x/gone"),
        "shares the pid namespace of x, whose old container is gone"
    );
    assert_eq!(detail("x a:network=x/late"), "shares the network of x, which started later");
    assert_eq!(
        detail("x a:volumes=@vpn/gone"),
        "takes the volumes of another container, whose old container is gone"
    );
}

#[test]
fn a_start_takes_along_who_has_to_join_anew() {
    assert_eq!(decide("x. a:network=x"), "x start+ stopped; a start+ dependent");
    assert_eq!(
        decide("x. a.:pid=x"),
        "x start+ stopped; a start+ stopped",
        "each starts, in order"
    );
    assert_eq!(decide("x. a:volumes=x"), "x start+ stopped", "files do not go away");
    assert_eq!(decide("x. a:restarts=x"), "x start+ stopped", "it was not changed");
    assert_eq!(decide("x- a:restarts=x"), "x start missing");
    assert_eq!(decide("x- a:network=x"), "x start missing; a recreate dependent");
    assert_eq!(
        decide("x. a:network=x b:network=a"),
        "x start+ stopped; a start+ dependent; b start+ dependent"
    );
}

#[test]
fn what_outlived_its_parent_is_repaired_by_what_happened_to_it() {
    assert_eq!(decide("x a:network=x/gone"), "a recreate dependent");
    assert_eq!(decide("x a:volumes=x/gone"), "a recreate dependent");
    assert_eq!(decide("x a.:pid=x/gone"), "a recreate+ dependent", "a start would find nobody");
    assert_eq!(decide("x a:network=x/late"), "a start+ dependent");
    assert_eq!(decide("x a.:pid=x/late"), "a start+ stopped");
    assert_eq!(decide("x a:network=@vpn/gone"), "a recreate dependent", "of nobody we know");
    assert_eq!(decide("x a:network=@vpn/late"), "a start+ dependent");
    assert_eq!(decide("x a:network=@vpn/nobody"), "", "there is nobody to join");
    assert_eq!(decide("x a?:network=x/gone"), "a none refused");
    assert_eq!(decide("x a*:network=x/late"), "a none held");
}

#[test]
fn a_parent_that_runs_waits_for_a_dependent_that_may_not_follow() {
    assert_eq!(decide("x! a?:network=x"), "x none refused; a none refused");
    assert_eq!(
        decide("x! a*:ipc=x b:network=x"),
        "x none held; a none held",
        "nor do others follow"
    );
    assert_eq!(decide("x!. a?:network=x"), "x recreate image; a none refused", "it is down anyway");
    assert_eq!(decide("x! a?:volumes=x"), "x recreate image; a none refused", "it runs on");
    assert_eq!(decide("x! a?:restarts=x"), "x recreate image; a none refused");
    assert_eq!(
        decide("x! a:network=x b?:pid=a"),
        "x none refused; a none refused; b none refused",
        "at any distance"
    );
    let world = read("x! a?:network=x");
    assert_eq!(
        planned(&world)[0].detail,
        "a shares the network of it and cannot be recreated now (refused); wanted: recreate (image)"
    );
}

/// What is left of a plan without what cannot be.
fn without(text: &str, lost: &[&str]) -> String {
    let world = read(text);
    let lost: BTreeSet<&str> = lost.iter().copied().collect();
    let possible =
        |a: &Action| a.step != Step::Nothing && !lost.contains(a.compose_service.as_str());
    words(&together(&planned(&world), &world.desired, &world.observed, possible))
}

#[test]
fn parents_and_dependents_stay_or_go_together() {
    assert_eq!(without("x! a:network=x", &["x"]), "", "the parent's image could not be had");
    assert_eq!(without("x! a:network=x b:ipc=a", &["x"]), "");
    assert_eq!(without("x! a.:network=x", &["x"]), "a start+ stopped", "its old parent is there");
    assert_eq!(without("x! a!:network=x", &["a"]), "", "the dependent's image could not");
    assert_eq!(without("x! a!:volumes=x", &["a"]), "x recreate image");
    assert_eq!(without("x!. a!:network=x", &["a"]), "x recreate image", "it is down anyway");
    assert_eq!(
        without("x! a:network=x b:restarts=x", &["b"]),
        "x recreate image; a recreate dependent"
    );
    assert_eq!(
        without("x! y a:network=y/gone", &["x"]),
        "a recreate dependent",
        "a repair needs nobody"
    );
}

#[test]
fn what_the_gate_refused_takes_its_dependents_along() {
    let world = read("x! a.:network=x other!");
    let mut actions = planned(&world);
    (actions[0].step, actions[0].reason) = (Step::Nothing, Reason::Refused);
    let settled = settle(actions, &world.desired, &world.observed);
    assert_eq!(words(&settled), "x none refused; a start+ stopped; other recreate image");
}

#[test]
fn stacks_come_after_those_whose_containers_they_share() {
    let order = |stacks: &[(&str, &str)], sequence| {
        let stack = |(name, parent): &(&str, &str)| {
            let parent = Parent::Container((*parent).to_owned());
            let tie = Tie { shared: Shared::Network, parent };
            let services = BTreeMap::from([("s".to_owned(), service(vec![tie]))]);
            DesiredStack { project: (*name).to_owned(), services, ..DesiredStack::default() }
        };
        let stacks = stacks.iter().map(stack).collect();
        stack_order(&Desired { stacks, ..Desired::default() }, sequence)
    };
    for (stacks, forward, backward) in [
        ([("a", "-"), ("b", "-"), ("c", "-")], [0, 1, 2], [2, 1, 0]),
        ([("a", "b-s-1"), ("b", "-"), ("c", "-")], [1, 0, 2], [2, 1, 0]),
        ([("a", "-"), ("b", "-"), ("c", "b-s-1")], [0, 1, 2], [1, 2, 0]),
        ([("a", "b-s-1"), ("b", "c-s-1"), ("c", "-")], [2, 1, 0], [2, 1, 0]),
    ] {
        assert_eq!(order(&stacks, Sequence::Forward), forward, "{stacks:?}");
        assert_eq!(order(&stacks, Sequence::Backward), backward, "{stacks:?}");
    }
    let circle = [("a", "b-s-1"), ("b", "a-s-1")];
    assert_eq!(order(&circle, Sequence::Forward), [0, 1], "a circle does not hang");
}
