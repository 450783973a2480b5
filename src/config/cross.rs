//! What can only be seen when services are looked at together: names and stacks used twice.
//! Services on different hosts never meet.

use std::collections::HashMap;
use std::path::PathBuf;

use crate::config::diagnostic::Sink;
use crate::config::read::Found;
use crate::config::service::Service;
use crate::config::value::Problem;

/// Judges services against each other; `origins` are their entries in the document.
pub fn check(services: &[Service], origins: &[Found], sink: &mut Sink) {
    let mut names: HashMap<&str, usize> = HashMap::new();
    let mut stacks: HashMap<_, Vec<usize>> = HashMap::new();
    for (index, (service, origin)) in services.iter().zip(origins).enumerate() {
        let name = service.name.as_str();
        if let Some(first) = names.insert(name, index) {
            names.insert(name, first);
            let message = format!("the name {name:?} is already that of {}", origins[first].path);
            let hint = "names are the keys of the state and must be unique, letter case included";
            complain(origin, "name", Problem::new(message, hint), sink);
        }
        for files in &service.stacks {
            let project = service.compose_project_name.as_deref();
            let key = (files.as_slice(), project, service.profiles.as_slice());
            let before = stacks.entry(key).or_default();
            let clash =
                before.iter().find(|other| **other != index && meet(&services[**other], service));
            if let Some(other) = clash {
                let message = format!(
                    "{} is already a stack of service \"{}\"",
                    shown(files),
                    services[*other].name
                );
                let hint = "two services must not run one stack: give one of them another \
                            compose_project_name, other hosts, or drop it";
                complain(origin, "compose_files", Problem::new(message, hint), sink);
            }
            before.push(index);
        }
    }
}

fn complain(origin: &Found, key: &str, problem: Problem, sink: &mut Sink) {
    let offset = origin.node.get(key).unwrap_or(origin.node).offset;
    sink.error(offset, format!("{}.{key}", origin.path), problem);
}

/// Whether two services may exist on the same host. Patterns are taken to overlap.
fn meet(one: &Service, other: &Service) -> bool {
    let may_match = |service: &Service, of: &Service| {
        of.hosts
            .iter()
            .any(|glob| !glob.is_literal() || service.runs_on(&[glob.as_str().to_owned()]))
    };
    one.hosts.is_empty() || other.hosts.is_empty() || may_match(one, other) || may_match(other, one)
}

fn shown(files: &[PathBuf]) -> String {
    files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(" + ")
}
