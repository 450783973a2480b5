//! The outside world as a pass sees it: engine, registries and compose, each found when first asked
//! for, and each distinct image asked for once.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::stack::Stack;
use crate::docker::compose::{Compose, Scope};
use crate::docker::credentials::{Credentials, RegistryAuth};
use crate::docker::engine::Engine;
use crate::docker::reference::Reference;
use crate::docker::registry::{RegistryClient, RegistryError};
use crate::problem::Problem;
use crate::sys::clock::Clock;
use crate::sys::exec::{Cancel, Exec};
use crate::sys::fs::TempDir;

/// Compose computes a hash in tens of milliseconds.
const HASH_DEADLINE: Duration = Duration::from_secs(60);

/// Where docker is, as the configuration and the environment say.
#[derive(Debug, Clone, Default)]
pub struct DockerPlace {
    /// `unix://…`; the default socket when not said.
    pub host: Option<String>,
    /// The folder of docker's `config.json` and plugins.
    pub config_dir: Option<PathBuf>,
}

/// Everything outside that a pass talks to.
pub struct Host<'a> {
    /// Runs children.
    pub exec: &'a dyn Exec,
    /// Tells the time.
    pub clock: &'a dyn Clock,
    /// Set when we are asked to stop.
    pub cancel: Cancel,
    place: DockerPlace,
    engine: OnceCell<Result<Engine, Problem>>,
    registry: OnceCell<RegistryClient<'a>>,
    digests: RefCell<BTreeMap<String, Result<String, String>>>,
}

impl<'a> Host<'a> {
    /// A host about which nothing is known yet.
    #[must_use]
    pub fn new(
        exec: &'a dyn Exec,
        clock: &'a dyn Clock,
        cancel: Cancel,
        place: DockerPlace,
    ) -> Host<'a> {
        Host {
            exec,
            clock,
            cancel,
            place,
            engine: OnceCell::new(),
            registry: OnceCell::new(),
            digests: RefCell::default(),
        }
    }

    /// The engine.
    ///
    /// # Errors
    /// When it cannot be reached; asked once, the answer holds for the pass.
    pub fn engine(&self) -> Result<&Engine, Problem> {
        let connect = || Engine::connect(self.place.host.as_deref()).map_err(Problem::from);
        self.engine.get_or_init(connect).as_ref().map_err(Problem::clone)
    }

    /// The compose plugin.
    ///
    /// # Errors
    /// When there is none.
    pub fn compose(&self) -> Result<Compose<'a>, Problem> {
        let host = self.place.host.as_deref().unwrap_or("unix:///var/run/docker.sock");
        Compose::find(host, self.place.config_dir.as_deref(), self.exec)
    }

    /// The hash that compose gives a service of a stack, all its dependencies declared.
    ///
    /// # Errors
    /// When compose cannot be run.
    pub fn compose_hash(&self, stack: &Stack, service: &str) -> Result<String, Problem> {
        let temp = TempDir::create_in(&std::env::temp_dir()).map_err(|cause| {
            Problem::setup("temp_dir", format!("cannot make a temporary folder: {cause}"), "")
        })?;
        let file = temp.path().join("model.json");
        let text = stack.resolved.model.to_string();
        crate::sys::fs::replace(&file, text.as_bytes()).map_err(|cause| {
            Problem::setup("temp_dir", format!("cannot write {}: {cause}", file.display()), "")
        })?;
        let scope = Scope {
            project: Some(stack.project().to_owned()),
            directory: temp.path().to_path_buf(),
            files: vec![file],
            ..Scope::default()
        };
        self.compose()?.hash(&scope, service, HASH_DEADLINE)
    }

    /// The digest behind a tag, asked for once a pass.
    ///
    /// # Errors
    /// Why it could not be learned, in words.
    pub fn registry_digest(&self, reference: &Reference) -> Result<String, String> {
        let name = reference.to_string();
        if let Some(known) = self.digests.borrow().get(&name) {
            return known.clone();
        }
        let answer = self.ask(reference).map_err(|error| error.to_string());
        self.digests.borrow_mut().insert(name, answer.clone());
        answer
    }

    fn ask(&self, reference: &Reference) -> Result<String, RegistryError> {
        self.registry().digest(reference)
    }

    /// The compressed size of an image, if the registry tells.
    #[must_use]
    pub fn pull_size(&self, reference: &str) -> Option<u64> {
        let parsed = Reference::parse(reference).ok()?;
        self.registry().pull_size(&parsed).ok()
    }

    fn registry(&self) -> &RegistryClient<'a> {
        self.registry.get_or_init(|| {
            let insecure = self
                .engine()
                .ok()
                .and_then(|engine| engine.info().ok())
                .map(|info| info.insecure_registries)
                .unwrap_or_default();
            RegistryClient::new(self.credentials(), insecure)
        })
    }

    fn credentials(&self) -> Credentials<'a> {
        Credentials::at(self.place.config_dir.as_deref(), self.exec)
    }

    /// What the engine needs to pull from the registry of an image.
    ///
    /// # Errors
    /// When docker's own configuration or a credential helper fails.
    pub fn pull_auth(&self, reference: &Reference) -> Result<Option<RegistryAuth>, Problem> {
        self.credentials().lookup(reference.registry()).map_err(Problem::from)
    }
}
