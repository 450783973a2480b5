//! Removing images that renew pulled itself and that nothing needs any more. Whatever is in doubt
//! stays: an image of somebody else's is never removed, nor is anything by force.

use std::collections::BTreeSet;

use super::Host;
use super::holders::let_go;
use super::observe::Sight;
use super::pass::Pass;
use super::pull::Failed;
use crate::config::Service;
use crate::decide::plan::Action;
use crate::docker::engine::{Engine, EngineError, Image, ImageId};
use crate::docker::reference::{Named, Reference};
use crate::gather::Gather;
use crate::problem::Problem;
use crate::state::{Images, Record};

/// The images that are here before a pull: none of them was brought by it.
pub struct Here(Option<BTreeSet<ImageId>>);

impl Here {
    /// Looks. Where images are not to be removed, or the engine does not say, nothing that is pulled
    /// will count as ours.
    #[must_use]
    pub fn look(host: &Host<'_>, service: &Service) -> Here {
        let asked = service.prune_images.then(|| host.engine().ok()?.image_ids().ok());
        Here(asked.flatten())
    }

    /// Notes what pulls have brought. `actions` are those they were made for.
    pub fn note(&self, images: &mut Images, actions: &[Action], failed: &Failed, after: &Sight) {
        let Some(before) = &self.0 else { return };
        let pulled = actions.iter().filter(|action| action.pull);
        for name in pulled.filter_map(|action| action.image.declared.as_ref()) {
            let fact = after.observed.images.get(name).filter(|_| !failed.contains_key(name));
            let Some(id) = fact.and_then(|fact| fact.local_id.as_ref()) else { continue };
            if !before.contains(&ImageId(id.clone())) || images.pulled.contains_key(id) {
                images.pulled.entry(id.clone()).or_default().extend(listed(name));
            }
        }
    }
}

/// Takes down what a change has put out of force, and removes what is no longer kept then.
pub fn supersede(
    pass: &Pass<'_>,
    service: &Service,
    before: &Record,
    record: &mut Record,
    sight: &Sight,
) {
    let n_kept = service.keep_releases.saturating_sub(1);
    let news = record.images.supersede(&before.projects, &record.projects, n_kept);
    let_go(pass, record, sight);
    if news {
        prune(pass, service, record, sight);
    }
}

/// Removes what is no longer needed, and forgets it. That something cannot be removed is no failure:
/// it is tried again after the next change.
pub fn prune(pass: &Pass<'_>, service: &Service, record: &mut Record, sight: &Sight) {
    let declared = sight.observed.images.values().filter_map(|fact| fact.local_id.as_deref());
    let superseded = superseded(record, declared);
    if superseded.is_empty() || !service.prune_images {
        return;
    }
    match remove_all(pass, service, &record.images, superseded) {
        Ok(gone) => record.images.pulled.retain(|id, _| !gone.contains(id)),
        Err(problem) => log::debug!("cannot remove old images: {problem}"),
    }
}

/// The images that renew pulled and that are neither in force, nor kept from before, nor what the
/// declared names mean now.
fn superseded<'i>(record: &'i Record, declared: impl Iterator<Item = &'i str>) -> BTreeSet<String> {
    let kept: BTreeSet<&str> =
        record.image_pairs().map(|(_, id)| id).chain(record.images.kept()).chain(declared).gather();
    record.images.pulled.keys().filter(|id| !kept.contains(id.as_str())).cloned().collect()
}

/// What somebody else needs.
struct Needed {
    /// Images of containers of any kind.
    in_use: BTreeSet<ImageId>,
    /// Images that other services of the configuration run or keep.
    ids: BTreeSet<String>,
    /// The names that they declare.
    names: BTreeSet<String>,
}

impl Needed {
    fn look(pass: &Pass<'_>, service: &Service) -> Result<Needed, Problem> {
        let (mut ids, mut names) = (BTreeSet::new(), BTreeSet::new());
        for other in pass.services().iter().filter(|other| other.name != service.name) {
            let record = pass.state.record(other.name.as_str())?;
            ids.extend(
                record
                    .image_pairs()
                    .map(|(_, id)| id)
                    .chain(record.images.kept())
                    .map(str::to_owned),
            );
            names.extend(record.image_pairs().filter_map(|(name, _)| listed(name)));
        }
        Ok(Needed { in_use: pass.host.engine()?.images_in_use()?, ids, names })
    }

    /// Whether an image may go: nobody needs it, and it has no name but those it was pulled under.
    fn allows(&self, image: &Image, pulled_as: &BTreeSet<String>) -> bool {
        let ours = |tag: &String| pulled_as.contains(tag) && !self.names.contains(tag);
        !self.in_use.contains(&image.id)
            && !self.ids.contains(image.id.as_str())
            && image.repo_tags.iter().all(ours)
    }
}

/// Removes those of the images that may go, and returns the ids of those that are not here any more.
fn remove_all(
    pass: &Pass<'_>,
    service: &Service,
    images: &Images,
    superseded: BTreeSet<String>,
) -> Result<BTreeSet<String>, Problem> {
    let needed = Needed::look(pass, service)?;
    let engine = pass.host.engine()?;
    let mut gone = BTreeSet::new();
    for id in superseded {
        let (Some(pulled_as), Ok(reference)) = (images.pulled.get(&id), Reference::parse(&id))
        else {
            continue;
        };
        match engine.image(&reference)? {
            None => drop(gone.insert(id)),
            Some(image) if needed.allows(&image, pulled_as) => {
                if remove(engine, &image)? == Left::Nothing {
                    log::info!("{}: removed image {}", service.name.as_str(), image.id.short());
                    gone.insert(id);
                }
            }
            Some(_) => {}
        }
    }
    Ok(gone)
}

/// Whether an image is still there.
#[derive(PartialEq, Eq)]
enum Left {
    Nothing,
    Image,
}

/// Removes an image with its names. One that came into use meanwhile stays.
fn remove(engine: &Engine, image: &Image) -> Result<Left, Problem> {
    let id = [image.id.as_str().to_owned()];
    let names = if image.repo_tags.is_empty() { id.as_slice() } else { &image.repo_tags };
    for name in names {
        match engine.remove_image(name) {
            Ok(()) | Err(EngineError::Refused { status: 404, .. }) => {}
            Err(EngineError::Refused { status: 409, .. }) => return Ok(Left::Image),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Left::Nothing)
}

/// A reference as the engine lists it.
fn listed(reference: &str) -> Option<String> {
    Reference::parse(reference).ok()?.named().map(Named::listed)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::{Needed, superseded};
    use crate::docker::engine::{Image, ImageId};
    use crate::state::{ProjectRecord, Record, ServiceRecord};

    fn set(words: &str) -> BTreeSet<String> {
        words.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn what_is_in_force_kept_or_declared_stays() {
        for (pulled, in_force, before, declared, expected) in [
            ("1 2 3 4", "4", "3", "4", "1 2"),
            ("2 3 4", "1", "", "4", "2 3"),
            ("1", "1", "", "", ""),
            ("1", "2", "", "", "1"),
            ("", "2", "1", "2", ""),
        ] {
            let service =
                ServiceRecord { image_id: in_force.to_owned(), ..ServiceRecord::default() };
            let services = [("web".to_owned(), service)].into();
            let project = ProjectRecord { services, ..ProjectRecord::default() };
            let mut record = Record::default();
            record.projects.insert("shop".to_owned(), project);
            record.images.pulled =
                set(pulled).into_iter().map(|id| (id, BTreeSet::default())).collect();
            let kept = set(before).into_iter().collect();
            record.images.previous =
                [("shop".to_owned(), [("web".to_owned(), kept)].into())].into();
            let found = superseded(&record, declared.split_whitespace());
            assert_eq!(found, set(expected), "{pulled}, {in_force}, {before}, {declared}");
        }
    }

    #[test]
    fn what_anybody_else_needs_stays() {
        for (tags, in_use, others, names, may_go) in [
            ("", "", "", "", true),
            ("web:1", "", "", "", true),
            ("web:1 web:stable", "", "", "", true),
            ("web:1 backup:1", "", "", "", false),
            ("backup:1", "", "", "", false),
            ("", "other me", "", "", false),
            ("", "other", "me", "", false),
            ("web:1", "", "", "web:1", false),
            ("web:1", "", "", "web:2", true),
        ] {
            let needed = Needed {
                in_use: set(in_use).into_iter().map(ImageId).collect(),
                ids: set(others),
                names: set(names),
            };
            let image = Image {
                id: ImageId("me".to_owned()),
                repo_tags: set(tags).into_iter().collect(),
                repo_digests: Vec::new(),
                created: None,
                size: 0,
                architecture: None,
                os: None,
                volumes: BTreeSet::new(),
                labels: BTreeMap::new(),
            };
            let pulled_as = set("web:1 web:stable");
            let found = needed.allows(&image, &pulled_as);
            assert_eq!(found, may_go, "{tags}, {in_use}, {others}, {names}");
        }
    }
}
