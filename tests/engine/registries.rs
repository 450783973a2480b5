//! Manners with registries, through the whole of renew and a real engine: who is shown credentials,
//! what a refusal means, and that an answer that cannot be had is never drift.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::Command;

use serde_json::json;

use crate::support::{Front, Registry, Sandbox, Turn, run, wait_for};
use crate::{THREE, three_running};

/// `u:hunter2`.
const BASIC: &str = "dTpodW50ZXIy";
/// bcrypt of `hunter2`, for the user `u`.
const HTPASSWD: &str = "u:$2y$05$abcdefghijklmnopqrstuuoXuKqgZXLiJqzfmMXDDhSFPIvxV7t8.\n";

fn answer(status: &str, headers: &str, body: &str) -> Turn {
    Turn::Answer(format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    ))
}

/// A stack whose only image comes over a front before the registry of the sandbox.
fn over(front: &Front, tag: &str) -> String {
    format!(
        "services:\n  web:\n    image: {}/SANDBOX/web:{tag}\n    restart: unless-stopped\n",
        front.address
    )
}

/// The first `web:1` over a front, running and settled.
fn running_over(front: &Front, sandbox: &Sandbox) {
    sandbox.publish("web:1");
    sandbox.commit(&[("compose.yaml", &over(front, "1"))], "web");
    sandbox.plan_then_sync(0).did("web start missing");
    sandbox.settled();
}

/// Docker's configuration of the sandbox.
fn docker_config(sandbox: &Sandbox, config: &serde_json::Value) {
    fs::write(sandbox.root().join("docker/config.json"), config.to_string()).expect("a config");
}

/// What a plan says of `web`.
#[track_caller]
fn planned(sandbox: &Sandbox) -> (String, String) {
    let document = sandbox.renew(["plan", "--json"]).expect(0).json();
    let action = &document["services"][0]["actions"][0];
    let text = |key: &str| action[key].as_str().unwrap_or_default().to_owned();
    (text("reason"), text("detail"))
}

#[test]
fn a_password_from_the_file_from_a_helper_and_none() {
    let Some(sandbox) = Sandbox::open() else { return };
    let front = Front::tcp(&sandbox.registry_address(), |_, head| {
        match head.contains(&format!("authorization: basic {}", BASIC.to_lowercase())) {
            true => Turn::Pass,
            false => answer("401 Unauthorized", "WWW-Authenticate: Basic realm=\"r\"\r\n", "{}"),
        }
    });
    let at = front.address.clone();
    sandbox.publish("web:1");
    sandbox.commit(&[("compose.yaml", &over(&front, "1"))], "web");
    let image = sandbox.fill(&format!("{at}/SANDBOX/web:1"));
    sandbox.complains(2, &[]).says("pull_denied", &[&image], "docker login");
    docker_config(&sandbox, &json!({ "auths": { &at: { "auth": BASIC } } }));
    sandbox.plan_then_sync(0).did("web start missing");
    sandbox.settled();
    let before = sandbox.ids();

    // Without credentials nothing is known, and nothing is drift.
    docker_config(&sandbox, &json!({}));
    sandbox.publish("web:1");
    sandbox.plan_then_sync(0).did("web none unknown");
    let (reason, detail) = planned(&sandbox);
    assert!(reason == "unknown" && detail.contains("docker login"), "{detail}");
    sandbox.only_changed(&before, &[]);

    let helper = sandbox.root().join("bin/docker-credential-sandbox");
    let script = format!(
        "#!/bin/sh\nread -r server\n[ \"$1 $server\" = \"get {at}\" ] || {{ echo 'credentials not \
         found in native keychain'; exit 1; }}\necho '{{\"ServerURL\":\"x\",\"Username\":\"u\",\
         \"Secret\":\"hunter2\"}}'\n"
    );
    fs::write(&helper, script).expect("a helper");
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).expect("a mode");
    docker_config(&sandbox, &json!({ "credHelpers": { &at: "sandbox" } }));
    sandbox.plan_then_sync(0).did("web recreate image");
    docker_config(&sandbox, &json!({ "credsStore": "sandbox" }));
    sandbox.settled();
    sandbox.publish("web:1");
    sandbox.plan_then_sync(0).did("web recreate image");

    // A helper that fails is said, and what it knows stays with it.
    fs::write(&helper, "#!/bin/sh\necho 'the keyring is locked'\nexit 1\n").expect("a helper");
    sandbox.publish("web:1");
    let (reason, detail) = planned(&sandbox);
    assert!(reason == "unknown" && detail.contains("the keyring is locked"), "{detail}");
    let output = sandbox.renew(["sync", "--json"]).expect(0);
    assert!(!format!("{output}").contains("hunter2"), "{output}");
}

#[test]
fn a_real_registry_with_a_password_and_a_private_authority() {
    let Some(sandbox) = Sandbox::open() else { return };
    // Off loopback docker insists on a certificate, and on the authority in certs.d.
    let address = address_off_loopback(&sandbox);
    let dir = sandbox.root().join("secured");
    fs::create_dir(&dir).expect("a folder");
    fs::write(dir.join("htpasswd"), HTPASSWD).expect("a password file");
    let script = format!(
        "cd \"$0\" && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout \
         ca.key -out ca.crt -days 2 -subj /CN=ca -addext basicConstraints=critical,CA:TRUE && \
         openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out leaf.csr \
         -subj /CN=leaf && printf 'subjectAltName=IP:{address}\\n' >ext && openssl x509 -req -in \
         leaf.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out cert.pem"
    );
    let mut openssl = Command::new("sh");
    openssl.args(["-ec", &script]).arg(&dir);
    run(openssl).expect(0);
    let registry = Registry::start_secured(&dir, &address);
    let at = registry.address();
    // Somebody pushes by way of the store: the content is the same.
    sandbox.publish("web:1");
    registry.take_over(&sandbox.root().join("registry/store"));
    let stack = format!("services:\n  web:\n    image: {at}/SANDBOX/web:1\n");
    sandbox.commit(&[("compose.yaml", &stack)], "web");
    docker_config(&sandbox, &json!({ "auths": { &at: { "auth": BASIC } } }));
    let told = sandbox.complains(2, &[]);
    assert!(told.message.contains("x509"), "the authority is not known: {told:?}");

    let _trust = Trust::of(&at, &dir.join("ca.crt"));
    sandbox.plan_then_sync(0).did("web start missing");
    sandbox.settled();
    let before = sandbox.ids();
    sandbox.publish("web:1");
    registry.take_over(&sandbox.root().join("registry/store"));
    sandbox.plan_then_sync(0).did("web recreate image");
    sandbox.only_changed(&before, &["web"]);
    sandbox.settled();
    docker_config(&sandbox, &json!({ "auths": { &at: { "auth": "dTp3cm9uZw==" } } }));
    sandbox.plan_then_sync(0).did("web none unknown");
}

/// The address of this host on docker's bridge.
fn address_off_loopback(sandbox: &Sandbox) -> String {
    let format = "{{(index .IPAM.Config 0).Subnet}}";
    let subnet = sandbox.docker(["network", "inspect", "bridge", "--format", format]);
    let (network, _) = subnet.rsplit_once('.').expect("an address");
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").expect("a socket");
    // Nothing is sent: the kernel only chooses the address it would send from.
    socket.connect(format!("{network}.2:9")).expect("a route");
    socket.local_addr().expect("an address").ip().to_string()
}

/// The authority of a registry in docker's own folder, as long as this lives, and not longer than the
/// test process: a guard outside of it takes it away.
struct Trust(std::process::Child);

impl Trust {
    fn of(registry: &str, authority: &std::path::Path) -> Trust {
        let script = "mkdir -p \"$1\" && cp \"$2\" \"$1/ca.crt\" && echo ready; cat >/dev/null; \
                      rm -rf \"$1\"; rmdir /etc/docker/certs.d 2>/dev/null";
        let mut guard = Command::new("/bin/sh")
            .args(["-c", script, "guard", &format!("/etc/docker/certs.d/{registry}")])
            .arg(authority)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("a guard");
        let said = guard.stdout.take().expect("its words");
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(said), &mut line).expect("a word");
        assert_eq!(line, "ready\n", "docker's certs.d cannot be written");
        Trust(guard)
    }
}

impl Drop for Trust {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

#[test]
fn a_token_from_the_registrys_own_server() {
    let Some(sandbox) = Sandbox::open() else { return };
    let front = Front::tcp(&sandbox.registry_address(), |line, head| {
        let host = head.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
        let challenge =
            format!("WWW-Authenticate: Bearer realm=\"http://{host}/token\",service=\"s\"\r\n");
        let basic = format!("authorization: basic {}", BASIC.to_lowercase());
        match () {
            () if line.contains("/token") && head.contains(&basic) => {
                answer("200 OK", "", r#"{"token":"t0ken"}"#)
            }
            () if line.contains("/token") => answer("401 Unauthorized", "", "{}"),
            () if head.contains("authorization: bearer t0ken") => Turn::Pass,
            () => answer("401 Unauthorized", &challenge, "{}"),
        }
    });
    docker_config(&sandbox, &json!({ "auths": { &front.address: { "auth": BASIC } } }));
    running_over(&front, &sandbox);
    sandbox.publish("web:1");
    sandbox.plan_then_sync(0).did("web recreate image");
    sandbox.settled();
    // docker itself does not ask for what it has.
    let asked = front.asked();
    assert!(
        asked.iter().any(|line| line.contains("/token") && line.contains("scope=")),
        "{asked:?}"
    );
}

#[test]
fn a_hostile_token_server_is_not_shown_anything() {
    let Some(sandbox) = Sandbox::open() else { return };
    let hostile = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let trap = Front::tcp("127.0.0.1:1", |_, head| {
        let shown = head.contains("authorization");
        answer("200 OK", "", if shown { r#"{"token":"shown"}"# } else { r#"{"token":"bare"}"# })
    });
    let (realm, armed) = (trap.address.replace("127.0.0.1", "localhost"), hostile.clone());
    let front = Front::tcp(&sandbox.registry_address(), move |_, _| {
        let challenge = format!("WWW-Authenticate: Bearer realm=\"http://{realm}/token\"\r\n");
        match armed.load(std::sync::atomic::Ordering::SeqCst) {
            true => answer("401 Unauthorized", &challenge, "{}"),
            false => Turn::Pass,
        }
    });
    docker_config(&sandbox, &json!({ "auths": { &front.address: { "auth": BASIC } } }));
    running_over(&front, &sandbox);
    let before = sandbox.ids();
    hostile.store(true, std::sync::atomic::Ordering::SeqCst);
    sandbox.publish("web:1");
    sandbox.plan_then_sync(0).did("web none unknown");
    let (_, detail) = planned(&sandbox);
    assert!(detail.contains("without encryption"), "{detail}");
    assert!(trap.asked().is_empty(), "nobody calls there: {:?}", trap.asked());
    sandbox.only_changed(&before, &[]);
}

/// A front that wants to be left alone for 300 s, once it is told so.
fn limiting(sandbox: &Sandbox) -> (Front, std::sync::Arc<std::sync::atomic::AtomicBool>) {
    let limited = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let armed = limited.clone();
    let front = Front::tcp(&sandbox.registry_address(), move |_, _| {
        let body = r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}"#;
        match armed.load(std::sync::atomic::Ordering::SeqCst) {
            true => answer("429 Too Many Requests", "Retry-After: 300\r\n", body),
            false => Turn::Pass,
        }
    });
    (front, limited)
}

#[test]
fn a_daemon_asks_a_registry_that_wants_rest_only_when_its_time_is_over() {
    let Some(sandbox) = Sandbox::open() else { return };
    let (front, limited) = limiting(&sandbox);
    running_over(&front, &sandbox);
    limited.store(true, std::sync::atomic::Ordering::SeqCst);
    let so_far = front.asked().len();
    let before = sandbox.ids();
    sandbox.config(json!([{
        "name": "app", "compose_files": ["compose.yaml"], "schedule": "@every 1s",
    }]));
    let daemon = sandbox.start_renew(["run"]);
    wait_for("the first question", 60, || (front.asked().len() > so_far).then_some(()));
    // It goes on working meanwhile.
    sandbox.docker(["rm", "-f", &before["web"][0]]);
    sandbox.come_up(&["web"]);
    std::thread::sleep(std::time::Duration::from_secs(4));
    daemon.terminate();
    daemon.finish().expect(0);
    assert_eq!(front.asked().len(), so_far + 1, "{:?}", front.asked());
}

#[test]
fn a_daemon_asks_a_registry_every_so_often_and_when_a_run_is_requested() {
    let Some(sandbox) = Sandbox::open() else { return };
    let (front, _) = limiting(&sandbox);
    running_over(&front, &sandbox);
    let before = sandbox.ids();
    let service = |every: &str| {
        json!([{
            "name": "app", "compose_files": ["compose.yaml"], "schedule": "@every 1s",
            "image_check_every": every,
        }])
    };
    let asked = || front.asked().len();
    sandbox.config(service("10m"));
    let so_far = asked();
    let daemon = sandbox.start_renew(["run"]);
    wait_for("the first question", 60, || (asked() > so_far).then_some(()));
    std::thread::sleep(std::time::Duration::from_secs(4));
    assert_eq!(asked(), so_far + 1, "{:?}", front.asked());
    // Somebody who asks for a run wants to know.
    sandbox.publish("web:1");
    let mut control = UnixStream::connect(sandbox.state().join("renew.sock")).expect("a daemon");
    control.write_all(b"POST /services/app/sync HTTP/1.1\r\nHost: x\r\n\r\n").expect("a request");
    let mut said = String::new();
    control.read_to_string(&mut said).expect("an answer");
    assert!(said.starts_with("HTTP/1.1 202"), "{said}");
    wait_for("the new image", 60, || (sandbox.ids() != before).then_some(()));
    // What was told before the pull does not count after it.
    std::thread::sleep(std::time::Duration::from_secs(3));
    let (so_far, after) = (asked(), sandbox.ids());
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!((asked(), sandbox.ids()), (so_far, after), "{:?}", front.asked());
    // Every time, where that is wanted.
    sandbox.config(service("0s"));
    let so_far = asked();
    wait_for("more questions", 60, || (asked() > so_far + 3).then_some(()));
    daemon.terminate();
    daemon.finish().expect(0);
}

#[test]
fn a_registry_that_wants_rest_is_asked_once_a_pass() {
    let Some(sandbox) = Sandbox::open() else { return };
    let (front, limited) = limiting(&sandbox);
    for image in ["web:1", "db:1"] {
        sandbox.publish(image);
    }
    let db = format!("  db:\n    image: {}/SANDBOX/db:1\n", front.address);
    sandbox.commit(&[("compose.yaml", &format!("{}{db}", over(&front, "1")))], "Two");
    sandbox.plan_then_sync(0);
    sandbox.settled();
    let before = sandbox.ids();
    limited.store(true, std::sync::atomic::Ordering::SeqCst);
    let so_far = front.asked().len();
    sandbox.publish("web:1");
    sandbox.renew(["sync"]).expect(0);
    assert_eq!(front.asked().len(), so_far + 1, "{:?}", front.asked());
    sandbox.plan_then_sync(0).did(
        "
        db   none  unknown
        web  none  unknown
    ",
    );
    let (_, detail) = planned(&sandbox);
    assert!(detail.contains("300 s"), "{detail}");
    // What git declares anew has to be pulled, and cannot.
    sandbox.commit(&[("compose.yaml", &format!("{}{db}", over(&front, "2")))], "web 2");
    let image = sandbox.fill(&format!("{}/SANDBOX/web:2", front.address));
    let told = sandbox.complains(2, &[]);
    told.says("pull_rate_limited", &[&image, "rate limit"], "renew tries again by itself");
    sandbox.only_changed(&before, &[]);
    limited.store(false, std::sync::atomic::Ordering::SeqCst);
    sandbox.publish("web:2");
    sandbox.plan_then_sync(0).did(
        "
        db   none      settled
        web  recreate  image
    ",
    );
    sandbox.settled();
}

#[test]
fn without_a_digest_in_the_head_the_content_counts() {
    let Some(sandbox) = Sandbox::open() else { return };
    let front = Front::tcp(&sandbox.registry_address(), |line, head| {
        // The engine is told; it is not what is looked at here.
        match line.contains("/manifests/") && !head.contains("user-agent: docker") {
            true => Turn::Without("Docker-Content-Digest"),
            false => Turn::Pass,
        }
    });
    running_over(&front, &sandbox);
    sandbox.publish("web:1");
    sandbox.plan_then_sync(0).did("web recreate image");
    sandbox.settled();
}

#[test]
fn a_registry_that_goes_down_in_the_middle_of_a_pull() {
    let Some(sandbox) = Sandbox::open() else { return };
    let broken = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let armed = broken.clone();
    let front = Front::tcp(&sandbox.registry_address(), move |line, _| {
        let on = armed.load(std::sync::atomic::Ordering::SeqCst);
        // Not a byte: an engine with the containerd store asks for the rest of what it has.
        if on && line.contains("/blobs/") { Turn::Break(0) } else { Turn::Pass }
    });
    sandbox.config(json!([{
        "name": "app", "compose_files": ["compose.yaml"], "timeouts": { "pull": "4s" },
    }]));
    running_over(&front, &sandbox);
    let before = sandbox.ids();
    broken.store(true, std::sync::atomic::Ordering::SeqCst);
    sandbox.publish("web:2");
    sandbox.commit(&[("compose.yaml", &over(&front, "2"))], "web 2");
    let image = sandbox.fill(&format!("{}/SANDBOX/web:2", front.address));
    let run = sandbox.plan_then_sync(2);
    run.did("web recreate image");
    let told = run.trouble();
    assert!(["pull_stalled", "pull_network"].contains(&told.reason.as_str()), "{told:?}");
    told.says(&told.reason, &[&image], "check the network and the registry");
    sandbox.only_changed(&before, &[]);
    sandbox.runs(&["web"]);
    broken.store(false, std::sync::atomic::Ordering::SeqCst);
    sandbox.plan_then_sync(0).did("web recreate image");
    sandbox.settled();
}

#[test]
fn a_disk_that_is_full() {
    let Some(sandbox) = three_running() else { return };
    let before = sandbox.ids();
    let engine = std::env::var("DOCKER_HOST").unwrap_or_default();
    let engine = engine.strip_prefix("unix://").unwrap_or("/var/run/docker.sock").to_owned();
    let at = sandbox.root().join("full.sock");
    let front = Front::unix(&at, engine.as_ref(), |line, _| {
        let words = "write /var/lib/docker/tmp/GetImageBlob1: no space left on device";
        let body = json!({ "errorDetail": { "message": words }, "error": words });
        match line.contains("/images/create") {
            true => answer("200 OK", "", &format!("{body}\r\n")),
            false => Turn::Pass,
        }
    });
    sandbox.publish("web:2");
    sandbox.commit(&[("compose.yaml", &THREE.replace("web:1", "web:2"))], "web 2");
    let host = format!("unix://{}", front.address);
    let image = sandbox.fill("IMAGES/web:2");
    let told = sandbox.complains(2, &[("DOCKER_HOST", &host)]);
    told.says("disk_full", &[&image, "no space left"], "docker image prune");
    sandbox.only_changed(&before, &[]);
    sandbox.runs(&["cache", "db", "web"]);
    sandbox.plan_then_sync(0);
    sandbox.only_changed(&before, &["web"]);
    sandbox.settled();
}

#[test]
fn an_image_that_only_this_host_has_never_drifts() {
    let Some(sandbox) = three_running() else { return };
    let name = sandbox.fill("SANDBOX-local/tool:1");
    let commit = |version: &str| {
        let label = format!("LABEL version={version}");
        let id = sandbox.ids()["web"][0].clone();
        sandbox.docker(["commit", "--change", &label, &id, &name]);
    };
    commit("one");
    let stack = THREE.replace("IMAGES/db:1", &name).replace("SANDBOX", &sandbox.id);
    sandbox.commit(&[("compose.yaml", &stack)], "A local image");
    sandbox.plan_then_sync(0);
    let before = sandbox.ids();
    for _ in 0..3 {
        sandbox.settled();
    }
    sandbox.registry_down();
    sandbox.renew(["sync"]).expect(0);
    sandbox.registry_up();
    sandbox.only_changed(&before, &[]);
    // Made anew on this host it means another image; that is drift, and needs no registry.
    commit("two");
    sandbox.plan_then_sync(0).did(
        "
        cache  none      settled
        db     recreate  image
        web    none      settled
    ",
    );
    sandbox.settled();
}
