//! The working tree of a pass: which of its paths follow the branch at once, and which wait for the
//! run of a service. Moves files and nothing else.

use std::collections::BTreeSet;
use std::path::Path;

use super::held::Held;
use super::ownership::covers;
use super::pass::Pass;
use super::policy::Moving;
use super::repo;
use super::resolve::short;
use super::stack::Stacks;
use crate::config::Service;
use crate::git::{Git, Move, Moves, UNMERGED};
use crate::problem::Problem;

impl Pass<'_> {
    /// Moves every path that no service uses. Returns whether the configuration file was one.
    ///
    /// # Errors
    /// When an untracked file is in the way or git fails.
    pub fn follow_branch(&self) -> Result<bool, Problem> {
        let changes = self.differences()?;
        let (moving, held): (Vec<&Move>, Vec<&Move>) =
            changes.iter().partition(|change| self.ownership.borrow().is_free(change));
        let config = repo::config_path(self.config, self.git);
        let config_moves =
            moving.iter().any(|change| config.as_deref() == Some(Path::new(&change.path)));
        let behind = self.standing.borrow().head != *self.target;
        if behind || !moving.is_empty() {
            self.move_tree(self.git, &moving, &held)?;
        }
        Ok(config_moves)
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
        match self.differences() {
            // Nothing moves in the middle of somebody's merge, whatever it is.
            Err(problem) if problem.reason == UNMERGED => Ok(Held(ownership.of(service))),
            changes => Ok(Held(changes?.into_iter().filter_map(|change| uses(&change)).collect())),
        }
    }

    /// Moves the paths that one service uses, now that it may, but for those that stay.
    ///
    /// # Errors
    /// When an untracked file is in the way or git fails; nothing was moved then.
    pub fn move_files(
        &self,
        service: &Service,
        stacks: &Stacks,
        moving: &Moving,
    ) -> Result<(), Problem> {
        let Moving::AllBut(staying) = moving else { return Ok(()) };
        let service = service.name.as_str();
        self.ownership.borrow_mut().add(service, stacks.paths());
        let changes = self.differences()?;
        let ownership = self.ownership.borrow();
        let moves =
            |change: &Move| ownership.uses(service, &change.path) && !covers(staying, &change.path);
        let (moving, held): (Vec<&Move>, Vec<&Move>) =
            changes.iter().partition(|change| moves(change));
        if moving.is_empty() {
            return Ok(());
        }
        let Some(keeper) = &self.keeper else { return Ok(()) };
        let lock = keeper.lock()?;
        // Files and containers change together.
        if !self.host.stop.may_change() {
            return Err(Problem::interrupted());
        }
        keeper.work(&lock, |git| self.move_tree(git, &moving, &held))
    }

    /// Takes paths that nobody else uses back to an earlier commit.
    ///
    /// # Errors
    /// When an untracked file is in the way, git fails, or the commit is not there any more.
    pub fn move_back(
        &self,
        service: &Service,
        paths: &BTreeSet<String>,
        commit: &str,
    ) -> Result<(), Problem> {
        let Some(keeper) = &self.keeper else { return Ok(()) };
        let Some(target) = self.git.commit(commit)? else {
            return Err(Problem::setup(
                "commit_gone",
                format!(
                    "the files of {service} cannot go back: commit {} is not here",
                    short(commit),
                    service = service.name.as_str()
                ),
                "what runs stays; push a good commit, or put the files back by hand",
            ));
        };
        let changes = self.git.differences(&target)?;
        let ownership = self.ownership.borrow();
        let goes = |change: &&Move| {
            let alone = ownership.others(service.name.as_str(), &change.path).is_empty();
            alone && !self.is_config(change) && covers(paths, &change.path)
        };
        let moving: Vec<&Move> = changes.iter().filter(goes).collect();
        if moving.is_empty() {
            return Ok(());
        }
        let lock = keeper.lock()?;
        let standing = self.standing.borrow().clone();
        let save_as = self.save_as();
        let count = moving.len();
        let moves =
            Moves { from: &standing, target: &target, moving, held: Vec::new(), save_as: &save_as };
        *self.differences.borrow_mut() = None;
        if let Some(name) = keeper.work(&lock, |git| git.go_back(&moves))? {
            log::warn!("local work in {} was saved as {name}", self.git.top().display());
        }
        let paths = if count == 1 { "path" } else { "paths" };
        log::info!("moved {count} {paths} back to {}", short(commit));
        let behind = self.differences()?;
        self.move_tree(self.git, &[], &behind.iter().collect::<Vec<_>>())
    }

    fn is_config(&self, change: &Move) -> bool {
        repo::config_path(self.config, self.git).as_deref() == Some(Path::new(&change.path))
    }

    /// A name for local work that has to give way: the time.
    fn save_as(&self) -> String {
        self.host.clock.now().format("%Y%m%dT%H%M%S%.3fZ").to_string().replace('.', "-")
    }

    fn move_tree(&self, git: &Git<'_>, moving: &[&Move], held: &[&Move]) -> Result<(), Problem> {
        // Should it fail on the way, it is looked at again how far it came.
        *self.differences.borrow_mut() = None;
        let save_as = self.save_as();
        let count = moving.len();
        let standing = self.standing.borrow().clone();
        let saved = git.follow(&Moves {
            from: &standing,
            target: self.target,
            moving: moving.to_vec(),
            held: held.to_vec(),
            save_as: &save_as,
        })?;
        if let Some(name) = saved {
            log::warn!("local work in {} was saved as {name}", self.git.top().display());
        }
        if count > 0 {
            let paths = if count == 1 { "path" } else { "paths" };
            log::info!("moved {count} {paths} to {}", short(&self.target.id));
        } else {
            // Only the branch moved: what differed still does, or it is looked at again.
            *self.differences.borrow_mut() = held.iter().map(|change| change.taught()).collect();
        }
        let mut standing = self.standing.borrow_mut();
        if standing.head != *self.target {
            standing.before = Some(std::mem::replace(&mut standing.head, self.target.clone()));
        }
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
