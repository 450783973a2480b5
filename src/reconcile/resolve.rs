//! From a commit to models: every stack is resolved by compose itself, out of an export of the
//! target, and the answer is kept until anything it depends on changes.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::export::{Export, Opened};
use super::model::{Model, sha256};
use super::named;
use crate::docker::compose::{Compose, Scope};
use crate::docker::redact::Secrets;
use crate::git::{Commit, Git};
use crate::problem::Problem;
use crate::state::Resolved;
use crate::sys::fs::{Stamp, read_bounded};

/// Compose resolves in tens of milliseconds; one that takes this long hangs.
const DEADLINE: Duration = Duration::from_secs(60);

/// No env file is larger.
const ENV_BYTES_MAX: u64 = 1 << 20;

/// One stack as the configuration describes it.
#[derive(Debug, Clone)]
pub struct StackSpec {
    /// Compose files relative to the root of the working tree, in merge order.
    pub files: Vec<PathBuf>,
    /// Active profiles.
    pub profiles: Vec<String>,
    /// The project, when the configuration names it.
    pub project: Option<String>,
    /// The secret env file beside the repository.
    pub env_file: Option<PathBuf>,
}

impl StackSpec {
    /// The folder compose takes for the project directory: that of the first file.
    fn folder(&self) -> PathBuf {
        let first = self.files.first().and_then(|file| file.parent());
        first.map(Path::to_path_buf).unwrap_or_default()
    }
}

/// Resolves stacks of one target commit.
pub struct Resolver<'a> {
    git: &'a Git<'a>,
    target: &'a Commit,
    compose: &'a Compose<'a>,
    temp: PathBuf,
    skip: PathBuf,
    export: OnceCell<Export>,
    version: OnceCell<String>,
}

impl<'a> Resolver<'a> {
    /// A resolver for `target`. Temporary files go below `temp`; `skip` is the state directory.
    #[must_use]
    pub fn new(
        git: &'a Git<'a>,
        target: &'a Commit,
        compose: &'a Compose<'a>,
        temp: PathBuf,
        skip: PathBuf,
    ) -> Resolver<'a> {
        let (export, version) = (OnceCell::new(), OnceCell::new());
        Resolver { git, target, compose, temp, skip, export, version }
    }

    /// Where temporary files go.
    #[must_use]
    pub fn temp(&self) -> &Path {
        &self.temp
    }

    /// What the cache must have been made for to be good.
    #[must_use]
    pub fn key(&self, spec: &StackSpec) -> String {
        let parts = (&self.target.tree, spec, self.compose.identity(), self.git.top());
        sha256(&format!("{parts:?} {:?}", self.env_names(spec)))
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
    pub fn resolve(&self, spec: &StackSpec, now: DateTime<Utc>) -> Result<Resolved, Problem> {
        let key = self.key(spec);
        let export = self.export()?;
        let scope = self.scope(export, spec)?;
        let watch = export.watch();
        let answer = self.compose.config(&scope, DEADLINE);
        let opened = match watch.and_then(|watch| watch.opened()) {
            Ok(opened) => export.sort(&opened),
            Err(cause) => {
                log::debug!("cannot see what compose reads ({cause}): taking all it may read");
                export.anything_readable()
            }
        };
        let (text, warnings) = answer.map_err(|problem| {
            let [laid_out, real] = [export.root(), self.git.top()].map(Path::to_string_lossy);
            let message = problem.message.replace(laid_out.as_ref(), real.as_ref());
            let message = self.secrets(export, spec, &opened).hide(&message);
            Problem { message, ..problem }
        })?;
        let model = self.relocate(export, &text)?;
        let services = self.compose.all_services(&scope, DEADLINE)?;
        let mounted = Model::new(&model).all_mounted(self.git.top());
        let object = |path: &String| export.object(path).map(|oid| (path.clone(), oid.to_owned()));
        Ok(Resolved {
            key,
            made_at: now,
            services,
            compose_version: self.version()?.clone(),
            tracked: opened.tracked.iter().filter_map(object).collect(),
            untracked: self.stamps(export, spec, &opened, &model),
            sources: mounted.iter().filter_map(object).collect(),
            warnings: unset_variables(&warnings),
            model,
        })
    }

    fn export(&self) -> Result<&Export, Problem> {
        if let Some(export) = self.export.get() {
            return Ok(export);
        }
        let export = Export::make(self.git, self.target, &self.temp, &self.skip)?;
        Ok(self.export.get_or_init(|| export))
    }

    fn version(&self) -> Result<&String, Problem> {
        if let Some(version) = self.version.get() {
            return Ok(version);
        }
        let version = self.compose.version()?;
        Ok(self.version.get_or_init(|| version))
    }

    fn scope(&self, export: &Export, spec: &StackSpec) -> Result<Scope, Problem> {
        let directory = export.root().join(spec.folder());
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
            env_files: own.into_iter().chain(spec.env_file.clone()).collect(),
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
        let mut paths: BTreeSet<PathBuf> = opened.untracked.iter().cloned().collect();
        paths.extend(self.named(export, spec, opened).into_iter().filter(outside));
        paths.insert(self.git.top().join(spec.folder()).join(".env"));
        paths.extend(spec.env_file.clone());
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
    fn secrets(&self, export: &Export, spec: &StackSpec, opened: &Opened) -> Secrets {
        let mut paths = self.named(export, spec, opened);
        paths.extend(spec.env_file.clone());
        paths.extend(
            opened.untracked.iter().filter(|path| !is_yaml(&path.to_string_lossy())).cloned(),
        );
        paths.insert(self.git.top().join(spec.folder()).join(".env"));
        let mut secrets = Secrets::default();
        for path in paths {
            if let Ok(content) = read_bounded(&path, ENV_BYTES_MAX) {
                secrets.add_env_file(&String::from_utf8_lossy(&content));
            }
        }
        secrets
    }
}

/// SHA-256 of everything compose read for a stack and how it was asked: when it is the same and the
/// model is not, compose itself changed.
#[must_use]
pub fn inputs(resolved: &Resolved, spec: &StackSpec) -> String {
    let beside: Vec<(&PathBuf, String)> = resolved
        .untracked
        .iter()
        .map(|(path, _)| (path, fs::read(path).map(|c| sha256(&String::from_utf8_lossy(&c)))))
        .map(|(path, hash)| (path, hash.unwrap_or_default()))
        .collect();
    let read: &BTreeMap<String, String> = &resolved.tracked;
    sha256(&format!("{read:?} {beside:?} {spec:?}"))
}

fn is_yaml(path: &str) -> bool {
    path.ends_with(".yml") || path.ends_with(".yaml")
}

/// The variables that compose set to a blank because nothing defines them.
fn unset_variables(complaint: &str) -> Vec<String> {
    let names: BTreeSet<String> = complaint
        .lines()
        .filter(|line| line.contains("variable is not set"))
        .filter_map(|line| {
            let (_, rest) = line.split_once("The ")?;
            let (name, _) = rest.split_once(" variable")?;
            Some(name.trim_matches(|c| c == '"' || c == '\\').to_owned())
        })
        .collect();
    names.into_iter().collect()
}

/// A commit id as people read it.
#[must_use]
pub fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::unset_variables;

    #[test]
    fn unset_variables_are_named_once() {
        let text = "time=\"2026-01-01T00:00:00Z\" level=warning msg=\"The \\\"TOKEN\\\" variable is \
                    not set. Defaulting to a blank string.\"\n\
                    time=\"x\" level=warning msg=\"The \\\"TOKEN\\\" variable is not set.\"\n\
                    level=warning msg=\"version is obsolete\"";
        assert_eq!(unset_variables(text), ["TOKEN"]);
        assert!(unset_variables("").is_empty());
    }
}
