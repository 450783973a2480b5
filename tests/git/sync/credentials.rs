//! Stories of a sync about being let in: with credentials of the configuration, with the owner's own,
//! and never with a question.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use serde_json::json;

use super::{Site, ended};
use crate::ssh::{Server, known_hosts, world_with_server};
use crate::tokens::{set_url, token_file};
use crate::web::{Manner, Web};
use crate::world::{World, write};

/// Whatever git or ssh would ask a person with: each leaves a trace.
fn asking_programs(site: &Site) -> [(&'static str, String); 3] {
    site.program("ask", &format!("#!/bin/sh\n: >'{}'\necho x\n", site.path("asked").display()));
    let ask = site.path("bin/ask").display().to_string();
    write(&site.path("home/.gitconfig"), &format!("[core]\n\taskPass = {ask}\n"));
    ["GIT_ASKPASS", "SSH_ASKPASS", "SSH_ASKPASS_REQUIRE"].map(|name| {
        (name, if name.ends_with("REQUIRE") { "force".to_owned() } else { ask.clone() })
    })
}

#[test]
fn a_password_is_never_asked_for() {
    let site = Site::with(&[("shop/c.yml", "1")]);
    let web = Web::start(Manner::Refuse);
    let url = web.url("remote.git");
    set_url(&site.world, &url);
    let asking = asking_programs(&site);
    for command in ["sync --json", "plan --json"] {
        let mut renew = site.command(command);
        renew.envs(asking.iter().map(|(name, value)| (*name, value)));
        let said = ended(renew);
        let error = said.json()["errors"][0].clone();
        assert_eq!(error["reason"], "git_auth", "{said:?}");
        assert!(error["message"].as_str().unwrap().contains(&url), "{said:?}");
        assert!(error["resolution"].as_str().unwrap().contains("repo.token_file"), "{said:?}");
        assert!(said.took < Duration::from_secs(5), "{said:?}");
    }
    assert!(!site.path("asked").exists(), "somebody was asked");
}

#[test]
fn the_owners_credential_helper_is_used() {
    let site = Site::with(&[("a", "1")]);
    let web = Web::start(Manner::Serve(site.path(""), "ada:hunter2"));
    set_url(&site.world, &web.url("remote.git"));
    asking_programs(&site);
    let helper = "!f() { test \"$1\" = get && echo username=ada && echo password=hunter2; }; f";
    let config = site.path("home/.gitconfig");
    let quoted = helper.replace('"', "\\\"");
    let text = fs::read_to_string(&config).unwrap();
    write(&config, &format!("{text}[credential]\n\thelper = \"{quoted}\"\n"));
    let id = site.world.publish(&[("a", "2")]);
    site.synced();
    assert_eq!(site.head(), id);
    assert!(web.seen().credentials.contains(&"ada:hunter2".to_owned()));
    // One that has nothing to say is no reason to ask.
    write(&config, &format!("{text}[credential]\n\thelper = \"!true\"\n"));
    assert_eq!(site.refused().reason, "git_auth");
    assert!(!site.path("asked").exists(), "somebody was asked");
}

#[test]
fn a_token_of_the_configuration_is_used_and_named_by_its_file() {
    let site = Site::with(&[("a", "1")]);
    let web = Web::start(Manner::Serve(site.path(""), "x-access-token:hunter2"));
    set_url(&site.world, &web.url("remote.git"));
    let file = token_file(&site.world, "hunter2\n");
    site.configure(json!({ "token_file": file }));
    let id = site.world.publish(&[("a", "2")]);
    site.synced();
    assert_eq!(site.head(), id);
    token_file(&site.world, "hunter2-of-yesterday\n");
    let told = site.refused();
    assert_eq!(told.reason, "git_auth", "{told:?}");
    assert!(told.resolution.contains(&file.display().to_string()), "{told:?}");
    fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
    let said = site.renew("sync --json").json();
    assert_eq!(said["errors"][0]["reason"], "git_credentials", "{said}");
}

fn ssh_site() -> (Site, Server) {
    let (world, server, access) = world_with_server();
    let site = Site::of(world);
    site.configure(json!({
        "ssh_key_file": access.ssh_key_file,
        "known_hosts_file": access.known_hosts_file,
    }));
    (site, server)
}

#[test]
fn a_key_and_pinned_host_keys_of_the_configuration_are_used() {
    let (site, server) = ssh_site();
    let id = site.world.publish(&[("a", "2")]);
    site.synced();
    assert_eq!(site.head(), id);
    site.configure(json!({
        "ssh_key_file": site.path("stranger"),
        "known_hosts_file": site.path("known hosts 100%"),
    }));
    let told = site.refused();
    assert_eq!(told.reason, "git_auth", "{told:?}");
    let port = server.port.to_string();
    assert!(told.message.contains(&port) && told.resolution.contains("stranger"), "{told:?}");
    assert_eq!(site.head(), id);
}

#[test]
fn a_host_key_that_changed_is_refused() {
    let (site, server) = ssh_site();
    site.synced();
    known_hosts(&site.world, server.port, "other");
    let told = site.refused();
    assert_eq!(told.reason, "git_host_key", "{told:?}");
    assert!(told.message.contains(&server.port.to_string()), "{told:?}");
    assert!(told.resolution.contains("known_hosts"), "{told:?}");
}

#[test]
fn the_owners_ssh_configuration_is_used_and_nothing_is_asked() {
    let (site, server) = ssh_site();
    site.configure(json!({}));
    let asking = asking_programs(&site);
    let known = known_hosts(&site.world, server.port, "hostkey");
    let config = format!(
        "IdentitiesOnly yes\nIdentityFile \"{}\"\nUserKnownHostsFile \"{}\"\n",
        site.path("client").display(),
        known.display().to_string().replace('%', "%%")
    );
    write(&site.path("ssh config"), &config);
    let command = format!("ssh -F '{}'", site.path("ssh config").display());
    site.world.git(&site.world.host, &["config", "core.sshCommand", &command]);
    let id = site.world.publish(&[("a", "2")]);
    let sync = |expected: i32| {
        let mut sync = site.command("sync --json");
        sync.envs(asking.iter().map(|(name, value)| (*name, value)));
        let said = ended(sync);
        assert_eq!(said.code, expected, "{said:?}");
        said
    };
    sync(0);
    assert_eq!(site.head(), id);
    // A host that is not known yet is a question to ssh, and a key with a passphrase another.
    fs::remove_file(&known).unwrap();
    assert_eq!(sync(1).refused().reason, "git_host_key");
    known_hosts(&site.world, server.port, "hostkey");
    site.world.git(&site.world.host, &["config", "core.sshCommand", &command]);
    let job = renew::sys::exec::Job::new("ssh-keygen", Duration::from_secs(60))
        .env("PATH", renew::sys::env::search_path())
        .args(["-q", "-p", "-P", "", "-N", "secret", "-f"])
        .arg(site.path("client"));
    use renew::sys::exec::{Exec, SystemExec};
    assert!(SystemExec::default().run(&job).unwrap().ok());
    let said = sync(1);
    assert_eq!(said.refused().reason, "git_auth", "{said:?}");
    assert!(said.took < Duration::from_secs(5), "{said:?}");
    assert!(!site.path("asked").exists(), "somebody was asked");
}

#[test]
fn a_clone_that_is_refused_says_what_to_look_at() {
    let world = World::with(&[("a", "1")]);
    let site = Site::of(world);
    let web = Web::start(Manner::Refuse);
    let url = web.url("x.git").replace("http://", "http://me@");
    site.configure(json!({ "dir": "fresh", "url": url }));
    let told = site.refused();
    assert_eq!(told.reason, "git_auth", "{told:?}");
    assert!(told.resolution.contains("git ls-remote http://***@127.0.0.1"), "{told:?}");
    site.configure(json!({ "dir": "fresh", "url": "http://127.0.0.1:1/x.git" }));
    let told = site.refused();
    assert_eq!(told.reason, "git_fetch", "{told:?}");
    assert!(
        told.message.contains("127.0.0.1:1") && told.resolution.contains("repo.url"),
        "{told:?}"
    );
    let (_folder, remote) = site.remote_without_blank();
    site.configure(json!({ "dir": "fresh", "url": remote, "branch": "gone" }));
    assert_eq!(site.refused().reason, "no_such_branch");
    assert!(!site.path("fresh").exists());
}
