//! The outside world as a pass sees it: engine, registries and compose, each found when first asked
//! for, and each distinct image asked for once.

mod registries;

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::shared::Shared;
use super::stack::Stack;
use crate::config::Config;
use crate::decide::plan::Join;
use crate::docker::compose::{Compose, Scope};
use crate::docker::digest::Digest;
use crate::docker::engine::{DEFAULT_HOST, Engine, Info};
use crate::docker::reference::Named;
use crate::docker::registry::RegistryClient;
use crate::problem::Problem;
use crate::sys::clock::Clock;
use crate::sys::exec::{Cancel, Exec};
use crate::sys::fs::TempDir;
use crate::sys::stop::Stop;

/// Compose computes a hash in tens of milliseconds.
const HASH_DEADLINE: Duration = Duration::from_secs(60);

/// Where docker is, as the configuration and the environment say.
#[derive(Debug, Clone, Default)]
pub struct DockerPlace {
    /// The engine's address; the default socket when not said.
    pub host: EngineAddress,
    /// The folder of docker's `config.json` and plugins.
    pub config_dir: PathBuf,
    /// `DOCKER_AUTH_CONFIG`: credentials that come before the file's.
    pub auth_config: Option<String>,
    /// The environment that credential helpers get.
    pub helper_env: Vec<(OsString, OsString)>,
}

/// Where the engine listens, and who says so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum EngineAddress {
    /// Nobody: docker's own default.
    #[default]
    Default,
    /// `docker.host` in the configuration: `unix://…`.
    Config(String),
    /// `DOCKER_HOST` in the environment.
    Environment(String),
}

impl EngineAddress {
    fn as_str(&self) -> &str {
        match self {
            EngineAddress::Default => DEFAULT_HOST,
            EngineAddress::Config(host) | EngineAddress::Environment(host) => host,
        }
    }

    fn origin(&self) -> &'static str {
        match self {
            EngineAddress::Default => {
                "it is docker's default; neither docker.host nor DOCKER_HOST is set"
            }
            EngineAddress::Config(_) => "docker.host in the configuration says so",
            EngineAddress::Environment(_) => "DOCKER_HOST in the environment says so",
        }
    }
}

/// Everything outside that a pass talks to.
pub struct Host<'a> {
    /// Runs children.
    pub exec: Arc<dyn Exec>,
    /// Tells the time.
    pub clock: &'a dyn Clock,
    /// Set when we are asked to stop.
    pub cancel: Cancel,
    /// With which a run says that it is changing something.
    pub stop: Stop,
    /// What makes its runs happen: a public name.
    pub trigger: &'static str,
    /// What it shares with others in this process, and since when it is there.
    shared: Option<(Arc<Shared>, Duration)>,
    place: DockerPlace,
    engine: OnceCell<Result<Engine, Problem>>,
    info: OnceCell<Option<Info>>,
    registry: OnceCell<RegistryClient>,
    digests: RefCell<BTreeMap<Named, Result<Digest, String>>>,
    sizes: RefCell<BTreeMap<String, Option<u64>>>,
}

impl<'a> Host<'a> {
    /// A host about which nothing is known yet.
    #[must_use]
    pub fn new(
        exec: Arc<dyn Exec>,
        clock: &'a dyn Clock,
        stop: Stop,
        place: DockerPlace,
    ) -> Host<'a> {
        Host {
            exec,
            clock,
            cancel: stop.cancel().clone(),
            stop,
            trigger: "sync",
            shared: None,
            place,
            engine: OnceCell::new(),
            info: OnceCell::new(),
            registry: OnceCell::new(),
            digests: RefCell::default(),
            sizes: RefCell::default(),
        }
    }

    /// The engine.
    ///
    /// # Errors
    /// When it cannot be reached; asked once, the answer holds for the pass.
    pub fn engine(&self) -> Result<&Engine, Problem> {
        let address = &self.place.host;
        let connect = || {
            Engine::connect(Some(address.as_str())).map_err(|error| {
                let problem = Problem::from(error);
                let message = format!("{} ({})", problem.message, address.origin());
                problem.saying(message)
            })
        };
        self.engine.get_or_init(connect).as_ref().map_err(Problem::clone)
    }

    /// What the engine says of itself, if it answers.
    pub fn info(&self) -> Option<&Info> {
        self.info.get_or_init(|| self.engine().ok()?.info().ok()).as_ref()
    }

    /// Does some work that waits for others, and has the engine say meanwhile what it says of itself,
    /// which takes it some milliseconds and will be asked for.
    pub fn learning<T>(&self, work: impl FnOnce() -> T) -> T {
        let (Ok(engine), None) = (self.engine(), self.info.get()) else { return work() };
        thread::scope(|threads| {
            let asked = thread::Builder::new().spawn_scoped(threads, || engine.info().ok());
            let done = work();
            if let Some(Ok(info)) = asked.ok().map(thread::ScopedJoinHandle::join) {
                let _ = self.info.set(info);
            }
            done
        })
    }

    /// The same for runs that something else makes happen.
    #[must_use]
    pub fn triggered_by(self, trigger: &'static str) -> Host<'a> {
        Host { trigger, ..self }
    }

    /// The same for runs that share what they learn of remotes and registries.
    #[must_use]
    pub fn sharing(self, shared: &Arc<Shared>) -> Host<'a> {
        Host { shared: Some((Arc::clone(shared), self.clock.monotonic())), ..self }
    }

    /// How a fetch of another run ended since this one began, if one did.
    pub fn fetched_meanwhile(&self, config: &Config) -> Option<Result<(), Problem>> {
        let (fetches, began) = self.shared.as_ref()?;
        fetches.since(config, *began)
    }

    /// A fetch has ended just now.
    pub fn has_fetched(&self, config: &Config, outcome: Result<(), Problem>) {
        if let Some((fetches, _)) = &self.shared {
            fetches.ended(config, self.clock.monotonic(), outcome);
        }
    }

    /// The compose plugin.
    ///
    /// # Errors
    /// When there is none.
    pub fn compose(&self) -> Result<Compose<'_>, Problem> {
        Compose::find(self.docker_host(), &self.place.config_dir, self.exec.as_ref())
    }

    fn docker_host(&self) -> &str {
        self.place.host.as_str()
    }

    /// What a docker command needs in its environment to talk to the same engine as we do.
    #[must_use]
    pub fn docker_env(&self) -> [(&'static str, OsString); 2] {
        let config_dir = self.place.config_dir.clone().into_os_string();
        [("DOCKER_HOST", self.docker_host().into()), ("DOCKER_CONFIG", config_dir)]
    }

    /// The hashes that compose may give a service of a stack as it is declared: with what it depends
    /// on, and as `--no-deps` makes it, which is another one with compose 2.26. Into both goes which
    /// containers it joined. `temp` is where the model is written for the question.
    ///
    /// # Errors
    /// When compose cannot be run.
    pub fn compose_hashes(
        &self,
        stack: &Stack,
        service: &str,
        joins: &[Join],
        temp: &Path,
    ) -> Result<[String; 2], Problem> {
        let fail = |cause: std::io::Error| {
            Problem::setup(
                "temp_dir",
                format!("cannot write below {}: {cause}", temp.display()),
                "free space or make it writable",
            )
        };
        let space = TempDir::create_in(temp).map_err(fail)?;
        let hash = |model: &serde_json::Value| {
            let file = space.path().join("model.json");
            crate::sys::fs::replace(&file, model.to_string().as_bytes()).map_err(fail)?;
            let scope = Scope {
                project: Some(stack.project().to_owned()),
                directory: space.path().to_path_buf(),
                files: vec![file],
                ..Scope::default()
            };
            self.compose()?.hash(&scope, service, HASH_DEADLINE)
        };
        let mut whole = stack.resolved.model.clone();
        for join in joins {
            let Some(mode) =
                join.shared.mode_key().and_then(|key| whole["services"][service].get_mut(key))
            else {
                continue;
            };
            if mode.as_str().is_some_and(|mode| mode.starts_with("service:")) {
                *mode = format!("container:{}", join.with).into();
            }
        }
        let mut alone = whole.clone();
        if let Some(own) = alone["services"][service].as_object_mut() {
            own.remove("depends_on");
        }
        Ok([hash(&whole)?, hash(&alone)?])
    }
}
