//! The target commit laid out in a private folder, so that compose can resolve it before anything
//! in the working tree has moved. Untracked files of the tree (`.env`, secrets) are linked in.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use crate::git::{Commit, Entry, Git, Kind, Listing, POINTER_BYTES_MAX, Unsupported, is_pointer};
use crate::problem::Problem;
use crate::sys::fs::TempDir;
use crate::sys::opened::OpenWatch;

/// Files larger than this are not laid out: no compose, env or include file comes near.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// A commit in a folder of its own.
pub struct Export {
    root: PathBuf,
    top: PathBuf,
    entries: BTreeMap<String, Entry>,
    folders: BTreeMap<String, String>,
    linked: Vec<(PathBuf, PathBuf)>,
    _space: TempDir,
}

/// What compose opened while it resolved.
#[derive(Debug, Default)]
pub struct Opened {
    /// Paths of the repository.
    pub tracked: BTreeSet<String>,
    /// Paths outside it, or untracked in it.
    pub untracked: BTreeSet<PathBuf>,
}

impl Export {
    /// Lays out `target` below `parent`. The folder has the name of the working tree's, because
    /// compose names a project after it.
    ///
    /// # Errors
    /// When git cannot read the commit or the files cannot be written.
    pub fn make(
        git: &Git<'_>,
        target: &Commit,
        parent: &Path,
        skip: &Path,
    ) -> Result<Export, Problem> {
        let fail = |cause: io::Error| {
            Problem::setup(
                "export",
                format!("cannot lay out the target below {}: {cause}", parent.display()),
                "free space there, or make it writable",
            )
        };
        let space = TempDir::create_in(parent).map_err(fail)?;
        let name = git.top().file_name().unwrap_or_else(|| "root".as_ref());
        let root = space.path().join(name);
        let Listing { entries, folders } = git.list(&target.tree)?;
        let mut export = Export {
            root,
            top: git.top().to_path_buf(),
            entries,
            folders,
            linked: Vec::new(),
            _space: space,
        };
        export.write(git, &target.tree).map_err(|error| match error {
            WriteError::Git(problem) => problem,
            WriteError::Io(cause) => fail(cause),
        })?;
        let tracked = git.tracked()?;
        export.link_untracked(&tracked, skip).map_err(fail)?;
        Ok(export)
    }

    /// Where the root of the repository is laid out.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What a path of the commit is.
    #[must_use]
    pub fn entry(&self, path: &str) -> Option<&Entry> {
        self.entries.get(path)
    }

    /// The object id of a file or folder of the commit.
    #[must_use]
    pub fn object(&self, path: &str) -> Option<&str> {
        self.entries
            .get(path)
            .map(|entry| &entry.oid)
            .or_else(|| self.folders.get(path))
            .map(|s| s.as_str())
    }

    /// The first thing below, at or above a path of the repository whose content git alone does not
    /// bring: it would be empty, or a pointer, for whoever uses the path.
    #[must_use]
    pub fn unsupported(&self, path: &str) -> Option<Unsupported> {
        let (path, below) =
            (Path::new(path), |one: &str, other: &Path| Path::new(one).starts_with(other));
        self.entries.iter().find_map(|(name, entry)| match entry.kind {
            Kind::Submodule if below(name, path) || path.starts_with(name) => {
                Some(Unsupported::Submodule(name.clone()))
            }
            Kind::File | Kind::Program if below(name, path) && self.is_pointer(name, entry) => {
                Some(Unsupported::LargeFile(name.clone()))
            }
            Kind::File | Kind::Program | Kind::Link | Kind::Submodule => None,
        })
    }

    /// The first submodule that a text names.
    #[must_use]
    pub fn submodule_named_in(&self, text: &str) -> Option<Unsupported> {
        let is_named = |name: &str| text.contains(&format!("{}/", self.root.join(name).display()));
        let submodules = self.entries.iter().filter(|(_, entry)| entry.kind == Kind::Submodule);
        let named = submodules.map(|(name, _)| name).find(|name| is_named(name));
        named.map(|name| Unsupported::Submodule(name.clone()))
    }

    fn is_pointer(&self, path: &str, entry: &Entry) -> bool {
        entry.size <= POINTER_BYTES_MAX
            && fs::read(self.root.join(path)).is_ok_and(|content| is_pointer(&content))
    }

    fn write(&self, git: &Git<'_>, tree: &str) -> Result<(), WriteError> {
        fs::create_dir_all(&self.root)?;
        for folder in self.folders.keys() {
            fs::create_dir_all(self.root.join(folder))?;
        }
        log::debug!("laying out tree {tree}: {} files", self.entries.len());
        let small = |entry: &&Entry| entry.kind != Kind::Submodule && entry.size <= FILE_BYTES_MAX;
        let wanted: Vec<&Entry> = self.entries.values().filter(small).collect();
        let contents = git.contents(&wanted).map_err(WriteError::Git)?;
        for (path, entry) in &self.entries {
            let Some(content) = contents.get(&entry.oid) else { continue };
            let place = self.root.join(path);
            match entry.kind {
                Kind::File => fs::write(&place, content)?,
                Kind::Program => write_program(&place, content)?,
                Kind::Link => symlink(self.link_target(path, content), &place)?,
                Kind::Submodule => {}
            }
        }
        Ok(())
    }

    /// A link that leaves the repository must lead where it leads from the real tree.
    fn link_target(&self, path: &str, content: &[u8]) -> PathBuf {
        let text = String::from_utf8_lossy(content).into_owned();
        let folder = Path::new(path).parent().unwrap_or_else(|| "".as_ref());
        let mut depth = i64::try_from(folder.components().count()).unwrap_or(i64::MAX);
        for part in Path::new(&text).components() {
            depth += if part == std::path::Component::ParentDir { -1 } else { 1 };
            if depth < 0 {
                return self.top.join(folder).join(text);
            }
        }
        PathBuf::from(text)
    }

    fn link_untracked(
        &mut self,
        tracked: &BTreeMap<String, String>,
        skip: &Path,
    ) -> io::Result<()> {
        let mut known: BTreeSet<PathBuf> = BTreeSet::new();
        for path in tracked.keys() {
            known.extend(Path::new(path).ancestors().map(Path::to_path_buf));
        }
        let folders: Vec<PathBuf> =
            std::iter::once(PathBuf::new()).chain(self.folders.keys().map(PathBuf::from)).collect();
        for folder in folders {
            let Ok(present) = fs::read_dir(self.top.join(&folder)) else { continue };
            for entry in present.flatten() {
                let path = folder.join(entry.file_name());
                let real = self.top.join(&path);
                let place = self.root.join(&path);
                let ours = path == Path::new(".git") || real == skip;
                if ours || known.contains(&path) || place.symlink_metadata().is_ok() {
                    continue;
                }
                symlink(&real, &place)?;
                self.linked.push((place, real));
            }
        }
        Ok(())
    }

    /// Begins to watch what is opened here and behind the links.
    ///
    /// # Errors
    /// When the limits of inotify(7) do not allow it.
    pub fn watch(&self) -> io::Result<OpenWatch> {
        let mut watch = OpenWatch::start()?;
        watch.add(&self.root)?;
        for folder in self.folders.keys() {
            watch.add(&self.root.join(folder))?;
        }
        for (_, real) in &self.linked {
            // What cannot be watched cannot be read by compose either, or is a dangling link.
            let _ = watch.add(real);
        }
        Ok(watch)
    }

    /// Sorts what was opened.
    #[must_use]
    pub fn sort(&self, opened: &BTreeSet<PathBuf>) -> Opened {
        let mut sorted = Opened::default();
        for path in opened {
            match path.strip_prefix(&self.root) {
                Ok(inside) => {
                    let inside = inside.to_string_lossy().into_owned();
                    if self.entries.contains_key(&inside) {
                        sorted.tracked.insert(inside);
                    }
                }
                Err(_) if path.is_file() => {
                    sorted.untracked.insert(path.clone());
                }
                Err(_) => {}
            }
        }
        sorted
    }

    /// What compose may have opened when the watch could not tell: every YAML and env file.
    #[must_use]
    pub fn anything_readable(&self) -> Opened {
        let readable = |path: &str| {
            let name = path.rsplit('/').next().unwrap_or(path);
            name.ends_with(".yml") || name.ends_with(".yaml") || name.contains("env")
        };
        let tracked = self.entries.keys().filter(|path| readable(path)).cloned().collect();
        let untracked = self
            .linked
            .iter()
            .map(|(_, real)| real)
            .filter(|real| real.is_file() && readable(&real.to_string_lossy()))
            .cloned()
            .collect();
        Opened { tracked, untracked }
    }
}

/// Writes a file that its owner, and nobody else, may run.
///
/// # Errors
/// What open(2) and write(2) say.
pub fn write_program(place: &Path, content: &[u8]) -> io::Result<()> {
    fs::write(place, content)?;
    fs::set_permissions(place, fs::Permissions::from_mode(0o700))
}

/// Writing needs both git and the file system.
enum WriteError {
    Git(Problem),
    Io(io::Error),
}

impl From<io::Error> for WriteError {
    fn from(cause: io::Error) -> Self {
        WriteError::Io(cause)
    }
}
