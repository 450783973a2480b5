//! Stories of a sync about where things lie: the tree, the configuration in it, and the state.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use super::{Site, ended};
use crate::world::{assert_same, snapshot, write};

#[test]
fn a_missing_tree_is_cloned_and_followed() {
    let site = Site::with(&[("shop/c.yml", "1"), ("a", "1")]);
    let (_folder, remote) = site.remote_without_blank();
    site.configure(json!({ "dir": "fresh/deep", "url": remote }));
    let planned = site.renew("plan --json").refused();
    assert!(planned.resolution.contains("`renew sync` clones it"), "{planned:?}");
    assert!(!site.path("fresh").exists(), "a plan makes nothing");
    site.synced();
    assert_eq!(fs::read_to_string(site.path("fresh/deep/a")).unwrap(), "1");
    site.world.publish(&[("a", "2")]);
    site.synced();
    assert_eq!(fs::read_to_string(site.path("fresh/deep/a")).unwrap(), "2");
}

const ELSEWHERE: &str =
    r#"{"services": [{"name": "shop", "compose_files": ["c.yml"], "hosts": ["elsewhere"]}]}"#;

/// Runs renew in a folder of the host's tree, with the configuration that is found there.
fn renew_in(site: &Site, dir: &str, args: &[&str]) -> super::Said {
    let prepared = site.command("");
    #[expect(clippy::disallowed_methods, reason = "the product is run as a person runs it")]
    let mut renew = std::process::Command::new(env!("CARGO_BIN_EXE_renew"));
    renew.args(args).current_dir(site.world.host.join(dir)).env_clear();
    renew.envs(prepared.get_envs().filter_map(|(name, value)| Some((name, value?))));
    ended(renew)
}

#[test]
fn a_folder_inside_a_larger_tree_is_enough() {
    let site = Site::with(&[
        ("infra/host1/renew.json", ELSEWHERE),
        ("infra/host1/c.yml", "1"),
        ("c.yml", "of another host"),
        ("src/main.c", "1"),
    ]);
    assert_eq!(renew_in(&site, "infra/host1", &["sync"]).code, 0);
    assert!(site.world.has("infra/host1/.renew/locks"), "the state is beside renew.json");
    assert_eq!(site.world.git(&site.world.host, &["status", "--porcelain"]), "");
    let id = site.world.publish(&[("src/main.c", "2"), ("infra/host1/c.yml", "2")]);
    let said = renew_in(&site, "infra/host1", &["sync", "--json"]);
    assert_eq!((said.code, said.json()["commit"]["target"].as_str()), (0, Some(id.as_str())));
    assert_eq!(
        (site.world.read("src/main.c"), site.world.read("infra/host1/c.yml")),
        ("2".into(), "2".into())
    );
    let again = renew_in(&site, "infra/host1", &["sync"]);
    assert_eq!((again.code, again.out + &again.err), (0, String::new()));
    // The compose file is looked for in the folder, not at the root.
    let listed = renew_in(&site, "infra/host1", &["validate", "--json"]).json();
    assert_eq!(listed["errors"], json!([]), "{listed}");
    site.world.remove(&["infra/host1/c.yml"]);
    site.world.publish(&[]);
    renew_in(&site, "infra/host1", &["sync"]);
    let listed = renew_in(&site, "infra/host1", &["validate", "--json"]).json();
    assert!(listed["errors"].to_string().contains("infra/host1/c.yml"), "{listed}");
}

#[test]
fn a_pass_that_begins_again_tells_where_it_began() {
    let site = Site::with(&[("renew.json", ELSEWHERE), ("c.yml", "1")]);
    let sync = || renew_in(&site, "", &["sync", "--json"]);
    assert_eq!(sync().code, 0);
    let before = site.head();
    let after = site.world.publish(&[("renew.json", &ELSEWHERE.replace("shop", "blog"))]);
    let planned = renew_in(&site, "", &["plan", "--json"]).json();
    let synced = sync();
    assert!(synced.err.contains("starting again"), "{synced:?}");
    assert_eq!(synced.json()["commit"], json!({ "current": before, "target": after }));
    assert_eq!(planned["commit"], synced.json()["commit"]);
    assert_eq!(sync().json()["commit"], json!({ "current": after, "target": after }));
}

#[test]
fn services_of_other_hosts_hold_nothing_back() {
    // Its folder is the root, and it never runs here: held back by it, nothing would ever move.
    let site = Site::with(&[("renew.json", ELSEWHERE), ("c.yml", "1"), ("site/a", "1")]);
    site.world.publish(&[("c.yml", "2"), ("site/a", "2")]);
    assert_eq!(renew_in(&site, "", &["sync"]).code, 0);
    assert_eq!((site.world.read("c.yml"), site.world.read("site/a")), ("2".into(), "2".into()));
    site.world.assert_settled();
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_state_directory_that_others_can_write_or_replace_is_refused() {
    let site = Site::with(&[("shop/c.yml", "1")]);
    let config = |state: &str| -> Value {
        json!({
            "repo": { "dir": "host" },
            "state_dir": state,
            "services": [{ "name": "shop", "compose_files": ["shop/c.yml"], "hosts": ["elsewhere"] }],
        })
    };
    let refused = |named: &str| {
        for command in ["plan --json", "sync --json"] {
            let before = snapshot(&site.path("var"));
            let told = site.renew(command).refused();
            assert_eq!(told.reason, "state_dir_open", "{command}: {told:?}");
            assert!(told.resolution.contains(&site.path(named).display().to_string()), "{told:?}");
            assert_same(&before, &snapshot(&site.path("var")));
        }
    };
    site.config(&config("var/lib/state"));
    write(&site.path("var/lib/other"), "");
    site.synced();
    chmod(&site.path("var/lib/state"), 0o777);
    refused("var/lib/state");
    chmod(&site.path("var/lib/state"), 0o700);
    site.synced();
    if renew::sys::env::effective_uid() != 0 {
        return;
    }
    for open in ["var/lib", "var"] {
        chmod(&site.path(open), 0o775);
        refused(open);
        // Where only owners may rename and remove, nobody can put another in its place.
        chmod(&site.path(open), 0o1777);
        site.synced();
        chmod(&site.path(open), 0o755);
    }
    // One that is not there yet, where anybody could make it, and did.
    chmod(&site.path("var/lib"), 0o1777);
    site.config(&config("var/lib/theirs"));
    fs::create_dir(site.path("var/lib/theirs")).unwrap();
    std::os::unix::fs::lchown(site.path("var/lib/theirs"), Some(54_321), None).unwrap();
    refused("var/lib/theirs");
    // A link of theirs to a folder of ours could lead elsewhere tomorrow.
    site.config(&config("var/lib/link"));
    std::os::unix::fs::symlink("state", site.path("var/lib/link")).unwrap();
    std::os::unix::fs::lchown(site.path("var/lib/link"), Some(54_321), None).unwrap();
    refused("var/lib/link");
}
