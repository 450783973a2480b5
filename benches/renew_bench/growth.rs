//! How a settled sync grows with the number of services: one repository, 1, 10 and 100 stacks of one
//! compose service each. What it costs beyond the one fetch is what a service costs.

use serde_json::{Value, json};

use crate::cpu::mean;
use crate::memory;
use crate::server::Server;
use crate::table::{Figure, Table};

const NUMBERS: &[usize] = &[1, 10, 100];
const RUNS: u32 = 10;

/// Without a network of its own: the engine has addresses for about thirty.
const STACK: &str = "services:\n  web:\n    image: IMAGES/web:1\n    network_mode: none\n";

pub fn measure(table: &mut Table) {
    let Some(sandbox) = memory::sandbox() else { return };
    sandbox.publish("web:1");
    let most = NUMBERS.iter().copied().max().unwrap_or_default();
    let path = |n: usize| format!("SANDBOX-{n}/compose.yaml");
    let files: Vec<(String, &str)> = (0..most).map(|n| (path(n), STACK)).collect();
    let files: Vec<(&str, &str)> =
        files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
    sandbox.commit(&files, "Many stacks");
    let _server = Server::start(&sandbox);
    let service = |n: usize| json!({ "name": format!("s{n}"), "compose_files": [path(n)] });
    let sync = |number: usize| {
        sandbox.config(Value::Array((0..number).map(service).collect()));
        sandbox.renew(["sync"]).expect(0);
    };
    let (mut first, mut there) = (None, 0);
    for &number in NUMBERS {
        // A few at a time: no command of a sandbox may take longer than two minutes.
        while there < number {
            there = number.min(there + 10);
            sync(there);
        }
        sync(number);
        let took = mean(RUNS, &|| drop(sandbox.renew(["sync"]).expect(0)));
        let first = *first.get_or_insert(took);
        table.row(format!("settled sync, CPU: {number} services"), vec![took], None);
        if number > 1 {
            let more = took.saturating_sub(first) / u32::try_from(number - 1).expect("small");
            table.figure("  for each service more", Figure::Time(more), None);
        }
    }
}
