//! What can only be seen when services are looked at together: names and stacks used twice.
//! Services on different hosts never meet.

use std::collections::HashMap;
use std::path::PathBuf;

use crate::config::diagnostic::Sink;
use crate::config::read::Found;
use crate::config::service::Service;
use crate::config::value::Problem;
use crate::config::value::glob::HostGlob;

/// Judges services against each other; `origins` are their entries in the document.
pub fn check(services: &[Service], origins: &[Found], sink: &mut Sink) {
    let mut names: HashMap<&str, usize> = HashMap::new();
    let mut stacks: HashMap<_, Vec<usize>> = HashMap::new();
    for (index, (service, origin)) in services.iter().zip(origins).enumerate() {
        let name = service.name.as_str();
        if let Some(first) = names.insert(name, index) {
            names.insert(name, first);
            let message = format!("the name {name:?} is already that of {}", origins[first].path);
            let hint = "the name is the key of a service in the state";
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

/// Whether two services may exist on the same host. Two patterns are taken to overlap.
fn meet(one: &Service, other: &Service) -> bool {
    let overlap = |a: &HostGlob, b: &HostGlob| match (a.is_literal(), b.is_literal()) {
        (true, true) => a == b,
        (true, false) => b.matches(a.as_str()),
        (false, true) => a.matches(b.as_str()),
        (false, false) => true,
    };
    one.hosts.is_empty()
        || other.hosts.is_empty()
        || one.hosts.iter().any(|a| other.hosts.iter().any(|b| overlap(a, b)))
}

fn shown(files: &[PathBuf]) -> String {
    files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(" + ")
}
