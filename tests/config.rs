//! The rules of renew.json, one line a case: what is written, and what is said about it where.

#![allow(clippy::expect_used, clippy::panic, reason = "a test says no by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use renew::config::{self, Diagnostic, FilesAction, Loaded, Mode, Outcome, Reason, last_good};

const FILE: &str = "/srv/app/renew.json";

fn parse(text: &str) -> Result<Loaded, Vec<Diagnostic>> {
    config::parse(text.as_bytes(), Path::new(FILE))
}

fn good(text: &str) -> Loaded {
    parse(text).unwrap_or_else(|errors| panic!("{text}\n{}", shown(&errors).join("\n")))
}

/// `line:col path: message`, the hint left out.
fn shown(findings: &[Diagnostic]) -> Vec<String> {
    let show = |d: &Diagnostic| format!("{}:{} {}: {}", d.line, d.column, d.path, d.message);
    findings.iter().map(show).collect()
}

/// A document with one service that holds `more`; `more` begins at 2:1.
fn service(more: &str) -> String {
    format!("{{\"services\": [{{\"name\": \"web\", \"compose_files\": [\"c.yml\"],\n{more}}}]}}")
}

/// A document with one good service and `more` at the top; `more` begins at 2:1.
fn top(more: &str) -> String {
    format!("{{\"services\": [{{\"name\": \"web\", \"compose_files\": [\"c.yml\"]}}],\n{more}}}")
}

fn check(cases: &[(String, &[&str])]) {
    for (text, expected) in cases {
        let found = parse(text).map(|_| ()).expect_err(text);
        assert_eq!(shown(&found), *expected, "{text}");
    }
}

#[test]
fn the_smallest_file_has_every_default() {
    let loaded = good(r#"{"services": [{"name": "web", "compose_files": ["c.yml"]}]}"#);
    assert_eq!(loaded.warnings, []);
    let config = loaded.config;
    assert_eq!(config.path, Path::new(FILE));
    assert_eq!(config.repo.dir, Path::new("/srv/app"));
    assert_eq!((config.repo.remote.as_str(), config.repo.branch.as_str()), ("origin", "main"));
    assert_eq!(config.state_dir, Path::new("/srv/app/.renew"));
    assert_eq!(config.control_socket, Path::new("/srv/app/.renew/renew.sock"));
    assert_eq!((config.workers, config.run_on_start), (1, false));
    assert_eq!((config.docker.host, config.docker.config_dir), (None, None));
    assert_eq!(config.disk_floor_bytes, 1 << 30);
    assert_eq!(config.retention.age, Duration::from_secs(90 * 86_400));
    assert_eq!((config.retention.count, config.retention.bytes), (20, 64 << 20));
    assert!(config.listen.is_none() && config.heartbeat.is_none() && config.notify.is_empty());
    let web = &config.services[0];
    assert_eq!(web.stacks, [[PathBuf::from("c.yml")]]);
    assert_eq!(web.schedule_text, "*/3 * * * *");
    assert!(web.runs_on(&[]) && web.runs_on(&["any".to_owned()]));
    let policy = web.for_compose_service("x");
    assert_eq!(policy.mode, Mode::Apply);
    for (reason, expected) in [
        (Reason::Image, true),
        (Reason::Config, true),
        (Reason::Files, true),
        (Reason::Unhealthy, false),
    ] {
        assert_eq!(policy.recreate_on.contains(reason), expected, "{reason:?}");
    }
    assert_eq!(web.verify.timeout, Duration::from_secs(120));
    assert_eq!(web.timeouts.pull, Duration::from_secs(900));
    assert_eq!((web.keep_releases, web.prune_images, web.remove_orphans), (2, true, false));
    assert_eq!((web.health.peers_required, web.lease.is_none()), (0, true));
}

#[test]
fn keys() {
    let s = service;
    check(&[
        (s("\"scedule\": 1"), &["2:1 services[0].scedule: unknown key \"scedule\""]),
        (
            s("\"verify\": {\"tiemout\": 1}"),
            &["2:12 services[0].verify.tiemout: unknown key \"tiemout\""],
        ),
        (s("\"a.b\": 1"), &["2:1 services[0].\"a.b\": unknown key \"a.b\""]),
        (s("\"name\": \"b\""), &["2:1 services[0].name: is set twice"]),
        (s("\"n\\u0061me\": \"b\""), &["2:1 services[0].name: is set twice"]),
        (
            s("\"per_service\": {\"db\": {\"modes\": 1}}"),
            &["2:24 services[0].per_service.db.modes: unknown key \"modes\""],
        ),
        (
            s("\"per_service\": {\"a/b\": {}}"),
            &["2:24 services[0].per_service.a/b: \"a/b\" cannot be the name of a compose service"],
        ),
        (s("\"verify\": 5"), &["2:11 services[0].verify: expected an object, found a number"]),
        (top("\"defaults\": {\"name\": \"x\"}"), &["2:14 defaults.name: unknown key \"name\""]),
        (top("\"repo\": []"), &["2:9 repo: expected an object, found a list"]),
        (top("\"ü\": 1, \"zz\": 1"), &["2:1 ü: unknown key \"ü\"", "2:9 zz: unknown key \"zz\""]),
        ("[]".to_owned(), &["1:1 : expected an object, found a list"]),
        ("{}".to_owned(), &["1:1 services: is required"]),
        ("{\"services\": []}".to_owned(), &["1:14 services: names no service"]),
        (
            "{\"services\": {}}".to_owned(),
            &["1:14 services: expected a list of objects, found an object"],
        ),
        (
            "{\"services\": [1, {}]}".to_owned(),
            &[
                "1:15 services[0]: expected an object, found a number",
                "1:18 services[1].compose_files: is required",
                "1:18 services[1].name: is required",
            ],
        ),
    ]);
    for (text, hint) in [
        (s("\"scedule\": 1"), "did you mean \"schedule\"?"),
        (top("\"schedule\": 1"), "there is a field services[].schedule"),
        (top("\"frob\": 1"), "keys of your own start with \"x-\""),
        (
            top("\"defaults\": {\"name\": \"x\"}"),
            "\"name\" belongs to each service, not to defaults",
        ),
    ] {
        let found = parse(&text).map(|_| ()).expect_err(&text);
        assert_eq!(found[0].hint.as_deref(), Some(hint), "{text}");
    }
    let foreign =
        "\"$schema\": \"s\", \"x-a\": {\"b\": [1]}, \"repo\": {\"x-a\": 1, \"$schema\": 1}";
    assert_eq!(good(&top(foreign)).warnings, []);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn values() {
    let s = service;
    check(&[
        (s("\"schedule\": 5"), &["2:13 services[0].schedule: expected text, found a number"]),
        (s("\"mode\": \"Observe\""), &["2:9 services[0].mode: \"Observe\" is not a choice here"]),
        (
            s("\"recreate_on\": [\"image\", \"env\"]"),
            &["2:26 services[0].recreate_on[1]: \"env\" is not a choice here"],
        ),
        (
            s("\"recreate_on\": [\"image\", \"image\"]"),
            &["2:26 services[0].recreate_on[1]: is listed twice"],
        ),
        (
            s("\"recreate_on\": \"image\""),
            &["2:16 services[0].recreate_on: expected a list, found text"],
        ),
        (
            s("\"files_action\": \"signal:FOO\""),
            &["2:17 services[0].files_action: \"FOO\" is not a choice here"],
        ),
        (
            s("\"verify\": {\"timeout\": \"2\"}"),
            &["2:23 services[0].verify.timeout: \"2\" is not a duration"],
        ),
        (
            s("\"verify\": {\"timeout\": 2}"),
            &["2:23 services[0].verify.timeout: expected a duration like \"90s\", found a number"],
        ),
        (
            s("\"verify\": {\"timeout\": \"0s\"}"),
            &["2:23 services[0].verify.timeout: must be at least 1s"],
        ),
        (
            s("\"timeouts\": {\"up\": \"-1s\"}"),
            &["2:20 services[0].timeouts.up: a duration cannot be negative"],
        ),
        (
            s("\"keep_releases\": 0"),
            &["2:18 services[0].keep_releases: 0 is not a whole number from 1 to 100"],
        ),
        (
            s("\"keep_releases\": 1.5"),
            &["2:18 services[0].keep_releases: 1.5 is not a whole number from 1 to 100"],
        ),
        (
            s("\"keep_releases\": null"),
            &["2:18 services[0].keep_releases: expected a whole number, found null"],
        ),
        (
            s("\"remove_orphans\": \"yes\""),
            &["2:19 services[0].remove_orphans: expected true or false, found text"],
        ),
        (
            s("\"windows\": [\"Mon 07:00\"]"),
            &[
                "2:13 services[0].windows[0]: \"Mon 07:00\" is not a window: \"07:00\" is not a span of times",
            ],
        ),
        (
            s("\"hosts\": [\"a b\"]"),
            &["2:11 services[0].hosts[0]: \"a b\" is not a host name pattern"],
        ),
        (s("\"hosts\": []"), &["2:10 services[0].hosts: names no host"]),
        (s("\"profiles\": [\"-x\"]"), &["2:14 services[0].profiles[0]: \"-x\" is not a profile"]),
        (
            s("\"compose_project_name\": \"App\""),
            &["2:25 services[0].compose_project_name: \"App\" is not a compose project name"],
        ),
        (s("\"env_file\": \"\""), &["2:13 services[0].env_file: is empty"]),
        (s("\"env_file\": \"~/x\""), &["2:13 services[0].env_file: \"~\" is not expanded"]),
        (
            s("\"pre_script\": \"../x.sh\""),
            &["2:15 services[0].pre_script: \"../x.sh\" leaves the repository"],
        ),
        (
            s("\"health\": {\"peer_urls\": [\"node2\"]}"),
            &["2:26 services[0].health.peer_urls[0]: is not an http or https address"],
        ),
        (
            s("\"health\": {\"peers_required\": -1}"),
            &["2:30 services[0].health.peers_required: -1 is not a whole number from 0 to 10000"],
        ),
        (
            s("\"lease\": {\"url\": \"ftp://x\"}"),
            &["2:18 services[0].lease.url: is not an http or https address"],
        ),
        (top("\"workers\": 0"), &["2:12 workers: 0 is not a whole number from 1 to 256"]),
        (top("\"log_format\": \"xml\""), &["2:15 log_format: \"xml\" is not a choice here"]),
        (
            top("\"run_on_start\": 1"),
            &["2:17 run_on_start: expected true or false, found a number"],
        ),
        (top("\"disk_floor\": \"1G\""), &["2:15 disk_floor: \"1G\" is not a size"]),
        (
            top("\"disk_floor\": -1"),
            &["2:15 disk_floor: expected a size like \"1GiB\", found a number"],
        ),
        (
            top("\"retention\": {\"bytes\": true}"),
            &["2:24 retention.bytes: expected a size like \"1GiB\", found true or false"],
        ),
        (
            top("\"docker\": {\"host\": \"tcp://x:1\"}"),
            &["2:20 docker.host: \"tcp://x:1\" is not a Unix socket"],
        ),
        (top("\"state_dir\": \".\""), &["2:14 state_dir: holds the repository or this file"]),
        (top("\"state_dir\": \"/srv\""), &["2:14 state_dir: holds the repository or this file"]),
        (
            top("\"requires\": \"new\""),
            &[
                "2:13 requires: \"new\" is not a range of versions: unexpected character 'n' while parsing major version number",
            ],
        ),
        (top("\"requires\": 1"), &["2:13 requires: expected text, found a number"]),
        (
            top("\"listen\": {\"address\": \"x:1\"}"),
            &[
                "2:23 listen.address: \"x:1\" is not an IP address with a port",
                "2:23 listen.address: needs \"secret_file\"",
            ],
        ),
        (top("\"heartbeat\": {\"url\": \"http://\"}"), &["2:22 heartbeat.url: names no host"]),
    ]);
}

#[test]
fn a_bad_schedule_is_pointed_at_within_its_text() {
    for (text, place) in [
        ("\"schedule\": \"0 61 * * *\"", (2, 16)),
        // With an escape in the text its bytes are no longer those of the file.
        ("\"schedule\": \"\\u0030 61 * * *\"", (2, 13)),
    ] {
        let found = parse(&service(text)).map(|_| ()).expect_err(text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].line, found[0].column), place, "{found:?}");
        assert!(found[0].path == "services[0].schedule" && found[0].hint.is_some());
    }
}

#[test]
fn notify_entries() {
    check(&[
        (top("\"notify\": [{}]"), &["2:12 notify[0]: needs \"url\" or \"command\""]),
        (
            top("\"notify\": [{\"url\": \"https://h/\", \"command\": [\"x\"]}]"),
            &["2:12 notify[0]: has both \"url\" and \"command\""],
        ),
        (top("\"notify\": [{\"command\": []}]"), &["2:24 notify[0].command: is empty"]),
        (
            top("\"notify\": [{\"url\": \"http://h/\"}]"),
            &["2:20 notify[0].url: plain http leaves this host"],
        ),
        (
            top("\"notify\": [{\"url\": \"https://h/\", \"on\": [\"fail\"]}]"),
            &["2:41 notify[0].on[0]: \"fail\" is not a choice here"],
        ),
        (top("\"notify\": {}"), &["2:11 notify: expected a list of objects, found an object"]),
        (top("\"notify\": [\"x\"]"), &["2:12 notify[0]: expected an object, found text"]),
    ]);
    let loaded = good(&top(
        "\"notify\": [{\"command\": [\"echo\", \"a\", \"a\"], \"on\": [\"failed\"]}, {\"url\": \"https://h/\"}]",
    ));
    assert_eq!(loaded.config.notify.len(), 2);
    assert_eq!(loaded.config.notify[1].on.len(), 10, "every event unless said otherwise");
}

#[test]
fn what_git_gets() {
    check(&[
        (
            top("\"repo\": {\"branch\": \"--force\"}"),
            &["2:20 repo.branch: \"--force\" cannot be the name of a branch: it begins with \"-\""],
        ),
        (
            top("\"repo\": {\"branch\": \"refs/heads/main\"}"),
            &["2:20 repo.branch: \"refs/heads/main\" is a full ref"],
        ),
        (
            top("\"repo\": {\"remote\": \"a b\"}"),
            &[
                "2:20 repo.remote: \"a b\" cannot be the name of a remote: it holds a blank, a control character or one of ~^:?*[\\",
            ],
        ),
        (
            top("\"repo\": {\"url\": \"ext::sh\"}"),
            &["2:17 repo.url: names a transport helper, which could run any program"],
        ),
        (
            top("\"repo\": {\"url\": \"--upload-pack=x\"}"),
            &["2:17 repo.url: begins with \"-\": git would take it for an option"],
        ),
    ]);
}

#[test]
fn compose_files() {
    let s = |files: &str| {
        format!("{{\"services\": [{{\"name\": \"web\",\n\"compose_files\": {files}}}]}}")
    };
    check(&[
        (s("\"c.yml\""), &["2:18 services[0].compose_files: expected a list, found text"]),
        (s("[]"), &["2:18 services[0].compose_files: is empty"]),
        (s("[[]]"), &["2:19 services[0].compose_files[0]: is empty"]),
        (
            s("[1]"),
            &["2:19 services[0].compose_files[0]: expected the path of a file, found a number"],
        ),
        (s("[\"/c.yml\"]"), &["2:19 services[0].compose_files[0]: \"/c.yml\" is an absolute path"]),
        (
            s("[\"a\", \"a/../../c.yml\"]"),
            &["2:24 services[0].compose_files[1]: \"a/../../c.yml\" leaves the repository"],
        ),
        (
            s("[[\"a\", \"../c.yml\"]]"),
            &["2:25 services[0].compose_files[0][1]: \"../c.yml\" leaves the repository"],
        ),
        (
            s("[\"c.yml\", \"./c.yml\"]"),
            &["2:18 services[0].compose_files: \"c.yml\" is listed twice in one stack"],
        ),
        (
            s("[[\"a.yml\"], [\"a.yml\"]]"),
            &["2:18 services[0].compose_files: lists the same stack twice"],
        ),
    ]);
    let loaded = good(&s("[\"x/a.yml\", \"y/a.yml\", \"x/b.yml\", [\"x/a.yml\", \"y/b.yml\"]]"));
    let stacks: Vec<Vec<String>> = loaded.config.services[0]
        .stacks
        .iter()
        .map(|files| files.iter().map(|file| file.display().to_string()).collect())
        .collect();
    assert_eq!(stacks, [vec!["x/a.yml", "x/b.yml"], vec!["y/a.yml"], vec!["x/a.yml", "y/b.yml"]]);
    assert_eq!((loaded.places[2].line, loaded.places[2].column), (2, 41));
}

#[test]
fn services_together() {
    let two = |a: &str, b: &str| {
        format!(
            "{{\"services\": [\n{{\"name\": \"a\", \"compose_files\": [\"c.yml\"]{a}}},\n\
             {{\"name\": \"b\", \"compose_files\": [\"c.yml\"]{b}}}]}}"
        )
    };
    let clash: &[&str] =
        &["3:32 services[1].compose_files: c.yml is already a stack of service \"a\""];
    check(&[
        (two("", ""), clash),
        (two("", ", \"hosts\": [\"web1\"]"), clash),
        (two(", \"hosts\": [\"web*\"]", ", \"hosts\": [\"web1\"]"), clash),
        (
            two("", "").replace("\"b\"", "\"a\"").replace("[\"c.yml\"]}]", "[\"d.yml\"]}]"),
            &["3:10 services[1].name: the name \"a\" is already that of services[0]"],
        ),
        (two(", \"compose_project_name\": \"p\"", ", \"compose_project_name\": \"p\""), clash),
    ]);
    for (a, b) in [
        (", \"hosts\": [\"web1\"]", ", \"hosts\": [\"web2\"]"),
        ("", ", \"compose_project_name\": \"p\""),
        (", \"profiles\": [\"x\"]", ""),
    ] {
        good(&two(a, b));
    }
}

#[test]
fn defaults_lie_under_every_service() {
    let text = r#"{
        "defaults": {"mode": "observe", "verify": {"timeout": "5m", "soak": "1s"}, "hosts": ["web*"],
            "per_service": {"db": {"mode": "observe", "files_action": "none"}}},
        "services": [
            {"name": "a", "compose_files": ["a.yml"], "mode": "apply", "verify": {"soak": "2s"},
             "per_service": {"db": {"files_action": "signal:HUP"}}},
            {"name": "b", "compose_files": ["b.yml"], "hosts": ["db1"]}
        ]}"#;
    let config = good(text).config;
    let (a, b) = (&config.services[0], &config.services[1]);
    assert_eq!((a.policy.mode, b.policy.mode), (Mode::Apply, Mode::Observe));
    assert_eq!((a.verify.timeout.as_secs(), a.verify.soak.as_secs()), (300, 2));
    assert_eq!((b.verify.timeout.as_secs(), b.verify.soak.as_secs()), (300, 1));
    assert!(a.runs_on(&["web7".to_owned()]) && !a.runs_on(&["db1".to_owned()]));
    assert!(b.runs_on(&["x".to_owned(), "db1".to_owned()]) && !b.runs_on(&["web7".to_owned()]));
    let db = a.for_compose_service("db");
    assert_eq!((db.mode, db.files_action), (Mode::Observe, FilesAction::Signal("HUP".to_owned())));
    assert_eq!(a.for_compose_service("web").files_action, FilesAction::Recreate);

    let broken = text.replace("\"5m\"", "\"5x\"");
    let found = parse(&broken).map(|_| ()).expect_err("a bad default");
    assert_eq!(shown(&found), ["2:63 defaults.verify.timeout: \"5x\" is not a duration"]);
}

#[test]
fn every_error_is_reported_at_once_in_order() {
    let text = "{\n \"workers\": 0,\n \"services\": [\n  {\"name\": \"-\", \"compose_files\": [\"/x\"]},\n  {\"nme\": 1}\n ],\n \"repo\": {\"branch\": \"-\"}\n}";
    let found = parse(text).map(|_| ()).expect_err("errors");
    let starts: Vec<(usize, usize, &str)> =
        found.iter().map(|d| (d.line, d.column, d.path.as_str())).collect();
    assert_eq!(
        starts,
        [
            (2, 13, "workers"),
            (4, 12, "services[0].name"),
            (4, 35, "services[0].compose_files[0]"),
            (5, 3, "services[1].compose_files"),
            (5, 3, "services[1].name"),
            (5, 4, "services[1].nme"),
            (7, 21, "repo.branch"),
        ]
    );
}

#[test]
fn a_schedule_that_is_none_hides_no_other_error() {
    let text = r#"{"services": [{"name": "a", "compose_files": ["x"], "schedule": "61 * * * *",
        "verify": {"soak": "2"}, "heal": "al", "env_file": 7}]}"#;
    let found = parse(text).map(|_| ()).expect_err("errors");
    let paths: Vec<&str> = found.iter().map(|d| d.path.as_str()).collect();
    let expected = ["schedule", "verify.soak", "heal", "env_file"];
    assert_eq!(paths, expected.map(|key| format!("services[0].{key}")));
}

#[test]
fn syntax_errors_have_a_place_too() {
    for (text, expected) in [
        (b"".as_slice(), "1:1 : is empty"),
        (b"{\"a\": 1,\n \"b\"}", "2:5 : not JSON: expected `:`"),
        (b"{}\n x", "2:2 : not JSON: trailing characters"),
        (b"{\n\"a\": 1,\n}", "3:1 : not JSON: trailing comma"),
        (b"{\n\"\xff\": 1}", "2:2 : is not UTF-8 text from here on"),
        (b"{\"a\": \"\\ud800\"}", "1:14 : not JSON: unexpected end of hex escape"),
    ] {
        let found = config::parse(text, Path::new(FILE)).map(|_| ()).expect_err(expected);
        assert_eq!(shown(&found), [expected]);
    }
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    let found = parse(&deep).map(|_| ()).expect_err("deep");
    assert_eq!(shown(&found), ["1:34 : values are nested more than 32 deep"]);
    let bom = format!("\u{feff}{}", service("\"x-a\": 1"));
    assert_eq!(good(&bom).warnings, []);
}

#[test]
fn a_file_for_another_version_says_so_and_nothing_else() {
    let text = "{\"requires\": \">=99\", \"new_key\": 1, \"services\": 5}";
    let found = parse(text).map(|_| ()).expect_err("another version");
    let own = env!("CARGO_PKG_VERSION");
    let expected = format!("1:14 requires: this is renew {own}, the file is for >=99");
    assert_eq!(shown(&found), [expected]);
    assert!(found[0].hint.as_deref().is_some_and(|hint| hint.starts_with("upgrade renew")));
    good(&top(&format!("\"requires\": \">={own}\"")));
}

#[test]
fn fields_without_an_effect_are_warned_about() {
    for (text, expected) in [
        (
            top("\"heartbeat\": {\"interval\": \"6m\"}"),
            vec!["2:27 heartbeat.interval: \"heartbeat.interval\" is not acted on in this version"],
        ),
        (service("\"image_check_every\": \"5m\""), vec![]),
        (service("\"verify\": {\"soak\": \"10000ms\"}"), vec![]),
        (service("\"recreate_on\": [\"image\", \"unhealthy\"], \"heal\": \"none\""), vec![]),
        (
            service("\"lease\": {\"group\": \"g\"}"),
            vec![
                "2:10 services[0].lease: has no effect without \"url\"",
                "2:20 services[0].lease.group: \"services[0].lease.group\" is not acted on in this version",
            ],
        ),
        (top("\"retention\": {\"bytes\": \"65536KiB\"}"), vec![]),
        (
            top("\"retention\": {\"bytes\": 5}"),
            vec!["2:24 retention.bytes: \"retention.bytes\" is not acted on in this version"],
        ),
        (top("\"notify\": []"), vec![]),
        (
            top("\"notify\": [{\"url\": \"https://h/\"}]"),
            vec!["2:11 notify: \"notify\" is not acted on in this version"],
        ),
        (
            top("\"defaults\": {\"lease\": {\"id\": \"h\"}}"),
            vec![
                "2:23 defaults.lease: has no effect without \"url\"",
                "2:30 defaults.lease.id: \"defaults.lease.id\" is not acted on in this version",
            ],
        ),
    ] {
        assert_eq!(shown(&good(&text).warnings), expected, "{text}");
    }
}

#[test]
fn no_secret_is_repeated() {
    let text = top(
        "\"repo\": {\"url\": \"xx://user:hunter2@h/\"}, \"heartbeat\": {\"url\": \"hunter2\"}, \"notify\": [{\"url\": \"http://h/hunter2\"}]",
    );
    let found = parse(&text).map(|_| ()).expect_err("errors");
    assert_eq!(found.len(), 3);
    assert!(!format!("{found:?}").contains("hunter2"), "{found:?}");
}

#[test]
fn every_field_of_the_table_is_read() {
    use renew::config::fields::FIELDS;
    for field in FIELDS.iter().filter(|field| !["services", "notify"].contains(&field.path)) {
        // A value of the wrong type in every place: whoever reads the field must complain.
        let mut keys: Vec<&str> = field.path.split('.').collect();
        let mut value = "{\"x-wrong\": null}".to_owned();
        if keys[0] == "services[]" && !["name", "compose_files"].contains(&keys[1]) {
            keys[0] = "defaults";
        }
        for key in keys.iter().rev() {
            let key = key.replace('*', "db");
            value = match key.strip_suffix("[]") {
                Some(list) => format!("{{\"{list}\": [{value}]}}"),
                None => format!("{{\"{key}\": {value}}}"),
            };
        }
        let found = parse(&value).map(|_| ()).expect_err(&value);
        let path = field.path.replace("[]", "[0]").replace('*', "db");
        let under_defaults = path.replace("services[0]", "defaults");
        let said = |d: &Diagnostic| {
            (d.path == path || d.path == under_defaults) && d.message.starts_with("expected")
        };
        assert!(found.iter().any(said), "{}: nobody reads it: {found:?}", field.path);
    }
}

#[test]
fn the_last_good_copy_stands_in_for_a_broken_file() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("renew.json");
    let text =
        r#"{"state_dir": "state", "services": [{"name": "web", "compose_files": ["c.yml"]}]}"#;
    fs::write(&path, text).expect("a file");
    let Outcome::Good(loaded) = config::load_or_last_good(&path) else { panic!("must load") };
    assert_eq!(fs::read_dir(dir.path()).expect("a list").count(), 1, "loading writes nothing");
    last_good::store(&loaded.config.state_dir, &path, text).expect("a copy");

    for broken in [text.replace("\"web\"", "5"), text.replace("]}]}", "]]"), String::new()] {
        fs::write(&path, &broken).expect("a file");
        let outcome = config::load_or_last_good(&path);
        let found_state = !broken.is_empty();
        match outcome {
            Outcome::LastGood { loaded, errors } => {
                assert!(found_state && !errors.is_empty());
                assert_eq!(loaded.config.services[0].name.as_str(), "web");
                assert_eq!(loaded.config.state_dir, dir.path().join("state"));
            }
            Outcome::Bad(errors) => assert!(!found_state && !errors.is_empty(), "{broken}"),
            Outcome::Good(_) => panic!("{broken} loads"),
        }
    }
    // A copy of another file is nobody's.
    let other = dir.path().join("other.json");
    fs::write(&other, "{\"state_dir\": \"state\"").expect("a file");
    assert!(matches!(config::load_or_last_good(&other), Outcome::Bad(_)));
}

#[test]
fn the_file_is_found_upwards() {
    let dir = tempfile::tempdir().expect("a directory");
    let below = dir.path().join("a/b");
    fs::create_dir_all(&below).expect("directories");
    let path = dir.path().join("renew.json");
    fs::write(&path, "{}").expect("a file");
    assert_eq!(config::find(&below), Some(path));
}

#[test]
fn a_thousand_services_are_resolved_quickly() {
    let entry = |n: usize| {
        format!(
            "{{\"name\": \"s{n}\", \"compose_files\": [\"s{n}/compose.yml\"], \"schedule\": \"*/5 * * * *\", \
             \"profiles\": [\"prod\"], \"verify\": {{\"timeout\": \"5m\"}}}}"
        )
    };
    let services: Vec<String> = (0..1_000).map(entry).collect();
    let text = format!("{{\"services\": [{}]}}", services.join(","));
    #[expect(clippy::disallowed_methods, reason = "a test may look at the clock")]
    let start = Instant::now();
    let loaded = config::parse(text.as_bytes(), Path::new(FILE)).expect("a good configuration");
    assert_eq!(loaded.config.services.len(), 1_000);
    let took = start.elapsed();
    assert!(took < Duration::from_secs(3), "an unoptimised build took {took:?}");
}
