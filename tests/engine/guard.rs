//! Data is never lost: a file in a volume or a bind mount is there after every change, and a change
//! that would leave it behind is refused.

use std::fs;

use serde_json::json;

use crate::support::Sandbox;
use crate::{SLOW, slow_running};

/// A database with data in a volume of the project, in one without a name, and in a folder.
const DATA: &str = "\
services:
  db:
    image: IMAGES/db:1
    volumes:
      - data:/data
      - /scratch
      - ./files:/files
      - ./db.conf:/db.conf
      - ./ro:/ro:ro
    tmpfs: [/tmp]
  web:
    image: IMAGES/web:1
volumes:
  data:
";

/// The places in [`DATA`] that keep what is written.
const PLACES: [&str; 3] = ["/data", "/scratch", "/files"];

/// A sandbox in which renew runs [`DATA`] and `db` has written a file to every place.
pub fn written() -> Option<Sandbox> {
    let sandbox = Sandbox::open()?;
    for image in ["db:1", "db:2", "web:1"] {
        sandbox.publish(image);
    }
    let conf = ("db.conf", "colour = red\n");
    sandbox.commit(&[("compose.yaml", DATA), conf, ("ro/readme", "Read\n")], "A database");
    sandbox.plan_then_sync(0);
    write(&sandbox, &PLACES);
    sandbox.settled();
    Some(sandbox)
}

/// Has `db` write a file to each of these places.
pub fn write(sandbox: &Sandbox, places: &[&str]) {
    for place in places {
        sandbox.in_db(&format!("echo kept >{place}/file"));
    }
}

/// Fails unless `db` still has that file in each of these places.
#[track_caller]
pub fn keeps(sandbox: &Sandbox, places: &[&str]) {
    for place in places {
        assert_eq!(sandbox.in_db(&format!("cat {place}/file")), "kept", "{place}");
    }
}

impl Sandbox {
    /// Runs a line of shell in the container of `db`.
    #[track_caller]
    pub fn in_db(&self, line: &str) -> String {
        let id = self.ids()["db"][0].clone();
        self.docker(["exec", &id, "sh", "-c", line])
    }

    /// A file of a volume, read by a container of its own.
    #[track_caller]
    pub fn in_volume(&self, volume: &str, file: &str) -> String {
        let mount = format!("{}:/v", self.fill(volume));
        let (image, file) = (self.fill("IMAGES/db:1"), format!("/v/{file}"));
        self.docker(["run", "--rm", "--network", "none", "-v", &mount, &image, "cat", &file])
    }

    /// Fails unless the change that is pushed is refused for `db` alone, in these words, and nothing
    /// at all changes.
    #[track_caller]
    pub fn refuses(&self, compose: &str, words: &[&str]) {
        let before = self.ids();
        self.commit(&[("compose.yaml", compose)], "A change");
        self.plan_then_sync(3).result("app", "refused").did(
            "
            db   none  refused
            web  none  settled
        ",
        );
        let plan = self.renew(["plan", "--json"]).expect(0).json();
        let detail = plan["services"][0]["actions"][0]["detail"].as_str().expect("a detail");
        for word in words.iter().copied().chain(["`renew accept app`", "wanted: recreate"]) {
            let word = self.fill(word);
            assert!(detail.contains(&word), "`{word}` is not in: {detail}");
        }
        self.only_changed(&before, &[]);
    }
}

#[test]
fn another_image_and_another_definition_keep_the_data() {
    let Some(sandbox) = written() else { return };
    let newer = DATA.replace("db:1", "db:2");
    sandbox.commit(&[("compose.yaml", &newer)], "db 2");
    sandbox.plan_then_sync(0).did("db recreate image\n web none settled");
    keeps(&sandbox, &PLACES);
    let louder = newer.replace("    tmpfs: [/tmp]\n", "    environment: {LEVEL: debug}\n");
    sandbox.commit(&[("compose.yaml", &louder)], "db says more, and needs no /tmp");
    sandbox.plan_then_sync(0).did("db recreate config\n web none settled");
    keeps(&sandbox, &PLACES);
    sandbox.settled();
}

#[test]
fn files_of_the_repository_are_not_data() {
    let Some(sandbox) = written() else { return };
    let moved = DATA
        .replace("./db.conf:/db.conf", "./conf/db.conf:/db.conf")
        .replace("      - ./ro:/ro:ro\n", "");
    let conf = ("conf/db.conf", "colour = blue\n");
    sandbox.commit(&[("compose.yaml", &moved), conf, ("files/seed", "Grow\n")], "Move db.conf");
    sandbox.plan_then_sync(0).did("db recreate config\n web none settled");
    assert_eq!(sandbox.in_db("cat /db.conf /files/seed"), "colour = blue\nGrow");
    keeps(&sandbox, &PLACES);
    sandbox.settled();
}

#[test]
fn a_mount_that_would_move_or_go_is_refused() {
    let Some(sandbox) = written() else { return };
    let renamed = DATA.replace("- data:/data", "- other:/data").replace("  data:\n", "  other:\n");
    sandbox.refuses(
        &renamed,
        &["mount_moved: /data is volume SANDBOX_data and would be volume SANDBOX_other"],
    );
    let dropped = DATA.replace("      - data:/data\n", "").replace("volumes:\n  data:\n", "");
    sandbox.refuses(&dropped, &["/data is volume SANDBOX_data and would be nothing"]);
    let elsewhere = DATA.replace("./files:/files", "./other:/files");
    sandbox.refuses(&elsewhere, &["SANDBOX/files and would be", "SANDBOX/other"]);
    let in_memory = DATA.replace("      - /scratch\n", "").replace("/tmp", "/scratch");
    sandbox.refuses(&in_memory, &["/scratch is anonymous volume", "and would be a tmpfs"]);
    assert!(!sandbox.host.join("other").exists(), "nothing was made for it");
    keeps(&sandbox, &PLACES);
    // Back as it was, nothing is refused any more.
    sandbox.commit(&[("compose.yaml", DATA)], "Never mind");
    sandbox.plan_then_sync(0);
    sandbox.settled();
}

#[test]
fn what_is_down_comes_back_as_it_was_while_its_change_is_refused() {
    let Some(sandbox) = written() else { return };
    let renamed = DATA.replace("- data:/data", "- other:/data").replace("  data:\n", "  other:\n");
    sandbox.refuses(&renamed.replace("db:1", "db:2"), &["mount_moved: /data is"]);
    let before = sandbox.ids();
    sandbox.docker(["stop", "-t", "0", &before["db"][0]]);
    sandbox.plan_then_sync(3).result("app", "refused").did("db start stopped\n web none settled");
    sandbox.only_changed(&before, &[]);
    keeps(&sandbox, &PLACES);
    let file = fs::read_to_string(sandbox.host.join("compose.yaml")).expect("the file");
    assert!(file.contains("- data:/data"), "the files wait with the change: {file}");
    sandbox.plan_then_sync(3).did("db none refused\n web none settled");
}

#[test]
fn volumes_of_an_image_are_no_false_alarm() {
    let Some(sandbox) = written() else { return };
    let id = sandbox.ids()["db"][0].clone();
    for (tag, volume) in [("v", "VOLUME /kept"), ("w", "VOLUME /kept"), ("x", "VOLUME /other")] {
        let name = sandbox.fill(&format!("IMAGES/db:{tag}"));
        let label = format!("LABEL version={tag}");
        sandbox.docker(["commit", "-c", volume, "-c", &label, &id, &name]);
    }
    let image = |tag: &str| DATA.replace("IMAGES/db:1", &format!("IMAGES/db:{tag}"));
    sandbox.commit(&[("compose.yaml", &image("v"))], "An image with a volume");
    sandbox.plan_then_sync(0).did("db recreate image\n web none settled");
    write(&sandbox, &["/kept"]);
    sandbox.settled();
    sandbox.commit(&[("compose.yaml", &image("w"))], "The next one");
    sandbox.plan_then_sync(0).did("db recreate image\n web none settled");
    keeps(&sandbox, &["/data", "/scratch", "/files", "/kept"]);
    sandbox.settled();
    sandbox.refuses(&image("x"), &["/kept is anonymous volume", "and would be nothing"]);
    keeps(&sandbox, &["/kept"]);
}

#[test]
fn a_service_that_leaves_the_stack_leaves_its_data() {
    let Some(sandbox) = written() else { return };
    sandbox.config(json!([
        { "name": "app", "compose_files": ["compose.yaml"], "remove_orphans": true },
    ]));
    let mounts = sandbox.the("db")["Mounts"].clone();
    let without = "services:\n  web:\n    image: IMAGES/web:1\n";
    sandbox.commit(&[("compose.yaml", without)], "No database any more");
    sandbox.plan_then_sync(0).did("db remove orphan\n web none settled");
    sandbox.settled();
    // The volume without a name as well, which nobody else removes: not even the end of the sandbox.
    let mut scratch = mounts.as_array().expect("mounts").iter();
    let scratch = scratch.find(|mount| mount["Destination"] == "/scratch").expect("a volume");
    sandbox.docker(["volume", "rm", scratch["Name"].as_str().expect("a name")]);
    assert_eq!(sandbox.in_volume("SANDBOX_data", "file"), "kept");
    let file = fs::read_to_string(sandbox.host.join("files/file")).expect("the file");
    assert_eq!(file, "kept\n");
    sandbox.commit(&[("compose.yaml", DATA)], "It comes back");
    sandbox.plan_then_sync(0);
    keeps(&sandbox, &["/data", "/files"]);
    sandbox.settled();
}

#[test]
fn a_killed_change_loses_nothing() {
    let Some(sandbox) = slow_running() else { return };
    let with_data = SLOW
        .replace("    stop_grace_period: 3s\n", "    stop_grace_period: 3s\n    volumes: [\"data:/data\", \"./files:/files\", \"/scratch\"]\n")
        + "volumes:\n  data:\n";
    sandbox.commit(&[("compose.yaml", &with_data)], "Data");
    sandbox.plan_then_sync(0);
    let web = sandbox.ids()["web"][0].clone();
    for place in PLACES {
        sandbox.docker(["exec", &web, "sh", "-c", &format!("echo kept >{place}/file")]);
    }
    sandbox.commit(&[("compose.yaml", &with_data.replace("web:1", "web:2"))], "web 2");
    sandbox.forget_started();
    let sync = sandbox.start_renew(["sync"]);
    sandbox.wait_for_recreate("web");
    let groups: Vec<i32> = sandbox.started().iter().map(|one| one.pid).collect();
    sync.kill_with(&groups);
    sandbox.renew(["sync"]).expect(0);
    assert!(sandbox.version("web").starts_with("web:2 "));
    let web = sandbox.ids()["web"][0].clone();
    for place in PLACES {
        let file = sandbox.docker(["exec", &web, "cat", &format!("{place}/file")]);
        assert_eq!(file, "kept", "{place}");
    }
    sandbox.settled();
}

/// Somebody else's checkout of the same name runs the same project from elsewhere.
fn started_elsewhere() -> Option<Sandbox> {
    let sandbox = Sandbox::open()?;
    for image in ["db:1", "db:2", "web:1"] {
        sandbox.publish(image);
    }
    let conf = ("db.conf", "colour = red\n");
    sandbox.commit(&[("compose.yaml", DATA), conf, ("ro/readme", "Read\n")], "A database");
    let elsewhere = sandbox.root().join("home");
    sandbox.git(&elsewhere, &["clone", "-q", "../remote.git", &sandbox.id]);
    let dir = elsewhere.join(&sandbox.id).display().to_string();
    sandbox.compose([
        "--project-directory",
        &dir,
        "-f",
        &format!("{dir}/compose.yaml"),
        "up",
        "-d",
    ]);
    write(&sandbox, &PLACES);
    Some(sandbox)
}

#[test]
fn a_project_of_another_checkout_is_refused_until_it_is_accepted() {
    let Some(sandbox) = started_elsewhere() else { return };
    let before = sandbox.ids();
    // Nothing is to be changed: it is taken over as it runs.
    sandbox.plan_then_sync(0).did("db none adopted\n web none adopted");
    sandbox.settled();
    let newer = DATA.replace("db:1", "db:2");
    sandbox.refuses(
        &newer,
        &[
            "project_mismatch: containers of project SANDBOX belong to",
            "SANDBOX, not to",
            "mount_moved: ",
            "/files is ",
        ],
    );
    // What stands still is started, what is not there is not made.
    sandbox.docker(["stop", "-t", "0", &before["web"][0]]);
    sandbox.plan_then_sync(3).did("db none refused\n web start stopped");
    sandbox.only_changed(&before, &[]);
    let said = sandbox.renew(["accept", "app"]).expect(0).stdout;
    assert!(said.contains("project_mismatch: "), "{said}");
    assert!(said.contains("mount_moved: db: /files is "), "{said}");
    sandbox.only_changed(&before, &[]);
    sandbox.plan_then_sync(0).did("db recreate image\n web none settled");
    keeps(&sandbox, &["/data", "/scratch"]);
    let old = sandbox.root().join("home").join(&sandbox.id).join("files/file");
    assert_eq!(fs::read_to_string(old).expect("the old file"), "kept\n");
    sandbox.settled();
    // What is left comes over when it has to change.
    let another = newer.replace("web:1", "db:2");
    sandbox.commit(&[("compose.yaml", &another)], "Another web");
    sandbox.plan_then_sync(0).did("db none settled\n web recreate image");
    sandbox.settled();
    let record = fs::read_to_string(sandbox.state().join("services/app.json")).expect("a record");
    assert!(!record.contains("accepted"), "used up: {record}");
}

#[test]
fn a_path_with_a_symbolic_link_is_the_same_path() {
    let Some(sandbox) = Sandbox::open() else { return };
    for image in ["db:1", "db:2", "web:1"] {
        sandbox.publish(image);
    }
    let conf = ("db.conf", "colour = red\n");
    sandbox.commit(&[("compose.yaml", DATA), conf, ("ro/readme", "Read\n")], "A database");
    sandbox.host_pull();
    let link = sandbox.root().join("link");
    std::os::unix::fs::symlink(&sandbox.host, &link).expect("a link");
    let dir = link.display().to_string();
    let (file, project) = (format!("{dir}/compose.yaml"), sandbox.id.clone());
    sandbox.compose(["-p", &project, "--project-directory", &dir, "-f", &file, "up", "-d"]);
    write(&sandbox, &PLACES);
    sandbox.plan_then_sync(0).did("db none adopted\n web none adopted");
    sandbox.commit(&[("compose.yaml", &DATA.replace("db:1", "db:2"))], "db 2");
    sandbox.plan_then_sync(0).did("db recreate image\n web none settled");
    keeps(&sandbox, &PLACES);
    sandbox.settled();
}
