//! The registries as a pass sees them: each distinct image is asked for once, and not at all where
//! another run of the same process was told not long ago.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::Host;
use crate::decide::scheduler::Trigger;
use crate::docker::credentials::{Credentials, Keychain, RegistryAuth};
use crate::docker::digest::Digest;
use crate::docker::reference::{Named, Reference};
use crate::docker::registry::{
    CERTS_DIR, RegistryClient, RegistryConfig, RegistryError, SYSTEM_ROOTS,
};
use crate::problem::Problem;

/// A registry that does not tell a digest within this time is unknown for this pass.
const REGISTRY_TIMEOUT: Duration = Duration::from_secs(10);

/// So many images of one repository are looked at for layers that need not come again.
const NEIGHBOURS_MAX: usize = 4;

impl Host<'_> {
    /// The digest behind a tag, asked for once a pass, and among runs that share what they learn once
    /// `every` so often, unless somebody asked for the run. `here` is the id of the image that has the
    /// tag on this host.
    ///
    /// # Errors
    /// Why it could not be learned, in words.
    pub fn registry_digest(
        &self,
        image: &Named,
        here: Option<&str>,
        every: Duration,
    ) -> Result<Digest, String> {
        if let Some(known) = self.digests.borrow().get(image) {
            return known.clone();
        }
        let shared = self.shared.as_ref().filter(|_| self.trigger != Trigger::Wanted.name());
        let now = self.clock.monotonic();
        let known =
            shared.and_then(|(shared, _)| shared.answer(&image.to_string(), here, now, every));
        let answer = match known {
            Some(digest) => Ok(digest),
            None => self.ask_for_digest(image, here).map_err(|error| error.to_string()),
        };
        if let Err(why) = &answer {
            log::debug!("cannot ask the registry for {image}: {why}");
        }
        self.digests.borrow_mut().insert(image.clone(), answer.clone());
        answer
    }

    /// An image was pulled. What is known of its tag may be from long before that, where runs share
    /// what they learn.
    pub fn has_pulled(&self, image: &str) {
        let named = Reference::parse(image).ok().and_then(|image| image.named().cloned());
        if let (Some(named), Some((shared, _))) = (named, &self.shared) {
            shared.forget_answer(&named.to_string());
            self.digests.borrow_mut().remove(&named);
        }
    }

    /// Asks a registry, unless another run of this process was told to leave it alone for longer.
    fn ask_for_digest(&self, image: &Named, here: Option<&str>) -> Result<Digest, RegistryError> {
        let (registry, now) = (image.registry().to_owned(), self.clock.monotonic());
        let shared = self.shared.as_ref().map(|(shared, _)| shared);
        if let Some(wanted) = shared.and_then(|shared| shared.rests(&registry, now)) {
            return Err(RegistryError::RateLimited { registry, retry_after: Some(wanted) });
        }
        let answer = self.registry().digest(image);
        match (shared, &answer) {
            (Some(shared), Ok(digest)) => {
                shared.answered(image.to_string(), here, now, digest.clone());
            }
            (Some(shared), Err(RegistryError::RateLimited { retry_after: Some(wanted), .. })) => {
                shared.rest(&registry, now, *wanted);
            }
            (Some(_), Err(_)) | (None, _) => {}
        }
        answer
    }

    /// The compressed size of an image, if the registry tells; asked for once a pass.
    #[must_use]
    pub fn pull_size(&self, image: &str) -> Option<u64> {
        if let Some(known) = self.sizes.borrow().get(image) {
            return *known;
        }
        let reference = Reference::parse(image).ok()?;
        let platform = &self.info()?.platform;
        let size = self.registry().pull_size(reference.named()?, platform).ok();
        self.sizes.borrow_mut().insert(image.to_owned(), size);
        size
    }

    /// The same without the layers that images of the same repository have here already.
    #[must_use]
    pub fn missing_size(&self, image: &str) -> Option<u64> {
        let reference = Reference::parse(image).ok()?;
        let platform = &self.info()?.platform;
        let mut here = self.engine().ok()?.digests_of(reference.named()?).ok()?;
        here.truncate(NEIGHBOURS_MAX);
        self.registry().pull_size_beside(reference.named()?, platform, &here).ok()
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
