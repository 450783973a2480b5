//! Devices of the host, and what is mounted and not made by docker.

use std::path::Path;

use serde_json::Value;

use super::{Candidate, Precheck, plain};
use crate::problem::Problem;
use crate::reconcile::model::{inside, referred};

impl Precheck<'_> {
    /// The first device or path that is not there.
    pub(super) fn path(&self, candidate: &Candidate<'_>) -> Option<Problem> {
        let name = candidate.name();
        for device in candidate.declared["devices"].as_array().into_iter().flatten() {
            let source = device["source"].as_str().or(device.as_str()).unwrap_or_default();
            let path = plain(source.split(':').next().unwrap_or_default());
            // Without a slash it is a device of the container device interface.
            if path.starts_with('/') && !Path::new(&path).exists() {
                let message =
                    format!("{name} needs the device {path}, which this host does not have");
                return Some(Problem::engine(
                    "device_missing",
                    message,
                    "attach it, load its driver, or take it out of `devices:`",
                ));
            }
        }
        let lost = self.bind(candidate).or_else(|| self.file(candidate))?;
        Some(Problem::engine(
            "mount_missing",
            format!("{name} mounts {lost}, which does not exist"),
            format!("make {lost} on this host, or push it to the repository if it belongs there"),
        ))
    }

    /// The source of a bind that docker would not make either.
    fn bind(&self, candidate: &Candidate<'_>) -> Option<String> {
        let volumes = candidate.declared["volumes"].as_array().into_iter().flatten();
        let binds = volumes.filter(|volume| volume["type"] == "bind");
        let lost = |bind: &Value| {
            let path = plain(bind["source"].as_str()?);
            let lost =
                !self.will_be_there(candidate, &path) && !self.made(candidate, &bind["bind"]);
            lost.then_some(path)
        };
        binds.filter_map(lost).next()
    }

    /// A configuration or a secret.
    fn file(&self, candidate: &Candidate<'_>) -> Option<String> {
        let model = candidate.model();
        ["configs", "secrets"].into_iter().find_map(|section| {
            let names = referred(&candidate.declared[section]).into_iter();
            let files =
                names.filter_map(|name| Some(plain(model.top(section, &name)["file"].as_str()?)));
            files.into_iter().find(|path| !self.will_be_there(candidate, path))
        })
    }

    /// Whether a path is there, or comes with the commit: files move after this.
    fn will_be_there(&self, candidate: &Candidate<'_>, path: &str) -> bool {
        let comes = inside(path, self.top)
            .is_some_and(|path| candidate.stack.resolved.sources.contains_key(&path));
        comes || Path::new(path).exists()
    }

    /// Whether docker makes the source of a bind with these options where it is missing. In compose's
    /// JSON `create_host_path` is left out when it has its default, and some builds of compose, not
    /// told apart by their version, have `false` for it (Debian's 2.40 does): so this compose is
    /// asked. Where it does not say, the engine will.
    fn made(&self, candidate: &Candidate<'_>, options: &Value) -> bool {
        let means_false = || self.host.compose()?.leaves_out_no_host_path();
        match options["create_host_path"].as_bool() {
            Some(made) => made,
            None if options.is_null() => {
                !needs_the_source(&candidate.stack.resolved.compose_version)
            }
            None => !means_false().unwrap_or(false),
        }
    }
}

/// Whether a bind without any options needs its source: up to compose 2.26 it did.
pub(super) fn needs_the_source(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().ok());
    matches!((parts.next().flatten(), parts.next().flatten()), (Some(2), Some(0..=26)))
}
