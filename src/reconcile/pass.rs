//! One pass over services: what they share. The repository is fetched once, paths that no service
//! uses follow the branch, then each service has its run.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use super::Host;
use super::held::Held;
use super::ownership::Ownership;
use super::repo::{self, Aim};
use super::report::{Commits, Report, ServiceReport};
use super::resolve::Resolver;
use super::run;
use super::siblings::Siblings;
use super::stack::Stacks;
use crate::config::{Config, Service};
use crate::git::{Commit, Git, Move, Moves, Standing};
use crate::problem::Problem;
use crate::state::StateDir;
use crate::sys::lock::Lock;

/// What a pass is about.
pub struct Order<'a> {
    /// The configuration it works from.
    pub config: &'a Config,
    /// The services of it that are in the pass, in its order.
    pub services: Vec<&'a Service>,
    /// Whether a configuration file that the fetch brings may start the pass again.
    pub restart: Restart,
}

/// Whether a pass may be started again with a configuration that it brought itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// It may: this is the first try.
    Allowed,
    /// It may not: once is enough.
    Done,
}

/// How a sync ended.
pub enum Synced {
    /// With this report.
    Done(Report),
    /// The fetch brought another configuration file, which is in place now.
    ConfigMoved,
}

/// What all runs of a pass share.
pub struct Pass<'a> {
    /// The outside.
    pub host: &'a Host<'a>,
    /// The state directory.
    pub state: StateDir,
    /// The working tree, and what was fetched beside it.
    pub git: &'a Git<'a>,
    /// The commit that is worked towards.
    pub target: &'a Commit,
    /// Resolves stacks of it.
    pub resolver: Resolver<'a>,
    /// What the services know of each other.
    pub siblings: Siblings,
    config: &'a Config,
    standing: RefCell<Standing>,
    ownership: RefCell<Ownership>,
    differences: RefCell<Option<Vec<Move>>>,
}

/// Brings the services in step with the repository.
pub fn sync(host: &Host<'_>, order: &Order<'_>) -> Synced {
    match try_sync(host, order) {
        Ok(synced) => synced,
        Err(problem) => Synced::Done(stopped(order, problem)),
    }
}

/// Says what [`sync`] would do. Leaves repository, tree, engine and state as they are.
pub fn plan(host: &Host<'_>, order: &Order<'_>) -> Report {
    try_plan(host, order).unwrap_or_else(|problem| stopped(order, problem))
}

fn stopped(order: &Order<'_>, problem: Problem) -> Report {
    let services =
        order.services.iter().map(|s| ServiceReport::stopped(s.name.as_str(), problem.clone()));
    let services: Vec<ServiceReport> = services.collect();
    // With no service to carry it, the problem would go unsaid and the exit code be 0.
    let problems = if services.is_empty() { vec![problem] } else { Vec::new() };
    Report { services, problems, ..Report::default() }
}

fn try_sync(host: &Host<'_>, order: &Order<'_>) -> Result<Synced, Problem> {
    let config = order.config;
    let state = StateDir::at(&config.state_dir);
    let git = repo::open_or_clone(host, config, git_deadline(order))?;
    state.prepare()?;
    let (remote, branch) = (&config.repo.remote, &config.repo.branch);
    let lock = git_lock(&git, host, order)?;
    let unreached = git.fetch(remote, branch).err();
    if host.cancel.is_set() {
        return Err(Problem::interrupted());
    }
    let standing = git.standing(remote, branch)?;
    repo::check_branch(&git, &standing, branch)?;
    let wanted = standing.upstream.clone().unwrap_or_else(|| standing.head.clone());
    let aim = repo::aim(config, &state, &git, &standing, wanted)?;
    let compose = host.compose()?;
    let skip = config.state_dir.clone();
    let resolver = Resolver::new(&git, &aim.target, &compose, state.temp(), skip);
    let commits = Commits { current: standing.head.id.clone(), target: aim.target.id.clone() };
    let pass = Pass::new(host, config, state, &git, &aim, resolver, standing);
    let config_moved = pass.follow_branch()?;
    drop(lock);
    if config_moved && order.restart == Restart::Allowed {
        return Ok(Synced::ConfigMoved);
    }
    let mut report = Report { commit: Some(commits), ..Report::default() };
    report.problems.extend(unreached.into_iter().chain(aim.refused.clone()));
    for service in &order.services {
        if host.cancel.is_set() {
            report.problems.push(Problem::interrupted());
            break;
        }
        report.services.push(run::run(&pass, service));
    }
    Ok(Synced::Done(report))
}

fn try_plan(host: &Host<'_>, order: &Order<'_>) -> Result<Report, Problem> {
    let config = order.config;
    let git = repo::open_for_plan(host, config, git_deadline(order))?;
    let (remote, branch) = (&config.repo.remote, &config.repo.branch);
    let (looked, unreached) = match git.look(remote, branch) {
        Ok(looked) => (Some(looked), None),
        Err(problem) => (None, Some(problem)),
    };
    let standing = git.standing(remote, branch)?;
    repo::check_branch(&git, &standing, branch)?;
    let last = standing.upstream.clone().unwrap_or_else(|| standing.head.clone());
    let (reader, wanted) =
        looked.as_ref().map_or((&git, &last), |looked| (&looked.git, &looked.target));
    let state = StateDir::at(&config.state_dir);
    let aim = repo::aim(config, &state, reader, &standing, wanted.clone())?;
    let compose = host.compose()?;
    let (temp, skip) = (std::env::temp_dir(), config.state_dir.clone());
    let resolver = Resolver::new(reader, &aim.target, &compose, temp, skip);
    let commits = Commits { current: standing.head.id.clone(), target: aim.target.id.clone() };
    let pass = Pass::new(host, config, state, reader, &aim, resolver, standing);
    let mut report = Report { commit: Some(commits), ..Report::default() };
    report.problems.extend(unreached.into_iter().chain(aim.refused.clone()));
    report.services = order.services.iter().map(|service| run::foresee(&pass, service)).collect();
    report.measure(host);
    Ok(report)
}

fn git_deadline(order: &Order<'_>) -> Duration {
    let of = |service: &&Service| service.timeouts.git;
    order.services.iter().map(of).max().unwrap_or(Duration::from_secs(120))
}

/// Git work is done by one renew at a time.
fn git_lock(git: &Git<'_>, host: &Host<'_>, order: &Order<'_>) -> Result<Lock, Problem> {
    let path = git.git_dir().join("renew.lock");
    Lock::take(&path, git_deadline(order), host.clock).map_err(|error| {
        Problem::setup("git_lock", error.to_string(), "wait for the other renew to end")
    })
}

impl<'a> Pass<'a> {
    fn new(
        host: &'a Host<'a>,
        config: &'a Config,
        state: StateDir,
        git: &'a Git<'a>,
        aim: &'a Aim,
        resolver: Resolver<'a>,
        standing: Standing,
    ) -> Pass<'a> {
        let in_repo = repo::config_path(config, git);
        let ownership = Ownership::read(&config.services, &state, in_repo.as_deref());
        Pass {
            host,
            state,
            git,
            target: &aim.target,
            resolver,
            siblings: Siblings::default(),
            config,
            standing: RefCell::new(standing),
            ownership: RefCell::new(ownership),
            differences: RefCell::new(aim.differences.clone()),
        }
    }

    /// Moves every path that no service uses. Returns whether the configuration file was one.
    fn follow_branch(&self) -> Result<bool, Problem> {
        let changes = self.differences()?;
        let (moving, held): (Vec<&Move>, Vec<&Move>) =
            changes.iter().partition(|change| self.ownership.borrow().is_free(change));
        let config = repo::config_path(self.config, self.git);
        let config_moves =
            moving.iter().any(|change| config.as_deref() == Some(Path::new(&change.path)));
        let behind = self.standing.borrow().head != *self.target;
        if behind || !moving.is_empty() {
            self.move_tree(moving, held)?;
        }
        Ok(config_moves)
    }

    /// All services of the configuration, those of other hosts included.
    #[must_use]
    pub fn services(&self) -> &[Service] {
        &self.config.services
    }

    /// The paths that a service uses and that are not yet as the target has them.
    ///
    /// # Errors
    /// When git fails.
    pub fn held(&self, service: &str, paths: BTreeSet<String>) -> Result<Held, Problem> {
        self.ownership.borrow_mut().add(service, paths);
        let ownership = self.ownership.borrow();
        let uses =
            |change: &Move| ownership.uses(service, &change.path).then(|| change.path.clone());
        Ok(Held(self.differences()?.into_iter().filter_map(|change| uses(&change)).collect()))
    }

    /// Moves the paths that one service uses, now that it may.
    ///
    /// # Errors
    /// When an untracked file is in the way or git fails; nothing was moved then.
    pub fn move_files(&self, service: &str, paths: BTreeSet<String>) -> Result<(), Problem> {
        self.ownership.borrow_mut().add(service, paths);
        let changes = self.differences()?;
        let ownership = self.ownership.borrow();
        let (moving, held): (Vec<&Move>, Vec<&Move>) =
            changes.iter().partition(|change| ownership.uses(service, &change.path));
        if moving.is_empty() {
            return Ok(());
        }
        let _lock = Lock::take(
            &self.git.git_dir().join("renew.lock"),
            Duration::from_secs(120),
            self.host.clock,
        )
        .map_err(|e| Problem::setup("git_lock", e.to_string(), "wait for the other renew"))?;
        self.move_tree(moving, held)
    }

    fn move_tree(&self, moving: Vec<&Move>, held: Vec<&Move>) -> Result<(), Problem> {
        let save_as = self.host.clock.now().format("%Y%m%dT%H%M%S%.3fZ").to_string();
        let save_as = save_as.replace('.', "-");
        let count = moving.len();
        let standing = self.standing.borrow().clone();
        let saved = self.git.follow(&Moves {
            from: &standing,
            target: self.target,
            moving,
            held,
            save_as: &save_as,
        })?;
        if let Some(name) = saved {
            log::warn!("local work in {} was saved as {name}", self.git.top().display());
        }
        if count > 0 {
            let paths = if count == 1 { "path" } else { "paths" };
            log::info!("moved {count} {paths} to {}", super::resolve::short(&self.target.id));
        }
        self.standing.borrow_mut().head = self.target.clone();
        *self.differences.borrow_mut() = None;
        Ok(())
    }

    /// Where the tree differs from the target, looked up again after every move.
    fn differences(&self) -> Result<Vec<Move>, Problem> {
        if let Some(known) = self.differences.borrow().as_ref() {
            return Ok(known.clone());
        }
        let found = self.git.differences(self.target)?;
        *self.differences.borrow_mut() = Some(found.clone());
        Ok(found)
    }

    /// Changed paths that a service shares with others: they move with the first of them.
    #[must_use]
    pub fn shared_paths(&self, service: &str, stacks: &Stacks) -> Vec<String> {
        let Ok(changes) = self.differences() else { return Vec::new() };
        self.ownership.borrow_mut().add(service, stacks.paths());
        let ownership = self.ownership.borrow();
        let note = |change: &Move| {
            let others = ownership.others(service, &change.path);
            let mine = ownership.uses(service, &change.path) && !others.is_empty();
            mine.then(|| format!("{} moves for {} too", change.path, others.join(", ")))
        };
        changes.iter().filter_map(note).collect()
    }
}
