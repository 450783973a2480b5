//! What the services of a configuration know of each other when they share a compose project: whose
//! a compose service is, so that nobody takes it for an orphan and no two fight over it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::pass::Pass;
use super::stack::{Stack, Stacks};
use super::todo::{Key, key};
use crate::config::Service;
use crate::decide::plan::{Action, Reason, Step};
use crate::problem::Problem;
use crate::state::ServiceLock;
use crate::sys::env;

/// Compose service names by project.
pub type Names = BTreeMap<String, BTreeSet<String>>;

/// What was learned in one pass.
#[derive(Debug, Default)]
pub struct Siblings {
    owners: RefCell<BTreeMap<Key, String>>,
    names: RefCell<BTreeMap<String, Result<Names, String>>>,
    removed: RefCell<BTreeSet<Key>>,
}

impl Siblings {
    /// Enters what a service declares.
    ///
    /// # Errors
    /// When another stack declares the same compose service: both would make it anew for ever. Of two
    /// services the one that already runs it goes on; if both do, or neither, the first of the
    /// configuration.
    pub fn claim(
        &self,
        pass: &Pass<'_>,
        service: &Service,
        stacks: &Stacks,
    ) -> Result<(), Problem> {
        let name = service.name.as_str();
        self.names.borrow_mut().insert(name.to_owned(), names(stacks));
        let mut mine = BTreeSet::new();
        for key in declared(stacks) {
            let owner = match mine.contains(&key) {
                true => Some(name.to_owned()),
                false => self.owner(pass, name, &key),
            };
            if let Some(owner) = owner {
                return Err(declared_twice(&key, &owner, name));
            }
            mine.insert(key);
        }
        self.owners.borrow_mut().extend(mine.into_iter().map(|key| (key, name.to_owned())));
        Ok(())
    }

    /// The other service that a compose service is left to: it claimed it in this pass, or ran it
    /// before and still declares it.
    fn owner(&self, pass: &Pass<'_>, name: &str, key: &Key) -> Option<String> {
        if let Some(owner) = self.owners.borrow().get(key) {
            return Some(owner.clone());
        }
        let ownership = pass.ownership.borrow();
        let before = ownership.keepers(key).iter().take_while(|keeper| *keeper != name);
        let services =
            before.filter_map(|keeper| pass.services().iter().find(|s| s.name.as_str() == keeper));
        let declares = |other: &&Service| {
            let stacks = Stacks::resolve(other, &pass.resolver, &pass.state, None, pass.host);
            stacks.is_ok_and(|stacks| declared(&stacks).any(|one| one == *key))
        };
        services.into_iter().find(declares).map(|other| other.name.to_string())
    }

    /// What all other services of the configuration declare, those of other hosts included. With
    /// the lock of a run, what had to be resolved of those is kept.
    ///
    /// # Errors
    /// When it cannot be told of one of them, and why.
    pub fn others(
        &self,
        pass: &Pass<'_>,
        service: &Service,
        lock: Option<&ServiceLock>,
    ) -> Result<Names, String> {
        let mut all = Names::new();
        for other in pass.services().iter().filter(|other| other.name != service.name) {
            for (project, names) in self.of(pass, other, lock)? {
                all.entry(project).or_default().extend(names);
            }
        }
        Ok(all)
    }

    fn of(
        &self,
        pass: &Pass<'_>,
        other: &Service,
        lock: Option<&ServiceLock>,
    ) -> Result<Names, String> {
        let name = other.name.as_str();
        if let Some(known) = self.names.borrow().get(name) {
            return known.clone();
        }
        // Who runs on this host keeps its own, and would find itself busy with our lock.
        let here = [env::hostname()];
        let lock = lock.filter(|_| !other.runs_on(&here));
        let lock = lock.and_then(|_| pass.state.lock(name).ok());
        let stacks = Stacks::resolve(other, &pass.resolver, &pass.state, lock.as_ref(), pass.host);
        let found = match stacks {
            Ok(stacks) => names(&stacks),
            Err(problem) => Err(format!("{name} does not resolve ({})", problem.reason)),
        };
        self.names.borrow_mut().insert(name.to_owned(), found.clone());
        found
    }

    /// Whether a plan may say this: of an orphan that two services see only the first removes it.
    pub fn is_first_to_remove(&self, action: &Action) -> bool {
        let removes = action.step == Step::Remove && action.reason == Reason::Orphan;
        !removes || self.removed.borrow_mut().insert(key(action))
    }
}

/// The compose services of active profiles.
fn declared(stacks: &Stacks) -> impl Iterator<Item = Key> {
    let of = |stack: &Stack| {
        let project = stack.project().to_owned();
        let model = stack.model();
        model.services().map(|(name, _)| (project.clone(), name.clone())).collect::<Vec<Key>>()
    };
    stacks.list.iter().flat_map(of)
}

fn declared_twice((project, compose_service): &Key, owner: &str, name: &str) -> Problem {
    Problem::setup(
        "declared_twice",
        format!(
            "compose service {compose_service} of project {project} is declared by a stack of \
             {owner} and by another of {name}"
        ),
        "leave it in one of them, or give one another project (compose_project_name)",
    )
}

/// Those of inactive profiles included. Unsure while the target does not resolve.
fn names(stacks: &Stacks) -> Result<Names, String> {
    if let Some(problem) = &stacks.fallen_back {
        return Err(format!("a stack does not resolve ({})", problem.reason));
    }
    let mut names = Names::new();
    for stack in &stacks.list {
        let of_project = names.entry(stack.project().to_owned()).or_default();
        of_project.extend(stack.resolved.services.iter().cloned());
    }
    Ok(names)
}
