//! Local images: what there is, tagging and removing. It never asks a registry.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::types::{Image, ImageId};
use super::{Engine, EngineError, wire};
use crate::docker::reference::{Named, Reference};
use crate::sys::http::{Method, escape, escape_path};

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

    /// All images of the repositories these references name. The filter takes repositories, not
    /// tags: a filter with a tag makes the engine leave the registry digests out.
    fn list_images(&self, references: &[Reference]) -> Result<Vec<Image>, EngineError> {
        let names: BTreeSet<String> =
            references.iter().filter_map(Reference::named).map(Named::familiar_name).collect();
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let filters = serde_json::json!({ "reference": names }).to_string();
        let path = format!("/images/json?filters={}", escape(&filters));
        let listed: Vec<wire::Image> = self.read(&path)?;
        Ok(listed.into_iter().map(Image::from).collect())
    }

    /// Gives an image one more name.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub fn tag(&self, id: &ImageId, repository: &str, tag: &str) -> Result<(), EngineError> {
        let path = format!(
            "/images/{}/tag?repo={}&tag={}",
            escape_path(id.as_str()),
            escape(repository),
            escape(tag)
        );
        self.change(Method::Post, &path, Duration::ZERO)
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
