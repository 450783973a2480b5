//! Files that compose files name outside what is watched while compose resolves: env files with an
//! absolute path, or deep in an untracked folder. Reads texts; never follows what they say.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::config::value::path::normal;

/// Keys of compose files whose values are files that compose itself reads.
const KEYS: &[&str] = &["env_file", "extends", "file", "include", "label_file", "path"];

/// Paths in a compose file that compose may read: the values of [`KEYS`], and items of lists.
/// Relative ones are taken from each of `folders`. Interpolated ones are not seen.
#[must_use]
pub fn named_files(text: &str, folders: &[&Path]) -> BTreeSet<PathBuf> {
    let mut paths = BTreeSet::new();
    for line in text.lines() {
        let line = line.trim_start().trim_start_matches("- ");
        let (key, value) = line.split_once(": ").unwrap_or(("", line));
        if !key.is_empty() && !KEYS.contains(&key.trim()) {
            continue;
        }
        let items = value.split(" #").next().unwrap_or_default().split([',', '[', ']', '{', '}']);
        for item in items {
            let item = item.trim().trim_start_matches("path: ").trim_matches(['"', '\'']);
            if item.contains('/') && !item.contains([' ', ':', '$']) {
                paths.extend(folders.iter().map(|folder| normal(&folder.join(item))));
            }
        }
    }
    paths
}

/// What containers mount, wherever it is: compose does not read it to resolve, and it may change all
/// the time.
#[must_use]
pub fn mounted(model: &Value) -> BTreeSet<PathBuf> {
    let each = |section: &str| model[section].as_object().into_iter().flat_map(|all| all.values());
    let mut paths: BTreeSet<PathBuf> = BTreeSet::new();
    for service in each("services") {
        for volume in service["volumes"].as_array().into_iter().flatten() {
            let ends = [&volume["source"], &volume["target"]];
            paths.extend(ends.into_iter().filter_map(Value::as_str).map(PathBuf::from));
        }
    }
    for source in each("configs").chain(each("secrets")) {
        paths.extend(source["file"].as_str().map(PathBuf::from));
    }
    paths
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::{mounted, named_files};

    #[test]
    fn files_that_compose_reads_are_found() {
        let text = "\
services:
  web:
    image: example.org/web:1
    env_file: /etc/app.env # ours
    extends: {file: ../base/common.yml, service: web}
    volumes:
      - /srv/data:/data
      - ./logs:/logs
    working_dir: /srv
  db:
    env_file: [./keys/db.env, \"/etc/b.env\", plain.env]
  cache:
    env_file:
      - path: /etc/c.env
        required: false
      - /etc/${NAME}.env
      - 'conf/d.env'
";
        let found = named_files(text, &[Path::new("/repo/app")]);
        let found: Vec<String> = found.iter().map(|path| path.display().to_string()).collect();
        let expected = [
            "/etc/app.env",
            "/etc/b.env",
            "/etc/c.env",
            "/repo/app/conf/d.env",
            "/repo/app/keys/db.env",
        ];
        // `{file: …}` on the line of another key is not taken apart further than its items.
        for path in expected {
            assert!(found.contains(&path.to_owned()), "{path} in {found:?}");
        }
        assert!(!found.iter().any(|p| p.contains("data") || p.contains("NAME") || p == "/srv"));
    }

    #[test]
    fn mounts_are_not_read_by_compose() {
        let model = json!({
            "services": {"a": {"volumes": [{"source": "/var/log/x", "target": "/x"}]}},
            "secrets": {"s": {"file": "/etc/s"}},
        });
        let found = mounted(&model);
        for path in ["/var/log/x", "/x", "/etc/s"] {
            assert!(found.contains(Path::new(path)), "{path}");
        }
    }
}
