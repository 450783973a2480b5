//! Who shares what with whom: what the compose files say, and how it stands between the containers
//! that run. Plain values and their names; what follows from them is for `dependents`.

use std::collections::BTreeMap;

use super::types::{Desired, DesiredStack};

/// Something that one compose service takes from another container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tie {
    /// What it takes.
    pub shared: Shared,
    /// From whom.
    pub parent: Parent,
}

/// What is shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shared {
    /// `network_mode`.
    Network,
    /// `ipc`.
    Ipc,
    /// `pid`.
    Processes,
    /// `volumes_from`.
    Volumes,
    /// Nothing; but `depends_on` says `restart: true`.
    Restarts,
}

impl Shared {
    /// Whether it is a namespace: gone for the dependent as soon as the parent stops.
    #[must_use]
    pub fn is_namespace(self) -> bool {
        self.mode_key().is_some()
    }

    /// Where a compose file says so, if it is a namespace.
    #[must_use]
    pub fn mode_key(self) -> Option<&'static str> {
        match self {
            Shared::Network => Some("network_mode"),
            Shared::Ipc => Some("ipc"),
            Shared::Processes => Some("pid"),
            Shared::Volumes | Shared::Restarts => None,
        }
    }

    /// As in "shares the network of x".
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Shared::Network => "shares the network of",
            Shared::Ipc => "shares the ipc namespace of",
            Shared::Processes => "shares the pid namespace of",
            Shared::Volumes => "takes the volumes of",
            Shared::Restarts => "restarts with",
        }
    }
}

/// Whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parent {
    /// A compose service of the same stack: compose makes both in one go, in the right order.
    Service(String),
    /// A container by its name. Compose looks for it when it begins, and so finds the old one when it
    /// makes both in one go.
    Container(String),
}

/// How one container stands to another that it shares something with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    /// What it shares.
    pub shared: Shared,
    /// With whom, as the engine has it: an id, or a name.
    pub with: String,
    /// Whether it still does.
    pub state: Joined,
}

/// What became of a join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joined {
    /// It holds.
    Holds,
    /// The parent is there and does not run.
    ParentDown,
    /// The parent was started after the dependent, which still has the namespaces of its last life.
    ParentRestarted,
    /// There is no such container any more.
    ParentGone,
    /// Nor another of the name that is declared.
    NobodyThere,
}

/// Project and name of a compose service.
pub type Key = (String, String);

/// What each compose service takes from others of the same plan.
pub type Ties = BTreeMap<Key, Vec<(Shared, Key)>>;

/// The ties between the compose services of all stacks. Those to containers of anybody else are left
/// out: what becomes of these is only to be observed.
#[must_use]
pub fn resolve(desired: &Desired) -> Ties {
    let mut ties = Ties::new();
    for stack in &desired.stacks {
        for (name, service) in &stack.services {
            let parent = |tie: &Tie| match &tie.parent {
                Parent::Service(other) => Some((stack.project.clone(), other.clone())),
                Parent::Container(container) => owner(desired, container),
            };
            let own: Vec<(Shared, Key)> =
                service.ties.iter().filter_map(|tie| Some((tie.shared, parent(tie)?))).collect();
            if !own.is_empty() {
                ties.insert((stack.project.clone(), name.clone()), own);
            }
        }
    }
    ties
}

fn owner(desired: &Desired, container: &str) -> Option<Key> {
    let of = |stack: &DesiredStack| {
        let named = stack.services.iter().find(|(name, service)| {
            is_name_of(container, &stack.project, name, service.container_name.as_deref())
        });
        named.map(|(name, _)| (stack.project.clone(), name.clone()))
    };
    desired.stacks.iter().find_map(of)
}

/// Whether compose gives a container of this compose service this name.
#[must_use]
pub fn is_name_of(container: &str, project: &str, service: &str, own: Option<&str>) -> bool {
    if let Some(own) = own {
        return container == own;
    }
    let number = container
        .strip_prefix(project)
        .and_then(|rest| rest.strip_prefix('-'))
        .and_then(|rest| rest.strip_prefix(service))
        .and_then(|rest| rest.strip_prefix('-'));
    number.is_some_and(|number| number.parse::<u32>().is_ok())
}

/// Which way the stacks of a configuration are worked through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sequence {
    /// As they are listed.
    Forward,
    /// The last one first: so a change is undone.
    Backward,
}

/// The order in which stacks are worked through: that of the configuration, except that a stack comes
/// after those whose containers it shares.
#[must_use]
pub fn stack_order(desired: &Desired, sequence: Sequence) -> Vec<usize> {
    let ties = resolve(desired);
    let declares = |index: usize, key: &Key| {
        let stack = &desired.stacks[index];
        stack.project == key.0 && stack.services.contains_key(&key.1)
    };
    let count = desired.stacks.len();
    let needs = |index: usize, other: usize| {
        let own = ties.iter().filter(|(key, _)| declares(index, key));
        own.flat_map(|(_, parents)| parents).any(|(_, parent)| declares(other, parent))
    };
    let mut order: Vec<usize> = Vec::with_capacity(count);
    while order.len() < count {
        let mut open: Vec<usize> = (0..count).filter(|index| !order.contains(index)).collect();
        if sequence == Sequence::Backward {
            open.reverse();
        }
        let free = |index: &&usize| open.iter().all(|o| o == *index || !needs(**index, *o));
        // In a circle the configuration has the last word.
        order.extend(open.iter().find(free).or(open.first()));
    }
    order
}
