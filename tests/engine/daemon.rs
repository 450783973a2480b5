//! The daemon on a real engine: it follows git by its schedule, loads its configuration anew, and
//! stops without leaving anything behind.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Running, Sandbox, wait_for};
use crate::{SLOW, THREE, slow_running, three_pushed};

/// A configuration with one service that is due every second, and with more on top.
fn every_second(sandbox: &Sandbox, more: &Value) {
    let mut config = json!({
        "repo": { "dir": "SANDBOX" }, "state_dir": "state", "run_on_start": true,
        "defaults": { "verify": { "soak": "0s", "timeout": "20s" } },
        "services": [{ "name": "app", "compose_files": ["compose.yaml"], "schedule": "@every 1s" }],
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        config[key] = value.clone();
    }
    sandbox.write("renew.json", &sandbox.fill(&config.to_string()));
}

fn stops(daemon: Running) -> String {
    daemon.terminate();
    let output = daemon.finish().expect(0);
    assert!(output.stderr.trim_end().ends_with("stopped"), "{output}");
    output.stderr
}

#[test]
fn it_follows_git_and_heals_and_says_only_what_it_does() {
    let Some(sandbox) = three_pushed() else { return };
    sandbox.publish("web:2");
    every_second(&sandbox, &json!({}));
    let daemon = sandbox.start_renew(["run"]);
    sandbox.come_up(&["cache", "db", "web"]);
    let before = sandbox.ids();
    sandbox.commit(&[("compose.yaml", &THREE.replace("web:1", "web:2"))], "web 2");
    sandbox.comes_up_as("web", "web:2");
    sandbox.only_changed(&before, &["web"]);
    sandbox.docker(["rm", "-f", &sandbox.ids()["db"][0]]);
    sandbox.come_up(&["db"]);
    // A sync beside it does no harm: it waits, or says who works.
    let beside = sandbox.renew(["sync", "--json"]);
    assert!([0, 1].contains(&beside.code), "{beside}");
    std::thread::sleep(Duration::from_secs(3));
    let said = stops(daemon);
    let lines: Vec<&str> = said.lines().filter(|line| line.contains("app: ")).collect();
    let told = |what: &str| lines.iter().filter(|line| line.contains(what)).count();
    assert_eq!((told("start web"), told("recreate web"), told("start db")), (1, 1, 2), "{said}");
    sandbox.renew(["sync"]).expect(0);
    sandbox.settled();
}

#[test]
fn another_configuration_is_taken_up_and_a_broken_one_is_not() {
    let Some(sandbox) = three_pushed() else { return };
    every_second(&sandbox, &json!({}));
    let daemon = sandbox.start_renew(["run"]);
    sandbox.come_up(&["cache", "db", "web"]);
    // Broken: said once, and the last good one goes on.
    sandbox.write("renew.json", "{ \"services\": [");
    std::thread::sleep(Duration::from_secs(12));
    sandbox.docker(["rm", "-f", &sandbox.ids()["db"][0]]);
    sandbox.come_up(&["db"]);
    // Mended, with one service more.
    sandbox
        .commit(&[("side/compose.yaml", "services: {extra: {image: IMAGES/cache:1}}\n")], "Side");
    every_second(
        &sandbox,
        &json!({ "services": [
            { "name": "app", "compose_files": ["compose.yaml"], "schedule": "@every 1s" },
            { "name": "side", "compose_files": ["side/compose.yaml"], "schedule": "@every 1s",
              "compose_project_name": "SANDBOX" },
        ] }),
    );
    sandbox.come_up(&["extra"]);
    let said = stops(daemon);
    assert_eq!(said.matches("does not load").count(), 1, "{said}");
    assert!(said.contains("is loaded: 2 services"), "{said}");
}

/// The configuration that a commit brings, with these services of one compose service each.
fn of_services(sandbox: &Sandbox, names: &[&str]) -> String {
    let service = |name: &&str| {
        json!({
            "name": name, "compose_files": [format!("{name}/compose.yaml")],
            "compose_project_name": sandbox.id, "schedule": "@every 1s",
        })
    };
    let config = json!({
        "repo": { "dir": sandbox.host }, "state_dir": sandbox.root().join("state"),
        "run_on_start": true, "defaults": { "verify": { "soak": "0s", "timeout": "20s" } },
        "services": names.iter().map(service).collect::<Vec<_>>(),
    });
    config.to_string()
}

/// From now on `renew.json` is the one in the repository.
fn take_the_repositorys(sandbox: &Sandbox) {
    sandbox.host_pull();
    let here = sandbox.root().join("renew.json");
    let _ = std::fs::remove_file(&here);
    std::os::unix::fs::symlink(sandbox.host.join("renew.json"), here).expect("a link");
}

#[test]
fn what_comes_with_another_configuration_is_done_as_that_says_by_all_services() {
    let Some(sandbox) = Sandbox::open() else { return };
    sandbox.publish("web:1");
    let names = ["four", "one", "three", "two"];
    let push = |level: &str, config: &str| {
        let stack = |name: &str| {
            let own = format!("{{image: IMAGES/web:1, environment: {{LEVEL: {level}}}}}");
            (format!("{name}/compose.yaml"), format!("services: {{{name}: {own}}}\n"))
        };
        let mut files: Vec<_> = names.map(stack).into();
        files.push(("renew.json".to_owned(), config.to_owned()));
        let files: Vec<_> = files.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        sandbox.commit(&files, level);
    };
    let applies = of_services(&sandbox, &names).replacen('{', "{\"workers\":4,", 1);
    let observes = applies.replace("\"schedule\"", "\"mode\":\"observe\",\"schedule\"");
    push("a", &applies);
    take_the_repositorys(&sandbox);
    let daemon = sandbox.start_renew(["run"]);
    sandbox.come_up(&names);
    let before = sandbox.ids();
    push("b", &observes);
    wait_for("the other configuration", 60, || {
        let text = std::fs::read_to_string(sandbox.host.join("renew.json"));
        text.is_ok_and(|text| text == observes).then_some(())
    });
    std::thread::sleep(Duration::from_secs(6));
    sandbox.only_changed(&before, &[]);
    stops(daemon);
}

#[test]
fn a_configuration_in_the_repository_moves_with_it() {
    let Some(sandbox) = Sandbox::open() else { return };
    sandbox.publish("web:1");
    let stack = |name: &str| {
        (format!("{name}/compose.yaml"), format!("services: {{{name}: {{image: IMAGES/web:1}}}}\n"))
    };
    let push = |names: &[&str], config: &str| {
        let mut files: Vec<_> = names.iter().map(|name| stack(name)).collect();
        files.push(("renew.json".to_owned(), config.to_owned()));
        let files: Vec<_> = files.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        sandbox.commit(&files, "Another configuration");
    };
    push(&["one"], &of_services(&sandbox, &["one"]));
    take_the_repositorys(&sandbox);
    let daemon = sandbox.start_renew(["run"]);
    sandbox.come_up(&["one"]);
    push(&["one", "two"], &of_services(&sandbox, &["one", "two"]));
    sandbox.come_up(&["one", "two"]);
    // One that does not load: what it said before goes on, and the next push mends it.
    let broken = of_services(&sandbox, &["one", "two"]).replace("[{", "[,{");
    push(&[], &broken);
    wait_for("the broken file", 60, || {
        let text = std::fs::read_to_string(sandbox.host.join("renew.json"));
        text.is_ok_and(|text| text == broken).then_some(())
    });
    sandbox.docker(["rm", "-f", &sandbox.ids()["two"][0]]);
    sandbox.come_up(&["one", "two"]);
    let said = stops(daemon);
    assert!(said.contains("does not load"), "{said}");
    // Broken at the start.
    sandbox.docker(["rm", "-f", &sandbox.ids()["one"][0]]);
    let daemon = sandbox.start_renew(["run"]);
    sandbox.come_up(&["one", "two"]);
    push(&["three"], &of_services(&sandbox, &["one", "two", "three"]));
    sandbox.come_up(&["one", "two", "three"]);
    let said = stops(daemon);
    assert!(said.contains("working from a copy"), "{said}");
    assert!(said.contains("is loaded: 3 services"), "{said}");
}

/// A stack for each of these compose services.
fn push_each(sandbox: &Sandbox, names: &[&str]) {
    let stack = |name: &&str| {
        let text = format!("services: {{{name}: {{image: IMAGES/{name}:1}}}}\n");
        (format!("{name}/compose.yaml"), text)
    };
    let stacks: Vec<_> = names.iter().map(stack).collect();
    let files: Vec<_> = stacks.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    sandbox.commit(&files, "A stack each");
}

/// A service for each of them.
fn each(names: &[&str], schedule: &str) -> Value {
    let service = |name: &&str| {
        json!({
            "name": name, "compose_files": [format!("{name}/compose.yaml")],
            "compose_project_name": "SANDBOX", "schedule": schedule,
            "timeouts": { "git": "3s" },
        })
    };
    json!({ "services": names.iter().map(service).collect::<Vec<_>>() })
}

#[test]
fn a_remote_that_hangs_keeps_no_service_down() {
    let Some(sandbox) = three_pushed() else { return };
    let names = ["cache", "db", "web"];
    push_each(&sandbox, &names);
    let mut config = each(&names, "@every 5s");
    config["workers"] = json!(3);
    every_second(&sandbox, &config);
    sandbox.renew(["sync"]).expect(0);
    let before = sandbox.ids();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/x.git", silent.local_addr().expect("an address"));
    sandbox.git(&sandbox.host, &["remote", "set-url", "origin", &url]);
    for name in names {
        sandbox.docker(["kill", &before[name][0]]);
    }
    let daemon = sandbox.start_renew(["run"]);
    sandbox.come_up(&names);
    sandbox.only_changed(&before, &[]);
    let status = sandbox.renew(["status", "--json"]).expect(0).json();
    let told = status["daemon"]["services"].as_array().expect("services").iter();
    let reasons: Vec<&Value> = told.map(|one| &one["last"]["error"]["reason"]).collect();
    assert!(reasons.iter().all(|reason| **reason != "git_lock"), "{reasons:?}");
    stops(daemon);
}

#[test]
fn on_a_fresh_host_one_run_clones_and_the_others_find_it() {
    let Some(sandbox) = three_pushed() else { return };
    let names = ["cache", "db", "web"];
    push_each(&sandbox, &names);
    let remote = sandbox.git(&sandbox.host, &["remote", "get-url", "origin"]);
    std::fs::remove_dir_all(&sandbox.host).expect("a fresh host");
    let mut config = each(&names, "@yearly");
    config["repo"] = json!({ "dir": "SANDBOX", "url": format!("file://{remote}") });
    config["workers"] = json!(3);
    every_second(&sandbox, &config);
    let daemon = sandbox.start_renew(["run"]);
    // At the start and never again this year.
    sandbox.come_up(&names);
    let said = stops(daemon);
    assert_eq!(said.matches("cloning ").count(), 1, "{said}");
    assert!(!said.contains("WARN"), "{said}");
}

#[test]
fn a_pull_that_hangs_keeps_no_other_service_waiting() {
    let Some(sandbox) = three_pushed() else { return };
    let hangs = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let far = format!("{}/far:1", hangs.local_addr().expect("an address"));
    sandbox.commit(
        &[("far/compose.yaml", &format!("services: {{far: {{image: \"{far}\"}}}}\n"))],
        "A registry that hangs",
    );
    every_second(
        &sandbox,
        &json!({ "workers": 2, "services": [
            { "name": "far", "compose_files": ["far/compose.yaml"], "schedule": "@every 1s",
              "compose_project_name": "SANDBOX", "timeouts": { "pull": "10s" } },
            { "name": "app", "compose_files": ["compose.yaml"], "schedule": "@every 1s" },
        ] }),
    );
    let daemon = sandbox.start_renew(["run"]);
    sandbox.come_up(&["cache", "db", "web"]);
    let status = sandbox.renew(["status", "--json"]).expect(0).json();
    let far = &status["daemon"]["services"][0];
    assert!(far["running"].is_object() && far["last"].is_null(), "far hangs: {status:#}");
    // Its deadline frees the worker, and what is wrong is told.
    wait_for("the end of the run that hangs", 90, || {
        let status = sandbox.renew(["status", "--json"]).expect(0).json();
        (status["daemon"]["services"][0]["last"]["result"] == "failed").then_some(())
    });
    let said = stops(daemon);
    assert!(said.contains("ticks skipped: 1"), "{said}");
    drop(hangs);
}

#[test]
fn a_stop_lets_a_change_come_to_its_end_and_a_second_one_does_not() {
    let Some(sandbox) = slow_running() else { return };
    every_second(&sandbox, &json!({}));
    sandbox.commit(&[("compose.yaml", &SLOW.replace("web:1", "web:2"))], "web 2");
    let daemon = sandbox.start_renew(["run"]);
    sandbox.wait_for_recreate("web");
    let said = stops(daemon);
    assert!(said.contains("waiting for app"), "{said}");
    assert!(sandbox.version("web").starts_with("web:2 "), "the change was finished");
    sandbox.runs(&["db", "web"]);
    sandbox.settled();

    sandbox.commit(&[("compose.yaml", SLOW)], "web 1");
    let daemon = sandbox.start_renew(["run"]);
    sandbox.wait_for_recreate("web");
    daemon.terminate();
    std::thread::sleep(Duration::from_millis(300));
    stops(daemon);
    sandbox.renew(["sync"]).expect(0);
    assert!(sandbox.version("web").starts_with("web:1 "));
    sandbox.settled();
}
