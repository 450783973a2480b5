//! A damaged repository, as power loss leaves it: what can be had from the remote again is added.
//! Never removes an object of which there is no good copy, a reference that says something, or a file
//! of the working tree.

use std::fs;
use std::io;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use super::{Git, is_id};
use crate::gather::sort_by_key;
use crate::problem::Problem;
use crate::sys::fs::{TempDir, create_private_dir, sweep_dead};

/// The reason of a problem with damaged objects, references or index.
const CORRUPT: &str = "git_corrupt";

/// What git says of damage (object-file.c, packfile.c, read-cache.c, refs.c of git).
const DAMAGE: [&str; 13] = [
    "is corrupt",
    "index file corrupt",
    "index file smaller than expected",
    "bad signature 0x",
    "inflate: data stream error",
    "does not match index",
    "is far too short to be a packfile",
    "unable to read tree",
    "unable to read sha1 file",
    "bad tree object",
    "bad object refs/",
    "reference broken",
    "failed to traverse parents",
];

impl Git<'_> {
    /// Does some work. When it is stopped by damage, fetches the branch anew into a place beside,
    /// adds its objects to the repository, and does the work once more. The caller holds
    /// `renew.lock`.
    ///
    /// # Errors
    /// What the work says; `git_corrupt` with the commands to run when it is stopped again.
    pub fn past_damage<T>(
        &self,
        remote: &str,
        branch: &str,
        mut work: impl FnMut(&Self) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        let problem = match work(self) {
            Err(problem) if problem.reason == CORRUPT => problem,
            outcome => return outcome,
        };
        log::warn!("{}; fetching {branch} anew beside it", problem.message);
        self.mend(remote, branch).map_err(|mending| {
            let why = &mending.message;
            let message = format!("{}; it could not be mended: {why}", problem.message);
            problem.clone().saying(message)
        })?;
        log::warn!("added what {remote} has of {branch} to {}", self.top.display());
        work(self)
    }

    fn mend(&self, remote: &str, branch: &str) -> Result<(), Problem> {
        let common = self.common_dir();
        let fail = |cause: io::Error| {
            Problem::setup(
                "git_failed",
                format!("cannot write in {}: {cause}", common.display()),
                "check the disk",
            )
        };
        let place = Place::in_dir(&common).map_err(fail)?;
        if let Some(identity) = &self.identity {
            for path in [&place.dir, place.temp.path()] {
                chown(path, Some(identity.uid), Some(identity.gid)).map_err(fail)?;
            }
        }
        let fresh = self.fetch_anew(place.temp.path(), &common, remote, branch)?;
        let all = ["cat-file", "--batch-all-objects", "--batch-check=%(objectname)"];
        let known = fresh.check(&all)?.text();
        let objects = common.join("objects");
        add_packs(&fresh.git_dir.join("objects/pack"), &objects.join("pack")).map_err(fail)?;
        for id in known.lines().filter(|id| is_id(id)) {
            // The pack that just came has it, checked; a loose copy may be the damaged one.
            let _ = fs::remove_file(objects.join(&id[..2]).join(&id[2..]));
        }
        let tracking = common.join("refs/remotes").join(remote).join(branch);
        if fs::metadata(&tracking).is_ok_and(|meta| meta.len() == 0) {
            // It says nothing, and the next fetch writes it.
            fs::remove_file(&tracking).map_err(fail)?;
        }
        self.mend_damaged_index()
    }

    /// Fetches all of the branch into a fresh repository that has the settings of this one.
    fn fetch_anew(
        &self,
        dir: &Path,
        common: &Path,
        remote: &str,
        branch: &str,
    ) -> Result<Self, Problem> {
        self.may_ask()?;
        let mut fresh = self.clone();
        fresh.top = dir.to_path_buf();
        fresh.git_dir = dir.join(".git");
        fresh.check(&["init", "--quiet", "--template=", "."])?;
        let copied = fs::read(common.join("config"))
            .and_then(|text| fs::write(fresh.git_dir.join("config"), text));
        copied.map_err(|cause| {
            Problem::setup(
                "git_failed",
                format!("cannot copy {}: {cause}", common.join("config").display()),
                "check the disk",
            )
        })?;
        // One pack: its objects are checked on the way in, and it is found before loose objects.
        let keep = ["-c", "fetch.unpackLimit=1", "-c", "core.fsync=all"];
        let args = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--", remote];
        let refspec = format!("+refs/heads/{branch}:refs/remotes/{remote}/{branch}");
        let done = fresh
            .run(&[&keep[..], &args, &[&refspec]].concat())
            .map_err(|problem| fresh.naming(remote, problem))?;
        match done.ok() {
            true => Ok(fresh),
            false => Err(fresh.unreachable(&fresh.called(remote), branch, &done)),
        }
    }

    /// Sets an index that git cannot read aside, and makes one of what is checked out.
    fn mend_damaged_index(&self) -> Result<(), Problem> {
        if self.run(&["ls-files", "-z", "--", "."])?.ok() {
            return Ok(());
        }
        let index = self.git_dir.join("index");
        // Nothing to set aside is fine: then it is missing.
        let _ = fs::rename(&index, self.git_dir.join("index.damaged"));
        self.check(&["read-tree", "HEAD"])?;
        Ok(())
    }

    /// The problem of damage, if a complaint is about some.
    pub(super) fn damage(&self, verb: &str, complaint: &str) -> Option<Problem> {
        DAMAGE.iter().any(|words| complaint.contains(words)).then(|| self.damaged(verb, complaint))
    }

    /// The problem of damage, with the way out by hand.
    pub(super) fn damaged(&self, verb: &str, complaint: &str) -> Problem {
        let top = self.top.display();
        let complaint: Vec<&str> = complaint.lines().take(3).collect();
        Problem::setup(
            "git_corrupt",
            format!("the repository in {top} is damaged: git {verb}: {}", complaint.join(", ")),
            format!(
                "as the owner of the tree: `git clone --no-checkout URL {top}.new`, \
                 `mv {top}/.git {top}/.git.damaged`, `mv {top}.new/.git {top}/.git`, \
                 `git -C {top} reset`; files stay as they are, and refs/renew/saved in .git.damaged"
            ),
        )
    }
}

/// A place for a fresh repository, inside of the one to mend and gone when dropped.
struct Place {
    dir: PathBuf,
    temp: TempDir,
}

impl Place {
    fn in_dir(common: &Path) -> io::Result<Place> {
        let dir = common.join("renew-mend");
        create_private_dir(&dir)?;
        sweep_dead(&dir)?;
        let temp = TempDir::create_in(&dir)?;
        Ok(Place { dir, temp })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Moves packs over; a pack counts from the moment that its `.idx` is there.
fn add_packs(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    let mut files: Vec<PathBuf> =
        fs::read_dir(from)?.map(|entry| entry.map(|e| e.path())).collect::<Result<_, _>>()?;
    sort_by_key(&mut files, |path| path.extension().is_some_and(|ext| ext == "idx"));
    for file in files {
        if let Some(name) = file.file_name() {
            fs::rename(&file, to.join(name))?;
        }
    }
    fs::File::open(to)?.sync_all()
}
