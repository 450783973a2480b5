//! Reading trees and files out of the object store. Never touches the working tree.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use super::Git;
use crate::gather::Gather;
use crate::problem::Problem;

/// What a tree entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A regular file that may be executed.
    Program,
    /// A symbolic link.
    Link,
    /// A commit of another repository.
    Submodule,
}

/// What a path is in a commit or in the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// Mode, in git's six digits.
    pub mode: String,
    /// Object id of its content.
    pub oid: String,
}

/// What the index has.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Its paths; one with a conflict stands for one of its sides.
    pub(super) paths: BTreeMap<OsString, Blob>,
    /// A path with a merge conflict, if there is one.
    pub(super) conflict: Option<OsString>,
}

/// One path of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// Object id of its content.
    pub oid: String,
    /// Its size in bytes; 0 for a submodule.
    pub size: u64,
}

// Modes, as git-fast-import(1) lists them.
const FOLDER: &str = "040000";
const PROGRAM: &str = "100755";
pub(super) const LINK: &str = "120000";
pub(super) const SUBMODULE: &str = "160000";

/// How much is asked of one `git cat-file`, in bytes.
const BATCH_BYTES_MAX: u64 = 32 << 20;

/// What a tree has, by path from the root of the repository.
#[derive(Debug, Default)]
pub struct Listing {
    /// Its files, links and submodules.
    pub entries: BTreeMap<String, Entry>,
    /// The object ids of its folders, and of its submodules, which are folders on disk.
    pub folders: BTreeMap<String, String>,
}

impl Git<'_> {
    /// All paths of a tree.
    ///
    /// # Errors
    /// When git cannot read the tree.
    pub fn list(&self, tree: &str) -> Result<Listing, Problem> {
        let done = self.check(&["ls-tree", "-r", "-t", "-z", "-l", "--full-tree", tree])?;
        Ok(parse_list(&done.stdout))
    }

    /// The paths of the index, with their object ids.
    ///
    /// # Errors
    /// When git cannot read the index.
    pub fn tracked(&self) -> Result<BTreeMap<String, String>, Problem> {
        let path = |(name, blob): (OsString, Blob)| (name.to_string_lossy().into_owned(), blob.oid);
        Ok(self.index()?.paths.into_iter().map(path).gather())
    }

    /// The index, its names to the byte.
    pub(super) fn index(&self) -> Result<Index, Problem> {
        Ok(parse_index(&self.check(&["ls-files", "-s", "-z"])?.stdout))
    }

    /// The contents of several objects.
    ///
    /// # Errors
    /// When git cannot read one of them.
    pub fn contents(&self, wanted: &[&Entry]) -> Result<BTreeMap<String, Vec<u8>>, Problem> {
        let mut contents = BTreeMap::new();
        let mut batch: Vec<&str> = Vec::new();
        let mut bytes = 0;
        for entry in wanted {
            if bytes + entry.size > BATCH_BYTES_MAX && !batch.is_empty() {
                self.read_batch(&batch, &mut contents)?;
                batch.clear();
                bytes = 0;
            }
            bytes += entry.size;
            batch.push(&entry.oid);
        }
        if !batch.is_empty() {
            self.read_batch(&batch, &mut contents)?;
        }
        Ok(contents)
    }

    /// The content of one path of a commit, if it has that path.
    ///
    /// # Errors
    /// When git cannot be run.
    pub fn content_at(&self, commit: &str, path: &str) -> Result<Option<Vec<u8>>, Problem> {
        let done = self.run(&["cat-file", "blob", &format!("{commit}:{path}")])?;
        Ok(done.ok().then_some(done.stdout))
    }

    /// Who wrote a commit, and the first line of its message.
    ///
    /// # Errors
    /// When git cannot read it.
    pub fn about(&self, commit: &str) -> Result<(String, String), Problem> {
        let done =
            self.check(&["show", "-s", "--no-show-signature", "--format=%an%x00%s", commit])?;
        let text = String::from_utf8_lossy(&done.stdout);
        let (author, subject) = text.trim_end().split_once('\0').unwrap_or_default();
        Ok((author.to_owned(), subject.to_owned()))
    }

    fn read_batch(
        &self,
        oids: &[&str],
        into: &mut BTreeMap<String, Vec<u8>>,
    ) -> Result<(), Problem> {
        let mut feed = oids.join("\n").into_bytes();
        feed.push(b'\n');
        let done = self.check_fed(&["cat-file", "--batch"], Some(feed))?;
        // It is asked for what a tree names: an object that is not there was lost.
        parse_batch(&done.stdout, into).ok_or_else(|| {
            self.damaged("cat-file", "it did not give every object it was asked for")
        })
    }
}

/// Records of `<mode> <oid> <stage>\t<path>\0`; every stage but 0 is a side of a conflict.
fn parse_index(bytes: &[u8]) -> Index {
    let mut index = Index::default();
    for record in bytes.split(|byte| *byte == 0) {
        let Some(tab) = record.iter().position(|byte| *byte == b'\t') else { continue };
        let head = String::from_utf8_lossy(&record[..tab]);
        let [mode, oid, stage] = head.split(' ').collect::<Vec<_>>()[..] else { continue };
        let name = OsStr::from_bytes(&record[tab + 1..]).to_owned();
        if stage != "0" {
            index.conflict.get_or_insert_with(|| name.clone());
        }
        index.paths.insert(name, Blob { mode: mode.to_owned(), oid: oid.to_owned() });
    }
    index
}

/// Records of `<mode> <type> <oid> <size>\t<path>\0`.
fn parse_list(bytes: &[u8]) -> Listing {
    let text = String::from_utf8_lossy(bytes);
    let (mut entries, mut folders) = (Vec::new(), Vec::new());
    for record in text.split('\0') {
        let Some((head, path)) = record.split_once('\t') else { continue };
        let fields: Vec<&str> = head.split_whitespace().collect();
        let [mode, _, oid, size] = fields[..] else { continue };
        if matches!(mode, FOLDER | SUBMODULE) {
            folders.push((path.to_owned(), oid.to_owned()));
        }
        let kind = match mode {
            FOLDER => continue,
            PROGRAM => Kind::Program,
            LINK => Kind::Link,
            SUBMODULE => Kind::Submodule,
            _ => Kind::File,
        };
        let size = size.parse().unwrap_or(0);
        entries.push((path.to_owned(), Entry { kind, oid: oid.to_owned(), size }));
    }
    Listing { entries: entries.into_iter().gather(), folders: folders.into_iter().gather() }
}

/// Records of `<oid> <type> <size>\n<content>\n`; a missing object is `<oid> missing\n`.
fn parse_batch(mut bytes: &[u8], into: &mut BTreeMap<String, Vec<u8>>) -> Option<()> {
    while !bytes.is_empty() {
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        let head = std::str::from_utf8(&bytes[..end]).ok()?;
        let fields: Vec<&str> = head.split(' ').collect();
        let [oid, _, size] = fields[..] else { return None };
        let size: usize = size.parse().ok()?;
        let content = bytes.get(end + 1..end + 1 + size)?;
        into.insert(oid.to_owned(), content.to_vec());
        bytes = bytes.get(end + 2 + size..)?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::{Kind, parse_batch, parse_index, parse_list};
    use std::collections::BTreeMap;

    #[test]
    fn tree_listings_are_read() {
        let text = "100644 blob aa      12\ta b.yml\x00120000 blob bb       3\tlink\0\
                    160000 commit cc       -\tsub\x00040000 tree ee       -\tdir\0\
                    100755 blob dd 5\tdir/run\twith tab\0";
        let listing = parse_list(text.as_bytes());
        let folders: Vec<_> = listing.folders.iter().map(|(p, o)| format!("{p} {o}")).collect();
        assert_eq!(folders, ["dir ee", "sub cc"]);
        let list = listing.entries;
        assert_eq!(list.len(), 4);
        assert_eq!(list["a b.yml"].size, 12);
        assert_eq!(list["link"].kind, Kind::Link);
        assert_eq!(list["sub"].kind, Kind::Submodule);
        assert_eq!(list["dir/run\twith tab"].oid, "dd");
        assert_eq!(list["dir/run\twith tab"].kind, Kind::Program);
    }

    #[test]
    fn the_index_is_read() {
        let index = parse_index(b"100644 aa 0\ta\tb\x00100644 bb 2\tc\x00100644 cc 3\tc\0");
        let names: Vec<_> = index.paths.keys().collect();
        assert_eq!(names, ["a\tb", "c"]);
        assert_eq!(index.paths["a\tb".as_ref() as &std::ffi::OsStr].oid, "aa");
        assert_eq!(index.conflict, Some("c".into()));
        assert_eq!(parse_index(b"").conflict, None);
    }

    #[test]
    fn object_batches_are_read_to_the_byte() {
        let mut found = BTreeMap::new();
        let text = b"aa blob 3\na\nb\nbb blob 0\n\n";
        assert_eq!(parse_batch(text, &mut found), Some(()));
        assert_eq!(found["aa"], b"a\nb");
        assert_eq!(found["bb"], b"");
        assert_eq!(parse_batch(b"cc missing\n", &mut found), None);
        assert_eq!(parse_batch(b"aa blob 9\nshort", &mut found), None);
    }
}
