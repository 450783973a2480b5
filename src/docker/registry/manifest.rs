//! Image manifests and indexes, as far as sizes and platforms go. Nothing else of them is read.

use serde::Deserialize;

use crate::docker::digest::Digest;
use crate::docker::engine::Platform;

/// What we can read; the registry must not turn it into something older.
pub(super) const ACCEPTED: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];

/// One image, or a choice of images by platform.
#[derive(Debug)]
pub(super) enum Manifest {
    Image(ImageManifest),
    Index(Index),
}

/// The parts of one image.
#[derive(Debug)]
pub(super) struct ImageManifest {
    config: Blob,
    layers: Vec<Blob>,
}

/// Images for several platforms.
#[derive(Debug)]
pub(super) struct Index {
    manifests: Vec<Choice>,
}

#[derive(Debug, Deserialize)]
struct Blob {
    digest: String,
    size: u64,
}

#[derive(Debug, Deserialize)]
struct Choice {
    digest: String,
    platform: Option<ChoicePlatform>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ChoicePlatform {
    os: String,
    architecture: String,
    variant: String,
}

#[derive(Deserialize)]
struct Raw {
    config: Option<Blob>,
    layers: Option<Vec<Blob>>,
    manifests: Option<Vec<Choice>>,
}

impl Manifest {
    pub(super) fn parse(text: &[u8]) -> Result<Manifest, String> {
        let raw: Raw = serde_json::from_slice(text)
            .map_err(|cause| format!("the manifest is not readable: {cause}"))?;
        match raw {
            Raw { manifests: Some(manifests), .. } => Ok(Manifest::Index(Index { manifests })),
            Raw { config: Some(config), layers: Some(layers), .. } => {
                Ok(Manifest::Image(ImageManifest { config, layers }))
            }
            _ => Err("neither a manifest nor an index".to_owned()),
        }
    }
}

impl ImageManifest {
    /// What a pull downloads where these others are already; a layer that occurs twice comes once.
    pub(super) fn bytes_beside(&self, others: &[ImageManifest]) -> u64 {
        let mut seen: Vec<&str> = others.iter().flat_map(ImageManifest::digests).collect();
        let mut sum = 0_u64;
        for blob in self.layers.iter().chain([&self.config]) {
            if !seen.contains(&blob.digest.as_str()) {
                seen.push(&blob.digest);
                sum = sum.saturating_add(blob.size);
            }
        }
        sum
    }

    fn digests(&self) -> impl Iterator<Item = &str> {
        self.layers.iter().chain([&self.config]).map(|blob| blob.digest.as_str())
    }
}

impl Index {
    /// The image for a platform: the same variant if there is one, else the first that fits.
    pub(super) fn digest_for(&self, wanted: &Platform) -> Result<Digest, String> {
        let mut fitting = self.manifests.iter().filter_map(|choice| {
            let platform = choice.platform.as_ref()?;
            let fits = platform.os == wanted.os && platform.architecture == wanted.architecture;
            fits.then_some((platform.variant.as_str(), choice.digest.as_str()))
        });
        let variant = wanted.variant.as_deref().unwrap_or_default();
        let exact = fitting.clone().find(|(offered, _)| *offered == variant);
        match exact.or_else(|| fitting.next()) {
            Some((_, digest)) => {
                Digest::parse(digest).ok_or_else(|| "the index holds a broken digest".to_owned())
            }
            None => Err(format!("it is not made for {}/{}", wanted.os, wanted.architecture)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Digest, Manifest, Platform};

    fn index(choices: &[(&str, &str, &str, char)]) -> String {
        let list: Vec<_> = choices
            .iter()
            .map(|(os, architecture, variant, digit)| {
                serde_json::json!({"digest": digest(*digit).as_str(), "size": 1,
                    "platform": {"os": os, "architecture": architecture, "variant": variant}})
            })
            .collect();
        serde_json::json!({ "manifests": list }).to_string()
    }

    fn digest(digit: char) -> Digest {
        Digest::parse(&format!("sha256:{}", digit.to_string().repeat(64))).unwrap()
    }

    fn chosen(text: &str, machine: &str) -> Option<Digest> {
        let Manifest::Index(index) = Manifest::parse(text.as_bytes()).unwrap() else {
            panic!("not an index: {text}");
        };
        index.digest_for(&Platform::from_machine("linux", machine)).ok()
    }

    #[test]
    fn the_right_platform() {
        let text = index(&[
            ("unknown", "unknown", "", '0'),
            ("windows", "amd64", "", '1'),
            ("linux", "arm", "v6", '2'),
            ("linux", "arm", "v7", '3'),
            ("linux", "arm64", "v8", '4'),
            ("linux", "amd64", "", '5'),
        ]);
        for (machine, digit) in
            [("x86_64", '5'), ("armv7l", '3'), ("armv6l", '2'), ("aarch64", '4')]
        {
            assert_eq!(chosen(&text, machine), Some(digest(digit)), "{machine}");
        }
        assert_eq!(chosen(&text, "riscv64"), None);
    }

    #[test]
    fn sizes() {
        let text = r#"{"config":{"digest":"c","size":7},"layers":[{"digest":"a","size":100},
            {"digest":"b","size":20},{"digest":"a","size":100}]}"#;
        let image = |text: &str| match Manifest::parse(text.as_bytes()).unwrap() {
            Manifest::Image(image) => image,
            Manifest::Index(_) => panic!("not an image"),
        };
        assert_eq!(image(text).bytes_beside(&[]), 127);
        let other = r#"{"config":{"digest":"d","size":9},"layers":[{"digest":"a","size":100}]}"#;
        assert_eq!(image(text).bytes_beside(&[image(other)]), 27);
        assert_eq!(image(text).bytes_beside(&[image(other), image(text)]), 0);
        for broken in ["", "[]", "{}", r#"{"schemaVersion":1,"fsLayers":[]}"#] {
            assert!(Manifest::parse(broken.as_bytes()).is_err(), "{broken}");
        }
    }
}
