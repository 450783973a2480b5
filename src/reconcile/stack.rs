//! The stacks of one service in play: what git declares, from the cache or resolved anew. When the
//! target does not resolve, what last did stays in force.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chrono::{DateTime, Utc};

use super::model::{Model, difference};
use super::policy;
use super::resolve::{Resolver, StackSpec, inputs};
use crate::config::Service;
use crate::decide::plan::{Desired, DesiredStack, Memory, Orphans};
use crate::decide::waves::Dependencies;
use crate::problem::Problem;
use crate::state::{Record, Resolved, ServiceLock, StateDir};

/// One resolved stack with the way it was asked for.
pub struct Stack {
    /// As the configuration describes it.
    pub spec: StackSpec,
    /// As compose resolved it.
    pub resolved: Resolved,
}

impl Stack {
    /// The model.
    #[must_use]
    pub fn model(&self) -> Model<'_> {
        Model::new(&self.resolved.model)
    }

    /// The compose project.
    #[must_use]
    pub fn project(&self) -> &str {
        self.model().project()
    }
}

/// All stacks of a service, and why they are not those of the target, if they are not.
pub struct Stacks {
    /// In the order of the configuration.
    pub list: Vec<Stack>,
    /// The target does not resolve: the list is what last did.
    pub fallen_back: Option<Problem>,
}

impl Stacks {
    /// Resolves every stack of a service.
    ///
    /// # Errors
    /// When a stack does not resolve and never did.
    pub fn resolve(
        service: &Service,
        resolver: &Resolver<'_>,
        state: &StateDir,
        lock: Option<&ServiceLock>,
        now: DateTime<Utc>,
    ) -> Result<Stacks, Problem> {
        let mut list = Vec::new();
        let mut fallen_back = None;
        for (index, files) in service.stacks.iter().enumerate() {
            let spec = StackSpec {
                files: files.clone(),
                profiles: service.profiles.clone(),
                project: service.compose_project_name.clone(),
                env_file: service.env_file.clone(),
            };
            let cached = state.cached(service.name.as_str(), index);
            let held = cached.as_ref().filter(|kept| kept.holds(&resolver.key(&spec), now));
            let resolved = match held {
                Some(kept) => kept.clone(),
                None => match (resolver.resolve(&spec, now), cached) {
                    (Ok(fresh), _) => {
                        keep(state, lock, index, &fresh);
                        fresh
                    }
                    (Err(problem), Some(last)) => {
                        fallen_back = Some(problem);
                        last
                    }
                    (Err(problem), None) => return Err(problem),
                },
            };
            list.push(Stack { spec, resolved });
        }
        Ok(Stacks { list, fallen_back })
    }

    /// What the planner desires.
    #[must_use]
    pub fn desired(&self, service: &Service, top: &Path) -> Desired {
        let orphans = if service.remove_orphans { Orphans::Remove } else { Orphans::Keep };
        let mut desired = Desired { orphans, ..Desired::default() };
        for stack in &self.list {
            let model = stack.model();
            let services = model.services().map(|(name, value)| {
                let policy = policy::of(service, name);
                let sources = &stack.resolved.sources;
                (name.clone(), model.desired(name, value, policy, sources, top))
            });
            desired.stacks.push(DesiredStack {
                project: model.project().to_owned(),
                services: services.collect(),
                topology: model.topology(),
            });
            let known = desired.known_services.entry(model.project().to_owned()).or_default();
            known.extend(stack.resolved.services.iter().cloned());
        }
        desired
    }

    /// What is remembered, in terms of these stacks: differences are put in words, and where only
    /// compose changed, its new reading is taken as what was meant all along.
    #[must_use]
    pub fn memory(&self, record: &Record) -> Memory {
        let mut memory = record.memory();
        for stack in &self.list {
            let model = stack.model();
            let inputs = inputs(&stack.resolved, &stack.spec);
            let Some(past) = memory.projects.get_mut(model.project()) else { continue };
            let Some(recorded) = record.projects.get(model.project()) else { continue };
            for (name, value) in model.services() {
                let Some(old) = recorded.services.get(name) else { continue };
                let Some(remembered) = past.services.get_mut(name) else { continue };
                let definition = model.definition(value);
                let by_compose_alone =
                    old.inputs == inputs && old.compose_version != stack.resolved.compose_version;
                if by_compose_alone {
                    remembered.definition = super::model::sha256(&definition.to_string());
                } else {
                    remembered.difference = difference(&old.definition, &definition);
                }
            }
        }
        memory
    }

    /// The projects these stacks belong to.
    #[must_use]
    pub fn projects(&self) -> BTreeSet<String> {
        self.list.iter().map(|stack| stack.project().to_owned()).collect()
    }

    /// Who waits for whom, by project.
    #[must_use]
    pub fn depends_on(&self) -> BTreeMap<String, Dependencies> {
        let mut all: BTreeMap<String, Dependencies> = BTreeMap::new();
        for stack in &self.list {
            all.entry(stack.project().to_owned()).or_default().extend(stack.model().depends_on());
        }
        all
    }

    /// Paths of the repository that the stacks use.
    #[must_use]
    pub fn paths(&self) -> BTreeSet<String> {
        let used = |stack: &Stack| {
            let listed = stack.spec.files.iter().map(|file| file.to_string_lossy().into_owned());
            let read = stack.resolved.tracked.keys().chain(stack.resolved.sources.keys()).cloned();
            listed.chain(read).collect::<Vec<_>>()
        };
        self.list.iter().flat_map(used).collect()
    }

    /// The variables that nothing defines, by project.
    #[must_use]
    pub fn unset_variables(&self) -> BTreeMap<&str, &[String]> {
        self.list
            .iter()
            .filter(|stack| !stack.resolved.warnings.is_empty())
            .map(|stack| (stack.project(), stack.resolved.warnings.as_slice()))
            .collect()
    }
}

/// Keeps what compose made of a stack. Without it the next run asks compose again; a full disk must
/// not keep anything from being healed.
fn keep(state: &StateDir, lock: Option<&ServiceLock>, index: usize, fresh: &Resolved) {
    let Some(lock) = lock else { return };
    if let Err(problem) = state.cache(lock, index, fresh) {
        log::warn!("{problem}");
    }
}
