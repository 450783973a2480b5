//! What the files of the working tree are as git objects. Reads them and writes nothing.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::objects::LINK;
use super::{Blob, Entry, Git, Kind};
use crate::problem::Problem;
use crate::sys::fs::Stamp;

/// Whether line ends and filters of git attributes apply to what is hashed.
#[derive(Debug, Clone, Copy)]
enum Hashed {
    Filtered,
    Raw,
}

/// What a file or a link of the working tree was found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OnDisk {
    /// Object id of its content.
    pub(super) oid: String,
    /// A file's, taken before it was read; none if it was written just before.
    stamp: Option<Stamp>,
}

impl OnDisk {
    /// Whether a file was not written since.
    pub(super) fn is_still(&self, path: &Path) -> bool {
        self.stamp.as_ref().is_some_and(|stamp| Stamp::of(path) == *stamp)
    }
}

impl Git<'_> {
    /// What files and links of the working tree are. Each comes with what it is expected
    /// to be: a file that is that blob to the byte counts as it, though git would store it with
    /// other line ends. What is neither a file nor a link is left out.
    pub(super) fn disk_oids<'p>(
        &self,
        wanted: &[(&'p OsStr, &Blob)],
    ) -> Result<BTreeMap<&'p OsStr, OnDisk>, Problem> {
        let (mut files, mut links) = (Vec::new(), Vec::new());
        for (name, expected) in wanted {
            let path = self.top.join(name);
            match path.symlink_metadata() {
                Ok(meta) if meta.is_file() => {
                    files.push((*name, *expected, Stamp::of_rested(&path)));
                }
                Ok(meta) if meta.is_symlink() => links.push((*name, *expected)),
                Ok(_) | Err(_) => {}
            }
        }
        let mut found = BTreeMap::new();
        self.look_into_files(files, &mut found)?;
        self.look_into_links(&links, &mut found)?;
        Ok(found)
    }

    fn look_into_files<'p>(
        &self,
        files: Vec<(&'p OsStr, &Blob, Option<Stamp>)>,
        into: &mut BTreeMap<&'p OsStr, OnDisk>,
    ) -> Result<(), Problem> {
        let names: Vec<&OsStr> = files.iter().map(|(name, _, _)| *name).collect();
        let filtered = self.hash_files(&names, Hashed::Filtered)?;
        let mut other = Vec::new();
        for ((name, expected, stamp), oid) in files.into_iter().zip(filtered) {
            if oid != expected.oid {
                other.push((name, expected));
            }
            into.insert(name, OnDisk { oid, stamp });
        }
        let names: Vec<&OsStr> = other.iter().map(|(name, _)| *name).collect();
        let raw = self.hash_files(&names, Hashed::Raw)?;
        for ((name, expected), oid) in other.iter().zip(raw) {
            if let Some(found) = into.get_mut(name).filter(|_| oid == expected.oid) {
                found.oid = oid;
            }
        }
        Ok(())
    }

    /// The object ids of files, in the order of their names.
    fn hash_files(&self, names: &[&OsStr], hashed: Hashed) -> Result<Vec<String>, Problem> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let args: &[&str] = match hashed {
            Hashed::Filtered => &["hash-object", "--stdin-paths"],
            Hashed::Raw => &["hash-object", "--stdin-paths", "--no-filters"],
        };
        let feed = names.iter().flat_map(|name| quoted_line(name.as_bytes())).collect();
        let text = self.check_fed(args, Some(feed))?.text();
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// A link's blob is the text of the link. All that are as expected cost one process together.
    fn look_into_links<'p>(
        &self,
        links: &[(&'p OsStr, &Blob)],
        into: &mut BTreeMap<&'p OsStr, OnDisk>,
    ) -> Result<(), Problem> {
        let expected: Vec<Entry> = links
            .iter()
            .filter(|(_, blob)| blob.mode == LINK)
            .map(|(_, blob)| Entry { kind: Kind::Link, oid: blob.oid.clone(), size: 0 })
            .collect();
        let known = self.contents(&expected.iter().collect::<Vec<_>>())?;
        for (name, blob) in links {
            let Ok(leads_to) = fs::read_link(self.top.join(name)) else { continue };
            let text = leads_to.as_os_str().as_bytes();
            let oid = if blob.mode == LINK && known.get(&blob.oid).is_some_and(|k| k == text) {
                blob.oid.clone()
            } else {
                let done = self.check_fed(&["hash-object", "--stdin"], Some(text.to_vec()))?;
                done.text().trim().to_owned()
            };
            into.insert(name, OnDisk { oid, stamp: None });
        }
        Ok(())
    }
}

/// A name as `git hash-object --stdin-paths` reads it: in C quotes, so that every byte may occur.
fn quoted_line(name: &[u8]) -> Vec<u8> {
    let mut line = vec![b'"'];
    for byte in name {
        match byte {
            b'\n' => line.extend_from_slice(b"\\n"),
            b'"' | b'\\' => line.extend_from_slice(&[b'\\', *byte]),
            _ => line.push(*byte),
        }
    }
    line.extend_from_slice(b"\"\n");
    line
}

#[cfg(test)]
mod tests {
    use super::quoted_line;

    #[test]
    fn names_are_quoted_for_git() {
        let cases = [("a b", "\"a b\"\n"), ("a\"\\", "\"a\\\"\\\\\"\n"), ("a\nb", "\"a\\nb\"\n")];
        for (name, expected) in cases {
            assert_eq!(quoted_line(name.as_bytes()), expected.as_bytes());
        }
    }
}
