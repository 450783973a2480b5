//! `renew validate` as a person and as a script see it, on files in a real directory.

#![allow(clippy::expect_used, clippy::panic, reason = "a test says no by panicking")]

use std::fs;
use std::path::PathBuf;

use chrono::{DateTime, FixedOffset, Utc};
use renew::cli::validate::{Report, ValidateOptions, report, run};
use tempfile::TempDir;

/// A directory with a renew.json and files of the repository.
struct Sandbox {
    dir: TempDir,
}

impl Sandbox {
    fn new(config: &str, files: &[(&str, &str)]) -> Sandbox {
        let sandbox = Sandbox { dir: tempfile::tempdir().expect("a directory") };
        sandbox.write("renew.json", config);
        for (path, text) in files {
            sandbox.write(path, text);
        }
        sandbox
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.dir.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("directories");
        fs::write(path, text).expect("a file");
    }

    fn config(&self) -> PathBuf {
        self.dir.path().join("renew.json")
    }

    fn report(&self) -> Report {
        let zone = FixedOffset::east_opt(3_600).expect("an offset");
        report(&self.config(), now(), &zone, &["node1".to_owned()])
    }

    /// Exit code, standard output, standard error.
    fn run(&self, json: bool) -> (u8, String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let options = ValidateOptions { config: Some(self.config()), json, schema: false };
        let code = run(&options, now(), &mut out, &mut err);
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        (code, text(out), text(err))
    }
}

fn now() -> DateTime<Utc> {
    "2026-01-01T12:00:00Z".parse().expect("a time")
}

fn said(findings: &[renew::config::Diagnostic]) -> Vec<String> {
    findings.iter().map(|d| format!("{}:{} {}: {}", d.line, d.column, d.path, d.message)).collect()
}

const ONE: &str =
    r#"{"services": [{"name": "web", "compose_files": ["c.yml"], "schedule": "@every 90s"}]}"#;

#[test]
fn a_good_file_prints_stacks_and_five_times_with_their_offset() {
    let sandbox = Sandbox::new(ONE, &[("c.yml", "services: {}\n")]);
    let report = sandbox.report();
    assert!(report.errors.is_empty() && report.warnings.is_empty(), "{report:?}");
    assert_eq!(report.services[0].next.len(), 5);
    assert!(report.services[0].next.iter().all(|time| time.ends_with("+01:00")), "{report:?}");

    let (code, out, err) = sandbox.run(false);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(
        out.contains("SERVICE") && out.contains("c.yml") && out.contains("@every 90s"),
        "{out}"
    );
    assert!(out.ends_with("1 service, 0 warnings, 0 errors\n"), "{out}");
}

#[test]
fn json_is_one_document_with_the_public_keys() {
    let sandbox = Sandbox::new(ONE, &[("c.yml", "")]);
    let (code, out, err) = sandbox.run(true);
    assert_eq!((code, err.as_str(), out.lines().count()), (0, "", 1));
    let value: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    let keys: Vec<&String> = value["services"][0].as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["name", "next", "schedule", "stacks"]);
    assert_eq!(value["services"][0]["stacks"], serde_json::json!([["c.yml"]]));
    for time in value["services"][0]["next"].as_array().expect("a list") {
        DateTime::parse_from_rfc3339(time.as_str().expect("text")).expect("RFC 3339");
    }
    assert_eq!(value["warnings"], serde_json::json!([]));

    sandbox.write("renew.json", "{\"services\": [{\"name\": 1}]}");
    let (code, out, err) = sandbox.run(true);
    assert_eq!((code, err.as_str()), (1, ""));
    let value: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(value["services"], serde_json::json!([]));
    let keys: Vec<&String> = value["errors"][0].as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["column", "file", "hint", "line", "message", "path"]);
}

#[test]
fn errors_are_file_line_column_path() {
    let sandbox = Sandbox::new("{\n \"services\": [],\n \"wrkers\": 1}", &[]);
    let (code, out, _) = sandbox.run(false);
    let path = sandbox.config();
    assert_eq!(code, 1);
    assert!(
        out.contains(&format!("{}:2:14: services: names no service\n", path.display())),
        "{out}"
    );
    assert!(out.contains(&format!("{}:3:2: wrkers: unknown key \"wrkers\"\n", path.display())));
    assert!(out.contains("  hint: did you mean \"workers\"?\n"), "{out}");
}

#[test]
fn files_are_looked_at() {
    let config = "{\"services\": [{\"name\": \"web\",\n\"compose_files\": [\"a/c.yml\", \"b/c.yml\", \"d\"],\n\"pre_script\": \"s.sh\"}]}";
    let sandbox =
        Sandbox::new(config, &[("a/c.yml", ""), ("a/compose.override.yml", ""), ("d/x", "")]);
    let report = sandbox.report();
    let dir = sandbox.dir.path().display();
    assert_eq!(
        said(&report.errors),
        [
            format!("2:30 services[0].compose_files[1]: {dir}/b/c.yml does not exist"),
            format!("2:41 services[0].compose_files[2]: {dir}/d is not a file"),
            format!("3:15 services[0].pre_script: {dir}/s.sh does not exist"),
        ]
    );
    let overrides = "2:19 services[0].compose_files[0]: a/compose.override.yml lies beside it and is not listed";
    assert_eq!(said(&report.warnings)[0], overrides);

    let listed = config.replace("\"b/c.yml\"", "\"a/compose.override.yml\"");
    sandbox.write("renew.json", &listed);
    assert!(
        !said(&sandbox.report().warnings).iter().any(|warning| warning.contains("lies beside"))
    );
}

#[test]
fn a_link_may_not_lead_out() {
    let sandbox = Sandbox::new(ONE, &[]);
    let outside = tempfile::tempdir().expect("a directory");
    fs::write(outside.path().join("c.yml"), "").expect("a file");
    std::os::unix::fs::symlink(outside.path().join("c.yml"), sandbox.dir.path().join("c.yml"))
        .expect("a link");
    let errors = said(&sandbox.report().errors);
    assert!(errors.len() == 1 && errors[0].contains("leads out of the repository"), "{errors:?}");
}

#[test]
fn stacks_that_fall_into_one_project_are_named() {
    let config = "{\"services\": [{\"name\": \"a\", \"compose_files\": [\"a/app/c.yml\"]},\n{\"name\": \"b\", \"compose_files\": [\"b/app/c.yml\"]}]}";
    let sandbox = Sandbox::new(config, &[("a/app/c.yml", ""), ("b/app/c.yml", "")]);
    let expected =
        "2:33 services[1].compose_files[0]: shares the compose project \"app\" with \"a\"";
    assert_eq!(said(&sandbox.report().warnings), [expected]);
    sandbox.write("b/app/c.yml", "name: other\nservices: {}\n");
    assert!(sandbox.report().warnings.is_empty());
    assert_eq!(sandbox.report().services[1].projects, ["other"]);
    sandbox.write("b/app/.env", "A=1\nCOMPOSE_PROJECT_NAME=from-env\n");
    assert_eq!(sandbox.report().services[1].projects, ["from-env"]);
}

#[test]
fn a_file_for_another_machine_can_be_checked() {
    let config = ONE.replacen('{', "{\"repo\": {\"dir\": \"/no/such/dir\"}, ", 1);
    let report = Sandbox::new(&config, &[]).report();
    assert!(report.errors.is_empty(), "{report:?}");
    assert_eq!(
        said(&report.warnings),
        ["1:1 repo.dir: /no/such/dir is not a directory on this machine"]
    );
}

#[test]
fn a_thousand_services_and_their_files() {
    let services: Vec<String> = (0..1_000)
        .map(|n| format!("{{\"name\": \"s{n}\", \"compose_files\": [\"s{n}/compose.yml\"], \"hosts\": [\"h{n}\"]}}"))
        .collect();
    let sandbox = Sandbox::new(&format!("{{\"services\": [{}]}}", services.join(",\n")), &[]);
    for n in 0..1_000 {
        sandbox.write(&format!("s{n}/compose.yml"), "services: {}\n");
    }
    #[expect(clippy::disallowed_methods, reason = "a test may look at the clock")]
    let start = std::time::Instant::now();
    let report = sandbox.report();
    let took = start.elapsed();
    println!("{took:?}");
    assert!(report.errors.is_empty() && report.warnings.is_empty());
    assert!(took.as_secs() < 5, "an unoptimised build took {took:?}");
}

#[test]
fn a_quorum_that_cannot_be_reached_is_named() {
    for (peers, required, warns) in [
        ("\"http://node2/\"", 1, false),
        ("\"http://node1/\", \"http://node2/\"", 1, false),
        ("\"http://node1/\", \"http://node2/\"", 2, true),
        ("\"http://localhost/\", \"http://127.0.0.1/\", \"http://[::1]/\"", 1, true),
        ("\"http://127.0.0.2/\"", 1, false),
        ("", 1, true),
    ] {
        let config = format!(
            "{{\"services\": [{{\"name\": \"web\", \"compose_files\": [\"c.yml\"],\n\"health\": {{\"peer_urls\": [{peers}], \"peers_required\": {required}}}}}]}}"
        );
        let sandbox = Sandbox::new(&config, &[("c.yml", "")]);
        let found = said(&sandbox.report().warnings);
        let named = found.iter().any(|w| w.starts_with("2:11 services[0].health: peers_required"));
        assert_eq!(named, warns, "{peers} {required}: {found:?}");
    }
}

#[test]
fn it_all_fits_eighty_columns() {
    let files: Vec<String> =
        (0..9).map(|n| format!("\"a-long-directory-name/compose.part-{n}.yml\"")).collect();
    let config = format!(
        "{{\"services\": [{{\"name\": \"{}\", \"compose_files\": [{}], \"schedule\": \"@every 90s\"}}]}}",
        "n".repeat(60),
        files.join(", ")
    );
    let sandbox = Sandbox::new(&config, &[]);
    for n in 0..9 {
        sandbox.write(&format!("a-long-directory-name/compose.part-{n}.yml"), "");
    }
    let (code, out, _) = sandbox.run(false);
    assert_eq!(code, 0, "{out}");
    assert!(out.lines().all(|line| line.chars().count() <= 80), "{out}");
}

#[test]
fn without_a_file_it_says_where_it_looked() {
    let sandbox = Sandbox::new(ONE, &[]);
    fs::remove_file(sandbox.config()).expect("removed");
    let (code, out, _) = sandbox.run(true);
    let value: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, value["errors"].as_array().map(Vec::len)), (1, Some(1)), "{out}");
}

#[test]
fn a_schedule_that_never_fires_in_a_window_is_told() {
    let service = |windows: &str, schedule: &str| {
        format!(
            r#"{{"services": [{{"name": "web", "compose_files": ["c.yml"],
  "windows": [{windows}], "schedule": "{schedule}"}}]}}"#
        )
    };
    let warnings = |windows: &str, schedule: &str| {
        let sandbox = Sandbox::new(&service(windows, schedule), &[("c.yml", "services: {}\n")]);
        said(&sandbox.report().warnings)
    };
    // Local time is an hour ahead of UTC here.
    assert_eq!(
        warnings("\"daily 02:00-04:00\"", "0 12 * * *"),
        ["2:14 services[0].windows: its schedule (0 12 * * *) never fires in a window"]
    );
    for (windows, schedule) in [
        ("\"daily 02:00-04:00\"", "0 3 * * *"),
        ("\"Mon 01:00-01:30\", \"daily 12:00-13:00\"", "0 12 * * *"),
        ("", "0 12 * * *"),
        ("\"Mon 02:00-04:00\"", "*/3 * * * *"),
    ] {
        assert_eq!(warnings(windows, schedule), [""; 0], "{windows} {schedule}");
    }
}
