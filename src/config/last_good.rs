//! The last configuration that loaded, kept in the state directory, so that a broken renew.json
//! that lives in the repository can still be mended by a push. Reading it never writes.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::config::FILE_BYTES_MAX;
use crate::config::value::path;
use crate::sys::fs;

/// Read by later versions too: a change of meaning needs another number.
const VERSION: u32 = 1;
const FILE: &str = "last-good-config.json";

/// The stored copy: the text, and the path it was read from, to which its relative paths refer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastGood {
    version: u32,
    /// Where the configuration was read from, absolute.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

/// Stores a configuration that loaded from `path`. Writes only if it differs from what is stored.
///
/// # Errors
/// When the state directory cannot be made or written.
pub fn store(state_dir: &Path, path: &Path, text: &str) -> io::Result<()> {
    let path = std::path::absolute(path)?;
    let copy = LastGood { version: VERSION, path: path::normal(&path), text: text.to_owned() };
    if load(state_dir).as_ref() == Some(&copy) {
        return Ok(());
    }
    fs::create_private_dir(state_dir)?;
    let content = serde_json::to_vec(&copy).map_err(io::Error::other)?;
    fs::replace(&state_dir.join(FILE), &content)
}

/// The stored copy, if there is one that this version can read.
#[must_use]
pub fn load(state_dir: &Path) -> Option<LastGood> {
    // Escapes can make the stored text longer than the text: at most six bytes for one.
    let content = fs::read_bounded(&state_dir.join(FILE), 6 * FILE_BYTES_MAX + 8_192).ok()?;
    let copy: LastGood = serde_json::from_slice(&content).ok()?;
    (copy.version == VERSION).then_some(copy)
}

/// Where the state of a configuration that does not load may be, likeliest first: what the text
/// still says about `state_dir` and `repo.dir`, then the default place beside the file.
#[must_use]
pub fn likely_state_dirs(text: &[u8], config_path: &Path) -> Vec<PathBuf> {
    let text = String::from_utf8_lossy(text);
    let dir = config_path.parent().unwrap_or(Path::new("/"));
    let said = |key: &str| salvage(&text, key).and_then(|text| path::on_host(dir, &text).ok());
    let of_repo = said("dir").map(|repo| repo.join(".renew"));
    let mut dirs: Vec<PathBuf> =
        [said("state_dir"), of_repo, Some(dir.join(".renew"))].into_iter().flatten().collect();
    dirs.dedup();
    dirs
}

/// The text that follows `"key":`, even in a document that is no longer JSON.
fn salvage(text: &str, key: &str) -> Option<String> {
    let quoted = format!("\"{key}\"");
    text.match_indices(&quoted).find_map(|(at, _)| {
        let after = text.get(at + quoted.len()..)?.trim_start().strip_prefix(':')?;
        let mut values = serde_json::Deserializer::from_str(after).into_iter::<String>();
        values.next()?.ok()
    })
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::{likely_state_dirs, load, store};

    #[test]
    fn what_is_stored_is_found_and_written_once() {
        let dir = tempfile::tempdir().unwrap();
        let state_dir = dir.path().join("state");
        assert_eq!(load(&state_dir), None);
        let path = Path::new("/srv/app/renew.json");
        store(&state_dir, path, r#"{"a": "é"}"#).unwrap();
        let copy = load(&state_dir).unwrap();
        assert_eq!((copy.path.as_path(), copy.text.as_str()), (path, "{\"a\": \"é\"}"));

        let inode = || {
            use std::os::unix::fs::MetadataExt;
            std::fs::metadata(state_dir.join(super::FILE)).unwrap().ino()
        };
        let before = inode();
        store(&state_dir, path, &copy.text).unwrap();
        assert_eq!(inode(), before, "the same content must not be written again");
        store(&state_dir, path, "{}").unwrap();
        assert_ne!(inode(), before);
        assert_eq!(load(&state_dir).unwrap().text, "{}");
    }

    #[test]
    fn a_torn_or_foreign_copy_is_none() {
        let dir = tempfile::tempdir().unwrap();
        for content in
            ["", "{\"version\":1,\"path\":\"/x\"", "{\"version\":2,\"path\":\"/x\",\"text\":\"\"}"]
        {
            std::fs::write(dir.path().join(super::FILE), content).unwrap();
            assert_eq!(load(dir.path()), None, "{content}");
        }
    }

    #[test]
    fn the_state_directory_is_found_in_broken_text() {
        for (text, expected) in [
            ("", vec!["/srv/app/.renew"]),
            (
                "{\"state_dir\" : \"/var/lib/renew\", oops",
                vec!["/var/lib/renew", "/srv/app/.renew"],
            ),
            ("{\"state_dir\": \"s\"", vec!["/srv/app/s", "/srv/app/.renew"]),
            ("{\"repo\": {\"dir\": \"/srv/x\"},,", vec!["/srv/x/.renew", "/srv/app/.renew"]),
            ("{\"state_dir\": 5, \"x\": \"dir\"", vec!["/srv/app/.renew"]),
        ] {
            let found = likely_state_dirs(text.as_bytes(), Path::new("/srv/app/renew.json"));
            let expected: Vec<PathBuf> = expected.iter().map(PathBuf::from).collect();
            assert_eq!(found, expected, "{text}");
        }
    }
}
