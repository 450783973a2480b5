//! What is known to fail is not begun: the old container runs on, its files stay, everything else of
//! the stack is changed, and the next run takes it up once the obstacle is gone.

use std::net::{TcpListener, UdpSocket};

use crate::support::{Form, Sandbox, free_address};
use crate::{THREE, three_running};

/// A stack in which `web` has these lines more.
fn web_with(lines: &str) -> String {
    format!("{THREE}{lines}")
}

/// Plays one obstacle: `web` gets `lines`, which cannot be had until `clear`; `cache` changes too.
#[track_caller]
fn obstacle(sandbox: &Sandbox, stack: &str, says: (&str, &[&str], &str), clear: impl FnOnce()) {
    let before = sandbox.ids();
    let stack = stack.replace("cache:1\n", "cache:1\n    labels: [changed]\n");
    sandbox.commit(&[("compose.yaml", &stack)], "What cannot be had");
    let run = sandbox.plan_then_sync(2);
    run.did(
        "
        cache  recreate  config
        db     none      settled
        web    recreate  config
    ",
    );
    run.result("app", "failed").trouble().says(says.0, says.1, says.2);
    let planned = sandbox.renew(["plan", "--json"]).expect(0);
    assert!(planned.stdout.contains(says.0), "a plan says it too\n{planned}");
    sandbox.only_changed(&before, &["cache"]);
    sandbox.runs(&["cache", "db", "web"]);
    let on_disk = std::fs::read_to_string(sandbox.host.join("compose.yaml")).expect("the file");
    assert!(!on_disk.contains("changed"), "the files of a failed service do not move\n{on_disk}");
    sandbox.complains(2, &[]).says(says.0, says.1, says.2);
    clear();
    sandbox.plan_then_sync(0).did(
        "
        cache  none      settled
        db     none      settled
        web    recreate  config
    ",
    );
    sandbox.only_changed(&before, &["cache", "web"]);
    sandbox.runs(&["cache", "db", "web"]);
    sandbox.settled();
}

#[test]
fn a_port_that_a_process_has() {
    let Some(sandbox) = three_running() else { return };
    let (address, other) = (free_address(), free_address());
    let one = address.port();
    let tcp = TcpListener::bind(address).expect("a port");
    let udp = UdpSocket::bind(other).expect("a port");
    let pid = format!("pid {}", std::process::id());
    let stack = web_with(&format!("    ports: ['{address}:80']\n"));
    obstacle(
        &sandbox,
        &stack,
        ("port_taken", &[&format!("{one}/tcp"), "web", &pid], "publish another port"),
        || drop(tcp),
    );
    // A container that has its port already is not in its own way.
    let kept = stack.replace("    ports", "    labels: [more]\n    ports");
    sandbox.commit(&[("compose.yaml", &kept)], "A label, and the port it has");
    sandbox.plan_then_sync(0);
    sandbox.runs(&["web"]);
    let before = sandbox.ids();
    let stack = web_with(&format!("    ports: ['{other}:80/udp']\n"));
    sandbox.commit(&[("compose.yaml", &stack)], "Another port");
    let told = sandbox.complains(2, &[]);
    told.says("port_taken", &[&format!("{}/udp", other.port()), &pid], "stop what has it");
    assert_eq!(sandbox.ids()["web"], before["web"]);
    sandbox.runs(&["web"]);
    drop(udp);
    sandbox.plan_then_sync(0);
    sandbox.settled();
}

#[test]
fn a_port_that_another_container_has() {
    let Some(sandbox) = three_running() else { return };
    let port = free_address();
    let name = sandbox.fill("SANDBOX-stranger");
    let (publish, image) = (format!("{port}:80"), sandbox.fill("IMAGES/web:1"));
    let stranger = sandbox.docker(["run", "-d", "--name", &name, "-p", &publish, &image]);
    let stack = web_with(&format!("    ports: ['{port}:80']\n"));
    let number = format!("{}/tcp", port.port());
    obstacle(
        &sandbox,
        &stack,
        ("port_taken", &[&number, &name, &stranger[..12]], "stop what has it"),
        || drop(sandbox.docker(["rm", "-f", &stranger])),
    );
    // It goes to another compose service that is made after the one that gives it up.
    let moved = THREE
        .replace("db:1\n", &format!("db:1\n    depends_on: [web]\n    ports: ['{port}:80']\n"));
    sandbox.commit(&[("compose.yaml", &moved)], "The port moves to db");
    sandbox.plan_then_sync(0);
    sandbox.runs(&["cache", "db", "web"]);
    sandbox.settled();
}

#[test]
fn a_name_that_another_container_has() {
    let Some(sandbox) = three_running() else { return };
    let name = sandbox.fill("SANDBOX-fixed");
    let image = sandbox.fill("IMAGES/web:1");
    let stranger = sandbox.docker(["run", "-d", "--name", &name, &image]);
    let stack = web_with("    container_name: SANDBOX-fixed\n");
    let before = sandbox.ids();
    sandbox.commit(&[("compose.yaml", &stack)], "A fixed name");
    let run = sandbox.plan_then_sync(2);
    run.trouble().says("name_taken", &["web", &name, &stranger[..12]], "docker rename");
    sandbox.only_changed(&before, &[]);
    sandbox.runs(&["cache", "db", "web"]);
    sandbox.docker(["rm", "-f", &stranger]);
    sandbox.plan_then_sync(0);
    sandbox.only_changed(&before, &["web"]);
    sandbox.settled();
    // Its own name is not in its way.
    let stack = web_with("    container_name: SANDBOX-fixed\n    labels: [more]\n");
    sandbox.commit(&[("compose.yaml", &stack)], "A label");
    sandbox.plan_then_sync(0);
    sandbox.settled();
}

#[test]
fn an_external_network_that_is_missing() {
    let Some(sandbox) = three_running() else { return };
    let name = sandbox.fill("SANDBOX_shared");
    let stack = format!(
        "{}networks:\n  back:\n    name: SANDBOX_shared\n    external: true\n",
        web_with("    networks: [default, back]\n")
    );
    let way = format!("docker network create {name}");
    obstacle(&sandbox, &stack, ("network_missing", &["web", &name], &way), || {
        sandbox.docker(["network", "create", &name]);
    });
}

#[test]
fn an_external_volume_that_is_missing() {
    let Some(sandbox) = three_running() else { return };
    let name = sandbox.fill("SANDBOX_shared");
    let stack = format!(
        "{}volumes:\n  data:\n    name: SANDBOX_shared\n    external: true\n",
        web_with("    volumes: ['data:/data']\n")
    );
    let way = format!("docker volume create {name}");
    obstacle(&sandbox, &stack, ("volume_missing", &["web", &name], &way), || {
        sandbox.docker(["volume", "create", &name]);
    });
}

#[test]
fn a_device_and_a_path_that_are_missing() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    let stack = web_with("    devices: ['/dev/renew-none:/dev/x']\n");
    sandbox.commit(&[("compose.yaml", &stack)], "A device");
    let run = sandbox.plan_then_sync(2);
    run.trouble().says("device_missing", &["web", "/dev/renew-none"], "devices:");
    sandbox.only_changed(&before, &[]);
    sandbox.runs(&["cache", "db", "web"]);
    let path = sandbox.root().join("data").display().to_string();
    let bind = format!(
        "    volumes:\n      - type: bind\n        source: {path}\n        target: /data\n        \
         bind: {{create_host_path: false}}\n"
    );
    obstacle(
        &sandbox,
        &web_with(&bind),
        ("mount_missing", &["web", &path], "on this host"),
        || std::fs::create_dir(&path).expect("a folder"),
    );
}

#[test]
fn a_config_that_comes_with_the_commit_is_no_obstacle() {
    let Some(sandbox) = three_running() else { return };
    let stack = format!("{}configs:\n  c:\n    file: ./web.conf\n", web_with("    configs: [c]\n"));
    sandbox.commit(&[("compose.yaml", &stack), ("web.conf", "level = 1\n")], "A config");
    sandbox.plan_then_sync(0).did(
        "
        cache  none      settled
        db     none      settled
        web    recreate  config
    ",
    );
    sandbox.settled();
}

#[test]
fn an_image_for_another_processor() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    sandbox.publish_elsewhere("web:2", Form::Alone);
    sandbox.publish_elsewhere("web:3", Form::Index);
    for tag in ["2", "3"] {
        let image = sandbox.fill(&format!("IMAGES/web:{tag}"));
        let stack = THREE.replace("web:1", &format!("web:{tag}"));
        sandbox.commit(&[("compose.yaml", &stack)], "Not for this host");
        let told = sandbox.complains(2, &[]);
        told.says("image_platform", &[&image, "processor"], "push the image for");
    }
    sandbox.only_changed(&before, &[]);
    sandbox.runs(&["cache", "db", "web"]);
    sandbox.commit(&[("compose.yaml", THREE)], "As it was");
    sandbox.renew(["sync"]).expect(0);
    sandbox.only_changed(&before, &[]);
    sandbox.settled();
}

#[test]
fn a_missing_service_is_not_begun_either_and_a_one_shot_that_cannot_run_stops_nobody() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    let name = sandbox.fill("SANDBOX_shared");
    let stack = format!(
        "{}  migrate:\n    image: IMAGES/web:1\n    command: ['true']\n    networks: [back]\n\
         networks:\n  back:\n    name: SANDBOX_shared\n    external: true\n",
        web_with(
            "    labels: [changed]\n    depends_on:\n      migrate: {condition: \
             service_completed_successfully}\n"
        )
    );
    sandbox.commit(&[("compose.yaml", &stack)], "A migration");
    let run = sandbox.plan_then_sync(2);
    run.did(
        "
        cache    none      settled
        db       none      settled
        migrate  start     missing
        web      recreate  config
    ",
    );
    run.trouble().says("network_missing", &["migrate", &name], "docker network create");
    sandbox.only_changed(&before, &[]);
    sandbox.docker(["network", "create", &name]);
    sandbox.plan_then_sync(0);
    sandbox.only_changed(&before, &["migrate", "web"]);
    sandbox.settled();
}
