//! Paths: made absolute and normal without a look at the disk, and kept inside the repository
//! where they must be.

use std::path::{Component, Path, PathBuf};

use crate::config::value::{Problem, plain};

/// Longest address of a Unix socket: `sun_path` of unix(7) less its final NUL.
pub const SOCKET_BYTES_MAX: usize = 107;

/// Removes `.` and resolves `..` by its letters alone; an absolute path cannot climb above `/`.
#[must_use]
pub fn normal(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => match clean.components().next_back() {
                Some(Component::Normal(_)) => {
                    clean.pop();
                }
                Some(Component::RootDir) => {}
                _ => clean.push(".."),
            },
            other => clean.push(other),
        }
    }
    clean
}

/// A path of the host: absolute, or relative to `base`.
///
/// # Errors
/// Empty text, control characters, and `~`, which only shells expand.
pub fn on_host(base: &Path, text: &str) -> Result<PathBuf, Problem> {
    plain(text)?;
    if text == "~" || text.starts_with("~/") {
        return Err(Problem::new("\"~\" is not expanded", "write the path in full"));
    }
    Ok(normal(&base.join(text)))
}

/// A path inside the repository, relative to `repo.dir` and free of `..`.
///
/// # Errors
/// An absolute path, one that climbs out, or the directory itself.
pub fn in_repository(text: &str) -> Result<PathBuf, Problem> {
    plain(text)?;
    let path = Path::new(text);
    if path.is_absolute() {
        let hint = "write the path relative to repo.dir; only files of the repository are deployed";
        return Err(Problem::new(format!("{text:?} is an absolute path"), hint));
    }
    let clean = normal(path);
    if clean.starts_with("..") {
        let hint = "write a path below repo.dir, or set repo.dir to a directory further up";
        return Err(Problem::new(format!("{text:?} leaves the repository"), hint));
    }
    if clean.starts_with(".git") || clean.starts_with(".renew") {
        return Err(format!("{text:?} is not a file of the repository").into());
    }
    if clean.as_os_str().is_empty() || text.ends_with('/') {
        return Err(format!("{text:?} is a directory, not a file").into());
    }
    Ok(clean)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{in_repository, normal, on_host};

    #[test]
    fn normal_paths() {
        for (path, expected) in
            [("/a/./b/../c", "/a/c"), ("/../a", "/a"), ("a/../../b", "../b"), ("./a//b/", "a/b")]
        {
            assert_eq!(normal(Path::new(path)), Path::new(expected), "{path}");
        }
    }

    #[test]
    fn host_paths_are_relative_to_the_config_file() {
        let base = Path::new("/etc/renew");
        assert_eq!(on_host(base, "web.env").unwrap(), Path::new("/etc/renew/web.env"));
        assert_eq!(on_host(base, "../x").unwrap(), Path::new("/etc/x"));
        assert_eq!(on_host(base, "/x").unwrap(), Path::new("/x"));
        assert!(on_host(base, "").is_err() && on_host(base, "~/x").is_err());
    }

    #[test]
    fn repository_paths_stay_inside() {
        assert_eq!(in_repository("a/../web/compose.yml").unwrap(), Path::new("web/compose.yml"));
        for text in ["/compose.yml", "../compose.yml", "a/../../b", "", ".", "web/", ".git/config"]
        {
            assert!(in_repository(text).is_err(), "{text:?}");
        }
    }
}
