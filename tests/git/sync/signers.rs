//! Stories of a sync that deploys only what was signed by somebody who may.

use serde_json::json;

use super::Site;
use crate::signed::{Agent, export, gpg_key, list, publish_by_gpg, publish_by_ssh, ssh_key};

#[test]
fn only_openpgp_keys_of_the_keyring_lead_on() {
    let site = Site::with(&[("shop/c.yml", "1")]);
    let _agent = Agent(&site.world);
    let [ada, eve] = ["Ada", "Eve"].map(|name| gpg_key(&site.world, name));
    site.configure(json!({ "allowed_signers": export(&site.world, &[], &[&ada]) }));
    assert_eq!(site.refused().reason, "unsigned");
    let by_ada = publish_by_gpg(&site.world, &ada);
    site.synced();
    assert_eq!(site.head(), by_ada);
    publish_by_gpg(&site.world, &eve);
    let told = site.refused();
    assert_eq!((told.reason.as_str(), site.head()), ("unknown_signer", by_ada.clone()), "{told:?}");
    // Signed by Ada, but from before: played again by somebody who can push.
    publish_by_gpg(&site.world, &ada);
    let newest = {
        site.synced();
        site.head()
    };
    site.world.git(&site.world.dev, &["push", "-q", "-f", "origin", &format!("{by_ada}:main")]);
    let told = site.refused();
    assert_eq!((told.reason.as_str(), site.head()), ("not_fast_forward", newest), "{told:?}");
}

#[test]
fn what_a_person_or_a_new_clone_checks_out_is_not_vouched_for() {
    let site = Site::with(&[("shop/c.yml", "1")]);
    let ada = ssh_key(&site.world, "ada");
    ssh_key(&site.world, "eve");
    let signers = list(&site.world, &format!("ada@example.org {ada}"));
    let (_folder, remote) = site.remote_without_blank();
    site.configure(json!({ "allowed_signers": signers, "url": remote }));
    let by_ada = publish_by_ssh(&site.world, "ada");
    site.synced();
    let by_eve = publish_by_ssh(&site.world, "eve");
    let host = site.world.host.clone();
    let refused = |what: &str| {
        for _ in 0..2 {
            let told = site.refused();
            assert_eq!(told.reason, "unknown_signer", "{what}: {told:?}");
            assert_eq!(site.head(), by_ada, "{what}");
        }
    };
    refused("pushed");
    site.world.git(&host, &["pull", "-q", "origin", "main"]);
    assert_eq!(site.head(), by_eve);
    refused("pulled by hand");
    site.world.git(&host, &["reset", "-q", "--hard", &by_eve]);
    refused("reset by hand");
    std::fs::remove_dir_all(&host).unwrap();
    refused("cloned anew");
    let next = publish_by_ssh(&site.world, "ada");
    site.synced();
    assert_eq!(site.head(), next, "on top of what was refused, she vouches for all of it");
    // An old commit, signed well, is no way back: not even if it is checked out already.
    site.world.git(&site.world.dev, &["push", "-q", "-f", "origin", &format!("{by_ada}:main")]);
    site.world.git(&host, &["fetch", "-q", "origin"]);
    site.world.git(&host, &["reset", "-q", "--hard", &by_ada]);
    let told = site.refused();
    assert_eq!((told.reason.as_str(), site.head()), ("not_fast_forward", next), "{told:?}");
}

#[test]
fn only_ssh_keys_of_the_list_lead_on() {
    let site = Site::with(&[("shop/c.yml", "1")]);
    let ada = ssh_key(&site.world, "ada");
    ssh_key(&site.world, "eve");
    let signers = list(&site.world, &format!("ada@example.org {ada}"));
    site.configure(json!({ "allowed_signers": signers }));
    let by_ada = publish_by_ssh(&site.world, "ada");
    site.synced();
    publish_by_ssh(&site.world, "eve");
    let told = site.refused();
    assert_eq!((told.reason.as_str(), site.head()), ("unknown_signer", by_ada), "{told:?}");
    assert!(told.resolution.contains(&signers.display().to_string()), "{told:?}");
}
