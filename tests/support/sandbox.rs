//! One sandbox: what it consists of, how it begins and how it ends. Everything it makes carries its
//! id, and a guard outside this process removes all of it when the sandbox is dropped, when the
//! test panics and even when the test is killed.

use std::cell::{Cell, RefCell};
use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Condvar, Mutex, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::image::{self, Blob, LABEL};
use super::process::{Output, Running, run};
use super::registry::Registry;
use super::wrappers::{Started, Wrappers};

/// Waits until this shell's input ends, then removes whatever carries the sandbox's id, unless it
/// was told to keep it. What the log says was started is ended only if its command line still names
/// the sandbox.
const REAPER: &str = r#"
id=$1 root=$2 label=$3
[ "$(cat)" != keep ] || exit 0
for pid in $(cut -d' ' -f1 "$root/started.log" 2>/dev/null); do
    if tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -q "$id"; then kill -9 "-$pid"; fi
done
containers=$(docker ps -aq --filter "label=$label=$id")
[ -z "$containers" ] || docker rm -fv $containers
networks=$(docker network ls -q --filter "name=$id")
[ -z "$networks" ] || docker network rm $networks
volumes=$(docker volume ls -q --filter "name=$id")
[ -z "$volumes" ] || docker volume rm $volumes
images=$(docker images -aq --filter "label=$label=$id" | sort -u)
[ -z "$images" ] || docker rmi -f $images
rm -rf "$root"
"#;

/// A git remote, a host's checkout of it, a registry, and whatever renew makes of them.
pub struct Sandbox {
    /// Unique in this machine; also the compose project of a stack in the repository's root.
    pub id: String,
    /// The host's checkout.
    pub host: PathBuf,
    pub(super) wrappers: Wrappers,
    registry: RefCell<Registry>,
    base: Blob,
    pushes: Cell<u32>,
    reaper: Option<Child>,
    root: TempDir,
    _turn: Turn,
}

impl Sandbox {
    /// A sandbox with one commit (a README) and a config of one service, `app`, in `compose.yaml`.
    /// `None` when no engine answers and none is required (`RENEW_ENGINE_TIER=required`).
    pub fn open() -> Option<Sandbox> {
        if !engine_answers() {
            let tier = std::env::var("RENEW_ENGINE_TIER").unwrap_or_default();
            assert!(tier != "required", "no docker engine answers: run scripts/setup");
            eprintln!("skipped: no docker engine answers (scripts/setup makes one)");
            return None;
        }
        let turn = Turn::take();
        let root = tempfile::Builder::new().prefix("renew-test-").tempdir().expect("a folder");
        let seed =
            format!("{}{:?}", root.path().display(), SystemTime::now().duration_since(UNIX_EPOCH));
        let id = format!("rt{}", &image::digest(seed.as_bytes())[7..17]);
        let sandbox = Sandbox {
            host: root.path().join(&id),
            wrappers: Wrappers::install(root.path()),
            registry: RefCell::new(Registry::start(&root.path().join("registry"))),
            base: image::base(&id),
            pushes: Cell::new(0),
            reaper: Some(reaper(&id, root.path())),
            root,
            _turn: turn,
            id,
        };
        fs::create_dir(sandbox.root.path().join("home")).expect("a home");
        sandbox.git_init();
        sandbox.config(json!([{ "name": "app", "compose_files": ["compose.yaml"] }]));
        Some(sandbox)
    }

    /// The folder of everything: remote, checkout, state, wrappers.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// renew's state directory.
    pub fn state(&self) -> PathBuf {
        self.root().join("state")
    }

    /// Writes renew.json with these services.
    pub fn config(&self, services: Value) {
        let config = json!({
            "repo": { "dir": self.id },
            "state_dir": "state",
            "defaults": { "verify": { "timeout": "20s" } },
            "services": services,
        });
        self.write("renew.json", &self.fill(&config.to_string()));
    }

    /// Writes a file of the host, outside the repository.
    pub fn write(&self, name: &str, content: &str) {
        fs::write(self.root().join(name), content).expect("a file");
    }

    /// Puts this sandbox's names in a text: `IMAGES` is where its registry keeps images, `SANDBOX`
    /// its id.
    pub fn fill(&self, text: &str) -> String {
        let images = format!("{}/{}", self.registry.borrow().address(), self.id);
        text.replace("IMAGES", &images).replace("SANDBOX", &self.id)
    }

    /// A build machine pushes new content as `name:tag`. Gives `IMAGES/name@sha256:…`, filled in.
    pub fn publish(&self, name_and_tag: &str) -> String {
        let (name, tag) = name_and_tag.split_once(':').expect("name:tag");
        self.pushes.set(self.pushes.get() + 1);
        let image = image::build(
            &self.id,
            &self.base,
            &format!("{name_and_tag} push {}", self.pushes.get()),
        );
        let repository = format!("{}/{name}", self.id);
        let digest = self.registry.borrow().push(&repository, tag, &image);
        self.fill(&format!("IMAGES/{name}@{digest}"))
    }

    /// The registry goes away.
    pub fn registry_down(&self) {
        self.registry.borrow_mut().down();
    }

    /// The registry comes back.
    pub fn registry_up(&self) {
        self.registry.borrow_mut().up();
    }

    /// Somebody pushes these files (paths and contents filled in, see [`Sandbox::fill`]).
    pub fn commit(&self, files: &[(&str, &str)], message: &str) -> String {
        let author = self.root().join("author");
        for (path, content) in files {
            let path = author.join(self.fill(path));
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, self.fill(content)).expect("a file");
        }
        self.git(&author, &["add", "-A"]);
        self.git(&author, &["commit", "-q", "-m", message]);
        self.git(&author, &["push", "-q", "origin", "HEAD:main"]);
        self.git(&author, &["rev-parse", "HEAD"])
    }

    /// The remote cannot be reached any more.
    pub fn remote_down(&self) {
        let root = self.root();
        fs::rename(root.join("remote.git"), root.join("gone.git")).expect("to move the remote");
    }

    /// The host's checkout follows the remote by hand.
    pub fn host_pull(&self) {
        self.git(&self.host, &["pull", "-q", "origin", "main"]);
    }

    /// Runs git; gives its trimmed output.
    #[track_caller]
    pub fn git(&self, dir: &Path, args: &[&str]) -> String {
        let mut git = Command::new("git");
        git.current_dir(dir)
            .args(["-c", "user.name=Ada", "-c", "user.email=ada@example.org"])
            .args(args)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1");
        run(git).expect(0).stdout.trim().to_owned()
    }

    fn git_init(&self) {
        let root = self.root();
        self.git(root, &["init", "-q", "--bare", "--initial-branch=main", "remote.git"]);
        self.git(root, &["clone", "-q", "remote.git", "author"]);
        self.commit(&[("README", "The stacks of this host.\n")], "Begin");
        self.git(root, &["clone", "-q", "remote.git", &self.id]);
    }

    /// Runs renew to its end.
    #[track_caller]
    pub fn renew<const N: usize>(&self, args: [&str; N]) -> Output {
        run(self.renew_command(&args, &[]))
    }

    /// Runs renew with more environment variables.
    #[track_caller]
    pub fn renew_with<const N: usize>(&self, args: [&str; N], env: &[(&str, &str)]) -> Output {
        run(self.renew_command(&args, env))
    }

    /// Starts renew in the background, in a process group of its own.
    pub fn start_renew<const N: usize>(&self, args: [&str; N]) -> Running {
        Running::start(self.renew_command(&args, &[]))
    }

    fn renew_command(&self, args: &[&str], env: &[(&str, &str)]) -> Command {
        let mut renew = Command::new(env!("CARGO_BIN_EXE_renew"));
        let path = std::env::var("PATH").unwrap_or_default();
        renew
            .current_dir(self.root())
            .args(["--config", "renew.json"])
            .args(args)
            .env_clear()
            .env("PATH", format!("{}:{path}", self.wrappers.bin_dir.display()))
            .env("HOME", self.root().join("home"))
            .env("DOCKER_CONFIG", &self.wrappers.docker_config)
            .env("TZ", "UTC")
            .envs(std::env::var_os("DOCKER_HOST").map(|host| ("DOCKER_HOST", host)))
            .envs(env.iter().copied());
        renew
    }

    /// The docker and compose processes that renew started since [`Sandbox::forget_started`].
    pub fn started(&self) -> Vec<Started> {
        self.wrappers.started()
    }

    /// Begins a new count of started processes.
    pub fn forget_started(&self) {
        self.wrappers.forget();
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let Some(mut reaper) = self.reaper.take() else { return };
        let words = reaper.stdin.take();
        if std::env::var_os("RENEW_KEEP").is_some() {
            self.root.disable_cleanup(true);
            eprintln!("kept: {} and all containers named {}-*", self.root().display(), self.id);
            let _ = words.map(|mut words| words.write_all(b"keep"));
        } else {
            drop(words);
        }
        let _ = reaper.wait();
    }
}

fn reaper(id: &str, root: &Path) -> Child {
    Command::new("/bin/sh")
        .args(["-c", REAPER, "reaper", id])
        .arg(root)
        .arg(LABEL)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("the reaper")
}

fn engine_answers() -> bool {
    static ANSWERS: OnceLock<bool> = OnceLock::new();
    *ANSWERS.get_or_init(|| {
        let docker = Command::new("docker").args(["version"]).stdin(Stdio::null()).output();
        docker.is_ok_and(|output| output.status.success())
    })
}

/// The right to have a sandbox: a few at a time, whatever the number of test threads, because each
/// takes a network out of the engine's small address pool and a share of its patience.
struct Turn;

static TURNS: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

impl Turn {
    fn take() -> Turn {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        // A story mostly waits: for containers to stop, to settle, to become healthy.
        let most = (2 * cores).clamp(2, 8);
        let (taken, freed) = &TURNS;
        let guard = taken.lock().expect("the count");
        let mut guard = freed.wait_while(guard, |taken| *taken >= most).expect("the count");
        *guard += 1;
        Turn
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let (taken, freed) = &TURNS;
        if let Ok(mut taken) = taken.lock() {
            *taken -= 1;
        }
        freed.notify_one();
    }
}
