//! What is read out of resolved models.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::{Model, difference, drop_external};
use crate::decide::plan::{Lifetime, Parent, Policy, Shared};
use crate::decide::waves::Condition;

fn shop(web: Value) -> Value {
    json!({
        "name": "shop",
        "services": {"web": web, "db": {"image": "db:1"}},
        "networks": {"default": {"name": "shop_default"}, "other": {"name": "o"}},
        "configs": {"conf": {"name": "shop_conf", "file": "/srv/app/web/conf"}},
        "secrets": {"key": {"name": "shop_key", "file": "/etc/key"}},
        "volumes": {"data": {"name": "shop_data"}, "ext": {"name": "x", "external": true}}
    })
}

fn definition(web: Value) -> String {
    let whole = shop(web.clone());
    Model::new(&whole).definition(&web).to_string()
}

#[test]
fn the_definition_leaves_out_what_only_says_how_to_get_or_order_it() {
    let plain = definition(json!({"image": "a", "command": ["x"]}));
    for same in [
        json!({"image": "b", "command": ["x"]}),
        json!({"command": ["x"], "build": {"context": "."}, "pull_policy": "always"}),
        json!({"command": ["x"], "depends_on": {"db": {}}, "profiles": ["p"], "scale": 3}),
        json!({"command": ["x"], "x-note": 1}),
    ] {
        assert_eq!(definition(same.clone()), plain, "{same}");
    }
    for other in [
        json!({"command": ["y"]}),
        json!({"command": ["x"], "environment": {"A": "1"}}),
        json!({"command": ["x"], "networks": {"other": null}}),
        json!({"command": ["x"], "labels": {"x-note": "1"}}),
    ] {
        assert_ne!(definition(other.clone()), plain, "{other}");
    }
    let deploy = |replicas: u32| json!({"deploy": {"replicas": replicas, "mode": "replicated"}});
    assert_eq!(definition(deploy(1)), definition(deploy(2)));
}

#[test]
fn the_definition_holds_what_it_refers_to() {
    let web = json!({"networks": {"default": null}, "configs": [{"source": "conf"}]});
    let mut whole = shop(web.clone());
    let before = Model::new(&whole).definition(&web);
    whole["configs"]["conf"]["file"] = json!("/srv/app/web/other");
    assert_ne!(Model::new(&whole).definition(&web), before);
    whole = shop(web.clone());
    whole["networks"]["other"]["driver"] = json!("macvlan");
    assert_eq!(Model::new(&whole).definition(&web), before, "a network it is not on");
}

#[test]
fn mounted_files_of_the_repository_are_found() {
    let web = json!({
        "volumes": [
            {"type": "bind", "source": "/srv/app/web/nginx.conf", "target": "/a"},
            {"type": "bind", "source": "/srv/app/data/../static", "target": "/b"},
            {"type": "bind", "source": "/srv/application", "target": "/c"},
            {"type": "volume", "source": "data", "target": "/d"}
        ],
        "configs": [{"source": "conf"}],
        "secrets": [{"source": "key"}]
    });
    let whole = shop(web.clone());
    let model = Model::new(&whole);
    let all: Vec<String> = model.all_mounted(Path::new("/srv/app")).into_iter().collect();
    assert_eq!(all, ["static", "web/conf", "web/nginx.conf"]);
    let sources = BTreeMap::from([("web/conf".to_owned(), "oid".to_owned())]);
    let top = Path::new("/srv/app");
    let desired = model.desired("web", &web, Policy::default(), &sources, top);
    assert_eq!(desired.files, sources, "untracked data has no object id");
}

#[test]
fn lifetime_follows_what_the_file_says() {
    use Lifetime::{Lasting, OneShot};
    let cases = [
        (json!({}), OneShot),
        (json!({"restart": "no"}), OneShot),
        (json!({"restart": "on-failure:3"}), OneShot),
        (json!({"restart": "always"}), Lasting),
        (json!({"restart": "unless-stopped"}), Lasting),
        (json!({"deploy": {"restart_policy": {"condition": "any"}}}), Lasting),
        (json!({"ports": [{"target": 80}]}), Lasting),
        (json!({"healthcheck": {"test": ["CMD", "x"]}}), Lasting),
        (json!({"healthcheck": {"disable": true}}), OneShot),
    ];
    for (web, expected) in cases {
        let whole = shop(web.clone());
        assert_eq!(Model::new(&whole).lifetime("web", &web), expected, "{web}");
    }
    let web = json!({"restart": "always"});
    let mut whole = shop(web.clone());
    whole["services"]["db"]["depends_on"]["web"]["condition"] =
        json!("service_completed_successfully");
    assert_eq!(Model::new(&whole).lifetime("web", &web), OneShot, "others wait for its end");
}

#[test]
fn topology_and_numbers() {
    let web = json!({"deploy": {"replicas": 3}, "build": {"context": "."}});
    let whole = shop(web.clone());
    let model = Model::new(&whole);
    let topology: Vec<String> = model.topology().into_keys().collect();
    assert_eq!(topology, ["network default", "network other", "volume data"]);
    let desired = model.desired("web", &web, Policy::default(), &BTreeMap::new(), Path::new("/"));
    assert_eq!((desired.replicas, desired.build), (3, true));
    assert_eq!(desired.image, "shop-web");
}

#[test]
fn a_difference_names_keys_and_hides_values() {
    let before = json!({"service": {"environment": {"A": "secret", "B": "1"}, "command": ["x"]}});
    let after = json!({"service": {"environment": {"A": "other", "B": "1"}, "user": "me"}});
    assert_eq!(difference(&before, &after), "command, environment.A, user");
    assert_eq!(difference(&before, &before), "");
}

#[test]
fn an_external_volume_can_be_taken_out() {
    let mut model = json!({
        "services": {
            "web": {"networks": {"back": null, "default": null}, "volumes": [
                {"type": "volume", "source": "data", "target": "/d"},
                {"type": "bind", "source": "/data", "target": "/e"},
            ]},
            "db": {"image": "x"},
        },
        "networks": {"back": {"external": true, "name": "real"}, "default": {"name": "p_default"}},
        "volumes": {"data": {"external": true, "name": "kept"}},
    });
    let found = Model::new(&model).all_external("networks");
    assert_eq!(found, [(&"back".to_owned(), "real".to_owned())]);
    drop_external(&mut model, "networks", "back");
    drop_external(&mut model, "volumes", "data");
    let expected = json!({
        "services": {
            "web": {"networks": {"default": null}, "volumes": [
                {"type": "bind", "source": "/data", "target": "/e"},
            ]},
            "db": {"image": "x"},
        },
        "networks": {"default": {"name": "p_default"}},
        "volumes": {},
    });
    assert_eq!(model, expected);
}

#[test]
fn what_a_service_takes_from_others_is_read_as_it_was_written() {
    let ties = |service: Value| -> String {
        let words = super::ties::of(&service).into_iter().map(|tie| {
            let parent = match tie.parent {
                Parent::Service(name) => name,
                Parent::Container(name) => format!("@{name}"),
            };
            format!("{:?} {parent}", tie.shared)
        });
        words.collect::<Vec<_>>().join(", ")
    };
    let on = |restart: bool| json!({"x": {"condition": "service_started", "restart": restart}});
    for (service, expected) in [
        (json!({}), ""),
        (json!({"network_mode": "host", "ipc": "shareable", "pid": "host"}), ""),
        (json!({"network_mode": "service:x"}), "Network x"),
        (json!({"network_mode": "container:a-x-1"}), "Network @a-x-1"),
        (json!({"ipc": "service:x", "pid": "service:y"}), "Ipc x, Processes y"),
        (
            json!({"volumes_from": ["x:ro", "container:y:rw", "z"]}),
            "Volumes x, Volumes @y, Volumes z",
        ),
        (json!({"depends_on": on(true)}), "Restarts x"),
        (json!({"depends_on": on(false)}), ""),
        (json!({"depends_on": on(true), "network_mode": "service:x"}), "Network x"),
    ] {
        assert_eq!(ties(service.clone()), expected, "{service}");
    }
    assert!(Shared::Network.is_namespace() && !Shared::Volumes.is_namespace());
}

#[test]
fn who_calls_a_service_by_the_name_of_its_container_waits_for_it() {
    let waits = |web: Value, db: Value| {
        let mut whole = shop(web);
        whole["services"]["db"] = db;
        Model::new(&whole).depends_on()["web"].get("db").copied()
    };
    let plain = json!({"image": "db:1"});
    let named = json!({"image": "db:1", "container_name": "store"});
    let shares = |name: &str| json!({"network_mode": format!("container:{name}")});
    assert_eq!(waits(shares("shop-db-1"), plain.clone()), Some(Condition::Started));
    assert_eq!(waits(shares("shop-db-x"), plain), None);
    assert_eq!(waits(shares("store"), named.clone()), Some(Condition::Started));
    assert_eq!(waits(shares("shop-db-1"), named.clone()), None, "it is not called so");
    let healthy = json!({
        "network_mode": "container:store",
        "depends_on": {"db": {"condition": "service_healthy"}},
    });
    assert_eq!(waits(healthy, named), Some(Condition::Healthy), "what is declared counts");
}
