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

/// A compose file with one bind whose source docker is not to make.
const NO_HOST_PATH: &[u8] = br#"{"services": {"one": {"image": "one", "volumes": [
    {"type": "bind", "source": "/one", "target": "/one", "bind": {"create_host_path": false}}
]}}}"#;

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
        let dirs = std::iter::once(own).chain(PLUGIN_DIRS.iter().map(PathBuf::from));
        let there: Vec<PathBuf> =
            dirs.map(|dir| dir.join("docker-compose")).filter(|path| path.is_file()).collect();
        let program = match there.iter().find(|path| sys::fs::is_executable(path)) {
            Some(program) => program.clone(),
            None => return Err(not_usable(there.first(), config_dir)),
        };
        let stamp = Stamp::of(&program);
        let (host, config_dir) = (host.to_owned(), config_dir.to_path_buf());
        Ok(Compose { exec, program, stamp, host, config_dir })
    }

    /// What a cached answer of this compose is good for: the executable, the engine it talks to and
    /// its configuration.
    #[must_use]
    pub fn identity(&self) -> String {
        format!("{} {} {:?}", self.executable(), self.host, self.config_dir)
    }

    /// Which executable it is, of which version.
    #[must_use]
    pub fn executable(&self) -> String {
        format!("{:?} {:?}", self.program, self.stamp)
    }

    /// The version, such as `2.26.1`.
    ///
    /// # Errors
    /// When it cannot be run, or is not version 2 or later.
    pub fn version(&self) -> Result<String, Problem> {
        let job = self.job(Duration::from_secs(20)).args(["version", "--short"]);
        let done = self.exec.run(&job).map_err(|error| self.trouble(&error))?;
        let said = done.text();
        let version = said.trim().trim_start_matches('v').to_owned();
        let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
        let program = self.program.display();
        let message = match major {
            Some(2..) => return Ok(version),
            Some(_) => {
                let line = version.lines().next().unwrap_or_default();
                format!("{program} is docker compose {line}: version 2 or later is needed")
            }
            None => format!("{program} is not docker compose: it cannot tell its version"),
        };
        Err(Problem::engine("compose_too_old", message, INSTALL))
    }

    /// `config --format json`: the resolved model, secrets included, and compose's warnings.
    ///
    /// # Errors
    /// When compose cannot resolve the files; the message is compose's own, and may hold values
    /// of env files: see [`super::redact`].
    pub fn config(&self, scope: &Scope, deadline: Duration) -> Result<(Vec<u8>, String), Problem> {
        let job = self.scoped(scope, deadline).args(["config", "--format", "json"]);
        let done = self.run_config(&job, scope)?;
        let warnings = done.complaint();
        Ok((done.stdout, warnings))
    }

    /// Whether the resolved model leaves `create_host_path: false` out, so that no word means false.
    ///
    /// # Errors
    /// As [`Compose::config`].
    pub fn leaves_out_no_host_path(&self) -> Result<bool, Problem> {
        let mut job = self.job(Duration::from_secs(20));
        // Neither a project nor an `.env` of the folder it runs in has a say.
        job = job.args(["-p", "asked", "--env-file", "/dev/null", "-f", "-"]);
        job = job.args(["config", "--format", "json"]);
        job.stdin = Some(NO_HOST_PATH.to_vec());
        Ok(!self.run_config(&job, &Scope::default())?.text().contains("create_host_path"))
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
        let done = self.run_config(&job, scope)?;
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
        let text = self.run_config(&job, scope)?.text();
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
        self.exec.run(&job).map_err(|error| self.trouble(&error))
    }

    fn run_config(&self, job: &Job, scope: &Scope) -> Result<Done, Problem> {
        let done = self.exec.run(job).map_err(|error| self.trouble(&error))?;
        if done.ok() {
            return Ok(done);
        }
        // Warnings are not why, and name variables that may be the rest of a password.
        let complaint = done.complaint();
        let why = complaint.lines().filter(|line| !line.contains("level=warning"));
        Err(unresolved(scope, &why.collect::<Vec<_>>().join("\n")))
    }

    fn trouble(&self, error: &ExecError) -> Problem {
        let program = self.program.display();
        match error {
            ExecError::Cancelled => Problem::interrupted(),
            ExecError::NotFound(_) => {
                let message = format!("{program} cannot be run: it, or its interpreter, is gone");
                Problem::engine("compose_missing", message, INSTALL)
            }
            ExecError::Deadline(..) => Problem::engine(
                "compose_timeout",
                format!("compose: {error}"),
                "look at the engine, or raise timeouts.up",
            ),
            ExecError::Io(..) | ExecError::TooMuchOutput(_) => Problem::engine(
                "compose_failed",
                format!("{program}: {error}"),
                format!("see what `{program} version` says"),
            ),
        }
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

/// Why compose did not resolve files, in its own words; of a file that is no YAML they name
/// the line and not the file.
fn unresolved(scope: &Scope, complaint: &str) -> Problem {
    let files: Vec<String> = scope.files.iter().map(|file| file.display().to_string()).collect();
    let message = format!("compose cannot resolve {}: {complaint}", files.join(", "));
    match lost_env_file(complaint) {
        Some(path) => Problem::setup(
            "compose_env_file",
            message,
            format!(
                "make {path} on this host, push it if it belongs to the repository, or declare it \
                 with `required: false`"
            ),
        ),
        None => Problem::setup(
            "compose_config",
            message,
            "mend the compose file in git; until then the last good target stays in force",
        ),
    }
}

/// The path in `env file PATH not found` and `Couldn't find env file: PATH`.
fn lost_env_file(complaint: &str) -> Option<&str> {
    let line = |lead: &str| complaint.lines().find_map(|line| line.split_once(lead));
    let named = line("env file ").and_then(|(_, rest)| rest.split_once(" not found"));
    match named {
        Some((path, _)) => Some(path),
        None => line("ouldn't find env file: ").map(|(_, path)| path.trim()),
    }
}

/// Which package has it.
const INSTALL: &str = "install the compose plugin: `apt install docker-compose-plugin` from docker's \
                       repository, or `docker-compose` from Debian 13 on";

/// Why there is no plugin to run: a file that is none, the first version under its old name, or
/// nothing.
fn not_usable(found: Option<&PathBuf>, config_dir: &Path) -> Problem {
    if let Some(path) = found {
        let path = path.display();
        return Problem::engine(
            "compose_missing",
            format!("the docker compose plugin {path} is not executable"),
            format!("`chmod +x {path}`, or install it anew"),
        );
    }
    let old = sys::env::find_program("docker-compose").map_or_else(String::new, |path| {
        format!("; {} is no plugin, and version 1 cannot be used", path.display())
    });
    Problem::engine(
        "compose_missing",
        format!(
            "there is no docker compose plugin: no `docker-compose` in {}, {}{old}",
            config_dir.join("cli-plugins").display(),
            PLUGIN_DIRS.join(", ")
        ),
        INSTALL,
    )
}
