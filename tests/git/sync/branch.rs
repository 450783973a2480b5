//! Stories of a sync about the branch: where it goes, and what is in the way on this host.

use std::fs;

use serde_json::json;

use super::Site;

fn site() -> Site {
    Site::with(&[("shop/c.yml", "1"), ("a", "1"), (".gitignore", "*.log\n")])
}

#[test]
fn a_deleted_branch_leaves_the_last_target_in_force() {
    let site = site();
    let id = site.world.publish(&[("a", "2")]);
    site.synced();
    site.world.git(&site.world.remote, &["update-ref", "-d", "refs/heads/main"]);
    for _ in 0..2 {
        let told = site.refused();
        assert_eq!(told.reason, "no_such_branch", "{told:?}");
        let remote = site.world.remote.display().to_string();
        assert!(told.message.contains("origin") && told.message.contains(&remote), "{told:?}");
        assert!(told.resolution.contains("push that branch"), "{told:?}");
        let planned = site.renew("plan --json").json();
        assert_eq!(planned["errors"][0]["reason"], "no_such_branch", "{planned}");
        assert_eq!((site.head(), site.world.read("a")), (id.clone(), "2".to_owned()));
    }
    let id = site.world.publish(&[("a", "3")]);
    site.synced();
    assert_eq!((site.head(), site.world.read("a")), (id, "3".to_owned()));
}

#[test]
fn a_rewritten_branch_is_followed_unless_only_steps_forward_may_be() {
    let site = site();
    let first = site.world.publish(&[("a", "2")]);
    site.synced();
    site.world.git(&site.world.dev, &["reset", "-q", "--hard", "HEAD~1"]);
    let other = site.world.publish(&[("a", "other")]);

    site.configure(json!({ "fast_forward_only": true }));
    let told = site.refused();
    assert_eq!(told.reason, "not_fast_forward", "{told:?}");
    assert!(told.message.contains(&other) && told.message.contains(&first), "{told:?}");
    let planned = site.renew("plan --json").json();
    assert_eq!(planned["errors"][0]["reason"], "not_fast_forward", "{planned}");
    assert_eq!((site.head(), site.world.read("a")), (first.clone(), "2".to_owned()));

    site.configure(json!({}));
    let said = site.synced();
    assert_eq!((site.head(), site.world.read("a")), (other, "other".to_owned()));
    // What is gone from the remote is still to be had here.
    assert!(said.err.contains(&site.saved()[0]), "{said:?}");
    assert_eq!(site.world.git(&site.world.host, &["rev-parse", &site.saved()[0]]), first);
    site.world.assert_settled();
}

#[test]
fn another_branch_that_is_checked_out_stops_the_pass() {
    let site = site();
    site.world.git(&site.world.host, &["switch", "-q", "-c", "side"]);
    site.world.publish(&[("a", "2")]);
    let told = site.refused();
    assert_eq!(told.reason, "other_branch");
    assert!(told.message.contains("side") && told.resolution.contains("switch main"), "{told:?}");
    site.world.git(&site.world.host, &["switch", "-q", "--detach"]);
    let told = site.refused();
    assert!(told.message.contains("no branch"), "{told:?}");
    assert_eq!(site.world.read("a"), "1");
    site.world.git(&site.world.host, &["switch", "-q", "main"]);
    site.synced();
    assert_eq!(site.world.read("a"), "2");
}

#[test]
fn local_commits_and_edits_are_saved_before_the_branch_moves_on() {
    let site = site();
    site.world.write("a", "committed here");
    site.world.git(&site.world.host, &["commit", "-q", "-a", "-m", "not pushed"]);
    let mine = site.head();
    site.world.write("a", "edited here");
    site.world.write("b.log", "ignored");
    site.world.write("mine", "untracked");
    let id = site.world.publish(&[("a", "2")]);
    let said = site.synced();
    assert_eq!((site.head(), site.world.read("a")), (id, "2".to_owned()));
    let saved = site.saved();
    assert_eq!(saved.len(), 1);
    assert!(said.err.contains(&saved[0]), "the log names it: {said:?}");
    let show = |rev: &str| site.world.git(&site.world.host, &["show", rev]);
    assert_eq!(show(&format!("{}:a", saved[0])), "edited here");
    site.world.git(&site.world.host, &["merge-base", "--is-ancestor", &mine, &saved[0]]);
    assert_eq!(["b.log", "mine"].map(|name| site.world.read(name)), ["ignored", "untracked"]);
    let again = site.synced();
    assert_eq!((again.out + &again.err, site.saved().len()), (String::new(), 1));
}

#[test]
fn an_untracked_or_ignored_file_in_the_way_is_named_and_kept() {
    for name in ["new", "debug.log"] {
        let site = site();
        site.world.write(name, "mine");
        let before = site.head();
        fs::write(site.world.dev.join(name), "theirs").unwrap();
        site.world.git(&site.world.dev, &["add", "-f", name]);
        site.world.publish(&[("a", "2")]);
        for _ in 0..2 {
            let told = site.refused();
            assert_eq!(told.reason, "untracked_in_the_way");
            assert!(told.message.contains(name), "{told:?}");
        }
        assert_eq!((site.world.read(name), site.world.read("a")), ("mine".into(), "1".into()));
        assert_eq!(site.head(), before);
        fs::remove_file(site.world.host.join(name)).unwrap();
        site.synced();
        assert_eq!(site.world.read(name), "theirs");
    }
}
