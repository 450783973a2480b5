//! Everything a plan must not change, as text that can be compared: git directory, tree, state and
//! engine. It never looks at what belongs to another sandbox.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use super::Sandbox;
use super::engine::text;
use super::image::{LABEL, digest};

/// One line per file, container, image, network and volume.
#[derive(PartialEq, Eq)]
pub struct Snapshot(BTreeMap<String, String>);

impl Snapshot {
    /// What was added, removed and changed from `self` to `after`, one per line; empty if nothing.
    pub fn difference(&self, after: &Snapshot) -> String {
        let mut lines = Vec::new();
        for (name, value) in &self.0 {
            match after.0.get(name) {
                None => lines.push(format!("- {name}: {value}")),
                Some(other) if other != value => {
                    lines.push(format!("~ {name}: {value} -> {other}"));
                }
                Some(_) => {}
            }
        }
        for (name, value) in &after.0 {
            if !self.0.contains_key(name) {
                lines.push(format!("+ {name}: {value}"));
            }
        }
        lines.join("\n")
    }
}

/// Inode and times of change of files and folders, by path.
type Times = BTreeMap<String, (u64, i64, i64, i64, i64)>;

fn times(dir: &Path, found: &mut Times) {
    let Ok(about) = fs::symlink_metadata(dir) else { return };
    let at = (about.ino(), about.mtime(), about.mtime_nsec(), about.ctime(), about.ctime_nsec());
    found.insert(dir.display().to_string(), at);
    if about.is_dir() {
        for entry in fs::read_dir(dir).expect("a folder").flatten() {
            times(&entry.path(), found);
        }
    }
}

impl Sandbox {
    /// Fails if `doing` changes, adds or replaces any file or folder of the state or of the checkout.
    #[track_caller]
    pub fn writes_nothing(&self, doing: impl FnOnce()) {
        let look = || {
            let mut found = Times::new();
            times(&self.state(), &mut found);
            times(&self.host, &mut found);
            found
        };
        let before = look();
        doing();
        let after = look();
        let changed: Vec<_> =
            after.iter().filter(|(name, at)| before.get(*name) != Some(at)).collect();
        assert!(changed.is_empty() && before.len() == after.len(), "{changed:#?}");
    }

    /// Takes a snapshot.
    #[track_caller]
    pub fn snapshot(&self) -> Snapshot {
        let mut found = BTreeMap::new();
        files(&self.host, "tree", &mut found);
        files(&self.state(), "state", &mut found);
        for one in self.containers() {
            let facts = ["/Name", "/Image", "/State/Status", "/State/StartedAt"];
            let facts = facts.map(|pointer| text(&one, pointer));
            found.insert(format!("container {}", text(&one, "/Id")), facts.join(" "));
        }
        let label = format!("label={LABEL}={}", self.id);
        let image = "image {{.ID}} {{.Repository}}:{{.Tag}}@{{.Digest}}";
        let name = format!("name={}", self.id);
        let network = "network {{.ID}} {{.Name}}";
        let volume = "volume {{.Name}}";
        let lists = [
            self.docker(["images", "-a", "--digests", "--filter", &label, "--format", image]),
            self.docker(["network", "ls", "--filter", &name, "--format", network]),
            self.docker(["volume", "ls", "--filter", &name, "--format", volume]),
        ];
        for line in lists.iter().flat_map(|list| list.lines()) {
            found.insert(line.to_owned(), "there".to_owned());
        }
        Snapshot(found)
    }
}

/// `dir` and every file, folder and link below it, with mode and a hash of its content.
fn files(dir: &Path, name: &str, found: &mut BTreeMap<String, String>) {
    let (Ok(entries), Ok(about)) = (fs::read_dir(dir), fs::metadata(dir)) else { return };
    found.insert(format!("{name}/"), format!("{:o}", about.permissions().mode()));
    for entry in entries.flatten() {
        let path = entry.path();
        let name = format!("{name}/{}", entry.file_name().to_string_lossy());
        let Ok(about) = fs::symlink_metadata(&path) else { continue };
        let mode = about.permissions().mode();
        if about.is_dir() {
            files(&path, &name, found);
        } else if about.is_symlink() {
            let target = fs::read_link(&path).unwrap_or_default();
            found.insert(name, format!("link to {}", target.display()));
        } else if about.is_file() {
            let content = fs::read(&path).unwrap_or_default();
            found.insert(name, format!("{mode:o} {}", digest(&content)));
        } else {
            found.insert(name, format!("{mode:o}"));
        }
    }
}
