//! How one compose service is treated: the settings of its service, with those of `per_service`
//! laid over them.

use std::collections::BTreeMap;

use crate::config::read::{Found, Reader};
use crate::config::shape;
use crate::config::value::choice::{
    FilesAction, Heal, ImageCheck, Mode, OnFailure, Reason, RecreateOn,
};
use crate::config::value::name;

/// What applies to one compose service.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EffectivePolicy {
    /// Change it, or only look.
    pub mode: Mode,
    /// Which drift leads to a recreate.
    pub recreate_on: RecreateOn,
    /// What a changed mounted file leads to.
    pub files_action: FilesAction,
    /// Where the digest behind a tag is looked up.
    pub image_check: ImageCheck,
    /// What happens to a change that failed; nothing if nobody said.
    pub on_failure: Option<OnFailure>,
    /// What is started again.
    pub heal: Heal,
}

/// What `per_service` says about one compose service; nothing where it says nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PerService {
    /// Change it, or only look.
    pub mode: Option<Mode>,
    /// Which drift leads to a recreate.
    pub recreate_on: Option<RecreateOn>,
    /// What a changed mounted file leads to.
    pub files_action: Option<FilesAction>,
    /// Where the digest behind a tag is looked up.
    pub image_check: Option<ImageCheck>,
    /// What happens to a change that failed.
    pub on_failure: Option<OnFailure>,
    /// What is started again.
    pub heal: Option<Heal>,
}

impl EffectivePolicy {
    /// This policy with what `over` says laid over it.
    #[must_use]
    pub fn overlaid(&self, over: &PerService) -> EffectivePolicy {
        EffectivePolicy {
            mode: over.mode.unwrap_or(self.mode),
            recreate_on: over.recreate_on.unwrap_or(self.recreate_on),
            files_action: over.files_action.clone().unwrap_or_else(|| self.files_action.clone()),
            image_check: over.image_check.unwrap_or(self.image_check),
            on_failure: over.on_failure.or(self.on_failure),
            heal: over.heal.unwrap_or(self.heal),
        }
    }
}

/// Reads the settings that hold for the whole service.
pub fn read(reader: &mut Reader) -> EffectivePolicy {
    let preset = || [Reason::Image, Reason::Config, Reason::Files].into_iter().collect();
    EffectivePolicy {
        mode: reader.text("mode", Mode::parse),
        recreate_on: recreate_on(reader).unwrap_or_else(preset),
        files_action: reader.text("files_action", FilesAction::parse),
        image_check: reader.text("image_check", ImageCheck::parse),
        on_failure: reader.optional("on_failure", OnFailure::parse),
        heal: reader.text("heal", Heal::parse),
    }
}

/// Reads `per_service`, the service's own entries over those of `defaults`, key by key.
pub fn read_per_service(reader: &mut Reader) -> BTreeMap<String, PerService> {
    let mut all: BTreeMap<String, PerService> = BTreeMap::new();
    for map in reader.find_both("per_service") {
        let known = map.node.members().iter().filter(|member| !shape::is_foreign(&member.key));
        for member in known {
            let entry = Found { node: &member.node, path: shape::join(&map.path, &member.key) };
            let key = Found { node: &member.node, path: entry.path.clone() };
            let named = reader.check(&key, name::compose_service(&member.key));
            let said = read_entry(entry, reader);
            if let Some(name) = named {
                let into = all.entry(name).or_default();
                *into = said.behind(std::mem::take(into));
            }
        }
    }
    all
}

fn read_entry(entry: Found, reader: &mut Reader) -> PerService {
    let mut reader = Reader::of_entry(entry, None, "services[].per_service.*.", reader.sink);
    PerService {
        mode: reader.optional("mode", Mode::parse),
        recreate_on: recreate_on(&mut reader),
        files_action: reader.optional("files_action", FilesAction::parse),
        image_check: reader.optional("image_check", ImageCheck::parse),
        on_failure: reader.optional("on_failure", OnFailure::parse),
        heal: reader.optional("heal", Heal::parse),
    }
}

fn recreate_on(reader: &mut Reader) -> Option<RecreateOn> {
    reader.set("recreate_on", Reason::parse).map(|reasons| reasons.into_iter().collect())
}

impl PerService {
    /// What `first` says, and this where it says nothing.
    fn behind(self, first: PerService) -> PerService {
        PerService {
            mode: first.mode.or(self.mode),
            recreate_on: first.recreate_on.or(self.recreate_on),
            files_action: first.files_action.or(self.files_action),
            image_check: first.image_check.or(self.image_check),
            on_failure: first.on_failure.or(self.on_failure),
            heal: first.heal.or(self.heal),
        }
    }
}
