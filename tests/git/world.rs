//! A world for one story: a bare remote, a clone where somebody develops, a clone on the host.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use renew::git::{Commit, Git, Move, Moves};
use renew::problem::Problem;
use renew::sys::exec::{Done, Exec, ExecError, Job, SystemExec};

/// Everything in a folder: kind, mode, times and content of every path, links not followed.
pub type Snapshot = BTreeMap<PathBuf, (u32, i64, i64, Vec<u8>)>;

/// The repositories of one story; gone when dropped.
pub struct World {
    /// Holds it all.
    pub root: tempfile::TempDir,
    /// The bare repository that both clones know as `origin`.
    pub remote: PathBuf,
    /// Where commits are made.
    pub dev: PathBuf,
    /// Where renew works.
    pub host: PathBuf,
    /// Runs and lists what renew starts.
    pub exec: Watched,
}

/// Runs real processes and keeps their command lines.
#[derive(Default)]
pub struct Watched {
    system: SystemExec,
    lines: Mutex<Vec<String>>,
}

impl Exec for Watched {
    fn run(&self, job: &Job) -> Result<Done, ExecError> {
        self.lines.lock().unwrap().push(job.command_line());
        self.system.run(job)
    }
}

impl Watched {
    /// How many processes were started since the last call.
    pub fn count(&self) -> usize {
        self.take().len()
    }

    /// The processes that were started since the last call, as command lines.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.lines.lock().unwrap())
    }
}

impl World {
    /// A world whose first commit has these files.
    pub fn with(files: &[(&str, &str)]) -> World {
        let root = tempfile::Builder::new().prefix("renew git ").tempdir().unwrap();
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let at = |name: &str| root.path().join(name);
        let world = World {
            remote: at("remote.git"),
            dev: at("dev"),
            host: at("host"),
            root,
            exec: Watched::default(),
        };
        fs::create_dir(world.root.path().join("home")).unwrap();
        let top = world.root.path().to_path_buf();
        world.git(&top, &["init", "-q", "--bare", "-b", "main", "remote.git"]);
        world.git(&top, &["init", "-q", "-b", "main", "dev"]);
        world.git(&world.dev, &["remote", "add", "origin", "../remote.git"]);
        world.publish(files);
        world.git(&top, &["clone", "-q", "remote.git", "host"]);
        world
    }

    /// Runs git as a person would, and gives what it says.
    pub fn git(&self, dir: &Path, args: &[&str]) -> String {
        let home = self.root.path().join("home");
        let mut job = Job::new("git", Duration::from_secs(60))
            .env("PATH", renew::sys::env::search_path())
            .env("HOME", home)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .args(["-c", "protocol.file.allow=always", "-c", "core.safecrlf=false"])
            .args(args);
        for who in ["AUTHOR", "COMMITTER"] {
            job = job
                .env(format!("GIT_{who}_NAME"), "Ada")
                .env(format!("GIT_{who}_EMAIL"), "ada@example.org")
                .env(format!("GIT_{who}_DATE"), "2024-02-29T12:00:00Z");
        }
        job.cwd = Some(dir.to_path_buf());
        let done = SystemExec::default().run(&job).expect("git runs");
        assert!(done.ok(), "git {args:?} in {}: {}", dir.display(), done.complaint());
        done.text().trim_end().to_owned()
    }

    /// Writes files in the developer's clone, and publishes all that changed there.
    pub fn publish(&self, files: &[(&str, &str)]) -> String {
        for (path, text) in files {
            write(&self.dev.join(path), text);
        }
        self.publish_tree()
    }

    /// Publishes the developer's tree as it is.
    pub fn publish_tree(&self) -> String {
        self.git(&self.dev, &["add", "-A"]);
        self.git(&self.dev, &["commit", "-q", "--allow-empty", "-m", "change"]);
        self.git(&self.dev, &["push", "-q", "--force", "origin", "HEAD:main"]);
        self.git(&self.dev, &["rev-parse", "HEAD"])
    }

    /// Removes paths in the developer's clone, not yet published.
    pub fn remove(&self, paths: &[&str]) {
        for path in paths {
            self.git(&self.dev, &["rm", "-q", "-r", "--", path]);
        }
    }

    /// The host's clone, as renew opens it.
    pub fn open(&self) -> Git<'_> {
        self.open_at(&self.host)
    }

    /// Another clone, as renew opens it.
    pub fn open_at(&self, dir: &Path) -> Git<'_> {
        Git::open(dir, Duration::from_secs(60), &self.exec).expect("a repository")
    }

    /// Fetches and gives the commit of the remote branch.
    pub fn fetched(&self) -> Commit {
        let git = self.open();
        git.fetch("origin", "main").expect("a fetch");
        git.standing("origin", "main").unwrap().upstream.expect("an upstream")
    }

    /// Paths in which the host differs from what the remote has, as of the last fetch.
    pub fn differing(&self) -> Vec<String> {
        let git = self.open();
        let target = git.standing("origin", "main").unwrap().upstream.unwrap();
        git.differences(&target).unwrap().into_iter().map(|change| change.path).collect()
    }

    /// Fetches, and moves every path.
    pub fn follow(&self) -> Result<Option<String>, Problem> {
        self.follow_but(&[])
    }

    /// Fetches, and moves every path that is not below one of these.
    pub fn follow_but(&self, held: &[&str]) -> Result<Option<String>, Problem> {
        let target = self.fetched();
        let git = self.open();
        let standing = git.standing("origin", "main").unwrap();
        let changes = git.differences(&target).unwrap();
        let stays = |change: &&Move| held.iter().any(|h| Path::new(&change.path).starts_with(h));
        let (held, moving) = changes.iter().partition(stays);
        git.follow(&Moves { from: &standing, target: &target, moving, held, save_as: "T" })
    }

    /// Follows everything, which must leave nothing to do, nothing saved and a clean status.
    pub fn settle(&self) {
        assert_eq!(self.follow().unwrap(), None, "something was saved");
        self.assert_settled();
    }

    /// Host and remote are the same, for renew and for git.
    pub fn assert_settled(&self) {
        assert_eq!(self.differing(), Vec::<String>::new());
        assert_eq!(self.git(&self.host, &["status", "--porcelain"]), "");
        let [ours, theirs] =
            ["HEAD", "origin/main"].map(|r| self.git(&self.host, &["rev-parse", r]));
        assert_eq!(ours, theirs);
        self.git(&self.host, &["fsck", "--no-dangling"]);
    }

    /// A file of the host.
    pub fn read(&self, path: &str) -> String {
        let path = self.host.join(path);
        fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    /// Writes a file of the host.
    pub fn write(&self, path: &str, text: &str) {
        write(&self.host.join(path), text);
    }

    /// Whether the host has something at a path.
    pub fn has(&self, path: &str) -> bool {
        self.host.join(path).symlink_metadata().is_ok()
    }
}

/// Writes a file, and the folders above it.
pub fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Takes down all that is in a folder.
pub fn snapshot(dir: &Path) -> Snapshot {
    let mut found = Snapshot::new();
    let mut open = vec![dir.to_path_buf()];
    while let Some(path) = open.pop() {
        let meta = path.symlink_metadata().unwrap();
        let content = if meta.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            Vec::new()
        } else if meta.is_symlink() {
            fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
        } else {
            fs::read(&path).unwrap()
        };
        found.insert(path, (meta.mode(), meta.mtime(), meta.mtime_nsec(), content));
    }
    found
}

/// Fails with the paths in which two snapshots differ.
pub fn assert_same(before: &Snapshot, after: &Snapshot) {
    let paths: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let changed: Vec<_> = paths.into_iter().filter(|p| before.get(*p) != after.get(*p)).collect();
    assert!(changed.is_empty(), "changed: {changed:?}");
}
