//! Executables put before docker and the compose plugin that write down every start and then become
//! the real thing. They see what renew starts; what the test itself runs goes past them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Where docker's own search finds the compose plugin.
const PLUGIN_DIRS: &[&str] = &[
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
];

/// One process that renew started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// Its process id, which is also its group's when renew made one for it.
    pub pid: i32,
    /// Name and arguments.
    pub line: String,
}

/// The wrappers of one sandbox.
pub struct Wrappers {
    /// Goes first on `PATH`.
    pub bin_dir: PathBuf,
    /// `DOCKER_CONFIG`.
    pub docker_config: PathBuf,
    /// The real docker.
    pub docker: PathBuf,
    /// The real compose plugin.
    pub compose: PathBuf,
    log: PathBuf,
}

impl Wrappers {
    /// Writes the wrappers below `root`.
    pub fn install(root: &Path) -> Wrappers {
        let docker = find_docker();
        let compose = find_compose();
        let wrappers = Wrappers {
            bin_dir: root.join("bin"),
            docker_config: root.join("docker"),
            docker,
            compose,
            log: root.join("started.log"),
        };
        let plugins = wrappers.docker_config.join("cli-plugins");
        fs::create_dir_all(&wrappers.bin_dir).expect("a folder");
        fs::create_dir_all(&plugins).expect("a folder");
        fs::write(wrappers.docker_config.join("config.json"), "{}").expect("a file");
        wrappers.write(&wrappers.bin_dir.join("docker"), "docker", &wrappers.docker);
        wrappers.write(&plugins.join("docker-compose"), "compose", &wrappers.compose);
        wrappers
    }

    fn write(&self, at: &Path, name: &str, real: &Path) {
        let (log, real) = (self.log.display(), real.display());
        // One echo is one write: lines of processes that start together do not mix.
        let text = format!("#!/bin/sh\necho \"$$ {name} $*\" >>'{log}'\nexec '{real}' \"$@\"\n");
        fs::write(at, text).expect("a wrapper");
        fs::set_permissions(at, fs::Permissions::from_mode(0o755)).expect("a mode");
    }

    /// Every docker and compose process started since [`Wrappers::forget`].
    pub fn started(&self) -> Vec<Started> {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        log.lines()
            .filter_map(|line| {
                let (pid, line) = line.split_once(' ')?;
                Some(Started { pid: pid.parse().ok()?, line: line.to_owned() })
            })
            .collect()
    }

    /// Begins a new count.
    pub fn forget(&self) {
        let _ = fs::remove_file(&self.log);
    }
}

/// The plugin that `RENEW_TEST_COMPOSE` names, else this machine's.
fn find_compose() -> PathBuf {
    std::env::var_os("RENEW_TEST_COMPOSE")
        .map(PathBuf::from)
        .or_else(|| {
            let mut plugins = PLUGIN_DIRS.iter().map(|dir| Path::new(dir).join("docker-compose"));
            plugins.find(|path| path.is_file())
        })
        .expect("the compose plugin: run scripts/setup")
}

fn find_docker() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|dir| dir.join("docker"))
        .find(|path| path.is_file())
        .expect("docker: run scripts/setup")
}
