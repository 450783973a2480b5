//! The engine's socket and registries for real: an engine, a registry, images made on the spot.
//! Without an engine these tests pass over; with RENEW_ENGINE_TIER=required that is a failure.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test says no by panicking"
)]

use std::collections::BTreeMap;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use renew::docker::credentials::{Credentials, CredentialsError, Keychain, RegistryAuth};
use renew::docker::engine::{
    ContainerId, Engine, EngineError, HealthStatus, Image, InsecureRegistries, PullFailure,
    RestartPolicy, State,
};
use renew::docker::reference::{Named, Reference};
use renew::docker::registry::{RegistryClient, RegistryConfig, RegistryError};
use renew::sys::clock::{Clock, SystemClock};
use renew::sys::env;
use renew::sys::exec::{Cancel, Done, Exec, Job, SystemExec};

const MINUTE: Duration = Duration::from_secs(60);
const STALL: Duration = Duration::from_secs(30);
/// bcrypt of `hunter2`, for the user `u`.
const HTPASSWD: &str = "u:$2y$05$abcdefghijklmnopqrstuuoXuKqgZXLiJqzfmMXDDhSFPIvxV7t8.\n";

/// The engine, or a reason to pass over.
fn engine() -> Option<Engine> {
    match Engine::connect(env::text("DOCKER_HOST").as_deref()) {
        Ok(engine) => Some(engine),
        Err(error) => {
            let required = env::text("RENEW_ENGINE_TIER").as_deref() == Some("required");
            assert!(!required, "{error}");
            eprintln!("passed over: {error}");
            None
        }
    }
}

fn run(job: Job) -> Done {
    let mut job = job;
    job.env.push(("PATH".into(), env::search_path()));
    let line = job.command_line();
    let done = SystemExec::default().run(&job).expect("the command runs");
    assert!(done.ok(), "{line}: {} {}", done.text(), done.complaint());
    done
}

/// A name no other test uses.
fn unique(word: &str) -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    format!("renew-{word}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// The docker command with a configuration of its own.
struct Docker(tempfile::TempDir);

impl Docker {
    fn new() -> Docker {
        Docker(tempfile::tempdir().unwrap())
    }

    fn job(&self, args: &[&str]) -> Job {
        let job = Job::new("docker", MINUTE).args(args).env("DOCKER_CONFIG", self.0.path());
        match env::text("DOCKER_HOST") {
            Some(host) => job.env("DOCKER_HOST", host),
            None => job,
        }
    }

    fn run(&self, args: &[&str]) -> Done {
        run(self.job(args))
    }

    /// Makes an image that holds busybox and a file with `content`.
    fn image(&self, name: &str, content: &str) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::copy("/bin/busybox", dir.path().join("busybox")).expect("busybox-static");
        std::fs::write(dir.path().join("content"), content).unwrap();
        let tar = dir.path().with_extension("tar");
        run(Job::new("tar", MINUTE).arg("-C").arg(dir.path()).arg("-cf").arg(&tar).arg("."));
        let file = tar.display().to_string();
        self.run(&["import", "--change", r#"CMD ["/busybox","sleep","300"]"#, &file, name]);
        std::fs::remove_file(tar).unwrap();
    }

    fn login(&self, registry: &str, password: &str) {
        let mut job = self.job(&["login", "-u", "u", "--password-stdin", registry]);
        job.stdin = Some(password.as_bytes().to_vec());
        run(job);
    }

    fn keychain(&self) -> Keychain {
        Keychain {
            config_dir: self.0.path().to_owned(),
            auth_config: None,
            helper_env: Vec::new(),
            exec: Arc::new(SystemExec::default()),
        }
    }
}

/// A registry on a free port; gone when dropped.
struct Registry {
    host: String,
    dir: tempfile::TempDir,
    cancel: Cancel,
    thread: Option<JoinHandle<()>>,
}

impl Registry {
    /// `extra` goes below `http:` and after it, as YAML; `{dir}` is the registry's folder.
    fn start(extra: &str, files: &[(&str, &str)]) -> Registry {
        let dir = tempfile::tempdir().unwrap();
        for (name, content) in files {
            std::fs::write(dir.path().join(name), content).unwrap();
        }
        Registry::start_in(dir, extra)
    }

    fn start_in(dir: tempfile::TempDir, extra: &str) -> Registry {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = free.local_addr().unwrap().to_string();
        drop(free);
        let at = dir.path().display().to_string();
        let config = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: \
             {at}/data}}}}\nhttp:\n  addr: {host}\n{}",
            extra.replace("{dir}", &at)
        );
        let file = dir.path().join("config.yml");
        std::fs::write(&file, config).unwrap();
        let cancel = Cancel::default();
        let exec = SystemExec { cancel: cancel.clone() };
        let job = Job::new("docker-registry", MINUTE * 10)
            .arg("serve")
            .arg(&file)
            .env("PATH", env::search_path());
        let thread = std::thread::spawn(move || drop(exec.run(&job)));
        let clock = SystemClock::default();
        while TcpStream::connect(&host).is_err() {
            assert!(clock.monotonic() < MINUTE, "the registry does not start");
            clock.sleep(Duration::from_millis(20));
        }
        Registry { host, dir, cancel, thread: Some(thread) }
    }

    fn named(&self, rest: &str) -> Named {
        named(&format!("{}/{rest}", self.host))
    }

    fn stop(&mut self) {
        self.cancel.set();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.stop();
    }
}

fn named(text: &str) -> Named {
    Reference::parse(text).unwrap().named().unwrap().clone()
}

fn client(insecure: InsecureRegistries, keychain: Keychain, certs_dir: PathBuf) -> RegistryClient {
    let config = RegistryConfig {
        insecure,
        certs_dir,
        system_roots: PathBuf::from("/nonexistent"),
        timeout: Duration::from_secs(10),
    };
    RegistryClient::new(config, Arc::new(keychain))
}

fn pull(engine: &Engine, name: &Named, auth: Option<&RegistryAuth>) -> Result<(), PullFailure> {
    let pulled = engine.pull(name, auth, STALL, &Cancel::default(), &mut |_| {});
    pulled.map_err(|error| error.failure)
}

fn local(engine: &Engine, name: &Named) -> Option<Image> {
    engine.image(&Reference::Named(name.clone())).unwrap()
}

#[test]
fn a_plain_registry_from_push_to_pull() {
    let Some(engine) = engine() else { return };
    let info = engine.info().unwrap();
    assert!(!info.server_version.is_empty() && Path::new(&info.root_dir).is_absolute());
    let docker = Docker::new();
    let mut registry = Registry::start("", &[]);
    let name = registry.named("renew/app:1");
    docker.image(&name.to_string(), "one");
    docker.run(&["push", "-q", &name.to_string()]);

    let nowhere = PathBuf::from("/nonexistent");
    let asked = client(info.insecure_registries.clone(), docker.keychain(), nowhere);
    let digest = asked.digest(&name).unwrap();
    let image = local(&engine, &name).unwrap();
    assert!(image.has_digest(&name.familiar_name(), &digest), "{image:?} {digest}");
    let size = asked.pull_size(&name, &info.platform).unwrap();
    assert!(size > 100_000 && size < image.size, "{size} {}", image.size);

    // One request for the names, with the digests: the answer is that of single inspections.
    let references: Vec<Reference> =
        [name.clone(), name.at(&digest), registry.named("renew/none:1")]
            .map(Reference::Named)
            .to_vec();
    let many = engine.images(&references).unwrap();
    for found in references.iter().take(2).map(|reference| many[reference].as_ref().unwrap()) {
        assert_eq!((&found.id, &found.repo_digests), (&image.id, &image.repo_digests));
    }
    assert_eq!(many[&references[2]], None);

    let holder = format!("renew-test-kept-{}-{}", std::process::id(), image.id.short());
    engine.hold(&image, &holder).unwrap();
    let in_use = engine.remove_image(&name.listed()).unwrap_err();
    assert!(matches!(in_use, EngineError::Refused { status: 409, .. }), "{in_use}");
    engine.remove(&ContainerId(holder)).unwrap();
    engine.remove_image(&name.listed()).unwrap();
    assert_eq!(local(&engine, &name), None);
    let mut layers = 0;
    let progress = &mut |now: &renew::docker::engine::PullProgress| layers = now.layers;
    engine.pull(&name, None, STALL, &Cancel::default(), progress).unwrap();
    assert_eq!(layers, 1);
    assert_eq!(local(&engine, &name).unwrap().id, image.id);
    engine.remove_image(&name.listed()).unwrap();
    pull(&engine, &name.at(&digest), None).unwrap();
    engine.remove_image(&name.at(&digest).listed()).unwrap();

    let missing = registry.named("renew/app:2");
    assert!(matches!(asked.digest(&missing), Err(RegistryError::NotFound(_))));
    assert!(matches!(pull(&engine, &missing, None), Err(PullFailure::NotFound(_))));
    registry.stop();
    assert!(matches!(asked.digest(&name), Err(RegistryError::Unreachable { .. })));
    assert!(matches!(pull(&engine, &name, None), Err(PullFailure::Network(_))));
}

#[test]
fn a_registry_with_a_password() {
    let Some(engine) = engine() else { return };
    let docker = Docker::new();
    let auth = "auth: {htpasswd: {realm: r, path: \"{dir}/htpasswd\"}}\n";
    let registry = Registry::start(auth, &[("htpasswd", HTPASSWD)]);
    let name = registry.named("renew/locked:1");
    docker.login(&registry.host, "hunter2");
    docker.image(&name.to_string(), "locked");
    docker.run(&["push", "-q", &name.to_string()]);
    engine.remove_image(&name.listed()).unwrap();

    let insecure = engine.info().unwrap().insecure_registries;
    let ask =
        |keychain| client(insecure.clone(), keychain, PathBuf::from("/nonexistent")).digest(&name);
    let digest = ask(docker.keychain()).unwrap();
    let known = docker.keychain().find(&registry.host).unwrap().unwrap();
    pull(&engine, &name, Some(&known)).unwrap();
    assert!(local(&engine, &name).unwrap().has_digest(&name.familiar_name(), &digest));
    engine.remove_image(&name.listed()).unwrap();

    let stranger = Docker::new();
    let none: Result<Option<RegistryAuth>, CredentialsError> =
        stranger.keychain().find(&registry.host);
    assert_eq!(none.unwrap(), None);
    assert!(matches!(ask(stranger.keychain()), Err(RegistryError::Denied { .. })));
    assert!(matches!(pull(&engine, &name, None), Err(PullFailure::Denied(_))));
    let wrong = RegistryAuth::Password { user: "u".to_owned(), password: "wrong".to_owned() };
    assert!(matches!(pull(&engine, &name, Some(&wrong)), Err(PullFailure::Denied(_))));
    let entry = format!(r#"{{"auths":{{"{}":{{"auth":"dTp3cm9uZw=="}}}}}}"#, registry.host);
    let mut impostor = stranger.keychain();
    impostor.auth_config = Some(entry);
    assert!(matches!(ask(impostor), Err(RegistryError::Denied { .. })));
}

#[cfg(feature = "tls")]
#[test]
fn a_registry_with_a_private_certificate_authority() {
    let Some(_) = engine() else { return };
    let dir = tempfile::tempdir().unwrap();
    let script = r#"cd "$0" && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 \
        -nodes -keyout ca.key -out ca.crt -days 2 -subj /CN=ca -addext basicConstraints=critical,CA:TRUE
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem \
        -out leaf.csr -subj /CN=leaf && printf 'subjectAltName=IP:127.0.0.1\n' > ext &&
        openssl x509 -req -in leaf.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 \
        -extfile ext -out cert.pem"#;
    run(Job::new("sh", MINUTE).args(["-ec", script]).arg(dir.path()));
    let authority = std::fs::read(dir.path().join("ca.crt")).unwrap();
    let tls = "  tls: {certificate: \"{dir}/cert.pem\", key: \"{dir}/key.pem\"}\n";
    let registry = Registry::start_in(dir, tls);
    let name = registry.named("renew/none:1");
    let certs = tempfile::tempdir().unwrap();
    std::fs::create_dir(certs.path().join(&registry.host)).unwrap();
    let keychain = Docker::new().keychain();
    let ask = |secure: bool| {
        let named = BTreeMap::from([(registry.host.clone(), secure)]);
        let insecure = InsecureRegistries::new(named, Vec::new());
        client(insecure, keychain.clone(), certs.path().to_owned()).digest(&name)
    };
    // It answers, and does not have the image: that is how far we got.
    assert!(matches!(ask(false), Err(RegistryError::NotFound(_))), "insecure: any certificate");
    let Err(RegistryError::Unreachable { why, .. }) = ask(true) else { panic!("no authority") };
    assert!(why.contains("TLS") && why.contains("/etc/docker/certs.d/"), "{why}");
    std::fs::write(certs.path().join(&registry.host).join("ca.crt"), authority).unwrap();
    let trusted = ask(true);
    assert!(matches!(trusted, Err(RegistryError::NotFound(_))), "{trusted:?}");
    assert!(registry.dir.path().exists());
}

#[test]
fn containers_of_a_project() {
    let Some(engine) = engine() else { return };
    let docker = Docker::new();
    let (image, project) = (unique("image"), unique("project"));
    docker.image(&image, "x");
    let label = |key: &str, value: &str| format!("com.docker.compose.{key}={value}");
    let create = |name: &str, labels: &[String], more: &[&str]| {
        let full = format!("{project}-{name}");
        let mut args = vec!["create", "--name", &full, "--network", "none"];
        for label in labels {
            args.extend(["--label", label]);
        }
        args.extend(more);
        args.push(&image);
        docker.run(&args);
    };
    let of = |service: &str, number: &str| {
        vec![
            label("project", &project),
            label("service", service),
            label("container-number", number),
        ]
    };
    let check = ["--health-cmd", "/busybox true", "--health-interval", "1s"];
    let more = ["--restart", "on-failure:3", "--env", "SECRET=hunter2", "--stop-timeout", "1"];
    create("web-1", &of("web", "1"), &[&check[..], &more[..]].concat());
    create("job-1", &[of("job", "1"), vec![label("oneoff", "True")]].concat(), &[]);
    create("stranger", &[], &[]);

    let all = engine.containers(&project).unwrap();
    assert_eq!(all.len(), 1, "{all:?}");
    let web = &all[0];
    assert_eq!((web.compose_service.as_str(), web.number), ("web", Some(1)));
    assert_eq!((&web.state, web.name.clone()), (&State::Created, format!("{project}-web-1")));
    assert!(engine.all_compose_containers().unwrap().iter().any(|other| other.id == web.id));
    let reference = Reference::parse(&image).unwrap();
    assert_eq!(engine.image(&reference).unwrap().unwrap().id, web.image_id);

    let it = engine.inspect(&web.id).unwrap().unwrap();
    assert_eq!((it.started_at, it.restart_policy), (None, RestartPolicy::OnFailure(3)));
    assert_eq!(it.healthcheck.as_ref().map(|check| check.interval), Some(Duration::from_secs(1)));
    assert!(it.env.0.contains(&"SECRET=hunter2".to_owned()));
    assert_eq!(it.network_mode, "none");

    engine.start(&web.id).unwrap();
    engine.start(&web.id).unwrap();
    let it = engine.inspect(&web.id).unwrap().unwrap();
    assert_eq!(it.state, State::Running);
    assert!(it.started_at.is_some());
    assert!(matches!(
        it.health.unwrap().status,
        HealthStatus::Starting | HealthStatus::Healthy | HealthStatus::Unhealthy
    ));
    assert!(engine.remove(&web.id).is_err(), "it runs");
    let first = it.started_at;
    engine.restart(&web.id, Duration::from_secs(1)).unwrap();
    let it = engine.inspect(&web.id).unwrap().unwrap();
    assert!(it.started_at > first && it.created < first, "{it:?}");
    assert_eq!(it.state, State::Running);
    let renamed = format!("{project}-other");
    engine.rename(&web.id, &renamed).unwrap();
    engine.kill(&web.id, "KILL").unwrap();
    engine.stop(&web.id, Duration::from_secs(1)).unwrap();
    let it = engine.inspect(&web.id).unwrap().unwrap();
    assert_eq!((it.name, it.state), (renamed, State::Exited));
    engine.remove(&web.id).unwrap();
    assert!(engine.inspect(&web.id).unwrap().is_none());
    assert!(engine.start(&web.id).unwrap_err().is_not_found());

    docker.run(&["rm", "-f", &format!("{project}-job-1"), &format!("{project}-stranger")]);
    engine.remove_image(&image).unwrap();
}
