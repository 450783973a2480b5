//! From a push to the new container started: renew beside what one types by hand, in turn, with the
//! registry on loopback. The engine says when the container started; what renew does after that
//! (to see whether it is good) is not counted.

use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};

use crate::memory;
use crate::server::Server;
use crate::support::Sandbox;
use crate::table::{Figure, Table, middle};

const ROUNDS: usize = 9;
const BUDGET: f64 = 1.3;
const BY_HAND: &str = "set -e
git pull --quiet origin main
docker compose pull --quiet
docker compose up --detach --quiet-pull";

pub fn measure(table: &mut Table) {
    let Some(sandbox) = memory::sandbox() else { return };
    let push = |round: usize| {
        sandbox.publish(&format!("web:{round}"));
        let text = format!("services:\n  web:\n    image: IMAGES/web:{round}\n");
        sandbox.commit(&[("compose.yaml", &text)], "Another version");
    };
    push(0);
    let _server = Server::start(&sandbox);
    sandbox.renew(["sync"]).expect(0);
    let by_hand = || {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", BY_HAND])
            .current_dir(&sandbox.host)
            .env("GIT_CONFIG_GLOBAL", "/dev/null");
        shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        assert!(shell.status().expect("a shell").success());
    };
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        push(2 * round + 1);
        ours.push(until_started(&sandbox, || drop(sandbox.renew(["sync"]).expect(0))));
        push(2 * round + 2);
        theirs.push(until_started(&sandbox, by_hand));
    }
    let ratio = middle(&ours).as_secs_f64() / middle(&theirs).as_secs_f64();
    table.row("push to new container started: by hand", theirs, None);
    table.row("  renew sync", ours, None);
    table.figure("  times the one by hand", Figure::Ratio(ratio), Some(Figure::Ratio(BUDGET)));
}

/// From now until the container that `change` made started.
fn until_started(sandbox: &Sandbox, change: impl FnOnce()) -> Duration {
    let begin: DateTime<Utc> = SystemTime::now().into();
    change();
    let container = sandbox.the("web");
    let started = container["State"]["StartedAt"].as_str().expect("a time");
    let started: DateTime<Utc> = started.parse().expect("a time");
    (started - begin).to_std().expect("a container that was started anew")
}
