//! What is possible, what comes early, and what a plan becomes.

use std::collections::{BTreeMap, BTreeSet};

use super::{Obstacles, before_pull, possible, replanned};
use crate::decide::plan::{
    Action, Desired, DesiredService, DesiredStack, ImagePair, Lifetime, Mounts, Observed, Policy,
    Reason, Step,
};
use crate::decide::waves::{Condition, Dependencies};
use crate::problem::Problem;
use crate::reconcile::held::Held;
use crate::reconcile::precheck::Doomed;
use crate::reconcile::pull::Failed;
use crate::reconcile::unset::Unset;
use crate::state::{ProjectRecord, Record, ServiceRecord};

fn action(name: &str, step: Step) -> Action {
    Action {
        project: "p".into(),
        compose_service: name.into(),
        step,
        pull: false,
        reason: Reason::Image,
        detail: "as planned".into(),
        image: ImagePair { running: None, declared: Some(name.into()) },
        containers: Vec::new(),
    }
}

fn pulling(name: &str, step: Step) -> Action {
    Action { pull: true, ..action(name, step) }
}

fn again(name: &str) -> Action {
    Action { containers: vec!["c".into()], ..action(name, Step::Start) }
}

fn unhealthy(name: &str) -> Action {
    Action { reason: Reason::Unhealthy, ..action(name, Step::Recreate) }
}

fn failed(name: &str) -> Failed {
    Failed::from([(name.to_owned(), Problem::engine("pull_failed", "no", ""))])
}

/// Every service mounts a file of its own name.
fn desired(names: &[&str]) -> Desired {
    let service = |name: &str| DesiredService {
        image: name.into(),
        build: false,
        replicas: 1,
        definition: "d".into(),
        files: BTreeMap::from([(name.to_owned(), "2".to_owned())]),
        env: None,
        mounts: Mounts::default(),
        networks: BTreeSet::new(),
        lifetime: Lifetime::Lasting,
        policy: Policy::default(),
        container_name: None,
        ties: Vec::new(),
    };
    let services = names.iter().map(|name| ((*name).to_owned(), service(name))).collect();
    let stack = DesiredStack { project: "p".into(), services, ..DesiredStack::default() };
    Desired { stacks: vec![stack], ..Desired::default() }
}

fn held(names: &[&str]) -> Held {
    Held(names.iter().map(|name| (*name).to_owned()).collect())
}

fn names(actions: &[Action]) -> String {
    actions.iter().map(|a| a.compose_service.clone()).collect::<Vec<_>>().join(" ")
}

#[test]
fn what_is_possible() {
    let desired = desired(&["a", "b"]);
    let problem = Problem::setup("unset_variable", "X", "");
    let unset = Unset { problem: problem.clone(), refused: [("p".into(), "b".into())].into() };
    let files = BTreeMap::from([("b".to_owned(), "1".to_owned())]);
    let past = ServiceRecord { files, ..ServiceRecord::default() };
    let project = ProjectRecord {
        services: BTreeMap::from([("b".to_owned(), past)]),
        ..ProjectRecord::default()
    };
    let projects = BTreeMap::from([("p".to_owned(), project)]);
    let record = Record { projects, ..Record::default() };
    let (none, lost) = (Failed::new(), failed("a"));
    let doomed = Doomed::from([(("p".into(), "doomed".into()), problem.clone())]);
    let delayed = Doomed::from([(("p".into(), "delayed".into()), problem)]);
    let (free, both) = (held(&[]), held(&["a", "b"]));
    let (recreate, start) = (action("b", Step::Recreate), action("b", Step::Start));
    let cases = [
        (recreate.clone(), &none, None, &free, true),
        (action("a", Step::Nothing), &none, None, &free, false),
        (pulling("a", Step::Recreate), &lost, None, &free, false),
        (action("a", Step::Recreate), &lost, None, &free, true),
        (recreate.clone(), &none, Some(&unset), &free, false),
        (action("a", Step::Recreate), &none, Some(&unset), &free, true),
        (again("a"), &lost, Some(&unset), &both, true),
        (action("doomed", Step::Recreate), &none, None, &free, false),
        (again("doomed"), &none, None, &free, true),
        (again("delayed"), &none, None, &free, false),
        (action("delayed", Step::Recreate), &none, None, &free, false),
        (action("delayed", Step::Remove), &none, None, &free, true),
        (recreate, &none, None, &both, false),
        (start, &none, None, &both, true),
        (action("a", Step::Start), &none, None, &both, false),
        (action("b", Step::Remove), &none, None, &both, true),
        (action("b", Step::Signal), &none, Some(&unset), &free, true),
        (action("b", Step::Signal), &none, None, &both, false),
        (unhealthy("b"), &none, None, &both, true),
        (unhealthy("a"), &none, None, &both, false),
    ];
    for (action, failed, unset, held, expected) in cases {
        let (desired, record, doomed, delayed) = (&desired, &record, &doomed, &delayed);
        let depends_on = BTreeMap::new();
        let obstacles = Obstacles {
            failed,
            doomed,
            delayed,
            unset,
            held,
            desired,
            record,
            depends_on,
            restored: None,
        };
        assert_eq!(obstacles.allow(&action), expected, "{action:?} {} {held:?}", unset.is_some());
    }
}

#[test]
fn nothing_stops_for_a_one_shot_that_cannot_run() {
    let on = |name: &str, how| BTreeMap::from([(name.to_owned(), how)]);
    let waits: Dependencies = [
        ("web".to_owned(), on("job", Condition::Completed)),
        ("mail".to_owned(), on("job", Condition::Started)),
    ]
    .into();
    let recreate = |name: &str| action(name, Step::Recreate);
    let (none, desired, record, free) =
        (Failed::new(), Desired::default(), Record::default(), held(&[]));
    let doomed =
        Doomed::from([(("p".into(), "job".into()), Problem::engine("port_taken", "", ""))]);
    let after = |planned: &[Action], doomed: &Doomed, tried: &[Action]| {
        let (failed, unset, held, delayed) = (&none, None, &free, &Doomed::new());
        let depends_on = BTreeMap::from([("p".to_owned(), waits.clone())]);
        let (desired, record) = (&desired, &record);
        let obstacles = Obstacles {
            failed,
            doomed,
            delayed,
            unset,
            held,
            desired,
            record,
            depends_on,
            restored: None,
        };
        names(&possible(planned, &obstacles, tried, &Observed::default(), |_| true))
    };
    let all = [recreate("job"), recreate("mail"), recreate("web"), recreate("db")];
    assert_eq!(after(&all, &Doomed::new(), &[]), "job mail web db");
    assert_eq!(after(&all, &doomed, &[]), "mail db");
    assert_eq!(after(&all, &doomed, &[recreate("job")]), "mail web db");
    assert_eq!(after(&[recreate("job"), again("web")], &doomed, &[]), "web");
    assert_eq!(after(&[action("job", Step::Nothing), recreate("web")], &doomed, &[]), "web");
    // What nobody declares any more may be what cannot be made, under its old name.
    let remove = |reason| Action { reason, ..action("old", Step::Remove) };
    let rename = |reason| [action("job", Step::Start), remove(reason)];
    assert_eq!(after(&rename(Reason::Orphan), &doomed, &[]), "");
    assert_eq!(after(&rename(Reason::Orphan), &Doomed::new(), &[]), "job old");
    assert_eq!(after(&rename(Reason::Config), &doomed, &[]), "old");
}

#[test]
fn what_needs_no_pull_does_not_wait_for_one() {
    let planned =
        [again("a"), action("b", Step::Start), action("c", Step::Start), pulling("d", Step::Start)];
    let on = |name: &str| BTreeMap::from([(name.to_owned(), Condition::Started)]);
    let depends_on: Dependencies =
        [("a".to_owned(), on("d")), ("b".to_owned(), on("d")), ("c".to_owned(), on("x"))].into();
    let depends_on = BTreeMap::from([("p".to_owned(), depends_on)]);
    let desired = desired(&["a", "b", "c", "d"]);
    let early = |held: &Held| names(&before_pull(&planned, &depends_on, held, &desired));
    assert_eq!(early(&held(&[])), "a c");
    assert_eq!(early(&held(&["a", "c"])), "a");
}

#[test]
fn a_plan_is_matched_by_name_after_the_pulls() {
    let planned = [pulling("a", Step::Recreate), pulling("b", Step::Recreate), again("c")];
    let nothing = |name: &str| Action { detail: String::new(), ..action(name, Step::Nothing) };
    let said = |actions: &[Action]| {
        let one = |a: &Action| format!("{}{}", a.step.name(), if a.pull { "+pull" } else { "" });
        actions.iter().map(one).collect::<Vec<_>>().join(" ")
    };
    // One container more was found, in front of all: an orphan, say.
    let fresh =
        vec![nothing("0"), nothing("a"), action("b", Step::Recreate), nothing("c"), again("d")];
    let result = replanned(&planned, fresh.clone(), &Failed::new(), &[]);
    assert_eq!(names(&result), "0 a b c d");
    assert_eq!(said(&result), "none none recreate+pull none start");
    let result = replanned(&planned, fresh, &failed("a"), &[again("c")]);
    assert_eq!(said(&result), "none recreate+pull recreate+pull start start");
    assert_eq!(names(&replanned(&planned, Vec::new(), &failed("a"), &[])), "", "it is gone");
}
