//! The secret env file beside the repository: read once a run, when nobody is writing it. Its content
//! goes to compose in a private copy and nowhere else; what is remembered is a hash.

use std::borrow::Cow;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Host;
use super::model::sha256_of;
use crate::docker::dotenv::assignments;
use crate::problem::Problem;
use crate::sys::clock::Clock;
use crate::sys::exec::Cancel;
use crate::sys::fs::{Stamp, TempDir, read_bounded, replace};

/// No env file is larger.
pub const BYTES_MAX: u64 = 1 << 20;
/// A file that changed less than this ago may be half written.
const QUIET: Duration = Duration::from_secs(1);
/// How long a file that is being written is waited for.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often it is looked at meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(100);

const STAYS: &str = "until then what runs stays as it is, and what has stopped is still started";

/// The secret env file of a service, as one run sees it.
#[derive(Clone)]
pub enum Env {
    /// None is configured.
    None,
    /// It was read.
    Read(EnvFile),
    /// It cannot be read: nothing is known of it.
    Lost,
}

/// An env file that was read. Has no `Debug`: its content must not be said.
#[derive(Clone)]
pub struct EnvFile {
    path: PathBuf,
    content: Vec<u8>,
    sha256: String,
}

/// A copy for compose. It is gone when this is.
pub struct PrivateCopy {
    path: PathBuf,
    _folder: TempDir,
}

impl PrivateCopy {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Env {
    /// Reads the configured file, if one is. Waits a little for one that is being written.
    ///
    /// # Errors
    /// When it is missing, cannot be read, does not come to rest, or says what only renew may say;
    /// when we are asked to stop. The message never quotes it.
    pub fn read(path: Option<&Path>, host: &Host<'_>) -> Result<Env, Problem> {
        let Some(path) = path else { return Ok(Env::None) };
        let content = at_rest(path, host.clock, &host.cancel)?;
        refuse_compose_keys(path, &String::from_utf8_lossy(&content))?;
        let sha256 = sha256_of(&content);
        Ok(Env::Read(EnvFile { path: path.to_path_buf(), content, sha256 }))
    }

    /// Whether one is configured and cannot be read.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        matches!(self, Env::Lost)
    }

    /// SHA-256 of its content.
    #[must_use]
    pub fn sha256(&self) -> Option<&str> {
        match self {
            Env::Read(file) => Some(&file.sha256),
            Env::None | Env::Lost => None,
        }
    }

    /// Its content, for hiding it in messages.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Env::Read(file) => String::from_utf8_lossy(&file.content),
            Env::None | Env::Lost => Cow::Borrowed(""),
        }
    }

    /// Where it is, when it was read.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Env::Read(file) => Some(&file.path),
            Env::None | Env::Lost => None,
        }
    }

    /// Lays the content out for compose: what it reads is what was hashed, whatever happens to the
    /// file meanwhile.
    ///
    /// # Errors
    /// When it cannot be written below `temp`.
    pub fn copy_below(&self, temp: &Path) -> Result<Option<PrivateCopy>, Problem> {
        let Env::Read(file) = self else { return Ok(None) };
        let copy = || {
            let folder = TempDir::create_in(temp)?;
            let path = folder.path().join("env");
            replace(&path, &file.content)?;
            io::Result::Ok(PrivateCopy { path, _folder: folder })
        };
        copy().map(Some).map_err(|cause| {
            let message = format!("cannot write below {}: {cause}", temp.display());
            Problem::setup("temp_dir", message, "free space or make it writable")
        })
    }

    /// A complaint of compose in terms of the file instead of its copy.
    #[must_use]
    pub fn blame(&self, copy: Option<&PrivateCopy>, problem: Problem) -> Problem {
        let (Env::Read(file), Some(copy)) = (self, copy) else { return problem };
        let (copy, real) = (copy.path.to_string_lossy(), file.path.to_string_lossy());
        if !problem.message.contains(copy.as_ref()) {
            return problem;
        }
        let message = problem.message.replace(copy.as_ref(), &real);
        Problem::setup("env_file_syntax", message, format!("mend {real}; {STAYS}"))
    }
}

/// The content of a file that nobody is writing: it has not changed for a moment, or its content
/// stays the same for one.
fn at_rest(path: &Path, clock: &dyn Clock, cancel: &Cancel) -> Result<Vec<u8>, Problem> {
    let begin = clock.monotonic();
    let (mut last, mut since) = (None, begin);
    loop {
        let before = Stamp::of(path);
        let read = read_bounded(path, BYTES_MAX);
        let elapsed = clock.monotonic();
        match read {
            // It was there a moment ago: whoever writes it puts another one in its place.
            Err(cause) if cause.kind() == io::ErrorKind::NotFound && last.is_some() => {
                since = elapsed
            }
            Err(cause) => return Err(unreadable(path, &cause)),
            Ok(content) => {
                let calm = Stamp::of(path) == before && !changed_just_now(&before, clock);
                let same = last.as_ref() == Some(&content);
                if calm || same && elapsed.saturating_sub(since) >= QUIET {
                    return Ok(content);
                }
                if !same {
                    (last, since) = (Some(content), elapsed);
                }
            }
        }
        if elapsed.saturating_sub(begin) >= PATIENCE {
            return Err(Problem::setup(
                "env_file_changing",
                format!("the env file {} is being written all the time", path.display()),
                format!("write it beside and rename it over; {STAYS}"),
            ));
        }
        if cancel.is_set() {
            return Err(Problem::interrupted());
        }
        clock.sleep(LOOK_EVERY);
    }
}

/// By the wall clock. A time far in the future tells of a clock that was set back, not of a writer.
fn changed_just_now(stamp: &Stamp, clock: &dyn Clock) -> bool {
    let Stamp::Present { changed_ns, .. } = stamp else { return false };
    let now_ns = clock.now().timestamp_nanos_opt().unwrap_or_default();
    Duration::from_nanos(now_ns.abs_diff(*changed_ns)) < QUIET
}

fn unreadable(path: &Path, cause: &io::Error) -> Problem {
    let shown = path.display();
    if cause.kind() != io::ErrorKind::NotFound {
        return Problem::setup(
            "env_file_unreadable",
            format!("cannot read the env file {shown}: {cause}"),
            format!("make it a file of at most 1 MiB that renew may read; {STAYS}"),
        );
    }
    let message = match fs::read_link(path) {
        Ok(to) => format!("the env file {shown} is a link to {}: nothing is there", to.display()),
        Err(_) => format!("the env file {shown} is not there"),
    };
    let resolution = format!("put it back, or take env_file out of renew.json; {STAYS}");
    Problem::setup("env_file_missing", message, resolution)
}

/// `COMPOSE_FILE` and its like would make compose do something else than it is asked for.
fn refuse_compose_keys(path: &Path, text: &str) -> Result<(), Problem> {
    let all = assignments(text);
    let ours = all.iter().filter(|one| one.key.starts_with("COMPOSE_"));
    let named: Vec<String> = ours.map(|one| format!("{} (line {})", one.key, one.line)).collect();
    if named.is_empty() {
        return Ok(());
    }
    Err(Problem::setup(
        "env_file_compose",
        format!("the env file {} sets {}", path.display(), named.join(", ")),
        format!(
            "take it out: renew.json has compose_files, profiles and compose_project_name; {STAYS}"
        ),
    ))
}

#[cfg(test)]
mod tests;
