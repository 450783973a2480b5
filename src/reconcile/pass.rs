//! One pass over services: what they share. The repository is fetched once, paths that no service
//! uses follow the branch, then each service has its run.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::Host;
use super::accept::{self, Accepted};
use super::chronicle;
use super::keeper::Keeper;
use super::ownership::Ownership;
use super::repo::{self, Aim};
use super::report::{Commits, Report, ServiceReport};
use super::resolve::Resolver;
use super::run;
use super::siblings::Siblings;
use crate::config::{Config, Service};
use crate::docker::compose::Compose;
use crate::git::{Commit, Git, Move, Standing};
use crate::problem::{Problem, Trouble};
use crate::state::StateDir;
use crate::sys;

/// What a pass is about.
pub struct Order<'a> {
    /// The configuration it works from.
    pub config: &'a Config,
    /// The services of it that are in the pass, in its order.
    pub services: Vec<&'a Service>,
    /// Whether a configuration file that the fetch brings may start the pass again.
    pub restart: Restart,
    /// Whether any pass with this configuration has put another file in its place. Set and asked under
    /// the lock of the repository: the passes behind it find nothing left to move.
    pub moved: Arc<AtomicBool>,
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
    ConfigMoved(Commits),
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
    pub(super) config: &'a Config,
    pub(super) keeper: Option<Keeper<'a>>,
    pub(super) standing: RefCell<Standing>,
    pub(super) ownership: RefCell<Ownership>,
    pub(super) differences: RefCell<Option<Vec<Move>>>,
    aim: &'a Aim,
    replaced: RefCell<BTreeSet<String>>,
}

/// Brings the services in step with the repository.
pub fn sync(host: &Host<'_>, order: &Order<'_>) -> Synced {
    let synced = try_sync(host, order);
    let problems: &[Problem] = match &synced {
        Ok(Synced::Done(report)) => &report.problems,
        Ok(Synced::ConfigMoved(_)) => &[],
        Err(problem) => std::slice::from_ref(problem),
    };
    chronicle::write_troubles(host, order.config, problems);
    synced.unwrap_or_else(|problem| Synced::Done(stopped(order, problem)))
}

/// Says what [`sync`] would do. Leaves repository, tree, engine and state as they are.
pub fn plan(host: &Host<'_>, order: &Order<'_>) -> Report {
    try_plan(host, order).unwrap_or_else(|problem| stopped(order, foretold(problem)))
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
    let child = state.running_git();
    let git = git.recorded_at(child.clone());
    let keeper = keeper(host, order, &git, &child);
    let lock = keeper.lock()?;
    let (aim, unreached) = repo::arrive(host, config, &state, &keeper, &lock)?;
    let compose = host.compose()?;
    let ground = Ground { host, config, state, git: &git, compose: &compose, keeper: Some(keeper) };
    let pass = Pass::new(&ground, &aim);
    let stays;
    let (pass, config_moved) = match keeper.work(&lock, |_| pass.follow_branch()) {
        Ok(config_moved) => {
            repo::accepted(config, &pass.state, &lock, &aim);
            (pass, config_moved)
        }
        Err(problem) if problem.trouble == Trouble::Interrupted => return Err(problem),
        Err(problem) => {
            stays = aim.stay(problem)?;
            (Pass::new(&ground, &stays), false)
        }
    };
    let config_moved = order.moved.fetch_or(config_moved, Ordering::SeqCst) || config_moved;
    drop(lock);
    if config_moved && order.restart == Restart::Allowed {
        return Ok(Synced::ConfigMoved(pass.commits()));
    }
    let mut report = pass.report(unreached);
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
    foreseeing(host, order, |pass, unreached| {
        let mut report = pass.report(unreached);
        for service in &order.services {
            let foreseen = run::foresee(pass, service);
            let error = foreseen.error.map(foretold);
            report.services.push(ServiceReport { error, ..foreseen });
        }
        report.measure(host);
        report
    })
}

/// Takes down that a person accepts what renew refuses to do to a service at the newest commit.
/// Nothing else changes.
///
/// # Errors
/// When no plan can be made, or the state cannot be written.
pub fn accept(host: &Host<'_>, order: &Order<'_>, service: &Service) -> Result<Accepted, Problem> {
    foreseeing(host, order, |pass, unreached| {
        for problem in pass.report(unreached).problems {
            // The next run works towards the same older commit, or refuses what is not this.
            log::warn!("{problem}");
        }
        pass.state.prepare()?;
        accept::accept(pass, service)
    })?
}

/// Looks at the services as a sync would, from the commit it would work towards; what keeps a newer
/// one from being known is told.
fn foreseeing<T>(
    host: &Host<'_>,
    order: &Order<'_>,
    look: impl FnOnce(&Pass<'_>, Option<Problem>) -> T,
) -> Result<T, Problem> {
    let config = order.config;
    let git = repo::open_for_plan(host, config, git_deadline(order))?;
    let state = StateDir::at(&config.state_dir);
    state.check()?;
    let (looked, unreached) = match git.look(&config.repo.remote, &config.repo.branch) {
        Ok(looked) => (Some(looked), None),
        Err(problem) => (None, Some(foretold(problem))),
    };
    let standing = repo::standing(config, &git)?;
    let last = standing.upstream.clone().unwrap_or_else(|| standing.head.clone());
    let (reader, wanted) =
        looked.as_ref().map_or((&git, &last), |looked| (&looked.git, &looked.target));
    let aim = repo::aim(config, &state, reader, &standing, wanted.clone(), None)?;
    let compose = host.compose()?;
    let ground = Ground { host, config, state, git: reader, compose: &compose, keeper: None };
    let pass = Pass::new(&ground, &aim);
    Ok(look(&pass, unreached))
}

/// Damage as a plan tells it: the next sync mends what the remote still has.
fn foretold(problem: Problem) -> Problem {
    if problem.reason != "git_corrupt" {
        return problem;
    }
    let resolution = format!(
        "`renew sync` has what is damaged sent again by the remote; should that not help, {}",
        problem.resolution
    );
    problem.mended_by(resolution)
}

fn keeper<'a>(
    host: &'a Host<'_>,
    order: &Order<'a>,
    git: &'a Git<'a>,
    child: &'a Path,
) -> Keeper<'a> {
    let repo = &order.config.repo;
    // Who holds the lock may be at the end of its own deadline, and its git then has to be ended.
    let deadline = git_deadline(order);
    let (clock, patience) = (host.clock, deadline + deadline.min(LOCK_GRACE));
    let (remote, branch, cancel) = (&repo.remote, &repo.branch, &host.cancel);
    Keeper { git, clock, remote, branch, cancel, patience, child }
}

/// How long a git that is told to end may still hold the lock, at most.
const LOCK_GRACE: Duration = Duration::from_secs(30);

fn git_deadline(order: &Order<'_>) -> Duration {
    let of = |service: &&Service| service.timeouts.git;
    order.services.iter().map(of).max().unwrap_or(Duration::from_secs(120))
}

/// What a pass stands on, wherever it goes.
struct Ground<'a> {
    host: &'a Host<'a>,
    config: &'a Config,
    state: StateDir,
    git: &'a Git<'a>,
    compose: &'a Compose<'a>,
    /// Keeps the repository fit; a plan has none.
    keeper: Option<Keeper<'a>>,
}

impl<'a> Pass<'a> {
    fn new(ground: &'a Ground<'a>, aim: &'a Aim) -> Pass<'a> {
        let Ground { host, config, state, git, compose, keeper } = ground;
        let in_repo = repo::config_path(config, git);
        let here = sys::env::hostname();
        let ownership =
            Ownership::read(&config.services, &here, git.base(), state, in_repo.as_deref());
        let temp = keeper.map_or_else(std::env::temp_dir, |_| state.temp());
        let skip = config.state_dir.clone();
        Pass {
            host,
            state: state.clone(),
            git,
            target: &aim.target,
            resolver: Resolver::new(git, *keeper, &aim.target, compose, temp, skip),
            siblings: Siblings::default(),
            config,
            keeper: *keeper,
            aim,
            standing: RefCell::new(aim.standing.clone()),
            ownership: RefCell::new(ownership),
            differences: RefCell::new(aim.differences.clone()),
            replaced: RefCell::default(),
        }
    }

    /// From where to where it goes.
    fn commits(&self) -> Commits {
        let [current, target] = [&self.aim.standing.head, self.target].map(|c| c.id.clone());
        Commits { current, target }
    }

    /// A report with what went wrong so far for the pass as a whole.
    fn report(&self, unreached: Option<Problem>) -> Report {
        let problems = unreached.into_iter().chain(self.aim.refused.clone()).collect();
        Report { commit: Some(self.commits()), problems, ..Report::default() }
    }

    /// Ids of the containers that the services planned so far would replace. A sync needs no
    /// foresight: it looks at what became of them.
    #[must_use]
    pub fn replaced(&self) -> BTreeSet<String> {
        self.replaced.borrow().clone()
    }

    /// Enters containers that a plan would replace.
    pub fn foresee(&self, replaced: impl IntoIterator<Item = String>) {
        self.replaced.borrow_mut().extend(replaced);
    }

    /// All services of the configuration, those of other hosts included.
    #[must_use]
    pub fn services(&self) -> &[Service] {
        &self.config.services
    }

    /// How much must stay free on docker's disk.
    #[must_use]
    pub fn disk_floor_bytes(&self) -> u64 {
        self.config.disk_floor_bytes
    }
}
