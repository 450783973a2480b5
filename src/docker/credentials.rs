//! Registry credentials, found where docker itself finds them. Nothing is kept, cached or changed,
//! and no secret ever enters a message or a `Debug` form.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde::Deserialize;

use crate::docker::reference::HUB;
use crate::sys::exec::{Exec, ExecError, Job};
use crate::sys::{env, fs};

/// Under this name docker keeps what belongs to docker.io.
const HUB_KEY: &str = "https://index.docker.io/v1/";
/// A helper that asks a person or a dead network is ended.
const HELPER_DEADLINE: Duration = Duration::from_secs(20);
/// No docker configuration comes near this.
const CONFIG_BYTES_MAX: u64 = 1024 * 1024;
/// What a helper says for "I have nothing for this host".
const NOT_FOUND: &str = "credentials not found";

/// Who we are to one registry.
#[derive(Clone, PartialEq, Eq)]
pub enum RegistryAuth {
    /// User and password, or user and access token.
    Password {
        /// The name.
        user: String,
        /// The secret.
        password: String,
    },
    /// A refresh token that only the registry's token server takes.
    IdentityToken(String),
}

impl fmt::Debug for RegistryAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RegistryAuth::Password { user, .. } => write!(f, "password of {user:?}"),
            RegistryAuth::IdentityToken(_) => write!(f, "identity token"),
        }
    }
}

impl RegistryAuth {
    /// The value of an `Authorization: Basic` header; an identity token has none.
    #[must_use]
    pub fn basic(&self) -> Option<String> {
        match self {
            RegistryAuth::Password { user, password } => {
                Some(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
            }
            RegistryAuth::IdentityToken(_) => None,
        }
    }

    /// The value of the `X-Registry-Auth` header with which the engine pulls from `registry`.
    #[must_use]
    pub fn engine_header(&self, registry: &str) -> String {
        let server = server_key(registry);
        let value = match self {
            RegistryAuth::Password { user, password } => serde_json::json!({
                "username": user, "password": password, "serveraddress": server
            }),
            RegistryAuth::IdentityToken(token) => serde_json::json!({
                "identitytoken": token, "serveraddress": server
            }),
        };
        URL_SAFE.encode(value.to_string())
    }
}

/// Why credentials could not be looked up. "There are none" is not an error.
#[derive(Debug)]
pub enum CredentialsError {
    /// docker's configuration cannot be read.
    Unreadable(PathBuf, io::Error),
    /// It is not what docker writes. The text says where and why, and never quotes the file.
    Broken(String, String),
    /// The name of a helper is not one.
    BadHelper(String),
    /// The helper could not be run or did not end.
    Helper(String, ExecError),
    /// The helper refused; the second text is its own.
    Refused(String, String),
}

impl fmt::Display for CredentialsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CredentialsError::Unreadable(path, cause) => {
                write!(f, "cannot read {}: {cause}", path.display())
            }
            CredentialsError::Broken(what, why) => {
                write!(f, "{what}: {why}; mend it or run `docker login` again")
            }
            CredentialsError::BadHelper(name) => write!(
                f,
                "{name:?} is not the name of a docker credential helper; \
                 see credsStore and credHelpers in docker's config.json"
            ),
            CredentialsError::Helper(program, cause) => write!(f, "{program}: {cause}"),
            CredentialsError::Refused(program, why) => write!(f, "{program} failed: {why}"),
        }
    }
}

impl std::error::Error for CredentialsError {}

/// Where credentials come from. Tests have their own.
pub trait Credentials: Send + Sync {
    /// What there is for `registry`, as [`super::reference::Named::registry`] names it.
    ///
    /// # Errors
    /// See [`CredentialsError`].
    fn find(&self, registry: &str) -> Result<Option<RegistryAuth>, CredentialsError>;
}

/// docker's own credentials: `DOCKER_AUTH_CONFIG`, then what `config.json` names. The file is read
/// anew each time: people log in while we run.
#[derive(Clone)]
pub struct Keychain {
    /// docker's configuration directory.
    pub config_dir: PathBuf,
    /// The content of `DOCKER_AUTH_CONFIG`, if it is set: asked before the file.
    pub auth_config: Option<String>,
    /// The environment of helpers. `PATH` is added if it is missing.
    pub helper_env: Vec<(OsString, OsString)>,
    /// Runs helpers.
    pub exec: Arc<dyn Exec>,
}

impl Credentials for Keychain {
    fn find(&self, registry: &str) -> Result<Option<RegistryAuth>, CredentialsError> {
        let key = server_key(registry);
        if let Some(text) = &self.auth_config {
            let config = ConfigFile::parse("DOCKER_AUTH_CONFIG", text.as_bytes())?;
            if let Some(auth) = config.stored(key, "DOCKER_AUTH_CONFIG")? {
                return Ok(Some(auth));
            }
        }
        let path = self.config_dir.join("config.json");
        let text = match fs::read_bounded(&path, CONFIG_BYTES_MAX) {
            Ok(text) => text,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(CredentialsError::Unreadable(path, cause)),
        };
        let name = path.display().to_string();
        let config = ConfigFile::parse(&name, &text)?;
        // As in docker, exactly one of the three is asked: a helper that has nothing ends it.
        let helper = config.cred_helpers.get(key).or(config.creds_store.as_ref());
        match helper.filter(|helper| !helper.is_empty()) {
            Some(helper) => self.ask_helper(helper, key),
            None => config.stored(key, &name),
        }
    }
}

impl Keychain {
    /// Runs `docker-credential-<helper> get` with the server on its standard input.
    fn ask_helper(
        &self,
        helper: &str,
        key: &str,
    ) -> Result<Option<RegistryAuth>, CredentialsError> {
        let is_name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if !helper.bytes().all(is_name) {
            return Err(CredentialsError::BadHelper(helper.to_owned()));
        }
        let program = format!("docker-credential-{helper}");
        let mut job = Job::new(&program, HELPER_DEADLINE).arg("get");
        job.env.clone_from(&self.helper_env);
        if !job.env.iter().any(|(name, _)| name == "PATH") {
            job = job.env("PATH", env::search_path());
        }
        job = job.env("DOCKER_CONFIG", &self.config_dir);
        job.stdin = Some(key.as_bytes().to_vec());
        let done = match self.exec.run(&job) {
            Ok(done) => done,
            Err(cause) => return Err(CredentialsError::Helper(program, cause)),
        };
        if !done.ok() {
            // Helpers complain on standard output. It holds no secret when they fail.
            let said = format!("{} {}", done.text().trim(), done.complaint());
            if said.contains(NOT_FOUND) {
                return Ok(None);
            }
            return Err(CredentialsError::Refused(program, said.trim().to_owned()));
        }
        let found: HelperAnswer = serde_json::from_slice(&done.stdout).map_err(|cause| {
            CredentialsError::Refused(program, format!("its answer is not JSON ({})", at(&cause)))
        })?;
        Ok(match found.username.as_str() {
            "<token>" => Some(RegistryAuth::IdentityToken(found.secret)),
            "" if found.secret.is_empty() => None,
            _ => Some(RegistryAuth::Password { user: found.username, password: found.secret }),
        })
    }
}

/// Where in a JSON text the trouble is. The message of serde would quote the value.
fn at(cause: &serde_json::Error) -> String {
    format!("line {}, column {}", cause.line(), cause.column())
}

/// The name under which docker keeps what belongs to this registry.
fn server_key(registry: &str) -> &str {
    if registry == HUB { HUB_KEY } else { registry }
}

/// What a helper prints for `get`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HelperAnswer {
    username: String,
    secret: String,
}

/// The parts of docker's `config.json` that concern us.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ConfigFile {
    auths: BTreeMap<String, Entry>,
    creds_store: Option<String>,
    cred_helpers: BTreeMap<String, String>,
}

/// What `docker login` stores without a helper.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
}

impl ConfigFile {
    fn parse(name: &str, text: &[u8]) -> Result<ConfigFile, CredentialsError> {
        if text.trim_ascii().is_empty() {
            return Ok(ConfigFile::default());
        }
        serde_json::from_slice(text).map_err(|cause| {
            let why = format!("not a docker configuration ({})", at(&cause));
            CredentialsError::Broken(name.to_owned(), why)
        })
    }

    /// The entry under this key, or under a URL of the same host, as old versions wrote it.
    fn stored(&self, key: &str, name: &str) -> Result<Option<RegistryAuth>, CredentialsError> {
        let same_host = || self.auths.iter().find(|(known, _)| host_of(known) == host_of(key));
        let Some((known, entry)) = self.auths.get_key_value(key).or_else(same_host) else {
            return Ok(None);
        };
        entry.auth().map_err(|why| {
            CredentialsError::Broken(name.to_owned(), format!("the entry for {known} {why}"))
        })
    }
}

impl Entry {
    fn auth(&self) -> Result<Option<RegistryAuth>, &'static str> {
        if !self.identitytoken.is_empty() {
            return Ok(Some(RegistryAuth::IdentityToken(self.identitytoken.clone())));
        }
        if self.auth.is_empty() {
            let (user, password) = (self.username.clone(), self.password.clone());
            return Ok((!user.is_empty()).then_some(RegistryAuth::Password { user, password }));
        }
        let bytes = STANDARD.decode(self.auth.trim()).map_err(|_| "is not base64")?;
        let text = String::from_utf8(bytes).map_err(|_| "is not text")?;
        let (user, password) = text.split_once(':').ok_or("has no colon")?;
        let password = password.trim_end_matches('\0').to_owned();
        Ok(Some(RegistryAuth::Password { user: user.to_owned(), password }))
    }
}

/// `https://host/v1/` and `host` are the same place.
fn host_of(key: &str) -> &str {
    let rest = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    rest.split('/').next().unwrap_or(rest)
}

/// docker's configuration directory when none is configured: `DOCKER_CONFIG`, or `.docker` below
/// the home directory, or root's when there is no home, as under systemd.
#[must_use]
pub fn default_config_dir(docker_config: Option<&Path>, home: Option<&Path>) -> PathBuf {
    match docker_config {
        Some(dir) => dir.to_owned(),
        None => home.unwrap_or_else(|| Path::new("/root")).join(".docker"),
    }
}

#[cfg(test)]
mod tests;
