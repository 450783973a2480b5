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

use super::image::{self, Blob, LABEL, Machine};
use super::process::{Output, Running, run};
use super::registry::Registry;
use super::wrappers::{Started, Wrappers};

/// Waits until this shell's input ends, then removes whatever carries the sandbox's id, unless it
/// was told to keep it. What the log says was started is ended only if its command line still names
/// the sandbox.
const REAPER: &str = r#"
id=$1 root=$2 label=$3
[ "$(cat)" != keep ] || exit 0
# A story may have put the state or the tree on a disk of its own.
for dir in "$root/state" "$root/$id"; do
    ! mountpoint -q "$dir" || umount -l "$dir"
done
# A machine and an engine of the sandbox's own (machine.rs, small_engine.rs): with the process that
# holds its namespaces ends everything in there.
if [ -f "$root/machine/holder" ]; then
    holder=$(cat "$root/machine/holder")
    if tr '\0' ' ' <"/proc/$holder/cmdline" 2>/dev/null | grep -q "$id"; then kill -9 "$holder"; fi
fi
own=$root/engine
if [ -f "$own/holder" ]; then
    holder=$(cat "$own/holder")
    if tr '\0' ' ' <"/proc/$holder/cmdline" 2>/dev/null | grep -q "$id"; then kill -9 "$holder"; fi
    # The dead go on for a moment.
    left() { mountpoint -q "$own/data" || find /sys/fs/cgroup -type d -name "$id*" | grep -q .; }
    tries=0
    while left && [ "$tries" -lt 100 ]; do
        umount "$own/data"
        find /sys/fs/cgroup -depth -type d -path "*/$id*" -exec rmdir {} +
        tries=$((tries + 1))
        sleep 0.1
    done
    rm -rf "$root"
    exit
fi
for pid in $(cut -d' ' -f1 "$root/started.log" 2>/dev/null); do
    if tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -q "$id"; then kill -9 "-$pid"; fi
done
containers=$(docker ps -aq --filter "label=$label=$id")
# A volume without a name that compose took over from another container has a name to docker.
kept=$(docker inspect -f '{{range .Mounts}}{{if eq .Type "volume"}}{{.Name}} {{end}}{{end}}' $containers)
[ -z "$containers" ] || docker rm -fv $containers
[ -z "$kept" ] || docker volume rm $kept
networks=$(docker network ls -q --filter "name=$id")
[ -z "$networks" ] || docker network rm $networks
volumes=$(docker volume ls -q --filter "name=$id")
[ -z "$volumes" ] || docker volume rm $volumes
images=$(docker images -aq --filter "label=$label=$id" | sort -u)
[ -z "$images" ] || docker rmi -f $images
rm -rf "$root"
"#;

/// How an image is found under its name.
#[derive(Clone, Copy)]
pub enum Form {
    /// By its manifest.
    Alone,
    /// In an index, by platform.
    Index,
}

/// A git remote, a host's checkout of it, a registry, and whatever renew makes of them.
pub struct Sandbox {
    /// Unique in this machine; also the compose project of a stack in the repository's root.
    pub id: String,
    /// The host's checkout.
    pub host: PathBuf,
    /// The renew that plays.
    binary: PathBuf,
    pub(super) wrappers: Wrappers,
    registry: RefCell<Registry>,
    base: Blob,
    pushes: Cell<u32>,
    /// The socket of an engine of its own, if it has one.
    pub(super) engine: Option<PathBuf>,
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
            binary: env!("CARGO_BIN_EXE_renew").into(),
            wrappers: Wrappers::install(root.path()),
            registry: RefCell::new(Registry::start(&root.path().join("registry"))),
            base: image::base(&id),
            pushes: Cell::new(0),
            engine: None,
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

    /// The same, with another build of renew.
    #[must_use]
    pub fn played_by(mut self, binary: PathBuf) -> Sandbox {
        self.binary = binary;
        self
    }

    /// The folder of everything: remote, checkout, state, wrappers.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// The compose plugin itself, past the wrapper.
    pub fn real_compose(&self) -> &Path {
        &self.wrappers.compose
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
            "defaults": { "verify": { "timeout": "20s", "soak": "0s" } },
            "services": services,
        });
        self.write("renew.json", &self.fill(&config.to_string()));
    }

    /// A config of one service, `app`, that keeps what fails as it is.
    pub fn rolls_forward(&self) {
        self.config(json!([{
            "name": "app", "compose_files": ["compose.yaml"], "on_failure": "keep",
        }]));
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
        self.push(name_and_tag, |_| {})
    }

    /// The same, with a manifest that gives one layer (0 is the one that all images share) another
    /// size than it has.
    pub fn publish_swollen(&self, name_and_tag: &str, layer: usize, bytes: u64) -> String {
        self.push(name_and_tag, |image| image.swell(layer, bytes))
    }

    /// The same, with that much more in it.
    pub fn publish_large(&self, name_and_tag: &str, mebibytes: usize) -> String {
        self.push(name_and_tag, |image| image.grow(mebibytes << 20))
    }

    fn push(&self, name_and_tag: &str, change: impl FnOnce(&mut image::Image)) -> String {
        let (name, tag) = name_and_tag.split_once(':').expect("name:tag");
        self.pushes.set(self.pushes.get() + 1);
        let version = format!("{name_and_tag} push {}", self.pushes.get());
        let mut image = image::build(&self.id, &self.base, &version, Machine::Here);
        change(&mut image);
        let repository = format!("{}/{name}", self.id);
        let digest = self.registry.borrow().push(&repository, tag, &image);
        self.fill(&format!("IMAGES/{name}@{digest}"))
    }

    /// A build machine pushes `name:tag` for two platforms: this one gets content `here`, another
    /// gets `elsewhere`.
    pub fn publish_for_two(&self, name_and_tag: &str, here: &str, elsewhere: &str) {
        let (name, tag) = name_and_tag.split_once(':').expect("name:tag");
        let build = |version, machine| image::build(&self.id, &self.base, version, machine);
        let ours = build(here, Machine::Here);
        let theirs = build(elsewhere, Machine::Elsewhere);
        let index = image::index(&[(Machine::Elsewhere, &theirs), (Machine::Here, &ours)]);
        let repository = format!("{}/{name}", self.id);
        self.registry.borrow().push_index(&repository, tag, &[&ours, &theirs], &index);
    }

    /// A build machine pushes `name:tag` for another platform only, alone or in an index.
    pub fn publish_elsewhere(&self, name_and_tag: &str, form: Form) {
        let (name, tag) = name_and_tag.split_once(':').expect("name:tag");
        let image = image::build(&self.id, &self.base, name_and_tag, Machine::Elsewhere);
        let (repository, registry) = (format!("{}/{name}", self.id), self.registry.borrow());
        match form {
            Form::Alone => drop(registry.push(&repository, tag, &image)),
            Form::Index => {
                let index = image::index(&[(Machine::Elsewhere, &image)]);
                registry.push_index(&repository, tag, &[&image], &index);
            }
        }
    }

    /// Where its registry listens.
    pub fn registry_address(&self) -> String {
        self.registry.borrow().address()
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

    /// Runs renew from a shell script, in which `"$@"` is the command.
    #[track_caller]
    pub fn renew_by_shell<const N: usize>(&self, script: &str, args: [&str; N]) -> Output {
        let renew = self.renew_command(&args, &[]);
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", script, "sh"]).arg(renew.get_program()).args(renew.get_args());
        shell.current_dir(self.root()).env_clear();
        shell.envs(renew.get_envs().filter_map(|(name, value)| Some((name, value?))));
        run(shell)
    }

    /// Starts renew in the background, in a process group of its own.
    pub fn start_renew<const N: usize>(&self, args: [&str; N]) -> Running {
        Running::start(self.renew_command(&args, &[]))
    }

    /// The command line and surroundings of renew.
    pub fn renew_command(&self, args: &[&str], env: &[(&str, &str)]) -> Command {
        let mut renew = Command::new(&self.binary);
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
            .envs(self.docker_host().map(|host| ("DOCKER_HOST", host)))
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
        let most = (4 * cores).clamp(4, 8);
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
