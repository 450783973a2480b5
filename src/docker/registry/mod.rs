//! Registries: which digest is behind a tag, and how large a pull would be. It only reads manifests;
//! it never fetches layers, and never asks twice what a HEAD request can answer.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::docker::credentials::Credentials;
use crate::docker::digest::Digest;
use crate::docker::engine::{InsecureRegistries, Platform};
use crate::docker::reference::{HUB, Named};
use crate::sys::http::{Method, Request, Response};

mod auth;
mod challenge;
mod error;
mod manifest;
mod route;

pub use error::RegistryError;

use auth::Authorization;
use manifest::{ACCEPTED, ImageManifest, Manifest};
use route::{Routes, Site};

/// Where docker keeps the certificates of private registries.
pub const CERTS_DIR: &str = "/etc/docker/certs.d";
/// What a system trusts; docker trusts the same.
pub const SYSTEM_ROOTS: &str = "/etc/ssl/certs/ca-certificates.crt";
/// The host behind the name docker.io.
const HUB_HOST: &str = "registry-1.docker.io";
/// The distribution specification asks registries to take manifests up to this size.
const MANIFEST_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Some registries (registry.k8s.io) send on to another; nobody sends on twice.
const REDIRECTS_MAX: usize = 3;

/// How registries are reached.
#[derive(Debug, Clone)]
pub struct RegistryConfig {
    /// From the engine, so that we trust whom it trusts.
    pub insecure: InsecureRegistries,
    /// A folder with one folder per registry, each with `*.crt` files; usually [`CERTS_DIR`].
    pub certs_dir: PathBuf,
    /// A file of certificate authorities; usually [`SYSTEM_ROOTS`]. It need not exist.
    pub system_roots: PathBuf,
    /// For one request.
    pub timeout: Duration,
}

/// Asks registries. One value is one short conversation: it remembers how each registry is reached
/// and the tokens it gave, and neither is ever refreshed by age, only when refused.
pub struct RegistryClient {
    timeout: Duration,
    routes: Routes,
    credentials: Arc<dyn Credentials>,
    tokens: Mutex<BTreeMap<(String, String), Authorization>>,
    /// Registries that are not asked again in this conversation, and why.
    resting: Mutex<BTreeMap<String, Rest>>,
}

/// Why a registry is left alone.
#[derive(Clone)]
enum Rest {
    /// It asked for it, for so long if it said so.
    Wanted(Option<Duration>),
    /// It did not answer: each further question would wait as long.
    Silent(String),
}

impl RegistryClient {
    /// A client that looks credentials up only when a registry asks for some.
    #[must_use]
    pub fn new(config: RegistryConfig, credentials: Arc<dyn Credentials>) -> RegistryClient {
        RegistryClient {
            timeout: config.timeout,
            routes: Routes::new(config),
            credentials,
            tokens: Mutex::default(),
            resting: Mutex::default(),
        }
    }

    /// The digest behind a name: of the index if there is one, else of the manifest. This is what
    /// the engine lists in `RepoDigests` after a pull. Free of charge on docker.io.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub fn digest(&self, name: &Named) -> Result<Digest, RegistryError> {
        let answer = self.manifest(Method::Head, name)?;
        match answer.head.header("docker-content-digest") {
            Some(text) => Digest::parse(text.trim()).ok_or_else(|| {
                RegistryError::unexpected(name, "its Docker-Content-Digest is not a sha256 digest")
            }),
            // Old registries leave it out: then the content is what counts.
            None => Ok(Digest::of(&self.manifest(Method::Get, name)?.body)),
        }
    }

    /// Bytes a pull of everything would download: the compressed layers and the image's
    /// configuration. Counts as a pull on docker.io.
    ///
    /// # Errors
    /// See [`RegistryError`]; also an image that is not made for this platform.
    pub fn pull_size(&self, name: &Named, platform: &Platform) -> Result<u64, RegistryError> {
        Ok(self.image(name, platform)?.bytes_beside(&[]))
    }

    /// The same without what images that are on this host have already. One of those that the
    /// registry does not know any more counts for nothing.
    ///
    /// # Errors
    /// As [`RegistryClient::pull_size`].
    pub fn pull_size_beside(
        &self,
        name: &Named,
        platform: &Platform,
        here: &[Named],
    ) -> Result<u64, RegistryError> {
        let wanted = self.image(name, platform)?;
        let here: Vec<_> = here.iter().filter_map(|one| self.image(one, platform).ok()).collect();
        Ok(wanted.bytes_beside(&here))
    }

    /// The manifest of the image for a platform.
    fn image(&self, name: &Named, platform: &Platform) -> Result<ImageManifest, RegistryError> {
        let digest = match self.parsed(name)? {
            Manifest::Image(image) => return Ok(image),
            Manifest::Index(index) => {
                index.digest_for(platform).map_err(|why| RegistryError::unexpected(name, &why))?
            }
        };
        match self.parsed(&name.at(&digest))? {
            Manifest::Image(image) => Ok(image),
            Manifest::Index(_) => Err(RegistryError::unexpected(name, "an index inside an index")),
        }
    }

    fn parsed(&self, name: &Named) -> Result<Manifest, RegistryError> {
        let answer = self.manifest(Method::Get, name)?;
        if let Some(wanted) = name.digest()
            && Digest::of(&answer.body) != *wanted
        {
            return Err(RegistryError::unexpected(name, "the content does not match the digest"));
        }
        Manifest::parse(&answer.body).map_err(|why| RegistryError::unexpected(name, &why))
    }

    /// Asks for a manifest, unless the registry is to be left alone.
    fn manifest(&self, method: Method, name: &Named) -> Result<Response, RegistryError> {
        let registry = name.registry().to_owned();
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        match resting.get(&registry).cloned() {
            Some(Rest::Wanted(retry_after)) => {
                return Err(RegistryError::RateLimited { registry, retry_after });
            }
            Some(Rest::Silent(why)) => return Err(RegistryError::Unreachable { registry, why }),
            None => {}
        }
        let answer = self.ask_for_manifest(method, name);
        let rest = match &answer {
            Err(RegistryError::RateLimited { retry_after, .. }) => Rest::Wanted(*retry_after),
            Err(RegistryError::Unreachable { why, .. }) => Rest::Silent(why.clone()),
            _ => return answer,
        };
        resting.insert(registry, rest);
        answer
    }

    /// Asks for a manifest, with what the registry wants to see first.
    fn ask_for_manifest(&self, method: Method, name: &Named) -> Result<Response, RegistryError> {
        let site = Site::of(api_host(name.registry()));
        let path = format!("/v2/{}/manifests/{}", name.repository(), name.target());
        let key = (name.registry().to_owned(), name.repository().to_owned());
        let known = self.tokens().get(&key).cloned();
        let first = self.ask(method, name, &site, &path, known.as_ref())?;
        let answer = match first.head.status {
            401 => {
                let shown = auth::authorize(self, name, &site, &first.head)?;
                let second = self.ask(method, name, &site, &path, Some(&shown))?;
                if second.head.ok() {
                    self.tokens().insert(key, shown);
                }
                second
            }
            _ => first,
        };
        error::check(name, &answer.head)?;
        Ok(answer)
    }

    /// One request, sent on when the registry says so.
    fn ask(
        &self,
        method: Method,
        name: &Named,
        site: &Site,
        path: &str,
        shown: Option<&Authorization>,
    ) -> Result<Response, RegistryError> {
        let mut request = self.request(method, path);
        for media_type in ACCEPTED {
            request = request.header("Accept", media_type);
        }
        let bare = request.clone();
        if let Some(shown) = shown {
            request = request.header("Authorization", shown.header());
        }
        let mut answer = self.send(name, site, &request)?;
        for _ in 0..REDIRECTS_MAX {
            let Some(target) = route::redirect_target(&answer.head) else { break };
            // Whoever it is, credentials are not for them; and never from https to http.
            let mut onward = bare.clone();
            onward.url = target;
            answer = self
                .routes
                .send_verified(&onward)
                .map_err(|cause| RegistryError::unreachable(name.registry(), &cause))?;
        }
        Ok(answer)
    }

    fn request(&self, method: Method, url: &str) -> Request {
        Request::new(method, url, self.timeout).body_bytes_max(MANIFEST_BYTES_MAX)
    }

    fn send(&self, name: &Named, site: &Site, path: &Request) -> Result<Response, RegistryError> {
        self.routes
            .send(site, path)
            .map_err(|cause| RegistryError::unreachable(name.registry(), &cause))
    }

    fn tokens(&self) -> std::sync::MutexGuard<'_, BTreeMap<(String, String), Authorization>> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The host behind the name of a registry.
fn api_host(registry: &str) -> &str {
    if registry == HUB { HUB_HOST } else { registry }
}

#[cfg(test)]
mod tests;
