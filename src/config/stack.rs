//! Compose files and how they group into stacks. Paths are judged by their letters alone; whether
//! the files exist is for `disk`.

use std::path::{Path, PathBuf};

use crate::config::read::{Found, Reader};
use crate::config::tree::{Node, Value};
use crate::config::value::{Problem, path};

/// What is worth pointing at when something outside the text turns out wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A compose file, relative to `repo.dir`.
    ComposeFile(PathBuf),
    /// A script, relative to `repo.dir`.
    Script(PathBuf),
    /// The health settings of a service.
    Health,
    /// When changes of a service may be made.
    Windows,
}

/// Where the document speaks of something outside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Index of the service.
    pub service: usize,
    /// What it speaks of.
    pub subject: Subject,
    /// Key path of the value.
    pub path: String,
    /// Byte offset of the value.
    pub offset: usize,
}

/// Groups entries into stacks: entries in the same directory form one, merged in order;
/// directories come in the order of first appearance; an inner list is one stack as it stands.
#[must_use]
pub fn group(entries: Vec<Entry>) -> Vec<Vec<PathBuf>> {
    let mut stacks: Vec<(Option<PathBuf>, Vec<PathBuf>)> = Vec::new();
    for entry in entries {
        match entry {
            Entry::Forced(files) => stacks.push((None, files)),
            Entry::File(file) => {
                let dir = file.parent().map(Path::to_path_buf);
                match stacks.iter_mut().find(|(of, _)| dir.is_some() && *of == dir) {
                    Some((_, files)) => files.push(file),
                    None => stacks.push((dir, vec![file])),
                }
            }
        }
    }
    stacks.into_iter().map(|(_, files)| files).collect()
}

/// One entry of `compose_files`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A file, to be merged with its neighbours.
    File(PathBuf),
    /// An inner list.
    Forced(Vec<PathBuf>),
}

/// Reads `compose_files` of one service.
pub fn read(reader: &mut Reader, service: usize, marks: &mut Vec<Mark>) -> Vec<Vec<PathBuf>> {
    let Some(found) = reader.find("compose_files") else {
        reader.missing("compose_files");
        return Vec::new();
    };
    let hint = "write a list, like [\"compose.yml\"]";
    let Value::List(items) = &found.node.value else {
        let message = format!("expected a list, found {}", found.node.noun());
        reader.sink.error(found.node.offset, found.path, Problem::new(message, hint));
        return Vec::new();
    };
    if items.is_empty() {
        reader.sink.error(found.node.offset, found.path, Problem::new("is empty", hint));
        return Vec::new();
    }
    let mut entries = Vec::with_capacity(items.len());
    for (index, node) in items.iter().enumerate() {
        let item = Found { node, path: format!("{}[{index}]", found.path) };
        match &node.value {
            Value::List(inner) => entries.push(read_inner(reader, &item, inner, service, marks)),
            _ => entries.extend(read_file(reader, &item, service, marks).map(Entry::File)),
        }
    }
    let stacks = group(entries);
    refuse_repeats(reader, &found, &stacks);
    stacks
}

fn read_inner(
    reader: &mut Reader,
    list: &Found,
    inner: &[Node],
    service: usize,
    marks: &mut Vec<Mark>,
) -> Entry {
    if inner.is_empty() {
        reader.sink.error(list.node.offset, list.path.clone(), "is empty");
    }
    let mut files = Vec::with_capacity(inner.len());
    for (index, node) in inner.iter().enumerate() {
        let item = Found { node, path: format!("{}[{index}]", list.path) };
        files.extend(read_file(reader, &item, service, marks));
    }
    Entry::Forced(files)
}

fn read_file(
    reader: &mut Reader,
    item: &Found,
    service: usize,
    marks: &mut Vec<Mark>,
) -> Option<PathBuf> {
    let result = match item.node.text() {
        Some(text) => path::in_repository(text),
        None => Err(format!("expected the path of a file, found {}", item.node.noun()).into()),
    };
    let file = reader.check(item, result)?;
    let (path, offset) = (item.path.clone(), item.node.offset);
    marks.push(Mark { service, subject: Subject::ComposeFile(file.clone()), path, offset });
    Some(file)
}

/// A file twice in one stack, or a stack twice, is always a slip.
fn refuse_repeats(reader: &mut Reader, found: &Found, stacks: &[Vec<PathBuf>]) {
    for (index, files) in stacks.iter().enumerate() {
        let twice = files.iter().enumerate().find(|(at, file)| files[..*at].contains(file));
        if let Some((_, file)) = twice {
            let message = format!("{:?} is listed twice in one stack", file.display().to_string());
            reader.sink.error(found.node.offset, found.path.clone(), message);
        }
        if stacks[..index].contains(files) && !files.is_empty() {
            let message = "lists the same stack twice";
            reader.sink.error(found.node.offset, found.path.clone(), message);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{Entry, group};

    fn file(path: &str) -> Entry {
        Entry::File(path.into())
    }

    fn forced(paths: &[&str]) -> Entry {
        Entry::Forced(paths.iter().map(PathBuf::from).collect())
    }

    #[test]
    fn entries_group_by_directory() {
        for (entries, expected) in [
            (vec![file("a.yml")], "a.yml"),
            (vec![file("a.yml"), file("b.yml")], "a.yml+b.yml"),
            (vec![file("x/a.yml"), file("y/a.yml")], "x/a.yml y/a.yml"),
            (vec![file("x/a.yml"), file("y/a.yml"), file("x/b.yml")], "x/a.yml+x/b.yml y/a.yml"),
            (vec![forced(&["a.yml", "x/b.yml"])], "a.yml+x/b.yml"),
            (
                vec![file("a.yml"), forced(&["a.yml", "x/b.yml"]), file("c.yml")],
                "a.yml+c.yml a.yml+x/b.yml",
            ),
            (vec![forced(&["a.yml"]), forced(&["b.yml"])], "a.yml b.yml"),
        ] {
            let stacks = group(entries);
            let shown: Vec<String> = stacks
                .iter()
                .map(|files| {
                    files.iter().map(|f| f.display().to_string()).collect::<Vec<_>>().join("+")
                })
                .collect();
            assert_eq!(shown.join(" "), expected);
        }
    }
}
