//! Which targets wait, as a table: what changed since the failure, and whether that lifts it.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::{AllFailed, Failed, Target, waits};
use crate::decide::plan::{
    Desired, DesiredService, DesiredStack, ImageFact, Key, Lifetime, Mounts, Policy, Registry, Wait,
};

struct World {
    desired: Desired,
    images: BTreeMap<String, ImageFact>,
    failed: AllFailed,
}

fn key(name: &str) -> Key {
    ("p".to_owned(), name.to_owned())
}

fn service(definition: &str) -> DesiredService {
    DesiredService {
        image: "web:1".to_owned(),
        build: false,
        replicas: 1,
        definition: definition.to_owned(),
        files: [("conf".to_owned(), "o1".to_owned())].into(),
        env: Some("e1".to_owned()),
        mounts: Mounts::default(),
        networks: std::collections::BTreeSet::new(),
        lifetime: Lifetime::Lasting,
        policy: Policy::default(),
        container_name: None,
        ties: Vec::new(),
    }
}

fn failed(definition: &str) -> Failed {
    let target = Target {
        definition: definition.to_owned(),
        files: [("conf".to_owned(), "o1".to_owned())].into(),
        env: Some("e1".to_owned()),
        image_id: Some("i1".to_owned()),
        digests: ["web@d1".to_owned()].into(),
        absent: false,
    };
    Failed { target, with: None, until: None, words: "exited".to_owned() }
}

/// `web` is declared as it failed; `db` was good and went back with it.
fn world() -> World {
    let services = [("web", service("d1")), ("db", service("d2"))];
    let services = services.map(|(name, service)| (name.to_owned(), service));
    let stack = DesiredStack {
        project: "p".to_owned(),
        services: services.into(),
        ..DesiredStack::default()
    };
    let image = ImageFact {
        local_id: Some("i1".to_owned()),
        digests: ["web@d1".to_owned()].into(),
        registry: Registry::Same,
        meant: Some("web@d1".to_owned()),
        ..ImageFact::default()
    };
    let with = Failed { with: Some(key("web")), ..failed("d2") };
    World {
        desired: Desired { stacks: vec![stack], ..Desired::default() },
        images: [("web:1".to_owned(), image)].into(),
        failed: [(key("web"), vec![failed("d1")]), (key("db"), vec![with])].into(),
    }
}

impl World {
    fn web(&mut self) -> &mut DesiredService {
        self.desired.stacks[0].services.get_mut("web").expect("web")
    }

    fn image(&mut self) -> &mut ImageFact {
        self.images.get_mut("web:1").expect("an image")
    }
}

fn now() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH
}

#[test]
fn only_another_target_lifts_it() {
    type Change = fn(&mut World);
    let table: &[(&str, Change, &str)] = &[
        ("nothing", |_| {}, "db web"),
        ("the definition", |w| w.web().definition = "d9".into(), ""),
        ("a mounted file", |w| drop(w.web().files.insert("conf".into(), "o2".into())), ""),
        ("the env file", |w| w.web().env = Some("e2".into()), ""),
        ("the number", |w| w.web().replicas = 3, "db web"),
        ("another image here", |w| w.image().local_id = Some("i2".into()), "db"),
        (
            "another image there",
            |w| {
                w.image().registry = Registry::Newer;
                w.image().meant = Some("web@d2".into());
            },
            "",
        ),
        (
            "the old tag here, the bad one there",
            |w| {
                w.image().local_id = Some("i0".into());
                w.image().registry = Registry::Newer;
            },
            "db web",
        ),
        ("the bad image was removed", |w| w.image().local_id = None, "db web"),
        (
            "and nobody answers",
            |w| {
                w.image().local_id = None;
                w.image().meant = None;
            },
            "db web",
        ),
        (
            "and another is there now",
            |w| {
                w.image().local_id = None;
                w.image().meant = Some("web@d2".into());
            },
            "",
        ),
        ("web is gone", |w| drop(w.desired.stacks[0].services.remove("web")), ""),
        (
            "db changed",
            |w| w.desired.stacks[0].services.get_mut("db").unwrap().definition = "x".into(),
            "web",
        ),
    ];
    for (what, change, expected) in table {
        let mut world = world();
        change(&mut world);
        // Both have the same image here: another one frees `web`, and then nothing keeps `db`.
        let found = waits(&world.failed, &world.desired, Some(&world.images), now());
        let names: Vec<&str> = found.keys().map(|(_, name)| name.as_str()).collect();
        let expected = if *expected == "db" { "" } else { *expected };
        assert_eq!(names.join(" "), expected, "{what}");
        // Without images more may wait, never less.
        let maybe = waits(&world.failed, &world.desired, None, now());
        assert!(found.keys().all(|key| maybe.contains_key(key)), "{what}");
    }
}

#[test]
fn a_passing_cause_waits_for_its_time_only() {
    let mut world = world();
    let until = now() + TimeDelta::minutes(2);
    world.failed.get_mut(&key("web")).unwrap()[0].until = Some(until);
    let at = |minutes: i64| {
        let now = now() + TimeDelta::minutes(minutes);
        waits(&world.failed, &world.desired, Some(&world.images), now)
    };
    assert!(matches!(at(1)[&key("web")], Wait::Retry(_)));
    assert!(matches!(at(1)[&key("db")], Wait::Companion(_)), "it goes with web");
    assert!(at(2).is_empty());
}

#[test]
fn one_of_many_failures_is_enough_and_what_git_no_longer_has_may_have_failed_too() {
    let mut world = world();
    world.failed.get_mut(&key("web")).unwrap().push(failed("d7"));
    assert_eq!(waits(&world.failed, &world.desired, None, now()).len(), 2);
    let gone = Failed {
        target: Target { absent: true, ..Target::default() },
        with: Some(key("web")),
        ..failed("")
    };
    world.failed.insert(key("old"), vec![gone]);
    let found = waits(&world.failed, &world.desired, None, now());
    assert!(found.contains_key(&key("old")), "it was taken away together with the bad web");
    world.desired.stacks[0].services.insert("old".to_owned(), service("d1"));
    assert!(!waits(&world.failed, &world.desired, None, now()).contains_key(&key("old")));
}
