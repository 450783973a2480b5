//! The compose plugin, run directly: it resolves files and applies models. Its exit code and its
//! prose are never taken for a verdict on containers.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::problem::Problem;
use crate::sys;
use crate::sys::exec::{Done, Exec, ExecError, Job};
use crate::sys::fs::Stamp;

/// Where the docker CLI looks for plugins, after its configuration directory
/// (docker/cli `cli-plugins/manager`).
const PLUGIN_DIRS: &[&str] = &[
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
];

/// The compose plugin of this host and the surroundings it always gets.
pub struct Compose<'a> {
    exec: &'a dyn Exec,
    program: PathBuf,
    stamp: Stamp,
    host: String,
    config_dir: PathBuf,
}

/// One compose invocation's view: a project, its files and how they are read.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// `-p`; compose chooses when not said.
    pub project: Option<String>,
    /// `--project-directory`.
    pub directory: PathBuf,
    /// `-f`, in order.
    pub files: Vec<PathBuf>,
    /// `--env-file`, in order; the last wins per key.
    pub env_files: Vec<PathBuf>,
    /// `--profile`.
    pub profiles: Vec<String>,
    /// `PWD` as interpolation sees it, when it is not `directory`.
    pub pwd: Option<PathBuf>,
}

/// How `up` treats containers that exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Existing {
    /// None is touched; only missing ones are made.
    Keep,
    /// Compose compares and recreates what differs.
    Compare,
    /// Every named service is recreated.
    Replace,
}

impl<'a> Compose<'a> {
    /// Finds the plugin. Starts no process.
    ///
    /// # Errors
    /// When there is no compose v2 plugin on this host.
    pub fn find(host: &str, config_dir: &Path, exec: &'a dyn Exec) -> Result<Compose<'a>, Problem> {
        let own = config_dir.join("cli-plugins");
        let program = std::iter::once(own)
            .chain(PLUGIN_DIRS.iter().map(PathBuf::from))
            .map(|dir| dir.join("docker-compose"))
            .find(|path| path.is_file())
            .ok_or_else(no_plugin)?;
        let stamp = Stamp::of(&program);
        let (host, config_dir) = (host.to_owned(), config_dir.to_path_buf());
        Ok(Compose { exec, program, stamp, host, config_dir })
    }

    /// What a cached answer of this compose is good for: the executable, the engine it talks to and
    /// its configuration.
    #[must_use]
    pub fn identity(&self) -> String {
        format!("{:?} {:?} {} {:?}", self.program, self.stamp, self.host, self.config_dir)
    }

    /// The version, such as `2.26.1`.
    ///
    /// # Errors
    /// When it cannot be run, or is not version 2 or later.
    pub fn version(&self) -> Result<String, Problem> {
        let job = self.job(Duration::from_secs(20)).args(["version", "--short"]);
        let done = self.exec.run(&job).map_err(|error| trouble(&error))?;
        let version = done.text().trim().trim_start_matches('v').to_owned();
        let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
        match major {
            Some(2..) => Ok(version),
            _ => Err(no_plugin()),
        }
    }

    /// `config --format json`: the resolved model, secrets included, and compose's warnings.
    ///
    /// # Errors
    /// When compose cannot resolve the files; the message is compose's own, and may hold values
    /// of env files: see [`super::redact`].
    pub fn config(&self, scope: &Scope, deadline: Duration) -> Result<(Vec<u8>, String), Problem> {
        let job = self.scoped(scope, deadline).args(["config", "--format", "json"]);
        let done = self.run_config(&job)?;
        let warnings = done.complaint();
        Ok((done.stdout, warnings))
    }

    /// The names of all compose services, those of inactive profiles included.
    ///
    /// # Errors
    /// As [`Compose::config`].
    pub fn all_services(
        &self,
        scope: &Scope,
        deadline: Duration,
    ) -> Result<BTreeSet<String>, Problem> {
        let everything = Scope { profiles: vec!["*".to_owned()], ..scope.clone() };
        let job = self.scoped(&everything, deadline).args(["config", "--services"]);
        let done = self.run_config(&job)?;
        Ok(done.text().lines().map(str::to_owned).collect())
    }

    /// The hash that compose would label a container of `service` with.
    ///
    /// # Errors
    /// As [`Compose::config`].
    pub fn hash(
        &self,
        scope: &Scope,
        service: &str,
        deadline: Duration,
    ) -> Result<String, Problem> {
        let job = self.scoped(scope, deadline).args(["config", "--hash", service]);
        let text = self.run_config(&job)?.text();
        Ok(text.split_whitespace().nth(1).unwrap_or_default().to_owned())
    }

    /// `up -d --no-deps` of the named services, without pulling or building.
    ///
    /// # Errors
    /// When compose cannot be run or is ended at the deadline. What it did is for the caller to
    /// look at: the engine may have done part of it either way.
    pub fn up(
        &self,
        scope: &Scope,
        services: &[&str],
        existing: Existing,
        deadline: Duration,
        record: &Path,
    ) -> Result<Done, Problem> {
        let mut job = self.scoped(scope, deadline).args([
            "up",
            "--detach",
            "--no-deps",
            "--no-build",
            "--pull",
            "never",
            "--quiet-pull",
        ]);
        job = match existing {
            Existing::Compare => job,
            Existing::Replace => job.arg("--force-recreate"),
            Existing::Keep => job.arg("--no-recreate"),
        };
        job = job.args(services);
        job.record = Some(record.to_path_buf());
        self.exec.run(&job).map_err(|error| trouble(&error))
    }

    fn run_config(&self, job: &Job) -> Result<Done, Problem> {
        let done = self.exec.run(job).map_err(|error| trouble(&error))?;
        if done.ok() {
            return Ok(done);
        }
        let complaint = done.complaint();
        Err(Problem::setup(
            "compose_config",
            format!("compose cannot resolve the files: {complaint}"),
            "mend the compose file in git; until then the last good target stays in force",
        ))
    }

    fn scoped(&self, scope: &Scope, deadline: Duration) -> Job {
        let mut job = self.job(deadline).args(["--ansi", "never", "--progress", "plain"]);
        if let Some(project) = &scope.project {
            job = job.arg("-p").arg(project);
        }
        job = job.arg("--project-directory").arg(&scope.directory);
        for file in &scope.files {
            job = job.arg("-f").arg(file);
        }
        for file in &scope.env_files {
            job = job.arg("--env-file").arg(file);
        }
        for profile in &scope.profiles {
            job = job.arg("--profile").arg(profile);
        }
        job.cwd = Some(scope.directory.clone());
        job.env("PWD", scope.pwd.as_ref().unwrap_or(&scope.directory))
    }

    /// A compose process with the fixed environment: what the operator's shell or the unit exports
    /// must not change what runs.
    fn job(&self, deadline: Duration) -> Job {
        Job::new(&self.program, deadline)
            .env("PATH", sys::env::search_path())
            .env("HOME", sys::env::var("HOME").unwrap_or_else(|| OsString::from("/root")))
            .env("LANG", "C.UTF-8")
            .env("DOCKER_HOST", &self.host)
            .env("COMPOSE_EXPERIMENTAL_GIT_REMOTE", "false")
            .env("COMPOSE_EXPERIMENTAL_OCI_REMOTE", "false")
            .env("DOCKER_CONFIG", &self.config_dir)
    }
}

fn no_plugin() -> Problem {
    Problem::engine(
        "compose_missing",
        "the docker compose plugin, version 2 or later, is not installed",
        "install it (`docker-compose-plugin`, or `docker-compose` from Debian 13 on); \
         the old docker-compose 1.x cannot be used",
    )
}

fn trouble(error: &ExecError) -> Problem {
    match error {
        ExecError::Cancelled => Problem::interrupted(),
        ExecError::NotFound(_) => no_plugin(),
        ExecError::Deadline(..) => Problem::engine(
            "compose_timeout",
            format!("compose: {error}"),
            "look at the engine, or raise timeouts.up",
        ),
        ExecError::Io(..) | ExecError::TooMuchOutput(_) => {
            Problem::engine("compose_failed", format!("compose: {error}"), "")
        }
    }
}
