//! The stacks of one service in play: what git declares, from the cache or resolved anew. When the
//! target does not resolve, what last did stands in: it may never have been in force, so nothing of it
//! may come into force by this.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::Host;
use super::env::Env;
use super::model::{Model, difference, sha256};
use super::policy;
use super::resolve::Resolver;
use super::spec::{StackSpec, inputs};
use crate::config::Service;
use crate::decide::plan::{
    Changes, Desired, DesiredService, DesiredStack, FilesAction, Memory, Orphans,
};
use crate::decide::waves::Dependencies;
use crate::gather::Gather;
use crate::problem::{Problem, Trouble};
use crate::state::{Record, Resolved, ServiceLock, ServiceRecord, StateDir};

/// One resolved stack with the way it was asked for.
#[derive(Clone)]
pub struct Stack {
    /// As the configuration describes it.
    pub spec: StackSpec,
    /// As compose resolved it.
    pub resolved: Resolved,
    /// Compose services that are here as they were recorded, and not as git declares them.
    pub in_force: BTreeSet<String>,
}

impl Stack {
    /// The model.
    #[must_use]
    pub fn model(&self) -> Model<'_> {
        Model::new(&self.resolved.model)
    }

    /// The directory compose takes for the project's: that of the first file.
    #[must_use]
    pub fn folder(&self, top: &Path) -> PathBuf {
        let folder = self.spec.files.first().and_then(|file| file.parent());
        folder.map_or_else(|| top.to_path_buf(), |folder| top.join(folder))
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
    /// The secret env file beside the repository.
    pub env: Env,
    /// The target does not resolve: the list is what last did.
    pub fallen_back: Option<Problem>,
}

impl Stacks {
    /// Resolves every stack of a service.
    ///
    /// # Errors
    /// When a stack does not resolve and never did, or we are asked to stop.
    pub fn resolve(
        service: &Service,
        resolver: &Resolver<'_>,
        state: &StateDir,
        lock: Option<&ServiceLock>,
        host: &Host<'_>,
    ) -> Result<Stacks, Problem> {
        let mut list = Vec::new();
        let (env, mut fallen_back) = match Env::read(service.env_file.as_deref(), host) {
            Ok(env) => (env, None),
            Err(problem) if problem.trouble == Trouble::Interrupted => return Err(problem),
            Err(problem) => (Env::Lost, Some(problem)),
        };
        let lost = fallen_back.clone();
        let now = host.clock.now();
        for (index, files) in service.stacks.iter().enumerate() {
            let spec = StackSpec {
                files: files.iter().map(|file| resolver.git().base().join(file)).collect(),
                profiles: service.profiles.clone(),
                project: service.compose_project_name.clone(),
            };
            let cached = state.cached(service.name.as_str(), index);
            let holds = |kept: &&Resolved| {
                kept.spec == spec.told() && kept.holds(&resolver.key(&spec, &env), now)
            };
            if let Some(kept) = &cached {
                resolver.learn(kept);
            }
            let held = cached.as_ref().filter(|_| lost.is_none()).filter(holds);
            let fresh = || host.learning(|| resolver.resolve(&spec, &env, now));
            let resolve = || lost.clone().map_or_else(fresh, Err);
            let resolved = match held {
                Some(kept) => kept.clone(),
                None => match resolve() {
                    Ok(fresh) => {
                        keep(state, lock, index, &fresh);
                        fresh
                    }
                    Err(problem) => {
                        let last = state.last_resolved(service.name.as_str(), &spec.told());
                        let Some(last) = last else { return Err(problem) };
                        fallen_back = Some(problem);
                        last
                    }
                },
            };
            list.push(Stack { spec, resolved, in_force: BTreeSet::new() });
        }
        Ok(Stacks { list, env, fallen_back })
    }

    /// What the planner desires.
    #[must_use]
    pub fn desired(&self, service: &Service, top: &Path, changes: &Changes) -> Desired {
        let orphans = if service.remove_orphans { Orphans::Remove } else { Orphans::Keep };
        let name = service.name.as_str().to_owned();
        let changes_of_orphans = policy::of_orphans(service, changes);
        let mut desired =
            Desired { service: name, orphans, changes: changes_of_orphans, ..Desired::default() };
        for stack in &self.list {
            let model = stack.model();
            let services = model.services().map(|(name, value)| {
                let policy = policy::of(service, name, changes);
                let sources = &stack.resolved.sources;
                let env = stack.resolved.env_sha256.clone();
                let declared = model.desired(name, value, policy, sources, top);
                let mut declared = DesiredService { env, ..declared };
                if let FilesAction::Signal(_) = declared.policy.files {
                    let single = |path: &&String| top.join(path).is_file();
                    let files = declared.files.keys().filter(single).cloned();
                    declared.policy.single_files = files.collect();
                }
                (name.clone(), declared)
            });
            desired.stacks.push(DesiredStack {
                project: model.project().to_owned(),
                services: services.gather(),
                topology: model.topology(),
                real_names: model.real_names(),
                directory: super::mounts::real(&stack.folder(top)).to_string_lossy().into_owned(),
            });
            let known = desired.known_services.entry(model.project().to_owned()).or_default();
            known.extend(stack.resolved.services.iter().cloned());
        }
        desired
    }

    /// What is remembered, in terms of these stacks: differences are put in words, and where only
    /// compose changed, its new reading is taken as what was meant all along. So is a rotation that is
    /// not through while the env file cannot be read: nothing restarts before it can.
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
                let env = &stack.resolved.env_sha256;
                let waits = self.env.is_lost() && remembered.env != *env;
                if by_compose_alone || waits {
                    remembered.definition = sha256(&definition.to_string());
                    if waits {
                        remembered.env.clone_from(env);
                    }
                } else {
                    remembered.difference = difference(&old.definition, &definition);
                }
            }
        }
        memory
    }

    /// The hash of a recorded definition as compose reads it now: where only compose changed, what is
    /// declared is what was meant.
    #[must_use]
    pub fn reading(&self, project: &str, name: &str, recorded: &ServiceRecord) -> String {
        let stacks = self.list.iter().filter(|stack| stack.project() == project);
        let by_compose_alone = |stack: &&Stack| {
            recorded.inputs == inputs(&stack.resolved, &stack.spec)
                && recorded.compose_version != stack.resolved.compose_version
        };
        let declared = stacks.filter(by_compose_alone).find_map(|stack| {
            stack.model().service(name).map(|value| stack.model().definition(value))
        });
        let read = |definition: Value| sha256(&definition.to_string());
        declared.map_or_else(|| recorded.definition_sha256.clone(), read)
    }

    /// Whether a compose service is in any of them, inactive profiles included.
    #[must_use]
    pub fn declare(&self, name: &str) -> bool {
        self.list.iter().any(|stack| stack.resolved.services.iter().any(|known| known == name))
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

    /// What has to come about before anything changes, if the stacks are not those of the target.
    #[must_use]
    pub fn to_come(&self) -> Option<&'static str> {
        let what =
            if self.env.is_lost() { "the env file can be read" } else { "the target resolves" };
        self.fallen_back.as_ref().map(|_| what)
    }

    /// The variables that nothing defines, by project.
    #[must_use]
    pub fn unset_variables(&self) -> BTreeMap<&str, &[String]> {
        self.list
            .iter()
            .filter(|stack| !stack.resolved.warnings.is_empty())
            .map(|stack| (stack.project(), stack.resolved.warnings.as_slice()))
            .gather()
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
