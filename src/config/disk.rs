//! What validation finds by looking at the files that a configuration names. It reads, and only
//! inside the repository; it asks neither git nor docker.

use std::collections::{BTreeMap, HashMap, HashSet};
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

/// Errors and warnings about the files of a configuration, each in the order of its text.
#[must_use]
pub fn check(loaded: &Loaded, file: &Path) -> (Vec<Diagnostic>, Vec<Diagnostic>) {
    let mut found = Found { file, errors: Vec::new(), warnings: Vec::new() };
    let repo = &loaded.config.repo;
    if repo.dir.is_dir() {
        files(loaded, &mut found);
        projects(loaded, &mut found);
    } else if repo.url.is_none() {
        let message = format!("{} is not a directory", repo.dir.display());
        let hint = "clone the repository there, or set repo.dir";
        let mut error = Diagnostic::of_file(file, Problem::new(message, hint));
        error.path = "repo.dir".to_owned();
        found.errors.push(error);
    }
    (found.errors, found.warnings)
}

struct Found<'a> {
    file: &'a Path,
    errors: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
}

impl Found<'_> {
    fn at(&self, place: &Place, problem: Problem) -> Diagnostic {
        Diagnostic {
            line: place.line,
            column: place.column,
            path: place.path.clone(),
            ..Diagnostic::of_file(self.file, problem)
        }
    }
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
        found.errors.push(found.at(place, Problem::new(message, hint)));
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
                found.warnings.push(found.at(place, Problem::new(message, hint)));
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

/// Stacks of different services that end up in one compose project without anybody saying so.
fn projects(loaded: &Loaded, found: &mut Found) {
    let config = &loaded.config;
    let first_places = first_place_of_each_stack(loaded);
    let mut users: BTreeMap<String, Vec<(usize, usize)>> = BTreeMap::new();
    for (index, service) in config.services.iter().enumerate() {
        for (stack, files) in service.stacks.iter().enumerate() {
            if service.compose_project_name.is_none() {
                let project = project_of(config, service, files);
                users.entry(project).or_default().push((index, stack));
            }
        }
    }
    for (project, stacks) in users {
        let Some((first, rest)) = stacks.split_first() else { continue };
        let Some(other) = rest.iter().find(|other| dirs(config, **other) != dirs(config, *first))
        else {
            continue;
        };
        if let Some(place) = first_places.get(other) {
            let name = &config.services[first.0].name;
            let message = format!("shares the compose project {project:?} with service \"{name}\"");
            let hint = "stacks of one project must have no compose service in common; set \
                        compose_project_name to keep them apart";
            found.warnings.push(found.at(place, Problem::new(message, hint)));
        }
    }
    found.warnings.sort_by_key(|warning| (warning.line, warning.column));
}

/// The directory of a stack's first file, which is compose's project directory.
fn dirs(config: &Config, (service, stack): (usize, usize)) -> Option<&Path> {
    config.services[service].stacks[stack].first().and_then(|file| file.parent())
}

fn first_place_of_each_stack(loaded: &Loaded) -> HashMap<(usize, usize), &Place> {
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

/// The project compose would choose: the `name:` of the last file that has one, else the name of
/// the first file's directory. `COMPOSE_PROJECT_NAME` in a `.env` is not looked at.
#[must_use]
pub fn project_of(config: &Config, service: &Service, files: &[PathBuf]) -> String {
    if let Some(project) = &service.compose_project_name {
        return project.clone();
    }
    let root = &config.repo.dir;
    let said = files.iter().rev().find_map(|file| {
        let text = fs::read_bounded(&root.join(file), COMPOSE_BYTES_MAX).ok()?;
        let text = String::from_utf8(text).ok()?;
        let value = text.lines().find_map(|line| line.strip_prefix("name:"))?;
        let value = value.split(" #").next().unwrap_or(value).trim().trim_matches(['"', '\'']);
        (!value.is_empty()).then(|| value.to_owned())
    });
    said.unwrap_or_else(|| {
        let first = files.first().map(|file| root.join(file));
        let dir = first.as_deref().and_then(Path::parent).and_then(Path::file_name);
        name::normalised_project(&dir.unwrap_or_default().to_string_lossy())
    })
}
