//! Stories of a sync in a repository that a killed git or a power loss left behind.

use std::fs;

use super::Site;
use crate::damaged::{loose, spoil};
use crate::locked::lock;
use crate::world::{assert_same, snapshot};

fn site() -> Site {
    let site =
        Site::with(&[("shop/c.yml", "1"), ("a", "1"), ("d/b", "1"), (".gitignore", "*.log\n")]);
    site.world.write("mine", "untracked");
    site.world.write("d/my.log", "ignored");
    site
}

/// Nothing that was not the remote's was touched.
#[track_caller]
fn assert_kept(site: &Site) {
    assert_eq!(["mine", "d/my.log"].map(|name| site.world.read(name)), ["untracked", "ignored"]);
}

const LOCKS: [&str; 3] = ["index.lock", "refs/heads/main.lock", "refs/remotes/origin/main.lock"];

#[test]
fn stale_locks_are_removed_and_the_sync_goes_on() {
    let site = site();
    let id = site.world.publish(&[("a", "2")]);
    for name in LOCKS {
        drop(lock(&site.world.host.join(".git").join(name), 700));
    }
    let before = snapshot(&site.world.host);
    assert_eq!(site.renew("plan").code, 0);
    assert_same(&before, &snapshot(&site.world.host));
    let said = site.synced();
    assert_eq!((site.head(), site.world.read("a")), (id, "2".to_owned()));
    for name in LOCKS {
        assert!(!site.world.host.join(".git").join(name).exists(), "{name}");
        assert!(said.err.contains(&format!("{name}, the lock of a git that is gone")), "{said:?}");
    }
    assert_kept(&site);
    let again = site.synced();
    assert_eq!(again.out + &again.err, "");
}

#[test]
fn a_lock_that_may_be_in_use_is_waited_for() {
    for name in LOCKS {
        let site = site();
        site.world.publish(&[("a", "2")]);
        let before = site.head();
        let path = site.world.host.join(".git").join(name);
        drop(lock(&path, 30));
        let told = site.refused();
        assert_eq!(told.reason, "git_locked", "{name}: {told:?}");
        assert!(told.message.contains(name) && told.message.contains("s old"), "{told:?}");
        assert!(told.resolution.contains("10 minutes"), "{told:?}");
        assert_eq!((site.head(), path.exists()), (before, true));
        fs::remove_file(&path).unwrap();
        site.synced();
        assert_eq!(site.world.read("a"), "2");
    }
}

#[test]
fn another_renew_that_works_on_the_repository_is_named() {
    let site = site();
    let path = site.world.host.join(".git/renew.lock");
    let held = renew::sys::lock::Lock::try_take(&path).unwrap();
    site.config(&serde_json::json!({
        "repo": { "dir": "host" }, "state_dir": "state",
        "services": [{ "name": "shop", "compose_files": ["shop/c.yml"], "timeouts": { "git": "1s" } }],
    }));
    let said = site.renew("sync --json");
    let error = said.json()["services"][0]["error"].clone();
    assert_eq!((said.code, error["reason"].as_str()), (1, Some("git_lock")), "{said:?}");
    let holder = format!("process {}", std::process::id());
    assert!(error["message"].as_str().unwrap().contains(&holder), "{said:?}");
    drop(held);
}

#[test]
fn damage_is_mended_by_a_sync_and_foretold_by_a_plan() {
    for damaged in ["HEAD", "HEAD^{tree}", "HEAD:a", ".git/index", ".git/refs/remotes/origin/main"]
    {
        let site = site();
        site.synced();
        site.world.write("a", "edited here");
        site.world.git(&site.world.host, &["update-ref", "refs/renew/saved/T", "HEAD"]);
        site.world.git(&site.world.host, &["branch", "own"]);
        let id = site.world.publish(&[("a", "2"), ("d/b", "2")]);
        let path = match damaged.strip_prefix(".git/") {
            Some(_) => site.world.host.join(damaged),
            None => loose(&site.world, damaged),
        };
        spoil(&path, b"");
        let before = snapshot(&site.world.host);
        let planned = site.renew("plan --json");
        assert_same(&before, &snapshot(&site.world.host));
        if planned.code == 1 {
            let told = planned.refused();
            assert_eq!(told.reason, "git_corrupt", "{damaged}: {told:?}");
            assert!(told.resolution.starts_with("`renew sync`"), "{damaged}: {told:?}");
        }
        let said = site.synced();
        assert!(damaged == "HEAD:a" || said.err.contains("anew"), "{damaged}: {said:?}");
        assert_eq!((site.head(), site.world.read("a")), (id, "2".to_owned()), "{damaged}");
        assert_kept(&site);
        let own = site
            .world
            .git(&site.world.host, &["for-each-ref", "--format=%(refname)", "refs/heads/own"]);
        assert_eq!(own, "refs/heads/own");
        assert!(site.saved().contains(&"refs/renew/saved/T".to_owned()));
        let again = site.synced();
        assert_eq!(again.out + &again.err, "", "{damaged}");
    }
}

#[test]
fn damage_that_the_remote_cannot_make_good_is_explained() {
    let site = site();
    site.synced();
    spoil(&loose(&site.world, "HEAD"), b"garbage");
    fs::rename(&site.world.remote, site.path("gone")).unwrap();
    let told = site.refused();
    assert_eq!(told.reason, "git_corrupt", "{told:?}");
    assert!(
        told.message.contains("could not be mended: cannot fetch main from origin"),
        "{told:?}"
    );
    assert!(told.resolution.contains("git clone --no-checkout"), "{told:?}");
    assert_kept(&site);
    fs::rename(site.path("gone"), &site.world.remote).unwrap();
    site.synced();
}
