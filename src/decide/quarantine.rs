//! Which targets are not tried again, since the very same has failed: what would run is compared,
//! never the commit it came with. Only values.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::plan::{Desired, DesiredService, ImageFact, Key, Registry, Wait};

/// What would run of one compose service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Target {
    /// As [`DesiredService::definition`].
    pub definition: String,
    /// As [`DesiredService::files`].
    pub files: BTreeMap<String, String>,
    /// As [`DesiredService::env`].
    pub env: Option<String>,
    /// The id of the image, if that was known.
    pub image_id: Option<String>,
    /// The registries' digests of it.
    pub digests: BTreeSet<String>,
    /// Whether git no longer declared it: what failed was to be without it.
    pub absent: bool,
}

/// A target that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// What would have run.
    pub target: Target,
    /// It was good itself, and undone together with this one. It is free as soon as that one is.
    pub with: Option<Key>,
    /// The cause may pass: from then on it is tried again.
    pub until: Option<DateTime<Utc>>,
    /// What happened, for the plan to say.
    pub words: String,
}

/// All that failed, the oldest first.
pub type AllFailed = BTreeMap<Key, Vec<Failed>>;

impl Target {
    /// Whether that is what git declares now. Without `images` all is compared but the image.
    #[must_use]
    pub fn is(
        &self,
        declared: Option<&DesiredService>,
        images: Option<&BTreeMap<String, ImageFact>>,
    ) -> bool {
        let Some(declared) = declared else { return self.absent };
        let same = self.definition == declared.definition
            && self.files == declared.files
            && self.env == declared.env;
        let image = images.map(|images| images.get(&declared.image).cloned().unwrap_or_default());
        !self.absent && same && image.is_none_or(|image| self.is_of(&image))
    }

    /// Whether an image is the one that failed: the one that would run, which is the registry's where
    /// that has another. What nobody can tell counts as the same: nothing could be made of it.
    fn is_of(&self, image: &ImageFact) -> bool {
        let meant = || image.meant.as_ref().is_none_or(|digest| self.digests.contains(digest));
        match (&self.image_id, &image.local_id, &image.registry) {
            (None, _, _) => true,
            (Some(_), None, _) | (Some(_), Some(_), Registry::Newer) => meant(),
            (Some(failed), Some(id), _) => failed == id || image.aliases.contains(failed),
        }
    }
}

/// Who waits because the target that git declares now has failed.
#[must_use]
pub fn waits(
    failed: &AllFailed,
    desired: &Desired,
    images: Option<&BTreeMap<String, ImageFact>>,
    now: DateTime<Utc>,
) -> BTreeMap<Key, Wait> {
    let standing = |key: &Key, one: &Failed| {
        let waits = one.until.is_none_or(|until| now < until);
        waits && one.target.is(desired.of(&key.0, &key.1), images)
    };
    let mut waits = BTreeMap::new();
    for with_others in [false, true] {
        let mut found = Vec::new();
        for (key, all) in failed {
            let mut mine = all.iter().rev().filter(|one| one.with.is_some() == with_others);
            let held = |one: &&Failed| one.with.as_ref().is_none_or(|key| waits.contains_key(key));
            if let Some(one) = mine.find(|one| standing(key, one) && held(one)) {
                let words = one.words.clone();
                let wait = match (&one.with, one.until) {
                    (Some(_), _) => Wait::Companion(words),
                    (None, Some(_)) => Wait::Retry(words),
                    (None, None) => Wait::Quarantine(words),
                };
                found.push((key.clone(), wait));
            }
        }
        for (key, wait) in found {
            waits.entry(key).or_insert(wait);
        }
    }
    waits
}

#[cfg(test)]
mod sim;
#[cfg(test)]
mod tests;
