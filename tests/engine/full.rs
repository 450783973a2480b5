//! Docker's disk is full, really: an engine of the story's own keeps its data on a few megabytes.

use crate::support::Sandbox;

const ONE: &str = "\
services:
  web:
    image: IMAGES/web:1
    network_mode: none
";

/// [`ONE`], running and settled on an engine with a disk of 24 MiB.
fn running_on_a_small_disk() -> Option<Sandbox> {
    let mut sandbox = Sandbox::open()?;
    sandbox.on_a_small_engine(24);
    sandbox.rolls_forward();
    // The floor would keep us from coming to the point.
    let path = sandbox.root().join("renew.json");
    let text = std::fs::read_to_string(path).expect("a config");
    sandbox.write("renew.json", &text.replacen('{', "{\"disk_floor\":\"0\",", 1));
    sandbox.publish("web:1");
    sandbox.commit(&[("compose.yaml", ONE)], "web");
    sandbox.plan_then_sync(0).did("web start missing");
    sandbox.settled();
    Some(sandbox)
}

fn with_level(level: &str) -> String {
    format!("{ONE}    environment: {{LEVEL: {level}}}\n")
}

#[test]
fn an_image_that_is_too_large_leaves_what_runs_and_gives_the_space_back() {
    let Some(sandbox) = running_on_a_small_disk() else { return };
    let before = sandbox.ids();
    let disk = sandbox.engine_disk().display().to_string();
    // The first is too large to be fetched, the second only to be unpacked.
    for (tag, mebibytes, brings) in [("2", 30, "31.4 MB"), ("3", 14, "14.6 MB")] {
        let free = sandbox.engine_disk_free();
        let image = sandbox.fill(&format!("IMAGES/web:{tag}"));
        sandbox.publish_large(&format!("web:{tag}"), mebibytes);
        let stack = ONE.replace("web:1", &format!("web:{tag}"));
        sandbox.commit(&[("compose.yaml", &stack)], "A web that is too large");
        let told = sandbox.complains(2, &[]);
        told.says("disk_full", &[&image, "disk is full", &disk, brings], &disk);
        sandbox.only_changed(&before, &[]);
        sandbox.runs(&["web"]);
        let gone = free.saturating_sub(sandbox.engine_disk_free());
        assert!(gone < 1 << 20, "{gone} bytes are not given back");
    }

    // It is there as soon as there is room: for an image that fits, after somebody made some.
    sandbox.publish_large("web:4", 4);
    sandbox.commit(&[("compose.yaml", &ONE.replace("web:1", "web:4"))], "A web that fits");
    sandbox.fill_engine_disk(2 << 20);
    sandbox.complains(2, &[]).says("disk_full", &["web:4", &disk], "docker image prune");
    sandbox.only_changed(&before, &[]);
    sandbox.free_engine_disk();
    sandbox.plan_then_sync(0).did("web recreate image").result("app", "changed");
    assert_eq!(sandbox.version("web"), "web:4 push 4");
    sandbox.settled();
}

#[test]
fn what_needs_no_pull_is_made_as_long_as_the_engine_can_write_at_all() {
    let Some(sandbox) = running_on_a_small_disk() else { return };
    let before = sandbox.ids();
    // The engine wants a few dozen kilobytes for a container.
    sandbox.fill_engine_disk(256 << 10);
    sandbox.commit(&[("compose.yaml", &with_level("low"))], "Level low");
    sandbox.plan_then_sync(0).did("web recreate config");
    sandbox.only_changed(&before, &["web"]);
    sandbox.docker(["rm", "-f", &sandbox.ids()["web"][0]]);
    sandbox.fill_engine_disk(256 << 10);
    sandbox.plan_then_sync(0).did("web start missing");
    sandbox.settled();

    // Not a byte left: what runs is not stopped for what cannot be made.
    let before = sandbox.ids();
    sandbox.commit(&[("compose.yaml", &with_level("high"))], "Level high");
    sandbox.fill_engine_disk(0);
    sandbox.plan_then_sync(2).did("web recreate config").trouble().says(
        "disk_full",
        &["web still has its old container", "no space left on device"],
        "docker image prune",
    );
    sandbox.only_changed(&before, &[]);
    sandbox.runs(&["web"]);

    // What is down is tried, and comes up when there is room.
    sandbox.free_engine_disk();
    sandbox.docker(["rm", "-f", &before["web"][0]]);
    sandbox.fill_engine_disk(0);
    let full = "no space left on device";
    let run = sandbox.plan_then_sync(2);
    run.did("web start missing");
    run.trouble().says("disk_full", &["web has 0 of 1", full], "docker image prune");
    sandbox.free_engine_disk();
    sandbox.later();
    sandbox.plan_then_sync(0).did("web start missing");
    assert!(sandbox.has_env("web", "LEVEL=high"), "what git says, now that there is room");
    sandbox.settled();
}
