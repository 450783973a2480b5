//! Which images renew brought to this host, and what ran before what is in force: of these two it is
//! worked out what may be removed. Removes nothing itself.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::record::Projects;

/// What is remembered of images of one service of the configuration.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Images {
    /// Those that renew pulled and that were not here before, by id, with the names it pulled them
    /// under: nothing else is ever removed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pulled: BTreeMap<String, BTreeSet<String>>,
    /// The ids of the images that ran before, by compose project and service, the newest first.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub previous: BTreeMap<String, BTreeMap<String, Vec<String>>>,
    /// Containers, never started, that keep images from being pruned: their names by image id.
    /// Written before they are made.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub held: BTreeMap<String, String>,
}

impl Images {
    /// Whether nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pulled.is_empty() && self.previous.is_empty() && self.held.is_empty()
    }

    /// Notes what no longer runs; of each compose service `n_kept` images are remembered. One that
    /// left the stack is forgotten with the next change. Returns whether there was any news.
    pub fn supersede(&mut self, before: &Projects, after: &Projects, n_kept: usize) -> bool {
        let mut news = false;
        for (project, name, old) in each(before) {
            let now = image_of(after, project, name);
            if old == now {
                continue;
            }
            let services = self.previous.entry(project.clone()).or_default();
            let list = services.entry(name.clone()).or_default();
            list.retain(|id| id != old && id != now);
            list.insert(0, old.to_owned());
            news = true;
        }
        if news {
            let declared = |project: &str, name: &str| {
                !image_of(before, project, name).is_empty()
                    || !image_of(after, project, name).is_empty()
            };
            for (project, services) in &mut self.previous {
                services.retain(|name, _| declared(project, name));
                services.values_mut().for_each(|list| list.truncate(n_kept));
                services.retain(|_, list| !list.is_empty());
            }
            self.previous.retain(|_, services| !services.is_empty());
        }
        news
    }

    /// The images that ran before and are kept.
    pub fn kept(&self) -> impl Iterator<Item = &str> {
        self.previous.values().flat_map(BTreeMap::values).flatten().map(String::as_str)
    }
}

/// Every compose service that has an image.
fn each(projects: &Projects) -> impl Iterator<Item = (&String, &String, &str)> {
    projects.iter().flat_map(|(project, record)| {
        let services = record.services.iter();
        services
            .filter(|(_, service)| !service.image_id.is_empty())
            .map(move |(name, service)| (project, name, service.image_id.as_str()))
    })
}

/// Its image, or nothing.
fn image_of<'p>(projects: &'p Projects, project: &str, name: &str) -> &'p str {
    let service = projects.get(project).and_then(|record| record.services.get(name));
    service.map_or("", |service| service.image_id.as_str())
}

#[cfg(test)]
mod tests {
    use super::{Images, Projects};
    use crate::state::{ProjectRecord, ServiceRecord};

    /// `web=a db=b` in one project.
    fn projects(text: &str) -> Projects {
        let mut project = ProjectRecord::default();
        for (name, id) in text.split_whitespace().filter_map(|pair| pair.split_once('=')) {
            let service = ServiceRecord { image_id: id.to_owned(), ..ServiceRecord::default() };
            project.services.insert(name.to_owned(), service);
        }
        [("shop".to_owned(), project)].into()
    }

    /// The same of what is kept: `web=a,b`.
    fn shown(images: &Images) -> String {
        let services = images.previous.get("shop").cloned().unwrap_or_default();
        let pairs = services.iter().map(|(name, ids)| format!("{name}={}", ids.join(",")));
        pairs.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_ran_before_is_remembered_as_far_as_it_is_kept() {
        for (n_kept, steps) in [
            (
                1,
                vec![
                    ("web=1 db=1", ""),
                    ("web=2 db=1", "web=1"),
                    ("web=2 db=1", "web=1"),
                    ("web=3 db=2", "db=1 web=2"),
                    // Put back: what is in force is not also what was before.
                    ("web=2 db=2", "db=1 web=3"),
                    // One that leaves the stack is kept until something else changes.
                    ("web=2", "db=2 web=3"),
                    ("web=2", "db=2 web=3"),
                    ("web=4", "web=2"),
                    // Without containers there is no image; it was the last one all the same.
                    ("web=", "web=4"),
                    ("web=4", "web=4"),
                    ("web=5", "web=4"),
                ],
            ),
            (
                2,
                vec![("web=1", ""), ("web=2", "web=1"), ("web=3", "web=2,1"), ("web=4", "web=3,2")],
            ),
            (0, vec![("web=1", ""), ("web=2", ""), ("web=3", "")]),
        ] {
            let mut images = Images::default();
            let mut before = Projects::default();
            for (after, expected) in steps {
                let after = projects(after);
                let was = shown(&images);
                let news = images.supersede(&before, &after, n_kept);
                assert_eq!(shown(&images), expected, "{n_kept} {after:?}");
                assert!(news || was == expected, "no news, and yet another list");
                before = after;
            }
        }
    }
}
