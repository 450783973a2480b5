//! Two runs at once.

use crate::{SLOW, slow_running};

#[test]
fn two_syncs_at_once_do_no_damage() {
    let Some(sandbox) = slow_running() else { return };
    let before = sandbox.ids();
    sandbox.commit(&[("compose.yaml", &SLOW.replace("web:1", "web:2"))], "web 2");
    let first = sandbox.start_renew(["sync", "--json"]);
    sandbox.wait_for_recreate("web");
    let second = sandbox.renew(["sync", "--json"]).expect(0);
    assert_eq!(second.json()["services"][0]["result"], "skipped", "{second}");
    let first = first.finish().expect(0);
    assert_eq!(first.json()["services"][0]["result"], "changed", "{first}");
    sandbox.only_changed(&before, &["web"]);
    sandbox.runs(&["db", "web"]);
    sandbox.settled();
}

#[test]
fn three_first_syncs_at_once_start_everything_once() {
    let Some(sandbox) = crate::three_pushed() else { return };
    let all = [(); 3].map(|()| sandbox.start_renew(["sync", "--json"]));
    let outputs = all.map(|one| one.finish().expect(0));
    let changed =
        outputs.iter().filter(|output| output.json()["services"][0]["result"] == "changed").count();
    assert_eq!(changed, 1, "{}\n{}\n{}", outputs[0], outputs[1], outputs[2]);
    sandbox.runs(&["cache", "db", "web"]);
    sandbox.settled();
}
