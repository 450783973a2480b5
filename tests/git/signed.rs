//! Stories about signatures: who signed the target, and whether that counts.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use renew::git::Trust;
use renew::problem::Problem;
use renew::sys::exec::{Exec, Job, SystemExec};

use crate::world::{World, write};

/// Runs a tool with a home of its own, and gives what it says.
fn tool(world: &World, program: &str, args: &[&str]) -> String {
    let root = world.root.path();
    let mut job = Job::new(program, Duration::from_secs(60))
        .env("PATH", renew::sys::env::search_path())
        .env("HOME", root.join("home"))
        .env("GNUPGHOME", gpg_home(world))
        .args(args);
    job.cwd = Some(root.to_path_buf());
    let done = SystemExec::default().run(&job).expect(program);
    assert!(done.ok(), "{program} {args:?}: {}", done.complaint());
    done.text()
}

/// A short path: gpg-agent makes sockets there, whose names have a limit (unix(7)).
fn gpg_home(world: &World) -> PathBuf {
    let dir = world.root.path().join("gpg");
    if !dir.exists() {
        use std::os::unix::fs::DirBuilderExt;
        fs::DirBuilder::new().mode(0o700).create(&dir).unwrap();
    }
    dir
}

pub fn ssh_key(world: &World, name: &str) -> String {
    tool(world, "ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", name]);
    fs::read_to_string(world.root.path().join(format!("{name}.pub"))).unwrap()
}

/// Publishes a commit with these settings of git, and gives its id.
fn publish_signed(world: &World, settings: &[&str]) -> String {
    let mut args: Vec<&str> = settings.iter().flat_map(|setting| ["-c", setting]).collect();
    args.extend(["commit", "-q", "--allow-empty", "-S", "-m", "signed"]);
    world.git(&world.dev, &args);
    world.git(&world.dev, &["push", "-q", "--force", "origin", "HEAD:main"]);
    world.fetched().id
}

pub fn publish_by_ssh(world: &World, name: &str) -> String {
    let key = world.root.path().join(name);
    publish_signed(world, &["gpg.format=ssh", &format!("user.signingKey={}", key.display())])
}

pub fn list(world: &World, text: &str) -> PathBuf {
    let path = world.root.path().join("allowed signers");
    write(&path, text);
    path
}

fn verdict(world: &World, list: &Path, commit: &str) -> Result<(), Problem> {
    let git = world.open();
    Trust::read(list, &git)?.verify(&git, commit)
}

fn reason(world: &World, list: &Path, commit: &str) -> String {
    verdict(world, list, commit).expect_err("accepted").reason.clone().into_owned()
}

#[test]
fn only_commits_of_listed_ssh_keys_pass() {
    let world = World::with(&[("a", "1")]);
    let (ada, eve) = (ssh_key(&world, "ada"), ssh_key(&world, "eve"));
    let signers = list(&world, &format!("# ours\nada@example.org namespaces=\"git\" {ada}"));
    let unsigned = world.fetched().id;
    let problem = verdict(&world, &signers, &unsigned).unwrap_err();
    assert_eq!(problem.reason, "unsigned");
    assert!(problem.message.contains(&unsigned), "{problem}");
    let by_eve = publish_by_ssh(&world, "eve");
    assert_eq!(reason(&world, &signers, &by_eve), "unknown_signer");
    let by_ada = publish_by_ssh(&world, "ada");
    assert_eq!(verdict(&world, &signers, &by_ada), Ok(()));
    let others = list(&world, &format!("eve@example.org {eve}"));
    assert_eq!(reason(&world, &others, &by_ada), "unknown_signer");
}

#[test]
fn a_key_counts_while_it_is_valid() {
    let world = World::with(&[("a", "1")]);
    let ada = ssh_key(&world, "ada");
    // Commits of these stories say that they were made in February 2024.
    let commit = publish_by_ssh(&world, "ada");
    let cases = [
        ("valid-before=\"20990101\"", Ok(())),
        ("valid-before=\"20240101\"", Err("key_expired")),
        ("valid-before=\"20250101\"", Err("key_expired")),
        ("valid-after=\"20250101\"", Err("key_expired")),
    ];
    for (option, expected) in cases {
        let signers = list(&world, &format!("ada@example.org {option} {ada}"));
        let said = verdict(&world, &signers, &commit);
        assert_eq!(
            said.map_err(|problem| problem.reason.clone()),
            expected.map_err(Into::into),
            "{option}"
        );
    }
}

#[test]
fn a_commit_that_was_tampered_with_is_refused() {
    let world = World::with(&[("a", "1")]);
    let ada = ssh_key(&world, "ada");
    let signers = list(&world, &format!("ada@example.org {ada}"));
    publish_by_ssh(&world, "ada");
    let commit = world.git(&world.dev, &["cat-file", "commit", "HEAD"]);
    let path = world.root.path().join("forged");
    write(&path, &format!("{}\n", commit.replace("signed", "forged")));
    let forged =
        world.git(&world.dev, &["hash-object", "-t", "commit", "-w", path.to_str().unwrap()]);
    world.git(&world.dev, &["push", "-q", "--force", "origin", &format!("{forged}:main")]);
    assert_eq!(world.fetched().id, forged);
    assert_eq!(reason(&world, &signers, &forged), "bad_signature");
}

#[test]
fn a_list_that_cannot_be_trusted_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::with(&[("a", "1")]);
    let ada = ssh_key(&world, "ada");
    let commit = publish_by_ssh(&world, "ada");
    let signers = list(&world, &format!("ada@example.org {ada}"));
    assert_eq!(verdict(&world, &signers, &commit), Ok(()));
    fs::set_permissions(&signers, fs::Permissions::from_mode(0o666)).unwrap();
    let problem = verdict(&world, &signers, &commit).unwrap_err();
    assert!(problem.resolution.contains("chmod"), "{problem}");
    let inside = world.host.join("signers");
    write(&inside, &format!("ada@example.org {ada}"));
    let inside_said = verdict(&world, &inside, &commit).unwrap_err();
    assert!(inside_said.message.contains("working tree"), "{inside_said}");
    let gone = world.root.path().join("gone");
    for problem in [problem, inside_said, verdict(&world, &gone, &commit).unwrap_err()] {
        assert_eq!(problem.reason, "allowed_signers");
    }
    let empty = list(&world, "# nobody\n");
    fs::set_permissions(&empty, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(verdict(&world, &empty, &commit).unwrap_err().message.contains("holds no key"));
}

/// Makes an OpenPGP key that can sign, and gives its fingerprint.
pub fn gpg_key(world: &World, name: &str) -> String {
    gpg(world, &["--quick-gen-key", name, "ed25519", "sign", "0"]);
    fingerprint(world, name)
}

fn fingerprint(world: &World, name: &str) -> String {
    let listing = gpg(world, &["--with-colons", "--list-keys", &format!("={name}")]);
    let line = listing.lines().find_map(|line| line.strip_prefix("fpr:")).unwrap();
    line.trim_matches(':').to_owned()
}

fn gpg(world: &World, args: &[&str]) -> String {
    let fixed =
        ["--batch", "--quiet", "--no-tty", "--passphrase", "", "--pinentry-mode", "loopback"];
    tool(world, "gpg", &[&fixed[..], args].concat())
}

/// Exports keys to a file.
pub fn export(world: &World, how: &[&str], keys: &[&str]) -> PathBuf {
    let path = world.root.path().join(format!("keys{}", keys.len() + how.len()));
    let out = ["--yes", "--output", path.to_str().unwrap()];
    gpg(world, &[&out[..], how, &["--export"], keys].concat());
    path
}

pub fn publish_by_gpg(world: &World, key: &str) -> String {
    publish_by_gpg_when(world, key, "")
}

fn publish_by_gpg_when(world: &World, key: &str, when: &str) -> String {
    let wrapper = world.root.path().join("gpg-of-the-story");
    let home = gpg_home(world);
    let text =
        format!("#!/bin/sh\nGNUPGHOME='{}' exec gpg --batch {when} \"$@\"\n", home.display());
    write(&wrapper, &text);
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).unwrap();
    let program = format!("gpg.program={}", wrapper.display());
    publish_signed(world, &["gpg.format=openpgp", &program, &format!("user.signingKey={key}")])
}

/// Ends the agent that gpg started, also when the story fails.
pub struct Agent<'w>(pub &'w World);

impl Drop for Agent<'_> {
    fn drop(&mut self) {
        let job = Job::new("gpgconf", Duration::from_secs(9))
            .env("PATH", renew::sys::env::search_path())
            .env("GNUPGHOME", gpg_home(self.0))
            .args(["--kill", "all"]);
        let _ = SystemExec::default().run(&job);
    }
}

#[test]
fn only_commits_of_the_openpgp_keyring_pass() {
    let world = World::with(&[("a", "1")]);
    let _agent = Agent(&world);
    let ada = gpg_key(&world, "Ada");
    let eve = gpg_key(&world, "Eve");
    let by_ada = publish_by_gpg(&world, &ada);
    for how in [&["--armor"][..], &[]] {
        assert_eq!(verdict(&world, &export(&world, how, &[&ada]), &by_ada), Ok(()), "{how:?}");
    }
    let keybox = gpg_home(&world).join("pubring.kbx");
    assert_eq!(verdict(&world, &keybox, &by_ada), Ok(()));
    let by_eve = publish_by_gpg(&world, &eve);
    assert_eq!(reason(&world, &export(&world, &[], &[&ada]), &by_eve), "unknown_signer");
    let line = ssh_key(&world, "ada");
    let signers = list(&world, &format!("ada@example.org {line}"));
    assert_eq!(reason(&world, &signers, &by_ada), "unknown_signer", "another kind of signature");
    let by_ssh = publish_by_ssh(&world, "ada");
    assert_eq!(reason(&world, &export(&world, &[], &[&ada]), &by_ssh), "unknown_signer");
}

#[test]
fn openpgp_keys_expire_and_are_called_back() {
    let world = World::with(&[("a", "1")]);
    let _agent = Agent(&world);
    let ada = gpg_key(&world, "Ada");
    let by_ada = publish_by_gpg(&world, &ada);
    assert_eq!(verdict(&world, &export(&world, &[], &[&ada]), &by_ada), Ok(()));
    let made = gpg_home(&world).join(format!("openpgp-revocs.d/{ada}.rev"));
    let text = fs::read_to_string(made).unwrap().replace(":-----BEGIN", "-----BEGIN");
    let revoked = world.root.path().join("revoked");
    write(&revoked, &text);
    gpg(&world, &["--import", revoked.to_str().unwrap()]);
    assert_eq!(reason(&world, &export(&world, &[], &[&ada]), &by_ada), "key_revoked");
    let past = ["--faked-system-time", "20200101T000000"];
    let making = ["--quick-gen-key", "Bob", "ed25519", "sign", "1d"];
    gpg(&world, &[&past[..], &making].concat());
    let bob = fingerprint(&world, "Bob");
    // The making took its time, and a key of the future signs nothing.
    let later = "--faked-system-time 20200101T010000";
    let by_bob = publish_by_gpg_when(&world, &bob, later);
    assert_eq!(reason(&world, &export(&world, &[], &[&bob]), &by_bob), "key_expired");
}

#[test]
fn a_step_back_is_refused() {
    let world = World::with(&[("a", "1")]);
    let first = world.fetched().id;
    let second = world.publish(&[("a", "2")]);
    assert_eq!(world.fetched().id, second);
    world.settle();
    let git = world.open();
    assert_eq!(git.check_fast_forward(&second, Some(&first)), Ok(()));
    assert_eq!(git.check_fast_forward(&second, None), Ok(()));
    world.git(&world.dev, &["reset", "-q", "--hard", &first]);
    let rewritten = world.publish(&[("a", "3")]);
    assert_eq!(world.fetched().id, rewritten);
    for (target, last) in [(&first, None), (&first, Some(second.as_str())), (&rewritten, None)] {
        let problem = git.check_fast_forward(target, last).unwrap_err();
        assert_eq!(problem.reason, "not_fast_forward");
        assert!(problem.message.contains(target) && problem.message.contains(&second), "{problem}");
    }
    assert_eq!(git.check_fast_forward(&rewritten, Some(&first)), Ok(()));
    let lost = "1".repeat(40);
    let problem = git.check_fast_forward(&second, Some(&lost)).unwrap_err();
    assert!(problem.message.contains("no longer has"), "{problem}");
}
