//! From a commit to models: every stack is resolved by compose itself, out of an export of the
//! target, and the answer is kept until anything it depends on changes.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::env::{BYTES_MAX, Env, PrivateCopy};
use super::export::{Export, Opened};
use super::keeper::Keeper;
use super::model::{Model, sha256};
use super::named;
use super::profiles::may_hide_services;
use super::spec::StackSpec;
use super::unset::unset_variables;
use crate::docker::compose::{Compose, Scope};
use crate::docker::redact::Secrets;
use crate::gather::Gather;
use crate::git::{Commit, Git};
use crate::problem::Problem;
use crate::state::Resolved;
use crate::sys::fs::{Stamp, read_bounded};

/// Compose resolves in tens of milliseconds; one that takes this long hangs.
const DEADLINE: Duration = Duration::from_secs(60);

/// A model as compose prints it, and what it warned about.
type Answer = Result<(Vec<u8>, String), Problem>;

/// Resolves stacks of one target commit.
pub struct Resolver<'a> {
    git: &'a Git<'a>,
    keeper: Option<Keeper<'a>>,
    target: &'a Commit,
    compose: &'a Compose<'a>,
    temp: PathBuf,
    skip: PathBuf,
    export: OnceCell<Export>,
    version: OnceCell<String>,
}

impl<'a> Resolver<'a> {
    /// A resolver for `target`. Temporary files go below `temp`; `skip` is the state directory. With
    /// a keeper, damage that is met on the way is mended.
    #[must_use]
    pub fn new(
        git: &'a Git<'a>,
        keeper: Option<Keeper<'a>>,
        target: &'a Commit,
        compose: &'a Compose<'a>,
        temp: PathBuf,
        skip: PathBuf,
    ) -> Resolver<'a> {
        let (export, version) = (OnceCell::new(), OnceCell::new());
        Resolver { git, keeper, target, compose, temp, skip, export, version }
    }

    /// The repository.
    #[must_use]
    pub fn git(&self) -> &'a Git<'a> {
        self.git
    }

    /// Where temporary files go.
    #[must_use]
    pub fn temp(&self) -> &Path {
        &self.temp
    }

    /// Learns the version of compose from an earlier answer, if that was made by the same one.
    pub fn learn(&self, earlier: &Resolved) {
        if earlier.compose == self.compose.executable() {
            self.version.get_or_init(|| earlier.compose_version.clone());
        }
    }

    /// What the cache must have been made for to be good.
    #[must_use]
    pub fn key(&self, spec: &StackSpec, env: &Env) -> String {
        let parts = (&self.target.tree, spec, self.compose.identity(), self.git.top());
        sha256(&format!("{parts:?} {:?} {:?}", env.sha256(), self.env_names(spec)))
    }

    /// Names beside the compose file that may be optional env files: one that appears is read.
    fn env_names(&self, spec: &StackSpec) -> BTreeSet<String> {
        let folder = self.git.top().join(spec.folder());
        let names = fs::read_dir(folder).into_iter().flatten().flatten();
        names
            .map(|entry| entry.file_name().to_string_lossy().to_lowercase())
            .filter(|name| name.contains("env"))
            .collect()
    }

    /// Resolves one stack with compose.
    ///
    /// # Errors
    /// When the target cannot be laid out or compose cannot resolve it.
    pub fn resolve(
        &self,
        spec: &StackSpec,
        env: &Env,
        now: DateTime<Utc>,
    ) -> Result<Resolved, Problem> {
        let key = self.key(spec, env);
        let export = self.export()?;
        let copy = env.copy_below(&self.temp)?;
        let scope = self.scope(export, spec, copy.as_ref().map(PrivateCopy::path))?;
        let watch = export.watch();
        let (compose_version, answer) = self.version_and_config(&scope);
        // First of all: something else in its place was asked in vain, and does not say why.
        let compose_version = compose_version?;
        let opened = match watch.and_then(|watch| watch.opened()) {
            Ok(opened) => export.sort(&opened),
            Err(cause) => {
                log::debug!("cannot see what compose reads ({cause}): taking all it may read");
                export.anything_readable()
            }
        };
        let (text, warnings) = answer.map_err(|problem| {
            if let Some(unsupported) = export.submodule_named_in(&problem.message) {
                return unsupported.problem();
            }
            let [laid_out, real] = [export.root(), self.git.top()].map(Path::to_string_lossy);
            let message = problem.message.replace(laid_out.as_ref(), real.as_ref());
            let mut secrets = Secrets::default();
            let texts = self.env_texts(export, spec, env, &opened);
            texts.iter().for_each(|(_, text)| secrets.add_env_file(text));
            let message = secrets.hide(&message);
            let resolution = problem.resolution.replace(laid_out.as_ref(), real.as_ref());
            env.blame(copy.as_ref(), problem.saying(message).mended_by(resolution))
        })?;
        let model = self.relocate(export, &text)?;
        let mounted = Model::new(&model).all_mounted(self.git.top());
        brought(export, mounted.iter().chain(&opened.tracked))?;
        let services = match may_hide_services(&scope.files) {
            true => self.compose.all_services(&scope, DEADLINE)?,
            false => Model::new(&model).services().map(|(name, _)| name.to_owned()).collect(),
        };
        let object = |path: &String| export.object(path).map(|oid| (path.clone(), oid.to_owned()));
        Ok(Resolved {
            key,
            spec: spec.told(),
            made_at: now,
            services,
            compose_version,
            compose: self.compose.executable(),
            tracked: opened.tracked.iter().filter_map(object).gather(),
            untracked: self.stamps(export, spec, &opened, &model),
            sources: mounted.iter().filter_map(object).gather(),
            warnings: unset_variables(&warnings, &self.env_texts(export, spec, env, &opened)),
            env_sha256: env.sha256().map(str::to_owned),
            model,
        })
    }

    /// The target laid out in a private folder, once a pass.
    ///
    /// # Errors
    /// As [`Export::make`].
    pub fn export(&self) -> Result<&Export, Problem> {
        if let Some(export) = self.export.get() {
            return Ok(export);
        }
        let make = |git: &Git<'_>| Export::make(git, self.target, &self.temp, &self.skip);
        let export = match &self.keeper {
            Some(keeper) => keeper.reading(make)?,
            None => make(self.git)?,
        };
        Ok(self.export.get_or_init(|| export))
    }

    /// What compose makes of a stack, and its version: once for an executable, and then at the same
    /// time, since each starts a process that takes longer than all we do around it.
    fn version_and_config(&self, scope: &Scope) -> (Result<String, Problem>, Answer) {
        let compose = self.compose;
        let config = || compose.config(scope, DEADLINE);
        if let Some(version) = self.version.get() {
            return (Ok(version.clone()), config());
        }
        let (version, answer) = std::thread::scope(|threads| {
            let version = threads.spawn(|| compose.version());
            let answer = config();
            // A thread that panicked is asked again, here.
            (version.join().unwrap_or_else(|_| compose.version()), answer)
        });
        let version = version.map(|version| self.version.get_or_init(|| version).clone());
        (version, answer)
    }

    fn scope(
        &self,
        export: &Export,
        spec: &StackSpec,
        env_copy: Option<&Path>,
    ) -> Result<Scope, Problem> {
        let directory = export.root().join(spec.folder());
        let names: Vec<String> =
            spec.files.iter().map(|file| file.to_string_lossy().into_owned()).collect();
        brought(export, names.iter())?;
        for file in &spec.files {
            if !export.root().join(file).is_file() {
                return Err(Problem::setup(
                    "compose_file_missing",
                    format!("commit {} has no file {}", short(&self.target.id), file.display()),
                    "correct compose_files, or push the file",
                ));
            }
        }
        // Naming any env file turns compose's own `.env` off, so it is named first.
        let own = directory.join(".env");
        let own = own.is_file().then_some(own);
        Ok(Scope {
            project: spec.project.clone(),
            files: spec.files.iter().map(|file| export.root().join(file)).collect(),
            env_files: own.into_iter().chain(env_copy.map(Path::to_path_buf)).collect(),
            profiles: spec.profiles.clone(),
            pwd: Some(self.git.top().join(spec.folder())),
            directory,
        })
    }

    /// Gives the model the paths of the real tree.
    fn relocate(&self, export: &Export, text: &[u8]) -> Result<Value, Problem> {
        let odd = |what: String| {
            Problem::engine("compose_answer", what, "check the compose plugin of this host")
        };
        let text = std::str::from_utf8(text)
            .map_err(|_| odd("compose printed a model that is not UTF-8".to_owned()))?;
        let quoted = |path: &Path| {
            let text = Value::from(path.to_string_lossy().replace('$', "$$")).to_string();
            text.trim_matches('"').to_owned()
        };
        let text = text.replace(&quoted(export.root()), &quoted(self.git.top()));
        serde_json::from_str(&text)
            .map_err(|cause| odd(format!("compose printed a model that is not JSON: {cause}")))
    }

    /// Everything untracked that was read, and what would have been if it were there.
    fn stamps(
        &self,
        export: &Export,
        spec: &StackSpec,
        opened: &Opened,
        model: &Value,
    ) -> Vec<(PathBuf, Stamp)> {
        let mounted = named::mounted(model);
        let outside = |path: &PathBuf| {
            let tracked = path.strip_prefix(self.git.top()).ok().and_then(Path::to_str);
            tracked.and_then(|path| export.object(path)).is_none()
                && !mounted.contains(path)
                && !path.is_dir()
        };
        let mut paths: BTreeSet<PathBuf> = opened.untracked.iter().cloned().gather();
        paths.extend(self.named(export, spec, opened).into_iter().filter(outside));
        paths.insert(self.git.top().join(spec.folder()).join(".env"));
        paths.into_iter().map(|path| (path.clone(), Stamp::of(&path))).collect()
    }

    /// The files that the compose files of the repository name, by their places in the real tree.
    fn named(&self, export: &Export, spec: &StackSpec, opened: &Opened) -> BTreeSet<PathBuf> {
        let project = self.git.top().join(spec.folder());
        let mut paths = BTreeSet::new();
        for tracked in opened.tracked.iter().filter(|path| is_yaml(path)) {
            let Ok(text) = fs::read_to_string(export.root().join(tracked)) else { continue };
            let real = self.git.top().join(tracked);
            let beside = real.parent().unwrap_or(&project);
            paths.extend(named::named_files(&text, &[&project, beside]));
        }
        paths
    }

    /// What compose may have read in env files: its complaints quote them.
    fn env_texts(
        &self,
        export: &Export,
        spec: &StackSpec,
        env: &Env,
        opened: &Opened,
    ) -> Vec<(PathBuf, String)> {
        let mut paths = self.named(export, spec, opened);
        paths.extend(
            opened.untracked.iter().filter(|path| !is_yaml(&path.to_string_lossy())).cloned(),
        );
        paths.insert(self.git.top().join(spec.folder()).join(".env"));
        let own = env.path().map(|path| (path.to_path_buf(), env.text().into_owned()));
        let text = |path: PathBuf| {
            let content = read_bounded(&path, BYTES_MAX).ok()?;
            Some((path, String::from_utf8_lossy(&content).into_owned()))
        };
        own.into_iter().chain(paths.into_iter().filter_map(text)).collect()
    }
}

/// Refuses a target in which something that the service uses would be empty, or a pointer.
fn brought<'p>(export: &Export, mut used: impl Iterator<Item = &'p String>) -> Result<(), Problem> {
    match used.find_map(|path| export.unsupported(path)) {
        Some(unsupported) => Err(unsupported.problem()),
        None => Ok(()),
    }
}

fn is_yaml(path: &str) -> bool {
    path.ends_with(".yml") || path.ends_with(".yaml")
}

/// A commit id as people read it.
#[must_use]
pub fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}
