//! The outside world as a pass sees it: engine, registries and compose, each found when first asked
//! for, and each distinct image asked for once.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::stack::Stack;
use crate::docker::compose::{Compose, Scope};
use crate::docker::credentials::{Credentials, Keychain, RegistryAuth};
use crate::docker::digest::Digest;
use crate::docker::engine::{Engine, Info};
use crate::docker::reference::{Named, Reference};
use crate::docker::registry::{CERTS_DIR, RegistryClient, RegistryConfig, SYSTEM_ROOTS};
use crate::problem::Problem;
use crate::sys::clock::Clock;
use crate::sys::exec::{Cancel, Exec};
use crate::sys::fs::TempDir;

/// Compose computes a hash in tens of milliseconds.
const HASH_DEADLINE: Duration = Duration::from_secs(60);

/// A registry that does not tell a digest within this time is unknown for this pass.
const REGISTRY_TIMEOUT: Duration = Duration::from_secs(10);

/// Where docker is, as the configuration and the environment say.
#[derive(Debug, Clone, Default)]
pub struct DockerPlace {
    /// `unix://…`; the default socket when not said.
    pub host: Option<String>,
    /// The folder of docker's `config.json` and plugins.
    pub config_dir: PathBuf,
    /// `DOCKER_AUTH_CONFIG`: credentials that come before the file's.
    pub auth_config: Option<String>,
    /// The environment that credential helpers get.
    pub helper_env: Vec<(OsString, OsString)>,
}

/// Everything outside that a pass talks to.
pub struct Host<'a> {
    /// Runs children.
    pub exec: Arc<dyn Exec>,
    /// Tells the time.
    pub clock: &'a dyn Clock,
    /// Set when we are asked to stop.
    pub cancel: Cancel,
    place: DockerPlace,
    engine: OnceCell<Result<Engine, Problem>>,
    info: OnceCell<Option<Info>>,
    registry: OnceCell<RegistryClient>,
    digests: RefCell<BTreeMap<Named, Result<Digest, String>>>,
}

impl<'a> Host<'a> {
    /// A host about which nothing is known yet.
    #[must_use]
    pub fn new(
        exec: Arc<dyn Exec>,
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
            info: OnceCell::new(),
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

    /// What the engine says of itself, if it answers.
    pub fn info(&self) -> Option<&Info> {
        self.info.get_or_init(|| self.engine().ok()?.info().ok()).as_ref()
    }

    /// The compose plugin.
    ///
    /// # Errors
    /// When there is none.
    pub fn compose(&self) -> Result<Compose<'_>, Problem> {
        let host = self.place.host.as_deref().unwrap_or("unix:///var/run/docker.sock");
        Compose::find(host, &self.place.config_dir, self.exec.as_ref())
    }

    /// The hashes that compose may give a service of a stack as it is declared: with what it depends
    /// on, and as `--no-deps` makes it, which is another one with compose 2.26. `temp` is where the
    /// model is written for the question.
    ///
    /// # Errors
    /// When compose cannot be run.
    pub fn compose_hashes(
        &self,
        stack: &Stack,
        service: &str,
        temp: &Path,
    ) -> Result<[String; 2], Problem> {
        let fail = |cause: std::io::Error| {
            Problem::setup(
                "temp_dir",
                format!("cannot write below {}: {cause}", temp.display()),
                "",
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
        let mut alone = stack.resolved.model.clone();
        if let Some(own) = alone["services"][service].as_object_mut() {
            own.remove("depends_on");
        }
        Ok([hash(&stack.resolved.model)?, hash(&alone)?])
    }

    /// The digest behind a tag, asked for once a pass.
    ///
    /// # Errors
    /// Why it could not be learned, in words.
    pub fn registry_digest(&self, image: &Named) -> Result<Digest, String> {
        if let Some(known) = self.digests.borrow().get(image) {
            return known.clone();
        }
        let answer = self.registry().digest(image).map_err(|error| error.to_string());
        if let Err(why) = &answer {
            log::debug!("cannot ask the registry for {image}: {why}");
        }
        self.digests.borrow_mut().insert(image.clone(), answer.clone());
        answer
    }

    /// The compressed size of an image, if the registry tells.
    #[must_use]
    pub fn pull_size(&self, image: &str) -> Option<u64> {
        let reference = Reference::parse(image).ok()?;
        let platform = &self.info()?.platform;
        self.registry().pull_size(reference.named()?, platform).ok()
    }

    fn registry(&self) -> &RegistryClient {
        self.registry.get_or_init(|| {
            let insecure = self.info().map(|info| info.insecure_registries.clone());
            let config = RegistryConfig {
                insecure: insecure.unwrap_or_default(),
                certs_dir: PathBuf::from(CERTS_DIR),
                system_roots: PathBuf::from(SYSTEM_ROOTS),
                timeout: REGISTRY_TIMEOUT,
            };
            RegistryClient::new(config, Arc::new(self.keychain()))
        })
    }

    fn keychain(&self) -> Keychain {
        Keychain {
            config_dir: self.place.config_dir.clone(),
            auth_config: self.place.auth_config.clone(),
            helper_env: self.place.helper_env.clone(),
            exec: Arc::clone(&self.exec),
        }
    }

    /// What the engine needs to pull from the registry of an image.
    ///
    /// # Errors
    /// When docker's own configuration or a credential helper fails.
    pub fn pull_auth(&self, image: &Named) -> Result<Option<RegistryAuth>, Problem> {
        Ok(self.keychain().find(image.registry())?)
    }
}
