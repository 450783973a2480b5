//! Image references, read as docker reads them (the grammar of distribution/reference and its
//! "familiar" names). It never asks an engine or a registry what a name means.

use std::fmt;

use super::digest::{Digest, is_hex64};

/// Where a name without a registry lives.
pub const HUB: &str = "docker.io";
/// No repository name is longer, the registry included.
const NAME_BYTES_MAX: usize = 255;
/// No tag is longer.
const TAG_BYTES_MAX: usize = 128;

/// What the `image` of a compose service says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reference {
    /// An image id: it names one local image and no registry.
    Id(Digest),
    /// A name in a registry, with a tag, a digest, both or neither.
    Named(Named),
}

/// A name in a registry. [`fmt::Display`] gives the form people write: `nginx`, not
/// `docker.io/library/nginx`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// Why a text is no image reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferenceError {
    text: String,
    why: &'static str,
}

impl fmt::Display for ReferenceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not an image reference: {}", self.text, self.why)
    }
}

impl std::error::Error for ReferenceError {}

impl Reference {
    /// Reads a reference.
    ///
    /// # Errors
    /// What docker refuses, and digests other than sha256.
    pub fn parse(text: &str) -> Result<Reference, ReferenceError> {
        if let Some(id) = Digest::parse(text) {
            return Ok(Reference::Id(id));
        }
        if is_hex64(text)
            && let Some(id) = Digest::parse(&format!("sha256:{text}"))
        {
            return Ok(Reference::Id(id));
        }
        match parse_named(text) {
            Ok(named) => Ok(Reference::Named(named)),
            Err(why) => Err(ReferenceError { text: text.to_owned(), why }),
        }
    }

    /// Whether what it names can change: it has a tag or nothing, and no digest.
    #[must_use]
    pub fn is_moving(&self) -> bool {
        match self {
            Reference::Id(_) => false,
            Reference::Named(named) => named.digest.is_none(),
        }
    }

    /// Whether it is an image id.
    #[must_use]
    pub fn is_image_id(&self) -> bool {
        matches!(self, Reference::Id(_))
    }

    /// The name, unless it is an image id.
    #[must_use]
    pub fn named(&self) -> Option<&Named> {
        match self {
            Reference::Id(_) => None,
            Reference::Named(named) => Some(named),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reference::Id(id) => id.fmt(f),
            Reference::Named(named) => named.fmt(f),
        }
    }
}

impl Named {
    /// The registry, with its port: `docker.io` if none is named. Credentials are kept under it.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The name in the registry: `library/nginx` for `nginx`.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag, if one is written.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, if one is written. It wins over the tag.
    #[must_use]
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// What a registry or an engine is asked for: the digest, the tag, or `latest`.
    #[must_use]
    pub fn target(&self) -> &str {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.as_str(),
            (None, Some(tag)) => tag,
            (None, None) => "latest",
        }
    }

    /// The name as people write it and as the engine lists it: no tag, no digest.
    #[must_use]
    pub fn familiar_name(&self) -> String {
        if self.registry != HUB {
            return format!("{}/{}", self.registry, self.repository);
        }
        match self.repository.strip_prefix("library/") {
            Some(short) if !short.contains('/') => short.to_owned(),
            _ => self.repository.clone(),
        }
    }

    /// As the engine lists it in `RepoTags` or `RepoDigests`: with the digest, the tag or `latest`.
    #[must_use]
    pub fn listed(&self) -> String {
        let mark = if self.digest.is_some() { '@' } else { ':' };
        format!("{}{mark}{}", self.familiar_name(), self.target())
    }

    /// The same name, pinned to this digest.
    #[must_use]
    pub fn at(&self, digest: &Digest) -> Named {
        Named { tag: None, digest: Some(digest.clone()), ..self.clone() }
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.familiar_name())?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

fn parse_named(text: &str) -> Result<Named, &'static str> {
    let (rest, digest) = match text.split_once('@') {
        None => (text, None),
        Some((rest, digest)) => {
            let digest = Digest::parse(digest).ok_or("what follows @ is not a sha256 digest")?;
            (rest, Some(digest))
        }
    };
    let (registry, remainder) = split_registry(rest);
    let (path, tag) = match remainder.split_once(':') {
        None => (remainder, None),
        Some((path, tag)) => (path, Some(tag)),
    };
    if !is_registry(registry) {
        return Err("the registry before the first / is not a host name with an optional port");
    }
    if path.chars().any(|c| c.is_ascii_uppercase()) {
        return Err("the repository name must be lower case");
    }
    if !path.split('/').all(is_path_component) {
        return Err("the repository name may hold a-z, 0-9 and single . _ - or __ between them");
    }
    if !tag.is_none_or(is_tag) {
        return Err("the tag may hold up to 128 letters, digits, _ . and -, not . or - first");
    }
    let repository = match (registry, path.contains('/')) {
        (HUB, false) => format!("library/{path}"),
        _ => path.to_owned(),
    };
    if registry.len() + 1 + repository.len() > NAME_BYTES_MAX {
        return Err("the name is longer than 255 characters");
    }
    Ok(Named { registry: registry.to_owned(), repository, tag: tag.map(str::to_owned), digest })
}

/// The first component is a registry if it looks like a host: a dot, a port, `localhost`, or an
/// upper-case letter, which no repository may have.
fn split_registry(text: &str) -> (&str, &str) {
    match text.split_once('/') {
        Some((first, rest))
            if first.contains(['.', ':'])
                || first == "localhost"
                || first.chars().any(char::is_uppercase) =>
        {
            (if first == "index.docker.io" { HUB } else { first }, rest)
        }
        _ => (HUB, text),
    }
}

fn is_registry(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(v6) => {
            let Some((address, after)) = v6.split_once(']') else { return false };
            let plain =
                !address.is_empty() && address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':');
            return plain && (after.is_empty() || after.strip_prefix(':').is_some_and(is_port));
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    port.is_none_or(is_port) && host.split('.').all(is_host_component)
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_host_component(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// Runs of lower-case letters and digits, joined by one `.`, one or two `_`, or any number of `-`.
fn is_path_component(text: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    if !bytes.first().is_some_and(|b| is_word(*b)) || !bytes.last().is_some_and(|b| is_word(*b)) {
        return false;
    }
    text.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        .all(|joint| matches!(joint, "" | "." | "_" | "__") || joint.bytes().all(|b| b == b'-'))
}

fn is_tag(text: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    text.len() <= TAG_BYTES_MAX
        && text.bytes().next().is_some_and(is_word)
        && text.bytes().all(|b| is_word(b) || b == b'.' || b == b'-')
}

#[cfg(test)]
mod tests;
