//! The parts of the configuration that belong to the host as a whole: repository, engine, control,
//! notifications, retention.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::read::{Found, Reader};
use crate::config::value::choice::NotifyOn;
use crate::config::value::url::HttpUrl;
use crate::config::value::{Problem, git, path, plain};

/// The repository that is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repo {
    /// Working tree, or a directory inside one; absolute.
    pub dir: PathBuf,
    /// Cloned from here if the tree does not exist. May hold credentials.
    pub url: Option<String>,
    /// Remote that is fetched.
    pub remote: String,
    /// Branch that is followed, short name.
    pub branch: String,
    /// Private key.
    pub ssh_key_file: Option<PathBuf>,
    /// Trusted host keys.
    pub known_hosts_file: Option<PathBuf>,
    /// Access token for https.
    pub token_file: Option<PathBuf>,
    /// Whose signature makes a commit deployable; anyone's if not said.
    pub allowed_signers: Option<PathBuf>,
    /// Whether a rewritten branch is refused.
    pub fast_forward_only: bool,
    /// Greatest delay of a fetch; each host has its own stable part of it.
    pub splay: Duration,
}

/// The engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Docker {
    /// `unix://` address; `DOCKER_HOST` or the default socket if not said.
    pub host: Option<String>,
    /// Directory of docker's `config.json`; `DOCKER_CONFIG` or root's if not said.
    pub config_dir: Option<PathBuf>,
}

/// The push-webhook listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// Where it listens.
    pub address: SocketAddr,
    /// The shared secret.
    pub secret_file: PathBuf,
}

/// One receiver of notifications.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notify {
    /// How it is reached.
    pub target: NotifyTarget,
    /// What it hears of.
    pub on: Vec<NotifyOn>,
    /// Text to send instead of the event.
    pub template: Option<String>,
}

/// How a receiver is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotifyTarget {
    /// JSON POST.
    Url(HttpUrl),
    /// A program with its arguments.
    Command(Vec<String>),
}

/// The dead man's switch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    /// Asked with GET.
    pub url: HttpUrl,
    /// How often.
    pub interval: Duration,
}

/// How much history is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Nothing older.
    pub age: Duration,
    /// Not more files and records.
    pub count: usize,
    /// Not more bytes.
    pub bytes: u64,
}

/// Reads `repo.*`; paths are relative to `dir`, the directory of the config file.
pub fn read_repo(reader: &mut Reader, dir: &Path) -> Repo {
    let on_host = |text: &str| path::on_host(dir, text);
    let allowed_signers = reader.optional("repo.allowed_signers", on_host);
    Repo {
        dir: reader.optional("repo.dir", on_host).unwrap_or_else(|| dir.to_path_buf()),
        url: reader.optional("repo.url", git::repository_url),
        remote: reader.text("repo.remote", git::remote),
        branch: reader.text("repo.branch", git::branch),
        ssh_key_file: reader.optional("repo.ssh_key_file", on_host),
        known_hosts_file: reader.optional("repo.known_hosts_file", on_host),
        token_file: reader.optional("repo.token_file", on_host),
        fast_forward_only: reader
            .flag("repo.fast_forward_only")
            .unwrap_or(allowed_signers.is_some()),
        allowed_signers,
        splay: reader.duration("repo.splay"),
    }
}

/// Reads `state_dir`. It becomes private to its user, so it cannot be the tree or hold it.
pub fn read_state_dir(reader: &mut Reader, dir: &Path, repo_dir: &Path) -> PathBuf {
    let state_dir = reader.optional("state_dir", |text| {
        let state_dir = path::on_host(dir, text)?;
        if repo_dir.starts_with(&state_dir) || dir.starts_with(&state_dir) {
            let hint = "name a directory of its own, like /var/lib/renew";
            return Err(Problem::new("holds the repository or this file", hint));
        }
        Ok(state_dir)
    });
    state_dir.unwrap_or_else(|| repo_dir.join(".renew"))
}

/// Reads `docker.*`.
pub fn read_docker(reader: &mut Reader, dir: &Path) -> Docker {
    let host = reader.optional("docker.host", |text| {
        plain(text)?;
        match text.strip_prefix("unix://") {
            Some(socket) if socket.starts_with('/') => Ok(text.to_owned()),
            _ => Err(Problem::new(
                format!("{text:?} is not a Unix socket"),
                "write unix:// and an absolute path, like unix:///run/docker.sock",
            )),
        }
    });
    let config_dir = reader.optional("docker.config_dir", |text| path::on_host(dir, text));
    Docker { host, config_dir }
}

/// Reads `control.socket`.
pub fn read_socket(reader: &mut Reader, dir: &Path, state_dir: &Path) -> PathBuf {
    let socket = reader.optional("control.socket", |text| {
        let socket = path::on_host(dir, text)?;
        match socket.as_os_str().len() > path::SOCKET_BYTES_MAX {
            true => Err(Problem::new(
                format!(
                    "is longer than {} bytes, the most a socket may have",
                    path::SOCKET_BYTES_MAX
                ),
                "choose a shorter path, like /run/renew/renew.sock",
            )),
            false => Ok(socket),
        }
    });
    socket.unwrap_or_else(|| state_dir.join("renew.sock"))
}

/// Reads `listen.*`: both or neither.
pub fn read_listen(reader: &mut Reader, dir: &Path) -> Option<Listen> {
    let address = reader.optional("listen.address", |text| {
        text.parse::<SocketAddr>().map_err(|_| {
            let message = format!("{text:?} is not an IP address with a port");
            Problem::new(message, "write it like 127.0.0.1:9000 or [::1]:9000")
        })
    });
    let secret_file = reader.optional("listen.secret_file", |text| path::on_host(dir, text));
    let (has_address, has_secret) =
        (reader.find("listen.address"), reader.find("listen.secret_file"));
    match (has_address, has_secret) {
        (Some(found), None) => {
            let problem = Problem::new("needs \"secret_file\"", "anyone could push without one");
            reader.sink.error(found.node.offset, found.path, problem);
        }
        (None, Some(found)) => {
            reader.sink.warning(found.node.offset, found.path, "has no effect without \"address\"");
        }
        _ => {}
    }
    Some(Listen { address: address?, secret_file: secret_file? })
}

/// Reads `heartbeat.*`.
pub fn read_heartbeat(reader: &mut Reader) -> Option<Heartbeat> {
    let url = reader.optional("heartbeat.url", HttpUrl::parse);
    let interval = reader.duration("heartbeat.interval");
    Some(Heartbeat { url: url?, interval })
}

/// Reads `retention.*`.
pub fn read_retention(reader: &mut Reader) -> Retention {
    Retention {
        age: reader.duration("retention.age"),
        count: usize::try_from(reader.count_or_preset("retention.count")).unwrap_or(usize::MAX),
        bytes: reader.size("retention.bytes"),
    }
}

/// Reads `notify`.
pub fn read_notify(reader: &mut Reader) -> Vec<Notify> {
    let entries = reader.objects("notify");
    entries.into_iter().filter_map(|entry| read_receiver(entry, reader)).collect()
}

fn read_receiver(entry: Found, outer: &mut Reader) -> Option<Notify> {
    let mut reader = Reader::of_entry(entry, None, "notify[].", outer.sink);
    let url = reader.optional("url", HttpUrl::parse_confidential);
    let command = reader.list("command", |text| plain(text).map(str::to_owned));
    let every_event =
        || NotifyOn::WORDS.iter().filter_map(|word| NotifyOn::parse(word).ok()).collect();
    let on = reader.set("on", NotifyOn::parse).unwrap_or_else(every_event);
    let template = reader.optional("template", |text| Ok(text.to_owned()));
    let (offset, path) = (reader.offset(), reader.path().to_owned());
    let target = match (reader.find("url"), reader.find("command"), url, command) {
        (Some(_), Some(_), _, _) => {
            let problem = Problem::new("has both \"url\" and \"command\"", "make it two entries");
            reader.sink.error(offset, path, problem);
            return None;
        }
        (None, None, _, _) => {
            reader.sink.error(offset, path, "needs \"url\" or \"command\"");
            return None;
        }
        (None, Some(found), _, Some(words))
            if words.is_empty() && found.node.items().is_empty() =>
        {
            reader.sink.error(found.node.offset, found.path, "is empty");
            return None;
        }
        (_, _, url, command) => url.map(NotifyTarget::Url).or(command.map(NotifyTarget::Command)),
    };
    Some(Notify { target: target?, on, template })
}
