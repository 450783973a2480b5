//! Stories of whole passes: the real binary, real git, real servers. They need no docker: no service
//! is meant for this host, so a pass does its git work and nothing else.

mod branch;
mod credentials;
mod layout;
mod owner;
mod servers;
mod signers;
mod upkeep;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use renew::sys::clock::{Clock, SystemClock};
use serde_json::{Value, json};

use crate::world::{World, write};

/// A world in which renew works on the host's clone.
pub struct Site {
    /// Its repositories.
    pub world: World,
}

/// How a command ended.
#[derive(Debug)]
pub struct Said {
    /// Exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
    /// How long it took.
    pub took: Duration,
}

/// What went wrong, as JSON tells it.
#[derive(Debug)]
pub struct Told {
    /// The stable key.
    pub reason: String,
    /// What happened.
    pub message: String,
    /// The way out.
    pub resolution: String,
}

impl Site {
    /// A site whose first commit has these files.
    pub fn with(files: &[(&str, &str)]) -> Site {
        Site::of(World::with(files))
    }

    /// A site in a world that is there.
    pub fn of(world: World) -> Site {
        let site = Site { world };
        // What is looked for is a file; nothing here gets as far as starting it.
        write(&site.path("docker/cli-plugins/docker-compose"), "");
        site.configure(json!({}));
        site
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.world.root.path().join(name)
    }

    /// Writes renew.json with these additions to `repo`.
    pub fn configure(&self, repo: Value) {
        let mut config = json!({
            "repo": { "dir": "host" },
            "state_dir": "state",
            "defaults": { "timeouts": { "git": "20s" } },
            "services": [{ "name": "shop", "compose_files": ["shop/c.yml"], "hosts": ["elsewhere"] }],
        });
        for (key, value) in repo.as_object().unwrap() {
            config["repo"][key] = value.clone();
        }
        self.config(&config);
    }

    /// Writes renew.json as a whole.
    pub fn config(&self, config: &Value) {
        write(&self.path("renew.json"), &config.to_string());
        let open = fs::Permissions::from_mode(0o644);
        fs::set_permissions(self.path("renew.json"), open).unwrap();
    }

    /// A program that comes before the real one of its name.
    pub fn program(&self, name: &str, text: &str) {
        let path = self.path("bin").join(name);
        write(&path, text);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// The binary with these arguments.
    #[expect(clippy::disallowed_methods, reason = "the product is run as a person runs it")]
    pub fn command(&self, args: &str) -> Command {
        let mut renew = Command::new(env!("CARGO_BIN_EXE_renew"));
        let path = renew::sys::env::search_path().into_string().unwrap();
        renew
            .current_dir(self.path(""))
            .args(["--config", "renew.json"])
            .args(args.split_whitespace())
            .env_clear()
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .env("HOME", self.path("home"))
            .env("TZ", "UTC")
            .env("DOCKER_HOST", format!("unix://{}", self.path("no.sock").display()))
            .env("DOCKER_CONFIG", self.path("docker"));
        renew
    }

    /// Runs renew to its end.
    pub fn renew(&self, args: &str) -> Said {
        ended(self.command(args))
    }

    /// A sync that must end well, and silently if it is said once more.
    #[track_caller]
    pub fn synced(&self) -> Said {
        let said = self.renew("sync");
        assert_eq!(said.code, 0, "{said:?}");
        said
    }

    /// A sync that must end with 1 for one reason that it tells.
    #[track_caller]
    pub fn refused(&self) -> Told {
        self.renew("sync --json").refused()
    }

    /// The commit that the host has checked out.
    pub fn head(&self) -> String {
        self.world.git(&self.world.host, &["rev-parse", "HEAD"])
    }

    /// The remote by a path that an address can have, which lasts as long as the folder.
    pub fn remote_without_blank(&self) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("remote.git");
        std::os::unix::fs::symlink(&self.world.remote, &path).unwrap();
        (folder, path)
    }

    /// Where local work was saved.
    pub fn saved(&self) -> Vec<String> {
        let format = "--format=%(refname)";
        let refs = self.world.git(&self.world.host, &["for-each-ref", format, "refs/renew/saved"]);
        refs.lines().map(str::to_owned).collect()
    }
}

impl Said {
    /// The JSON document on standard output.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|cause| panic!("{cause}: {self:?}"))
    }

    /// The one thing that went wrong: it has a way out, and nothing secret or strange in it.
    #[track_caller]
    pub fn refused(&self) -> Told {
        assert_eq!(self.code, 1, "{self:?}");
        let json = self.json();
        let errors = json["errors"].as_array().unwrap();
        assert_eq!(errors.len(), 1, "{self:?}");
        let text = |key: &str| errors[0][key].as_str().unwrap().to_owned();
        let told = Told {
            reason: text("reason"),
            message: text("message"),
            resolution: text("resolution"),
        };
        assert!(!told.resolution.is_empty(), "no way out: {told:?}");
        for bad in ["hunter2", "Some(", "/.renew/"] {
            assert!(!format!("{}{}", self.out, self.err).contains(bad), "{bad} in {self:?}");
        }
        told
    }
}

/// Runs a command to its end.
pub fn ended(mut command: Command) -> Said {
    let clock = SystemClock::default();
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    Said {
        code: output.status.code().unwrap_or(-1),
        out: text(&output.stdout),
        err: text(&output.stderr),
        took: clock.monotonic(),
    }
}
