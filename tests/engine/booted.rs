//! The packaged unit under a real systemd, on a machine of its own that has no network: it is ready,
//! hangs, reloads, stops, and comes back after a reboot.

use std::os::unix::net::UnixStream;

use serde_json::{Value, json};

use crate::support::{Machine, Sandbox, wait_for};

/// No network to be made, since the machine has none. Who has a health check is not meant to end:
/// told to stop as the machine goes down, both exit with 0.
const LONE: &str = "services:\n  \
    db: &lone {image: IMAGES/db:1, network_mode: none, \
    healthcheck: {test: [CMD, /bin/true], interval: 1s}}\n  \
    web: {<<: *lone, image: IMAGES/web:1}\n";

/// Everything but the state, the tree and the engine's socket can only be read.
const DROP_IN: &str = "\
[Service]
WatchdogSec=10
TimeoutAbortSec=1
RestartSec=0
ProtectSystem=strict
ReadWritePaths=SANDBOX/state SANDBOX/ID
";

/// Two containers that were made before a power cut, on a host that now finds neither its remote nor
/// its registry.
fn after_a_power_cut() -> Option<Sandbox> {
    let mut sandbox = Sandbox::open()?;
    sandbox.on_a_small_engine(64);
    let config = json!({
        "repo": { "dir": sandbox.id }, "state_dir": "state", "disk_floor": "0",
        "defaults": { "verify": { "soak": "0s" } },
        "services": [{ "name": "app", "compose_files": ["compose.yaml"] }],
    });
    sandbox.write("renew.json", &config.to_string());
    for image in ["db:1", "web:1"] {
        sandbox.publish(image);
    }
    sandbox.commit(&[("compose.yaml", LONE)], "Two");
    sandbox.renew(["sync"]).expect(0);
    sandbox.settled();
    sandbox.kill_engine();
    sandbox.registry_down();
    sandbox.remote_down();
    Some(sandbox)
}

fn boot(sandbox: &Sandbox) -> Machine {
    let at = |name: &str| sandbox.root().join(name).display().to_string();
    let config = json!({
        "repo": { "dir": at(&sandbox.id) }, "state_dir": at("state"), "disk_floor": "0",
        "docker": { "host": format!("unix://{}", at("engine/docker.sock")) },
        "run_on_start": true,
        "defaults": { "verify": { "soak": "0s" } },
        "services": [{
            "name": "app", "compose_files": ["compose.yaml"], "schedule": "@every 2s",
        }],
    });
    let root = sandbox.root().display().to_string();
    let drop_in = DROP_IN.replace("SANDBOX", &root).replace("ID", &sandbox.id);
    sandbox.boot(&config.to_string(), &drop_in)
}

#[test]
fn systemd_keeps_it_going_and_it_heals_after_each_boot() {
    let Some(sandbox) = after_a_power_cut() else { return };
    let machine = boot(&sandbox);
    assert_eq!(machine.renew("ActiveState"), "active");
    sandbox.come_up(&["db", "web"]);
    let ids = sandbox.ids();
    wait_for("its status", 30, || {
        (machine.renew("StatusText") == "1 of 1 in trouble: app").then_some(())
    });

    // The journal has the times and the priorities, the lines have neither.
    let journal = machine.journal("cat");
    let healed = journal.lines().find(|line| line.starts_with("app: start web (stopped"));
    assert!(healed.is_some(), "{journal}");
    let journal = machine.journal("json");
    let warned = journal.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let warned =
        warned.filter(|entry| entry["MESSAGE"].as_str().is_some_and(|it| it.contains("fetch")));
    let priorities: Vec<Value> = warned.map(|entry| entry["PRIORITY"].clone()).collect();
    assert!(priorities.contains(&json!("4")), "{priorities:?}\n{journal}");

    // It hangs.
    let pid = machine.renew("MainPID");
    machine.call(&["kill", "-STOP", &pid]).expect(0);
    wait_for("a new start", 60, || (machine.renew("NRestarts") != "0").then_some(()));
    wait_for("a new daemon", 60, || (machine.renew("ActiveState") == "active").then_some(()));
    assert_ne!(machine.renew("MainPID"), pid);
    assert!(machine.journal("cat").contains("Watchdog timeout"), "{}", machine.journal("cat"));

    // It reloads, stops and starts.
    machine.call(&["systemctl", "reload", "renew"]).expect(0);
    wait_for("the configuration", 30, || {
        machine.journal("cat").contains("is loaded: 1 service").then_some(())
    });
    machine.call(&["systemctl", "stop", "renew"]).expect(0);
    let ended = (machine.renew("Result"), machine.renew("ExecMainStatus"));
    assert_eq!(ended, ("success".to_owned(), "0".to_owned()));
    let socket = sandbox.root().join("state/renew.sock");
    assert!(!socket.exists());
    machine.call(&["systemctl", "start", "renew"]).expect(0);
    UnixStream::connect(&socket).expect("ready means that it listens");

    machine.shut_down();
    let _machine = boot(&sandbox);
    sandbox.come_up(&["db", "web"]);
    assert_eq!(sandbox.ids(), ids, "started, not made anew");
}
