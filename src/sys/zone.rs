//! The time zone of this host, looked up the way chrono does. Never sets it: it only says whether
//! chrono's `Local` will mean what the operator meant, because chrono falls back to UTC silently.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

mod posix;

use posix::Hours;

/// Where zone data may be, in chrono's order.
const DIRECTORIES: &[&str] =
    &["usr/share/zoneinfo", "share/zoneinfo", "etc/zoneinfo", "usr/share/lib/zoneinfo"];

/// Why local time would not be local time.
#[derive(Debug)]
pub enum ZoneError {
    /// `TZ` is neither a zone that is installed nor a POSIX rule.
    Unknown {
        /// The value of `TZ`.
        value: String,
    },
    /// The zone this host is set to has no data.
    Missing {
        /// What names the zone: a path, or the name itself.
        name: String,
    },
    /// There is data, but it cannot be used.
    Unusable {
        /// The file with the data.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

impl fmt::Display for ZoneError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ZoneError::Unknown { value } => write!(
                out,
                "TZ is set to `{value}`, which is no time zone known here; set it to a name such \
                 as `Europe/Rome`, install the package tzdata, or unset TZ"
            ),
            ZoneError::Missing { name } => write!(
                out,
                "this host is set to the time zone `{name}`, whose data is not installed; install \
                 the package tzdata, or set TZ=UTC to run in UTC"
            ),
            ZoneError::Unusable { path, why } => write!(
                out,
                "the time zone data in {} cannot be used: {why}; install the package tzdata again, \
                 or set TZ=UTC to run in UTC",
                path.display()
            ),
        }
    }
}

impl std::error::Error for ZoneError {}

/// The name of the time zone in force: the value of `TZ`, else what `/etc/localtime` points to. A
/// host with neither runs in UTC (localtime(5)).
///
/// # Errors
/// When chrono would fall back to UTC although something else was asked for, and when the data
/// ends at some date instead of giving a rule for the time after it, which chrono does not survive.
#[expect(clippy::disallowed_methods, reason = "an empty TZ means UTC, unlike an unset one")]
pub fn check() -> Result<String, ZoneError> {
    check_below(std::env::var_os("TZ"), Path::new("/"))
}

fn check_below(value: Option<OsString>, root: &Path) -> Result<String, ZoneError> {
    match value {
        Some(value) if value.is_empty() => Ok("UTC".to_owned()),
        Some(value) => match value.to_str() {
            Some("localtime") => check_host(root),
            Some(text) => check_variable(text, root),
            None => Err(ZoneError::Unknown { value: value.to_string_lossy().into_owned() }),
        },
        None => check_host(root),
    }
}

fn check_variable(text: &str, root: &Path) -> Result<String, ZoneError> {
    let name = text.strip_prefix(':').unwrap_or(text);
    if let Some((path, data)) = find(name, root) {
        check_data(&path, &data)?;
        return Ok(name.to_owned());
    }
    match text.trim() {
        // chrono's own fallback is what was asked for.
        "UTC" => Ok("UTC".to_owned()),
        rule if !text.starts_with(':') && posix::is_rule(rule, Hours::OfOneDay) => {
            Ok(rule.to_owned())
        }
        _ => Err(ZoneError::Unknown { value: text.to_owned() }),
    }
}

/// What the host is set to without `TZ`.
fn check_host(root: &Path) -> Result<String, ZoneError> {
    let path = root.join("etc/localtime");
    let target = fs::read_link(&path).map(|target| target.to_string_lossy().into_owned());
    let named = fs::read_to_string(root.join("etc/timezone")).unwrap_or_default();
    let named = named.trim();
    match fs::read(&path) {
        Ok(data) => {
            check_data(&path, &data)?;
            let linked = target
                .ok()
                .and_then(|target| target.split_once("zoneinfo/").map(|(_, name)| name.to_owned()));
            Ok(linked.unwrap_or_else(|| match named {
                "" => "/etc/localtime".to_owned(),
                name => name.to_owned(),
            }))
        }
        Err(error) => match (target, error.kind()) {
            (Ok(target), io::ErrorKind::NotFound) => Err(ZoneError::Missing { name: target }),
            (Err(_), io::ErrorKind::NotFound) if named.is_empty() => Ok("UTC".to_owned()),
            (Err(_), io::ErrorKind::NotFound) => match find(named, root) {
                Some((path, data)) => check_data(&path, &data).map(|()| named.to_owned()),
                None if named == "UTC" || named == "Etc/UTC" => Ok("UTC".to_owned()),
                None => Err(ZoneError::Missing { name: named.to_owned() }),
            },
            (_, _) => Err(ZoneError::Unusable { path, why: error.to_string() }),
        },
    }
}

/// The data of a zone given by name or by absolute path.
fn find(name: &str, root: &Path) -> Option<(PathBuf, Vec<u8>)> {
    let paths: Vec<PathBuf> = match name.strip_prefix('/') {
        Some(absolute) => vec![root.join(absolute)],
        None => DIRECTORIES.iter().map(|directory| root.join(directory).join(name)).collect(),
    };
    paths.into_iter().find_map(|path| fs::read(&path).ok().map(|data| (path, data)))
}

/// RFC 9636: the magic, a version, and after version 1 a footer with the rule for later times.
fn check_data(path: &Path, data: &[u8]) -> Result<(), ZoneError> {
    let unusable = |why: &str| ZoneError::Unusable { path: path.to_owned(), why: why.to_owned() };
    if data.len() < 44 || !data.starts_with(b"TZif") {
        return Err(unusable("it is not a time zone file"));
    }
    let footer =
        data.strip_suffix(b"\n").and_then(|rest| rest.rsplit(|byte| *byte == b'\n').next());
    match footer.map(str::from_utf8) {
        Some(Ok(rule)) if data[4] >= b'2' && posix::is_rule(rule, Hours::OfOneWeek) => Ok(()),
        _ => Err(unusable("it has no rule for the time after its last entry")),
    }
}

#[cfg(test)]
mod tests;
