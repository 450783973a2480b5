//! What validation finds by looking at the files that a configuration names. It reads, and only
//! inside the repository; it asks neither git nor docker.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use crate::config::value::{Problem, name};
use crate::config::{Config, Diagnostic, Loaded, Place, Service, Subject};
use crate::sys::fs;

/// Files that compose merges by itself, but only when it is given no `-f`.
const OVERRIDES: &[&str] = &[
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
];
/// A compose file larger than this is not searched for its project name.
const COMPOSE_BYTES_MAX: u64 = 1 << 20;

/// What a look at the disk told.
#[derive(Debug, Clone, Default)]
pub struct Checked {
    /// Files that are not there or not where they seem to be.
    pub errors: Vec<Diagnostic>,
    /// What works but should be looked at.
    pub warnings: Vec<Diagnostic>,
    /// For each service the compose project of each of its stacks, as far as files tell.
    pub projects: Vec<Vec<String>>,
}

/// Looks at the files of a configuration; findings come in the order of its text. `file` is the
/// configuration as the caller named it.
#[must_use]
pub fn check(loaded: &Loaded, file: &Path) -> Checked {
    let mut found = Found { file, errors: Vec::new(), warnings: Vec::new() };
    let config = &loaded.config;
    let project = |service: &Service| {
        service.stacks.iter().map(|files| project_of(config, service, files)).collect()
    };
    let projects: Vec<Vec<String>> = config.services.iter().map(project).collect();
    if config.repo.dir.is_dir() {
        files(loaded, &mut found);
        share(loaded, &projects, &mut found);
    } else {
        // Not an error: a reviewer checks the file on another machine than the one it is for.
        let message = format!("{} is not a directory on this machine", config.repo.dir.display());
        let hint = "the compose files were not looked at";
        let warning = Diagnostic::of_file(file, Problem::new(message, hint));
        found.warnings.push(Diagnostic { path: "repo.dir".to_owned(), ..warning });
    }
    Checked { errors: found.errors, warnings: found.warnings, projects }
}

struct Found<'a> {
    file: &'a Path,
    errors: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
}

/// Named files that are not there, and override files beside them that nobody named.
fn files(loaded: &Loaded, found: &mut Found) {
    let dir = &loaded.config.repo.dir;
    let top = tree_top(dir);
    let mut named: HashSet<&Path> = HashSet::new();
    for place in &loaded.places {
        let (Subject::ComposeFile(file) | Subject::Script(file)) = &place.subject else { continue };
        named.insert(file);
        let path = dir.join(file);
        let problem = match path.canonicalize() {
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
                "does not exist".to_owned()
            }
            Err(cause) => format!("cannot be looked at: {cause}"),
            Ok(target) if !target.is_file() => "is not a file".to_owned(),
            Ok(target) if !target.starts_with(&top) => {
                format!("leads out of the repository, to {}", target.display())
            }
            Ok(_) => continue,
        };
        let message = format!("{} {problem}", path.display());
        let hint = "paths are relative to repo.dir, and nothing may leave its git working tree";
        found.errors.push(Diagnostic::of_place(found.file, place, Problem::new(message, hint)));
    }
    found.errors.dedup();
    let mut seen: HashSet<PathBuf> = HashSet::new();
    for place in &loaded.places {
        let Subject::ComposeFile(file) = &place.subject else { continue };
        if !seen.insert(file.parent().unwrap_or(Path::new("")).to_path_buf()) {
            continue;
        }
        for name in OVERRIDES {
            let beside = file.with_file_name(name);
            if !named.contains(beside.as_path()) && dir.join(&beside).is_file() {
                let message = format!("{} lies beside it and is not listed", beside.display());
                let hint = "list it after this file to use it: compose merges it by itself only \
                            when it is given no files";
                found.warnings.push(Diagnostic::of_place(
                    found.file,
                    place,
                    Problem::new(message, hint),
                ));
            }
        }
    }
}

/// Where the repository begins, links followed; `repo.dir` may be a directory inside it.
fn tree_top(repo_dir: &Path) -> PathBuf {
    let dir = repo_dir.canonicalize().unwrap_or_else(|_| repo_dir.to_path_buf());
    let top = dir.ancestors().find(|dir| dir.join(".git").exists()).map(Path::to_path_buf);
    top.unwrap_or(dir)
}

/// Stacks in different directories that end up in one compose project without anybody saying so.
fn share(loaded: &Loaded, projects: &[Vec<String>], found: &mut Found) {
    let config = &loaded.config;
    let places = first_places(loaded);
    let mut users: HashMap<&str, (usize, usize)> = HashMap::new();
    for (index, of_service) in projects.iter().enumerate() {
        if config.services[index].compose_project_name.is_some() {
            continue;
        }
        for (stack, project) in of_service.iter().enumerate() {
            let here = (index, stack);
            let first = *users.entry(project).or_insert(here);
            let Some(place) = places.get(&here) else { continue };
            if project_dir(config, first) != project_dir(config, here) {
                let name = &config.services[first.0].name;
                let message = format!("shares the compose project {project:?} with \"{name}\"");
                let hint = "stacks of one project must have no compose service in common; set \
                            compose_project_name to keep them apart";
                found.warnings.push(Diagnostic::of_place(
                    found.file,
                    place,
                    Problem::new(message, hint),
                ));
            }
        }
    }
}

/// The directory of a stack's first file, which is compose's project directory.
fn project_dir(config: &Config, (service, stack): (usize, usize)) -> Option<&Path> {
    config.services[service].stacks[stack].first().and_then(|file| file.parent())
}

fn first_places(loaded: &Loaded) -> HashMap<(usize, usize), &Place> {
    let mut by_file: HashMap<(usize, &Path), &Place> = HashMap::new();
    for place in loaded.places.iter().rev() {
        if let Subject::ComposeFile(file) = &place.subject {
            by_file.insert((place.service, file), place);
        }
    }
    let mut places = HashMap::new();
    for (index, service) in loaded.config.services.iter().enumerate() {
        for (stack, files) in service.stacks.iter().enumerate() {
            let first = files.first().and_then(|file| by_file.get(&(index, file.as_path())));
            places.extend(first.map(|place| ((index, stack), *place)));
        }
    }
    places
}

/// The project compose would choose: what is configured, else `COMPOSE_PROJECT_NAME` in the `.env`
/// of the project directory, else the `name:` of the last file that has one, else the name of the
/// directory. Compose itself has the last word; this is for showing and warning.
fn project_of(config: &Config, service: &Service, files: &[PathBuf]) -> String {
    if let Some(project) = &service.compose_project_name {
        return project.clone();
    }
    let root = &config.repo.dir;
    let first = files.first().map(|file| root.join(file)).unwrap_or_default();
    let dir = first.parent().unwrap_or(root);
    let env = value_of(&dir.join(".env"), "COMPOSE_PROJECT_NAME=");
    let said = env.or_else(|| files.iter().rev().find_map(|f| value_of(&root.join(f), "name:")));
    said.unwrap_or_else(|| {
        name::normalised_project(&dir.file_name().unwrap_or_default().to_string_lossy())
    })
}

/// What follows `key` on a line that begins with it, without quotes and comment.
fn value_of(path: &Path, key: &str) -> Option<String> {
    let text = String::from_utf8(fs::read_bounded(path, COMPOSE_BYTES_MAX).ok()?).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(key))?;
    let value = value.split(" #").next().unwrap_or(value).trim().trim_matches(['"', '\'']);
    (!value.is_empty()).then(|| value.to_owned())
}
