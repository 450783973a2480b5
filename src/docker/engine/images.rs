//! Local images: what there is, holding and removing. It never asks a registry.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use super::types::{Image, ImageId};
use super::{Engine, EngineError, refusal, wire};
use crate::docker::digest::Digest;
use crate::docker::reference::{Named, Reference};
use crate::gather::Gather;
use crate::sys::http::{Method, escape, escape_path};

/// Set on a container that only keeps its image from being pruned.
const HOLDER: &str = "renew.holder";

impl Engine {
    /// The local image a reference names; `None` if there is none.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub fn image(&self, reference: &Reference) -> Result<Option<Image>, EngineError> {
        let name = match reference {
            Reference::Id(id) => id.to_string(),
            Reference::Named(named) => named.listed(),
        };
        let path = format!("/images/{}/json", escape_path(&name));
        Ok(self.read_optional::<wire::Image>(&path)?.map(Image::from))
    }

    /// The local images of many references: one request for all names, and one more for each that
    /// is an image id or was not found by it.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub fn images(
        &self,
        references: &[Reference],
    ) -> Result<BTreeMap<Reference, Option<Image>>, EngineError> {
        let listed = self.list_images(references)?;
        let mut found = BTreeMap::new();
        for reference in references {
            if found.contains_key(reference) {
                continue;
            }
            let known = reference.named().and_then(|named| {
                let name = named.listed();
                listed.iter().find(|image| {
                    let mut names = image.repo_tags.iter().chain(&image.repo_digests);
                    names.any(|known| *known == name)
                })
            });
            let image = match known {
                Some(image) => Some(image.clone()),
                None => self.image(reference)?,
            };
            found.insert(reference.clone(), image);
        }
        Ok(found)
    }

    /// The manifests that are here of what an image id stands for, one for each platform that was
    /// pulled. Only the containerd store has any, and only engine 28 and later tell.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub fn manifests(&self, id: &ImageId) -> Result<Vec<Digest>, EngineError> {
        // Older ones do not know the parameter, and leave the list out.
        let path = format!("/images/{}/json?manifests=1", escape_path(id.as_str()));
        let found = self.read_optional::<wire::Manifests>(&path)?.unwrap_or_default();
        let here = found.manifests.into_iter().filter(|manifest| manifest.available);
        Ok(here.filter_map(|manifest| Digest::parse(&manifest.descriptor.digest)).collect())
    }

    /// The images of a repository that are here, by the digests it has them under.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub fn digests_of(&self, repository: &Named) -> Result<Vec<Named>, EngineError> {
        let name = repository.familiar_name();
        let listed = self.list_images(&[Reference::Named(repository.clone())])?;
        let of_it = |digest: &&String| digest.split('@').next() == Some(name.as_str());
        let digests = listed.iter().flat_map(|image| &image.repo_digests).filter(of_it);
        let named = |text: &String| match Reference::parse(text) {
            Ok(Reference::Named(named)) => Some(named),
            Ok(Reference::Id(_)) | Err(_) => None,
        };
        Ok(digests.filter_map(named).collect())
    }

    /// The ids of all images, those without a name included.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub fn image_ids(&self) -> Result<BTreeSet<ImageId>, EngineError> {
        let listed: Vec<wire::Image> = self.read("/images/json")?;
        Ok(listed.into_iter().map(|image| ImageId(image.id)).collect())
    }

    /// All images of the repositories these references name. The filter takes repositories, not
    /// tags: a filter with a tag makes the engine leave the registry digests out.
    fn list_images(&self, references: &[Reference]) -> Result<Vec<Image>, EngineError> {
        let names: BTreeSet<String> =
            references.iter().filter_map(Reference::named).map(Named::familiar_name).gather();
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let filters = serde_json::json!({ "reference": names }).to_string();
        let path = format!("/images/json?filters={}", escape(&filters));
        let listed: Vec<wire::Image> = self.read(&path)?;
        Ok(listed.into_iter().map(Image::from).collect())
    }

    /// Makes a container of an image that is never started: while it is there the image is in use. It
    /// has no volumes and no network, and belongs to no compose project.
    ///
    /// # Errors
    /// See [`EngineError`]; a name in use is a conflict.
    pub fn hold(&self, image: &Image, name: &str) -> Result<(), EngineError> {
        let path = format!("/containers/create?name={}", escape(name));
        // What compose built is labelled with a project, and so would be its containers.
        let foreign = image.labels.keys().filter(|label| label.starts_with("com.docker.compose."));
        let mut labels: BTreeMap<&str, &str> = foreign.map(|label| (label.as_str(), "")).gather();
        labels.insert(HOLDER, "true");
        let empty = |path: &String| serde_json::json!({ "Type": "tmpfs", "Target": path });
        let mounts: Vec<Value> = image.volumes.iter().map(empty).collect();
        let body = serde_json::json!({
            "Image": image.id.as_str(),
            "Entrypoint": ["kept-for-an-undo-by-renew"],
            "Labels": labels,
            "HostConfig": { "NetworkMode": "none", "Mounts": mounts },
        });
        let request = self.request(Method::Post, &path, self.limits.change);
        let answer = self.send(&request.body("application/json", body.to_string()))?;
        match answer.head.status {
            201 => Ok(()),
            _ => Err(refusal(&path, &answer)),
        }
    }

    /// Removes one name of an image, and the image with its last name; by id, the image. What a
    /// container uses is never removed by id, nor is anything by force.
    ///
    /// # Errors
    /// See [`EngineError`]; an image in use is a conflict.
    pub fn remove_image(&self, name_or_id: &str) -> Result<(), EngineError> {
        let path = format!("/images/{}?force=false", escape_path(name_or_id));
        self.change(Method::Delete, &path, Duration::ZERO)
    }
}

#[cfg(test)]
mod tests;
