//! Stories of a sync by root in a tree of somebody else.

use std::fs;
use std::os::unix::fs::{MetadataExt, lchown};

use super::Site;
use crate::owners::{SOMEBODY, give_to};
use crate::world::snapshot;

/// A site whose tree and remote are somebody's; nothing when we may not give things away.
fn site_of_somebody() -> Option<Site> {
    if renew::sys::env::effective_uid() != 0 {
        return None;
    }
    let site = Site::with(&[("shop/c.yml", "1"), ("a", "1")]);
    site.world.publish(&[("a", "2"), ("new/c", "1")]);
    for dir in [&site.world.remote, &site.world.host] {
        give_to(SOMEBODY, dir);
    }
    let seen = site.path("seen");
    fs::write(&seen, "").unwrap();
    lchown(&seen, Some(SOMEBODY), Some(SOMEBODY)).unwrap();
    site.program(
        "git",
        &format!(
            "#!/bin/sh\nid -u >>'{}'\nexec env PATH=\"${{PATH#*:}}\" git \"$@\"\n",
            seen.display()
        ),
    );
    Some(site)
}

#[test]
fn git_runs_as_the_owner_and_what_it_makes_is_theirs() {
    let Some(site) = site_of_somebody() else { return };
    site.synced();
    assert_eq!((site.world.read("a"), site.world.read("new/c")), ("2".into(), "1".into()));
    let seen = fs::read_to_string(site.path("seen")).unwrap();
    let ids: std::collections::BTreeSet<&str> = seen.lines().collect();
    assert_eq!(ids, [SOMEBODY.to_string().as_str()].into());
    for path in snapshot(&site.world.host).keys() {
        assert_eq!(path.symlink_metadata().unwrap().uid(), SOMEBODY, "{}", path.display());
    }
    for path in snapshot(&site.path("state")).keys() {
        assert_eq!(path.symlink_metadata().unwrap().uid(), 0, "{}", path.display());
    }
    let again = site.synced();
    assert_eq!(again.out + &again.err, "");
}

#[test]
fn damage_is_mended_as_the_owner() {
    let Some(site) = site_of_somebody() else { return };
    let id = fs::read_to_string(site.world.host.join(".git/refs/heads/main")).unwrap();
    let object = site.world.host.join(".git/objects").join(&id[..2]).join(id[2..].trim());
    crate::damaged::spoil(&object, b"");
    let said = site.synced();
    assert!(said.err.contains("anew"), "{said:?}");
    for path in snapshot(&site.world.host).keys() {
        assert_eq!(path.symlink_metadata().unwrap().uid(), SOMEBODY, "{}", path.display());
    }
}

#[test]
fn a_tree_of_two_owners_is_explained() {
    let Some(site) = site_of_somebody() else { return };
    give_to(0, &site.world.host.join(".git"));
    let said = site.renew("sync --json");
    let told = said.json()["errors"].clone();
    assert_eq!(said.code, 1, "{said:?}");
    assert!(told.to_string().contains("belong to one user"), "{said:?}");
}
