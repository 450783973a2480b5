//! Stories about fetching, and about remotes that are not what they should be.

use std::fs;
use std::io;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use renew::git::{Git, News};
use renew::sys::clock::{Clock, SystemClock};
use renew::sys::exec::{Done, Exec, ExecError, Exit, Job, SystemExec};

use crate::world::{World, assert_same, snapshot, write};

#[test]
fn a_fetch_without_news_writes_nothing() {
    let world = World::with(&[("a", "1")]);
    world.fetched();
    let before = snapshot(&world.host);
    world.fetched();
    let after = snapshot(&world.host);
    assert_same(&before, &after);
    assert!(!world.has(".git/FETCH_HEAD"));
}

#[test]
fn a_branch_that_did_not_move_is_only_asked_for() {
    let world = World::with(&[("a", "1")]);
    let git = world.open();
    let known = world.fetched();
    world.git(&world.host, &["update-ref", "-d", "refs/remotes/origin/main"]);
    assert_eq!(git.fetch_news("origin", "main", Some(&known)).unwrap(), News::None);
    let upstream = || git.standing("origin", "main").unwrap().upstream.map(|commit| commit.id);
    assert_eq!(upstream(), None, "nothing was fetched");
    assert_eq!(git.fetch_news("origin", "main", None).unwrap(), News::Fetched);
    assert_eq!(upstream(), Some(known.id.clone()));
    let id = world.publish(&[("a", "2")]);
    assert_eq!(git.fetch_news("origin", "main", Some(&known)).unwrap(), News::Fetched);
    assert_eq!(upstream(), Some(id));
    let problem = git.fetch_news("origin", "none", Some(&known)).unwrap_err();
    assert_eq!(problem.reason, "no_such_branch");
}

#[test]
fn a_fetch_brings_the_branch_and_nothing_else() {
    let world = World::with(&[("a", "1")]);
    world.git(&world.dev, &["tag", "v1"]);
    world.git(&world.dev, &["push", "-q", "origin", "HEAD:refs/heads/other", "v1"]);
    let id = world.publish(&[("a", "2")]);
    assert_eq!(world.fetched().id, id);
    assert_eq!(world.git(&world.host, &["tag"]), "");
    let branches = world.git(&world.host, &["for-each-ref", "--format=%(refname)"]);
    assert_eq!(branches, "refs/heads/main\nrefs/remotes/origin/HEAD\nrefs/remotes/origin/main");
    assert_eq!(world.read("a"), "1", "a fetch moves no file");
}

#[test]
fn a_rewritten_branch_is_fetched() {
    let world = World::with(&[("a", "1")]);
    world.publish(&[("a", "2")]);
    world.fetched();
    world.git(&world.dev, &["reset", "-q", "--hard", "HEAD~1"]);
    let id = world.publish(&[("a", "3")]);
    assert_eq!(world.fetched().id, id);
}

#[test]
fn what_cannot_be_fetched_is_said_with_its_reason() {
    let world = World::with(&[("a", "1")]);
    let git = world.open();
    let reasons = |branch: &str| {
        let fetched = git.fetch("origin", branch).unwrap_err();
        let looked = git.look("origin", branch).err().unwrap();
        assert!(!fetched.resolution.is_empty() && !looked.resolution.is_empty());
        [fetched.reason.clone(), looked.reason.clone()]
    };
    world.git(&world.dev, &["push", "-q", "origin", "HEAD:refs/original/refs/heads/gone"]);
    assert_eq!(reasons("gone"), ["no_such_branch"; 2], "a longer name is another branch");
    assert!(git.fetch("nowhere", "main").is_err());
    fs::rename(&world.remote, world.root.path().join("moved")).unwrap();
    assert_eq!(reasons("main"), ["git_fetch"; 2]);
    let lock = world.host.join(".git/refs/remotes/origin/main.lock");
    fs::rename(world.root.path().join("moved"), &world.remote).unwrap();
    world.publish(&[("a", "2")]);
    write(&lock, "");
    let problem = git.fetch("origin", "main").unwrap_err();
    assert!(problem.resolution.contains("remove that lock file"), "{problem}");
}

#[test]
fn credentials_of_the_remote_are_not_told() {
    let world = World::with(&[("a", "1")]);
    let url = "http://me:hunter2@127.0.0.1:1/x.git";
    world.git(&world.host, &["remote", "set-url", "origin", url]);
    world.git(&world.host, &["config", "http.proxy", ""]);
    let git = world.open();
    let told = [
        git.fetch("origin", "main").unwrap_err().to_string(),
        git.look("origin", "main").err().unwrap().to_string(),
    ];
    for text in told {
        assert!(text.contains("127.0.0.1") && !text.contains("hunter2"), "{text}");
    }
}

#[test]
fn a_remote_that_never_answers_is_left_at_the_deadline() {
    let world = World::with(&[("a", "1")]);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://127.0.0.1:{}/x.git", silent.local_addr().unwrap().port());
    world.git(&world.host, &["remote", "set-url", "origin", &url]);
    world.git(&world.host, &["config", "http.proxy", ""]);
    let git = Git::open(&world.host, Duration::from_secs(2), &world.exec).unwrap();
    let clock = SystemClock::default();
    let problem = git.fetch("origin", "main").unwrap_err();
    assert_eq!(problem.reason, "git_timeout", "{problem}");
    assert!(clock.monotonic() >= Duration::from_secs(2));
    assert!(clock.monotonic() < Duration::from_secs(10), "{:?}", clock.monotonic());
    assert_eq!(processes_that_name(&url), Vec::<String>::new());
}

/// Command lines of running processes with this text in them.
pub fn processes_that_name(text: &str) -> Vec<String> {
    let lines = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
        let line = fs::read(entry.path().join("cmdline")).ok()?;
        Some(String::from_utf8_lossy(&line).replace('\0', " "))
    });
    lines.filter(|line| line.contains(text)).collect()
}

#[test]
fn ssh_is_told_not_to_ask_and_keeps_the_owners_settings() {
    let world = World::with(&[("a", "1")]);
    let script = world.root.path().join("my ssh");
    let seen = world.root.path().join("seen");
    write(&script, &format!("#!/bin/sh\nprintf '%s\\n' \"$@\" > '{}'\nexit 255\n", seen.display()));
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let command = format!("'{}' -i 'the key'", script.display());
    world.git(&world.host, &["config", "core.sshCommand", &command]);
    let url = "ssh://git@host.invalid:22/x y.git";
    world.git(&world.host, &["remote", "set-url", "origin", url]);
    let problem = world.open().fetch("origin", "main").unwrap_err();
    assert_eq!(problem.reason, "git_fetch", "{problem}");
    let seen = fs::read_to_string(seen).unwrap();
    let seen: Vec<&str> = seen.lines().collect();
    assert_eq!(seen[..4], ["-i", "the key", "-o", "BatchMode=yes"], "{seen:?}");
    assert!(seen.contains(&"git@host.invalid"), "{seen:?}");
    assert_eq!(seen.last(), Some(&"git-upload-pack '/x y.git'"));
}

/// A git that is not there, or is of another time.
enum Odd {
    Missing,
    Old,
}

impl Exec for Odd {
    fn run(&self, job: &Job) -> Result<Done, ExecError> {
        match self {
            Odd::Missing => {
                let mut job = job.clone();
                job.program = "no-such-git-anywhere".into();
                SystemExec::default().run(&job)
            }
            Odd::Old => Ok(Done {
                exit: Exit::Code(129),
                stdout: Vec::new(),
                stderr: b"error: unknown option `no-write-fetch-head'\nusage: git fetch\n".to_vec(),
            }),
        }
    }
}

#[test]
fn a_git_that_is_missing_or_too_old_is_named() {
    let world = World::with(&[("a", "1")]);
    let cases =
        [(Odd::Missing, "git_missing", "apt install git"), (Odd::Old, "git_too_old", "2.29")];
    for (exec, reason, way_out) in cases {
        let git = Git::open(&world.host, Duration::from_secs(9), &exec).unwrap();
        let problem = git.fetch("origin", "main").unwrap_err();
        assert_eq!(problem.reason, reason);
        assert!(problem.resolution.contains(way_out), "{problem}");
        assert_eq!(git.standing("origin", "main").unwrap_err().reason, reason);
    }
}

#[test]
fn a_folder_without_repository_is_refused() {
    let exec = SystemExec::default();
    let open =
        |dir: &Path| Git::open(dir, Duration::from_secs(9), &exec).err().unwrap().reason.clone();
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(open(dir.path()), "not_a_repository");
    assert_eq!(open(&dir.path().join("gone")), "repo_missing");
    let kind = fs::read_dir(dir.path().join("gone")).unwrap_err().kind();
    assert_eq!(kind, io::ErrorKind::NotFound, "open creates nothing");
}
