//! Files of the repository that containers see: bind mounts, configs, secrets.

use crate::support::Sandbox;

const STACK: &str = "\
services:
  db:
    image: IMAGES/db:1
  web:
    image: IMAGES/web:1
    volumes:
      - ./site:/etc/site:ro
  worker:
    image: IMAGES/web:1
    configs:
      - job
configs:
  job:
    file: ./job.conf
";

fn mounted() -> Option<Sandbox> {
    let sandbox = Sandbox::open()?;
    sandbox.publish("db:1");
    sandbox.publish("web:1");
    let files = [
        ("compose.yaml", STACK),
        ("site/site.conf", "colour = red\n"),
        ("job.conf", "every = day\n"),
        ("notes/site.conf", "not mounted\n"),
    ];
    sandbox.commit(&files, "A site");
    sandbox.plan_then_sync(0);
    sandbox.settled();
    Some(sandbox)
}

#[test]
fn a_changed_mounted_file_recreates_its_service() {
    let Some(sandbox) = mounted() else { return };
    let before = sandbox.ids();
    sandbox.commit(&[("site/site.conf", "colour = blue\n")], "Blue");
    sandbox.plan_then_sync(0).did(
        "
        db      none      settled
        web     recreate  files
        worker  none      settled
    ",
    );
    sandbox.only_changed(&before, &["web"]);
    let web = sandbox.ids()["web"][0].clone();
    let seen = sandbox.docker(["exec", &web, "cat", "/etc/site/site.conf"]);
    assert_eq!(seen, "colour = blue");
    sandbox.settled();
}

#[test]
fn a_changed_config_recreates_its_service() {
    let Some(sandbox) = mounted() else { return };
    let before = sandbox.ids();
    sandbox.commit(&[("job.conf", "every = hour\n")], "Hourly");
    sandbox.plan_then_sync(0).did(
        "
        db      none      settled
        web     none      settled
        worker  recreate  files
    ",
    );
    sandbox.only_changed(&before, &["worker"]);
    let worker = sandbox.ids()["worker"][0].clone();
    assert_eq!(sandbox.docker(["exec", &worker, "cat", "/job"]), "every = hour");
    sandbox.settled();
}

#[test]
fn a_changed_file_that_nobody_mounts_recreates_nothing() {
    let Some(sandbox) = mounted() else { return };
    let before = sandbox.ids();
    sandbox.commit(&[("notes/site.conf", "still not mounted\n")], "Notes");
    sandbox.plan_then_sync(0).did(
        "
        db      none  settled
        web     none  settled
        worker  none  settled
    ",
    );
    sandbox.only_changed(&before, &[]);
    sandbox.settled();
}
