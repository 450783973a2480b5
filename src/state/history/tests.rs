//! The first format, and what is worth a write.

use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};

use super::{Done, ENTRIES_MAX, Entry, FORMAT, History, Images, Judged, Standing, Told};

const GOLDEN: &str = include_str!("../../../tests/golden/history-v1.json");

fn at(minutes: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes)
}

fn standing(result: &str, message: &str, minutes: i64) -> Standing {
    let error = (!message.is_empty()).then(|| Told {
        reason: "exited".to_owned(),
        message: message.to_owned(),
        resolution: "look".to_owned(),
    });
    let (result, gate) = (result.to_owned(), "unasked".to_owned());
    Standing { result, error, gate, waits: Vec::new(), since: at(minutes), until: None }
}

fn entry(commit: &str, result: &str, minutes: i64) -> Entry {
    let done = Done {
        project: "shop".to_owned(),
        compose_service: "web".to_owned(),
        action: "start".to_owned(),
        reason: "stopped".to_owned(),
        detail: "exited with code 1".to_owned(),
        image: Images::default(),
        down_ms: Some(minutes.unsigned_abs()),
    };
    Entry {
        id: 1,
        at: at(minutes),
        last_at: at(minutes),
        times: 1,
        commit: commit.to_owned(),
        from: Some(minutes.to_string()),
        author: None,
        subject: None,
        trigger: "sync".to_owned(),
        result: result.to_owned(),
        gate: "unasked".to_owned(),
        error: None,
        actions: vec![done],
        quarantined: Vec::new(),
    }
}

#[test]
fn the_first_format_is_read_for_ever() {
    let history = History::parse(GOLDEN.as_bytes(), Path::new("golden")).unwrap();
    let newest = history.entries.back().unwrap();
    assert_eq!((newest.id, newest.actions.len()), (7, 1));
    assert_eq!(newest.actions[0].image.before.as_deref(), Some("registry.example/web:1"));
    assert_eq!(newest.actions[0].down_ms, Some(2140));
    assert_eq!(newest.quarantined[0].reason, "exited");
    assert_eq!(history.last.as_ref().unwrap().error.as_ref().unwrap().reason, "quarantined");
    let written = serde_json::to_string_pretty(&history).unwrap();
    assert_eq!(written + "\n", GOLDEN, "and written so");
}

#[test]
fn a_newer_format_is_refused_and_a_broken_file_is_lost() {
    let newer = format!("{{\"format\": {}}}", FORMAT + 1);
    assert_eq!(History::parse(newer.as_bytes(), Path::new("f")).unwrap_err().reason, "state_newer");
    for cut in 0..GOLDEN.trim_end().len() {
        let history = History::parse(&GOLDEN.as_bytes()[..cut], Path::new("f")).unwrap();
        assert_eq!(history, History::default(), "cut at byte {cut}");
    }
}

#[test]
fn only_what_differs_in_more_than_its_time_is_news() {
    let mut history = History::default();
    history.end(standing("failed", "code 3", 1), Judged::Badly);
    let first = history.clone();
    history.end(standing("failed", "code 3", 2), Judged::Badly);
    assert_eq!(history, first, "it fails as before");
    history.end(standing("failed", "code 4", 3), Judged::Badly);
    assert_eq!(history.last.as_ref().unwrap().since, at(3));
    assert_eq!(history.last_failure.as_ref().unwrap().until, None, "it goes on");
    history.end(standing("ok", "", 4), Judged::Well);
    history.end(standing("ok", "", 5), Judged::Well);
    assert_eq!(history.last.as_ref().unwrap().since, at(4));
    let failure = history.last_failure.as_ref().unwrap();
    assert_eq!((failure.since, failure.until), (at(3), Some(at(4))), "what is over is kept");
    history.end(standing("observed", "", 6), Judged::Well);
    assert_eq!(history.last_failure.as_ref().unwrap().until, Some(at(4)));
}

#[test]
fn what_repeats_itself_pushes_nothing_out() {
    let mut history = History::default();
    history.add(entry("a", "failed", 1), Judged::Badly);
    let first = history.clone();
    history.add(entry("a", "failed", 2), Judged::Badly);
    assert_eq!(history, first, "a failure that repeats itself is no news");
    for minutes in 3..99 {
        history.add(entry("a", "changed", minutes), Judged::Well);
    }
    let newest = history.entries.back().unwrap();
    assert_eq!((history.entries.len(), newest.times), (2, 96));
    assert_eq!((newest.at, newest.last_at), (at(3), at(98)));
    for count in 0..30 {
        history.add(entry(&count.to_string(), "changed", 100), Judged::Well);
    }
    let commits: Vec<&str> = history.entries.iter().map(|entry| entry.commit.as_str()).collect();
    assert_eq!(
        (commits.len(), commits[0], commits[19]),
        (ENTRIES_MAX, "10", "29"),
        "the oldest go"
    );
}
