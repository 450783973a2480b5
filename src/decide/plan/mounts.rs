//! Where the data of a container lives, and whether a new container would have it again. Plain
//! values: what is on the disk was looked up before.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What is mounted at one place of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A volume with a name that somebody chose.
    Volume(String),
    /// A volume without one; the id that the engine gave it, or empty while it is only declared.
    Anonymous(String),
    /// A file or folder of the host, without symbolic links.
    Bind(String),
    /// Something that keeps no data, such as a tmpfs, by its kind.
    Other(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Volume(name) => write!(f, "volume {name}"),
            Source::Anonymous(id) if id.is_empty() => f.write_str("an anonymous volume"),
            Source::Anonymous(id) => write!(f, "anonymous volume {}", id.get(..12).unwrap_or(id)),
            Source::Bind(path) => f.write_str(path),
            Source::Other(kind) => write!(f, "a {kind}"),
        }
    }
}

/// A writable mount of a container that may hold data nobody else has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Where it is in the container.
    pub target: String,
    /// What it is.
    pub source: Source,
}

/// What a compose service declares to be mounted.
#[derive(Debug, Clone, Default)]
pub struct Mounts {
    /// By the place in the container.
    pub declared: BTreeMap<String, Source>,
    /// Compose services of the project whose mounts it has as well (`volumes_from`).
    pub borrowed_from: BTreeSet<String>,
    /// Whether it has mounts of a container that no compose service is known by.
    pub borrows_elsewhere: bool,
}

/// Says where the data of a mount would be in a new container, if not where it is: in words, from
/// and to. `image` are the volumes of the image that the new container is made from, if known.
#[must_use]
pub fn moved(
    mount: &Mount,
    mounts: &Mounts,
    image: Option<&BTreeSet<String>>,
) -> Option<(String, String)> {
    let declared = mounts.declared.get(&mount.target);
    let stays = match (&mount.source, declared) {
        // Compose gives the new container the anonymous volumes of the old one.
        (Source::Anonymous(_), Some(Source::Anonymous(_))) => true,
        (Source::Anonymous(_), None) => image.is_none_or(|image| image.contains(&mount.target)),
        (source, declared) => declared == Some(source),
    };
    if stays {
        return None;
    }
    let to = declared.map_or_else(|| "nothing".to_owned(), Source::to_string);
    Some((mount.source.to_string(), to))
}
