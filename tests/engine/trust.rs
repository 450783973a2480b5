//! Only commits that were signed by somebody who may, and only steps forward.

use serde_json::json;
use std::fs;
use std::process::Command;

use crate::support::Sandbox;
use crate::{THREE, three_pushed, three_running};

/// Makes a key, lets the host trust it, and gives the path of the private half.
fn trusted_key(sandbox: &Sandbox) -> String {
    let key = sandbox.root().join("key");
    #[expect(clippy::disallowed_methods, reason = "a test makes its own key")]
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&key)
        .status()
        .expect("ssh-keygen");
    assert!(made.success());
    let public = fs::read_to_string(key.with_extension("pub")).expect("the public half");
    sandbox.write("signers", &format!("author@example.org {public}"));
    let config = json!({
        "repo": { "dir": "SANDBOX", "allowed_signers": "signers" },
        "state_dir": "state",
        "defaults": { "verify": { "timeout": "20s" } },
        "services": [{ "name": "app", "compose_files": ["compose.yaml"] }],
    });
    sandbox.write("renew.json", &sandbox.fill(&config.to_string()));
    key.display().to_string()
}

fn web(tag: &str) -> String {
    THREE.replace("web:1", &format!("web:{tag}"))
}

const NOTHING: &str = "
    cache  none  settled
    db     none  settled
    web    none  settled
";

#[test]
fn only_signed_steps_forward_are_deployed() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    let key = trusted_key(&sandbox);
    let author = sandbox.root().join("author");
    for tag in ["2", "3"] {
        sandbox.publish(&format!("web:{tag}"));
    }
    sandbox.commit(&[("compose.yaml", &web("2"))], "Not signed");
    let run = sandbox.plan_then_sync(1);
    run.did(NOTHING);
    let output = sandbox.renew(["sync"]).expect(1);
    assert!(output.stderr.contains("is not signed"), "{output}");
    sandbox.docker(["kill", &before["db"][0]]);
    sandbox.renew(["sync"]).expect(1);
    sandbox.runs(&["cache", "db", "web"]);
    sandbox.only_changed(&before, &[]);

    for (name, value) in
        [("gpg.format", "ssh"), ("user.signingkey", key.as_str()), ("commit.gpgsign", "true")]
    {
        sandbox.git(&author, &["config", name, value]);
    }
    let signed = sandbox.commit(&[("compose.yaml", &web("3"))], "Signed");
    sandbox.plan_then_sync(0).did(
        "
        cache  none      settled
        db     none      settled
        web    recreate  image
    ",
    );
    sandbox.only_changed(&before, &["web"]);
    sandbox.settled();

    // An old signed commit, played again by whoever can push, is not a step forward.
    let now = sandbox.ids();
    sandbox.commit(&[("notes", "more\n")], "One more");
    sandbox.plan_then_sync(0);
    sandbox.git(&author, &["reset", "--hard", &signed]);
    sandbox.git(&author, &["push", "--force", "origin", "HEAD"]);
    sandbox.plan_then_sync(1).did(NOTHING);
    sandbox.only_changed(&now, &[]);
}

#[test]
fn nothing_unsigned_begins_on_a_fresh_host() {
    let Some(sandbox) = three_pushed() else { return };
    trusted_key(&sandbox);
    // What an operator checked out is not vouched for by being checked out.
    sandbox.host_pull();
    let output = sandbox.renew(["sync"]).expect(1);
    assert!(output.stderr.contains("is not signed"), "{output}");
    assert!(sandbox.ids().is_empty(), "{:?}", sandbox.ids());
}
