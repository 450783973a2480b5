//! A host with little memory: the daemon, and every git and compose it starts, in 64 MiB together.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::support::{Running, Sandbox};
use crate::{THREE, three_pushed};

const LIMIT_BYTES: u64 = 64 << 20;

/// A cgroup that has this much memory, and nothing to swap to.
struct Small {
    dir: PathBuf,
    /// Of cgroup v2 (otherwise v1).
    unified: bool,
}

impl Small {
    fn make(sandbox: &Sandbox) -> Small {
        let root = Path::new("/sys/fs/cgroup");
        let unified = root.join("cgroup.controllers").exists();
        let dir = if unified { root.to_owned() } else { root.join("memory") }.join(&sandbox.id);
        if unified {
            fs::write(root.join("cgroup.subtree_control"), "+memory").expect("the controller");
        }
        fs::create_dir(&dir).expect("a cgroup (root)");
        let limit = LIMIT_BYTES.to_string();
        if unified {
            fs::write(dir.join("memory.max"), limit).expect("a limit");
            let _ = fs::write(dir.join("memory.swap.max"), "0");
        } else {
            fs::write(dir.join("memory.limit_in_bytes"), &limit).expect("a limit");
            let _ = fs::write(dir.join("memory.memsw.limit_in_bytes"), limit);
        }
        Small { dir, unified }
    }

    /// The same command in there.
    fn within(&self, command: &Command) -> Command {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", r#"echo $$ >"$0/cgroup.procs" && exec "$@""#]).arg(&self.dir);
        shell.arg(command.get_program()).args(command.get_args()).env_clear();
        shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell.current_dir(command.get_current_dir().expect("a directory"));
        shell
    }

    /// How many processes were killed for want of memory.
    fn killed(&self) -> u64 {
        let name = if self.unified { "memory.events" } else { "memory.oom_control" };
        let text = fs::read_to_string(self.dir.join(name)).expect("its events");
        let line = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        line.and_then(|count| count.parse().ok()).expect("a count")
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // Its last processes end a moment after they were told to.
        for _ in 0..100 {
            if fs::remove_dir(&self.dir).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }
}

#[test]
fn a_daemon_and_all_it_starts_get_along_with_64_mebibytes() {
    let Some(sandbox) = three_pushed() else { return };
    sandbox.publish("web:2");
    let config = json!({
        "repo": { "dir": "SANDBOX" }, "state_dir": "state", "run_on_start": true,
        "defaults": { "verify": { "soak": "0s", "timeout": "60s" } },
        "services": [{ "name": "app", "compose_files": ["compose.yaml"], "schedule": "@every 1s" }],
    });
    sandbox.write("renew.json", &sandbox.fill(&config.to_string()));
    let small = Small::make(&sandbox);
    let daemon = Running::start(small.within(&sandbox.renew_command(&["run"], &[])));
    sandbox.come_up(&["cache", "db", "web"]);
    sandbox.commit(&[("compose.yaml", &THREE.replace("web:1", "web:2"))], "web 2");
    sandbox.comes_up_as("web", "web:2");
    sandbox.docker(["rm", "-f", &sandbox.ids()["db"][0]]);
    sandbox.come_up(&["db"]);
    assert_eq!(small.killed(), 0, "somebody was killed for want of memory");
    daemon.terminate();
    daemon.finish().expect(0);
    sandbox.renew(["sync"]).expect(0);
    sandbox.settled();
}
