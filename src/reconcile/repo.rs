//! The repository of a pass: opened with its credentials, and which commit may be worked towards.
//! A refusal never stops healing: what was accepted last stays in force.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::Host;
use super::keeper::Keeper;
use crate::config::Config;
use crate::git::{Access, Commit, Git, Move, News, Source, Standing, Trust, UNMERGED, redact};
use crate::problem::{Problem, Trouble};
use crate::state::StateDir;
use crate::sys::lock::Lock;

/// Opens the working tree, with the credentials of the configuration for its remote. Where these are
/// missing or open to others, the remote cannot be asked, and that is all.
///
/// # Errors
/// When there is no working tree.
pub fn open<'a>(
    host: &'a Host<'_>,
    config: &Config,
    deadline: Duration,
) -> Result<Git<'a>, Problem> {
    let repo = &config.repo;
    let access = access(config);
    let git = Git::open(&repo.dir, deadline, host.exec.as_ref())?;
    if access == Access::default() {
        return Ok(git);
    }
    match git.clone().with_access(&repo.remote, &access) {
        Err(problem) if problem.trouble != Trouble::Interrupted => Ok(git.lacking_access(problem)),
        known => known,
    }
}

/// As [`open`]; a tree that is not there yet is cloned from `repo.url`, if the configuration has one.
///
/// # Errors
/// As [`open`], or when it cannot be cloned.
pub fn open_or_clone<'a>(
    host: &'a Host<'_>,
    config: &Config,
    deadline: Duration,
) -> Result<Git<'a>, Problem> {
    // Of several runs that begin on a fresh host one clones, and the others find what it made.
    static CLONING: Mutex<()> = Mutex::new(());
    let repo = &config.repo;
    let _turn = repo.url.as_ref().map(|_| CLONING.lock().unwrap_or_else(PoisonError::into_inner));
    match (open(host, config, deadline), &repo.url) {
        (Err(problem), Some(url)) if is_missing(&problem) => {
            log::info!("cloning {} into {}", redact(url), repo.dir.display());
            let source = Source { url, remote: &repo.remote, branch: &repo.branch };
            let access = access(config);
            Git::clone_to(&source, &repo.dir, &access, deadline, host.exec.as_ref())?;
            open(host, config, deadline)
        }
        (opened, _) => opened,
    }
}

/// As [`open`], for a plan, which clones nothing.
///
/// # Errors
/// As [`open`].
pub fn open_for_plan<'a>(
    host: &'a Host<'_>,
    config: &Config,
    deadline: Duration,
) -> Result<Git<'a>, Problem> {
    open(host, config, deadline).map_err(|problem| match config.repo.url {
        Some(_) if is_missing(&problem) => {
            problem.mended_by("`renew sync` clones it from repo.url".to_owned())
        }
        _ => problem,
    })
}

fn is_missing(problem: &Problem) -> bool {
    ["repo_missing", "not_a_repository"].contains(&&*problem.reason)
}

fn access(config: &Config) -> Access {
    Access {
        ssh_key_file: config.repo.ssh_key_file.clone(),
        known_hosts_file: config.repo.known_hosts_file.clone(),
        token_file: config.repo.token_file.clone(),
    }
}

/// The commit that a pass works towards, and how the tree differs from it.
pub struct Aim {
    /// Where the tree stands before.
    pub standing: Standing,
    /// The commit.
    pub target: Commit,
    /// The differences, when they are known.
    pub differences: Option<Vec<Move>>,
    /// Why it is not the commit that was wanted.
    pub refused: Option<Problem>,
    /// What to stay on if this cannot be reached.
    ground: Option<Commit>,
}

impl Aim {
    /// To stay on what may be deployed already, and why.
    ///
    /// # Errors
    /// The reason itself, when there is no such commit.
    pub fn stay(&self, refused: Problem) -> Result<Aim, Problem> {
        Aim::staying(&self.standing, self.ground.as_ref(), refused)
    }

    fn staying(
        standing: &Standing,
        ground: Option<&Commit>,
        refused: Problem,
    ) -> Result<Aim, Problem> {
        let Some(target) = ground.cloned() else { return Err(refused) };
        let (standing, ground) = (standing.clone(), ground.cloned());
        Ok(Aim { standing, target, differences: None, refused: Some(refused), ground })
    }
}

/// Fetches for a sync, and says what to work towards. The second is why the remote gave nothing.
///
/// # Errors
/// When it cannot be told where the tree stands, another branch is checked out, we are asked to
/// stop; or as [`aim`].
pub fn arrive(
    host: &Host<'_>,
    config: &Config,
    state: &StateDir,
    keeper: &Keeper<'_>,
    lock: &Lock,
) -> Result<(Aim, Option<Problem>), Problem> {
    let repo = &config.repo;
    let (remote, branch) = (&repo.remote, &repo.branch);
    let stands = || keeper.work(lock, |git| git.standing(remote, branch));
    let settled = settled(config, state, keeper.git);
    let was_settled = settled.is_some();
    let mut standing = settled.map_or_else(stands, Ok)?;
    let known = standing.upstream.as_ref();
    let shared = host.fetched_meanwhile(config);
    let is_shared = shared.is_some();
    let fetch = || keeper.work(lock, |git| git.fetch_news(remote, branch, known));
    let news = shared.map_or_else(fetch, |outcome| outcome.map(|()| News::Fetched));
    if host.cancel.is_set() {
        return Err(Problem::interrupted());
    }
    if !is_shared {
        host.has_fetched(config, news.as_ref().map(|_| ()).map_err(Problem::clone));
    }
    if news == Ok(News::Fetched) {
        standing = stands()?;
    }
    check_branch(keeper.git, &standing, branch)?;
    let wanted = standing.upstream.as_ref().unwrap_or(&standing.head);
    // From where it stands a settled tree differs nowhere.
    let nowhere = (was_settled && *wanted == standing.head).then(Vec::new);
    let aim = keeper
        .work(lock, |git| aim(config, state, git, &standing, wanted.clone(), nowhere.clone()))?;
    // Where the tree stands in the end, for the next look: unkept, that costs a git process more.
    let Commit { id, tree } = &aim.target;
    if let Err(problem) = state.keep_head(lock, id, tree) {
        log::debug!("{problem}");
    }
    Ok((aim, news.err()))
}

/// Writes down that a commit passed the rules, once the tree follows it. Once there were rules, they may
/// come back.
pub fn accepted(config: &Config, state: &StateDir, lock: &Lock, aim: &Aim) {
    let follows_rules = has_rules(config) || state.accepted().is_some();
    if follows_rules
        && aim.refused.is_none()
        && let Err(problem) = state.keep_accepted(lock, &aim.target.id)
    {
        log::warn!("{problem}");
    }
}

/// Where a tree stands of which one look tells that it is settled. The look does not tell the tree
/// object; the state knows it since the commit was first met.
fn settled(config: &Config, state: &StateDir, git: &Git<'_>) -> Option<Standing> {
    let (remote, branch) = (&config.repo.remote, &config.repo.branch);
    // Without what the state knows, the look would be in vain.
    let (id, tree) = state.head()?;
    let head = Commit { id, tree };
    (git.settled_at(remote, branch)? == head.id).then(|| Standing {
        upstream: Some(head.clone()),
        head,
        before: None,
        branch: format!("refs/heads/{branch}"),
    })
}

/// Where the tree stands, with the branch of the configuration checked out.
///
/// # Errors
/// When git fails, or another branch, or none, is checked out.
pub fn standing(config: &Config, git: &Git<'_>) -> Result<Standing, Problem> {
    let standing = git.standing(&config.repo.remote, &config.repo.branch)?;
    check_branch(git, &standing, &config.repo.branch)?;
    Ok(standing)
}

/// The wanted commit, unless it may not be deployed or something untracked is in its way: then the
/// pass stays on what was accepted before, so that what runs is still healed. Where the tree differs
/// from it is looked up unless it is known.
///
/// # Errors
/// When git fails, or the commit is refused and there is none that was accepted before.
pub fn aim(
    config: &Config,
    state: &StateDir,
    git: &Git<'_>,
    standing: &Standing,
    wanted: Commit,
    known: Option<Vec<Move>>,
) -> Result<Aim, Problem> {
    let accepted = state.accepted().filter(|_| has_rules(config));
    let ground = ground(config, state, git, standing, accepted.as_deref())?;
    if has_rules(config)
        && accepted.as_ref() != Some(&wanted.id)
        && let Err(problem) = may_deploy(config, git, &wanted, accepted.as_deref())
    {
        return Aim::staying(standing, ground.as_ref(), problem);
    }
    let differences = match known.map_or_else(|| git.differences(&wanted), Ok) {
        Err(problem) if problem.reason == UNMERGED => {
            return Aim::staying(standing, ground.as_ref(), problem);
        }
        found => found?,
    };
    let moving: Vec<&Move> = differences.iter().collect();
    match git.refuse_obstacles(&moving) {
        Ok(()) => Ok(Aim {
            standing: standing.clone(),
            target: wanted,
            differences: Some(differences),
            refused: None,
            ground,
        }),
        Err(problem) => Aim::staying(standing, ground.as_ref(), problem),
    }
}

/// Whether not every commit of the branch may be deployed.
fn has_rules(config: &Config) -> bool {
    config.repo.allowed_signers.is_some() || config.repo.fast_forward_only
}

/// The commit to stay on. Under rules not what happens to be checked out: a person, or a new clone, put
/// it there and vouches for nothing, unless it was deployed before there were rules.
fn ground(
    config: &Config,
    state: &StateDir,
    git: &Git<'_>,
    standing: &Standing,
    accepted: Option<&str>,
) -> Result<Option<Commit>, Problem> {
    let head = &standing.head;
    let deployed = |name: &str| state.record(name).is_ok_and(|record| record.commit == head.id);
    let vouched = || {
        config.services.iter().any(|service| deployed(service.name.as_str()))
            || may_deploy(config, git, head, None).is_ok()
    };
    let known = match accepted {
        Some(id) if *id == head.id => Some(head.clone()),
        Some(id) => git.commit(id)?,
        None => None,
    };
    Ok(match known {
        Some(known) => Some(known),
        None if has_rules(config) && !vouched() => None,
        None => Some(head.clone()),
    })
}

/// Holds a commit against the rules of the configuration, and against the last that passed them.
fn may_deploy(
    config: &Config,
    git: &Git<'_>,
    wanted: &Commit,
    accepted: Option<&str>,
) -> Result<(), Problem> {
    if let Some(signers) = &config.repo.allowed_signers {
        Trust::read(signers, git)?.verify(git, &wanted.id)?;
    }
    if config.repo.fast_forward_only {
        git.check_fast_forward(&wanted.id, accepted)?;
    }
    Ok(())
}

/// The configuration file as the remote branch has it, when the fetch of a sync would change it:
/// what a plan has to work from to foretell that sync.
///
/// # Errors
/// When the repository cannot be read. An unreachable remote is no error: nothing would change.
pub fn incoming_config(host: &Host<'_>, config: &Config) -> Result<Option<Vec<u8>>, Problem> {
    let git = open(host, config, Duration::from_secs(120))?;
    let Some(path) = config_path(config, &git) else { return Ok(None) };
    let Ok(looked) = git.look(&config.repo.remote, &config.repo.branch) else { return Ok(None) };
    let state = StateDir::at(&config.state_dir);
    let standing = git.standing(&config.repo.remote, &config.repo.branch)?;
    let aim = aim(config, &state, &looked.git, &standing, looked.target.clone(), None)?;
    let path = path.to_string_lossy().into_owned();
    let Some(incoming) = looked.git.content_at(&aim.target.id, &path)? else { return Ok(None) };
    let present = std::fs::read(&config.path).unwrap_or_default();
    Ok((incoming != present && git.tracked()?.contains_key(&path)).then_some(incoming))
}

/// Where the configuration file lies in the repository, if it does.
#[must_use]
pub fn config_path(config: &Config, git: &Git<'_>) -> Option<PathBuf> {
    let real = std::fs::canonicalize(&config.path).ok()?;
    git.inside(&real).map(Path::to_path_buf)
}

/// A tree with another branch checked out is somebody's work.
fn check_branch(git: &Git<'_>, standing: &Standing, branch: &str) -> Result<(), Problem> {
    if standing.branch == format!("refs/heads/{branch}") {
        return Ok(());
    }
    let now = standing.branch.strip_prefix("refs/heads/").unwrap_or("no branch");
    Err(Problem::setup(
        "other_branch",
        format!("{} has {now} checked out, not {branch}", git.top().display()),
        format!("run `git -C {} switch {branch}`, or set repo.branch", git.top().display()),
    ))
}
