//! Somebody prunes the engine between a change and its undo. Played on an engine of the story's own:
//! a prune knows no limits.

use crate::support::{Sandbox, wait_for};

/// It ends when it is told to.
const MORTAL: &str = "\
services:
  web:
    image: IMAGES/web:1
    network_mode: none
    restart: unless-stopped
    command: [\"/bin/sh\", \"-c\", \"until [ -e /dead ]; do sleep 0.1; done; exit 7\"]
";

fn of(tag: u32) -> String {
    MORTAL.replace("web:1", &format!("web:{tag}"))
}

/// All containers that keep an image, with how they are.
fn holders(sandbox: &Sandbox) -> String {
    let format = "{{.Names}} {{.Status}} {{.Networks}}";
    sandbox.docker(["ps", "-a", "--filter", "label=renew.holder", "--format", format])
}

fn dies(sandbox: &Sandbox) {
    sandbox.docker(["exec", &sandbox.ids()["web"][0], "sh", "-c", "echo > /dead"]);
    wait_for("three restarts", 120, || {
        let count = sandbox.the("web")["RestartCount"].as_u64().unwrap_or_default();
        (count >= 3).then_some(())
    });
}

#[test]
fn a_release_is_gone_back_to_whatever_was_pruned() {
    let Some(mut sandbox) = Sandbox::open() else { return };
    sandbox.on_a_small_engine(48);
    let path = sandbox.root().join("renew.json");
    let text = std::fs::read_to_string(path).expect("a config");
    sandbox.write("renew.json", &text.replacen('{', "{\"disk_floor\":\"0\",", 1));
    for tag in 1..=4 {
        sandbox.publish(&format!("web:{tag}"));
    }
    sandbox.commit(&[("compose.yaml", &of(1))], "1");
    sandbox.plan_then_sync(0).did("web start missing");
    sandbox.settled();
    assert_eq!(holders(&sandbox), "", "what runs needs none");

    // The image is held: with the registry gone as well it is still here.
    let was = sandbox.essence("web");
    sandbox.commit(&[("compose.yaml", &of(2))], "2");
    sandbox.plan_then_sync(0).result("app", "changed");
    let held = holders(&sandbox);
    assert!(held.contains("-web-kept-") && held.ends_with("Created none"), "{held}");
    sandbox.docker(["image", "prune", "-a", "-f"]);
    sandbox.registry_down();
    dies(&sandbox);
    sandbox.renew(["sync"]).expect(2);
    assert_eq!(sandbox.essence("web"), was);
    assert_eq!(holders(&sandbox), "", "it runs again, and the bad one is not kept");
    let after = sandbox.ids();
    sandbox.plan_then_sync(2).did("web none quarantined");
    sandbox.only_changed(&after, &[]);

    // All is pruned: it is fetched again, by its digest.
    sandbox.registry_up();
    sandbox.commit(&[("compose.yaml", &of(3))], "3");
    sandbox.plan_then_sync(0).result("app", "changed");
    sandbox.docker(["system", "prune", "-a", "-f"]);
    assert_eq!(holders(&sandbox), "", "a system prune takes them");
    dies(&sandbox);
    sandbox.renew(["sync"]).expect(2);
    assert_eq!(sandbox.essence("web"), was);

    // All is pruned and the registry is gone: said, and made good when it is back.
    sandbox.commit(&[("compose.yaml", &of(4))], "4");
    sandbox.plan_then_sync(0).result("app", "changed");
    sandbox.docker(["system", "prune", "-a", "-f"]);
    sandbox.registry_down();
    dies(&sandbox);
    let stuck = sandbox.ids();
    sandbox.complains(2, &[]).says(
        "rollback_impossible",
        &["web went bad and cannot go back", "@sha256:", "cannot be reached"],
        "the registry",
    );
    sandbox.only_changed(&stuck, &[]);
    sandbox.registry_up();
    sandbox.renew(["sync"]).expect(2);
    assert_eq!(sandbox.essence("web"), was);
    assert_eq!(sandbox.docker(["volume", "ls", "-q"]), "");
}
