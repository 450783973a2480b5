//! The engine as a scripted socket: what is asked, what is understood, and what a person is told.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use super::{
    ContainerId, Engine, EngineError, HealthStatus, Limits, Platform, RestartPolicy, State,
};
use crate::docker::digest::Digest;
use crate::docker::reference::Reference;
use crate::sys::http::fake::{self, Asked, Log, answer};

const SHORT: Limits =
    Limits { read: Duration::from_millis(400), change: Duration::from_millis(400) };

/// An engine whose answers `script` gives; `/_ping` says `version`.
pub(super) fn engine(
    version: &'static str,
    script: impl Fn(&Asked, &mut dyn Write) + Send + Sync + 'static,
) -> (tempfile::TempDir, Log, Result<Engine, EngineError>) {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("docker.sock");
    let log = fake::unix(&socket, move |asked, out| match asked.line.as_str() {
        "GET /_ping" => answer(out, 200, &[("Api-Version", version)], "OK"),
        _ => script(asked, out),
    });
    let host = format!("unix://{}", socket.display());
    (dir, log, Engine::connect_within(Some(&host), SHORT))
}

pub(super) fn answering(body: &'static str) -> (tempfile::TempDir, Log, Engine) {
    let (dir, log, engine) = engine("1.41", move |_, out| answer(out, 200, &[], body));
    (dir, log, engine.unwrap())
}

#[test]
fn versions() {
    for (offered, agreed) in
        [("1.41", Some("1.41")), ("1.48", Some("1.48")), ("1.51", Some("1.51"))].into_iter().chain(
            [
                ("1.60", Some("1.51")),
                ("2.0", Some("1.51")),
                ("1.40", None),
                ("1.9", None),
                ("", None),
                ("new", None),
            ],
        )
    {
        let (_dir, _, engine) = engine(offered, |_, _| {});
        assert_eq!(engine.ok().as_ref().map(Engine::api_version), agreed, "{offered}");
    }
    let (_dir, _, engine) = engine("1.40", |_, _| {});
    let old = engine.unwrap_err();
    assert!(old.to_string().contains("engine 20.10") && old.way_out().contains("upgrade"));
}

#[test]
fn only_absolute_unix_sockets() {
    for host in ["tcp://1.2.3.4:2375", "ssh://host", "unix://a/b", "unix://", "/run/x", ""] {
        let error = Engine::connect(Some(host)).unwrap_err();
        assert!(matches!(error, EngineError::BadHost(_)), "{host}: {error}");
        assert!(error.way_out().contains("unix:///var/run/docker.sock"));
    }
}

#[test]
fn trouble_says_what_to_do() {
    let missing = Engine::connect(Some("unix:///nonexistent/docker.sock")).unwrap_err();
    let (text, way) = (missing.to_string(), missing.way_out());
    assert!(matches!(missing, EngineError::NotRunning(_)), "{text}");
    assert!(text.contains("/nonexistent/docker.sock") && way.contains("systemctl start docker"));

    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("stale");
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    // A test beside this one may be between fork and exec, and hold the listener that much longer.
    let held = || std::os::unix::net::UnixStream::connect(&socket).is_ok();
    (0..1000)
        .take_while(|_| held())
        .for_each(|_| std::thread::park_timeout(Duration::from_millis(10)));
    let stale = Engine::connect(Some(&format!("unix://{}", socket.display()))).unwrap_err();
    assert!(matches!(stale, EngineError::NotRunning(_)), "{stale}");

    let denied = EngineError::from_http(
        &PathBuf::from("/s"),
        super::HttpError::Io(std::io::ErrorKind::PermissionDenied.into()),
    );
    assert!(denied.way_out().contains("group docker"), "{denied}");

    let (_dir, _, engine) = engine("1.41", |asked, out| {
        if asked.line.contains("/info") {
            answer(out, 500, &[], r#"{"message":"disk on fire"}"#);
        } else if asked.line.contains("/images") {
            answer(out, 200, &[], "[{]");
        } else {
            std::thread::park_timeout(Duration::from_secs(20));
        }
    });
    let engine = engine.unwrap();
    let refused = engine.info().unwrap_err().to_string();
    assert!(refused.contains("disk on fire") && refused.contains("500"), "{refused}");
    let reference = Reference::parse("a").unwrap();
    let unexpected = engine.images(&[reference]).unwrap_err();
    assert!(matches!(unexpected, EngineError::Unexpected { .. }), "{unexpected}");
    let late = engine.containers("p").unwrap_err();
    assert!(matches!(late, EngineError::Timeout(..)), "{late}");
}

#[test]
fn info() {
    let (_dir, _, engine) = answering(
        r#"{"ServerVersion":"28.5.2","DockerRootDir":"/var/lib/docker","OSType":"linux",
        "Architecture":"aarch64","Name":"h",
        "DriverStatus":[["driver-type","io.containerd.snapshotter.v1"]],
        "RegistryConfig":{"InsecureRegistryCIDRs":["10.0.0.0/8","::1/128"],"IndexConfigs":{
        "docker.io":{"Secure":true},"reg.lan:5000":{"Secure":false},"10.9.9.9:1":{"Secure":true}}}}"#,
    );
    let info = engine.info().unwrap();
    assert_eq!(
        (info.server_version.as_str(), info.root_dir.as_str()),
        ("28.5.2", "/var/lib/docker")
    );
    assert!(info.containerd_store);
    assert_eq!(info.platform, Platform::from_machine("linux", "aarch64"));
    for (registry, insecure) in [
        ("docker.io", false),
        ("reg.lan:5000", true),
        ("reg.lan", false),
        ("ghcr.io", false),
        ("10.1.2.3:5000", true),
        ("10.9.9.9:1", false),
        ("11.1.2.3:5000", false),
        ("127.0.0.1:5000", true),
        ("127.9.9.9", true),
        ("localhost:5000", true),
        ("localhost.example", false),
        ("[::1]:5000", true),
        ("[::2]:5000", false),
    ] {
        assert_eq!(info.insecure_registries.contains(registry), insecure, "{registry}");
    }
    let (_dir, _, engine) = answering(r#"{"DriverStatus":null,"RegistryConfig":null}"#);
    assert!(!engine.info().unwrap().containerd_store);
}

#[test]
fn machines() {
    for (machine, architecture, variant) in [
        ("x86_64", "amd64", None),
        ("aarch64", "arm64", None),
        ("armv7l", "arm", Some("v7")),
        ("i686", "386", None),
        ("riscv64", "riscv64", None),
    ] {
        let platform = Platform::from_machine("linux", machine);
        assert_eq!(
            (platform.architecture.as_str(), platform.variant.as_deref()),
            (architecture, variant)
        );
    }
}

#[test]
fn containers() {
    let (_dir, log, engine) = answering(
        r#"[
        {"Id":"b2","Names":["/other/alias","/p-web-2"],"Image":"nginx:1","ImageID":"sha256:i",
         "Created":1700000000,"State":"running","Status":"Up 2 hours (healthy)",
         "ImageManifestDescriptor":{"digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
         "Labels":{"com.docker.compose.project":"p","com.docker.compose.service":"web",
          "com.docker.compose.container-number":"2","com.docker.compose.oneoff":"False",
          "com.docker.compose.config-hash":"abc","com.docker.compose.project.working_dir":"/w",
          "com.docker.compose.project.config_files":"/w/c.yml"},
         "Mounts":[{"Type":"bind","Source":"/s","Destination":"/d","RW":true}],
         "NetworkSettings":{"Networks":{"n":{"NetworkID":"n1"}}}},
        {"Id":"a1","Names":["/p-web-1"],"State":"thinking","Labels":{"com.docker.compose.project":"p",
          "com.docker.compose.service":"web","com.docker.compose.container-number":"1"},
         "Mounts":null,"NetworkSettings":null},
        {"Id":"c3","Names":["/run"],"State":"exited","Labels":{"com.docker.compose.oneoff":"True"}},
        {"Id":"d4","Names":["/hook"],"State":"exited","Labels":{"com.docker.compose.hook":"x"}}]"#,
    );
    let all = engine.containers("p").unwrap();
    let names: Vec<_> = all.iter().map(|container| container.name.as_str()).collect();
    assert_eq!(names, ["p-web-1", "p-web-2"], "no one-off, no hook, in order");
    assert_eq!(all[0].state, State::Unknown("thinking".to_owned()));
    assert_eq!((all[0].created, all[0].image_manifest_digest.clone()), (None, None));
    let web = &all[1];
    assert_eq!(
        (web.project.as_str(), web.compose_service.as_str(), web.number),
        ("p", "web", Some(2))
    );
    assert_eq!(web.state, State::Running);
    assert_eq!(web.image_manifest_digest, Some(Digest::of(b"")));
    assert_eq!(web.config_hash.as_deref(), Some("abc"));
    assert_eq!(web.working_dir.as_deref(), Some("/w"));
    assert_eq!(web.config_files.as_deref(), Some("/w/c.yml"));
    assert_eq!(web.created.unwrap().timestamp(), 1_700_000_000);
    assert_eq!((web.mounts[0].kind.as_str(), web.networks[0].id.as_str()), ("bind", "n1"));
    engine.all_compose_containers().unwrap();
    assert_eq!(
        log.lines()[1..],
        [
            "GET /v1.41/containers/json?all=1&filters=%7B%22label%22%3A%5B%22com.docker.compose.project%3Dp%22%5D%7D",
            "GET /v1.41/containers/json?all=1&filters=%7B%22label%22%3A%5B%22com.docker.compose.project%22%5D%7D",
        ]
    );
}

#[test]
fn inspection() {
    let (_dir, _, engine) = answering(
        r#"{"Id":"a1","Name":"/p-web-1","Image":"sha256:i","RestartCount":3,
        "Created":"2026-11-20T09:00:00Z",
        "State":{"Status":"restarting","Running":true,"OOMKilled":true,"ExitCode":137,"Error":"e",
         "StartedAt":"2026-11-20T10:00:00.123456789Z","FinishedAt":"0001-01-01T00:00:00Z",
         "Health":{"Status":"unhealthy","FailingStreak":4,"Log":[{"Output":"password"}]}},
        "Config":{"Image":"nginx:1","Env":["A=secret"],"Labels":{"l":"v"},
         "Healthcheck":{"Test":["CMD","x"],"Interval":5000000000}},
        "HostConfig":{"NetworkMode":"container:xyz","IpcMode":"private","PidMode":"","VolumesFrom":["x:ro"],
         "RestartPolicy":{"Name":"on-failure","MaximumRetryCount":5}},
        "Mounts":[],"NetworkSettings":{"Networks":{}}}"#,
    );
    let it = engine.inspect(&ContainerId("a1".to_owned())).unwrap().unwrap();
    assert_eq!((it.name.as_str(), it.state, it.exit_code), ("p-web-1", State::Restarting, 137));
    assert!(it.oom_killed);
    assert_eq!(it.restart_count, 3);
    assert_eq!(it.started_at.unwrap().timestamp(), 1_795_168_800);
    assert_eq!(it.finished_at, None);
    let health = it.health.unwrap();
    assert_eq!((health.status, health.failing_streak), (HealthStatus::Unhealthy, 4));
    let check = it.healthcheck.unwrap();
    assert_eq!((check.interval.as_secs(), check.timeout.as_secs(), check.retries), (5, 30, 3));
    assert_eq!(it.restart_policy, RestartPolicy::OnFailure(5));
    assert_eq!(it.network_mode, "container:xyz");
    assert_eq!(it.volumes_from, ["x:ro"]);
    assert_eq!(it.created.unwrap().timestamp(), 1_795_165_200);
    assert!(!format!("{:?}", it.env).contains("secret"));

    let (_dir, _, engine) = answering(
        r#"{"Id":"a","State":{"Health":{"Status":"none"}},"Config":{"Env":null,
        "Healthcheck":{"Test":["NONE"]}},"HostConfig":{"RestartPolicy":{"Name":""}}}"#,
    );
    let it = engine.inspect(&ContainerId("a".to_owned())).unwrap().unwrap();
    assert_eq!((it.health, it.healthcheck), (None, None));
    assert_eq!(it.restart_policy, RestartPolicy::No);
}

#[test]
fn changes() {
    let (_dir, log, engine) = engine("1.41", |asked, out| match asked.line.contains("gone") {
        true => answer(out, 404, &[], r#"{"message":"No such container"}"#),
        false if asked.line.contains("start") => answer(out, 304, &[], ""),
        false => answer(out, 204, &[], ""),
    });
    let engine = engine.unwrap();
    let id = ContainerId("a/b".to_owned());
    engine.start(&id).unwrap();
    engine.stop(&id, Duration::from_secs(7)).unwrap();
    engine.restart(&id, Duration::from_secs(7)).unwrap();
    engine.rename(&id, "x y").unwrap();
    engine.kill(&id, "HUP").unwrap();
    engine.remove(&id).unwrap();
    engine.remove_by_force(&id).unwrap();
    engine.remove_image("host:5/a:b").unwrap();
    assert_eq!(
        log.lines()[1..],
        [
            "POST /v1.41/containers/a%2Fb/start",
            "POST /v1.41/containers/a%2Fb/stop?t=7",
            "POST /v1.41/containers/a%2Fb/restart?t=7",
            "POST /v1.41/containers/a%2Fb/rename?name=x%20y",
            "POST /v1.41/containers/a%2Fb/kill?signal=HUP",
            "DELETE /v1.41/containers/a%2Fb?v=false&force=false",
            "DELETE /v1.41/containers/a%2Fb?v=false&force=true",
            "DELETE /v1.41/images/host:5/a:b?force=false",
        ]
    );
    let gone = ContainerId("gone".to_owned());
    assert_eq!(engine.inspect(&gone).unwrap().map(|it| it.name), None);
    assert!(engine.start(&gone).unwrap_err().is_not_found());
}
