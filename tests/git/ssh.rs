//! Stories about ssh: a real server on the loopback interface that takes one key, and is known by
//! one host key. Nothing of the user's own ssh configuration is read or written.

use std::fs::{self, Permissions};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use renew::git::{Access, Git, Source};
use renew::problem::Problem;
use renew::sys::exec::{Exec, Job, SystemExec};

use crate::world::{World, snapshot, write};

/// An ssh server that runs one `sshd` for each connection; ended when dropped.
pub struct Server {
    pub port: u16,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts one that takes the key `client`, and shows the host key of this name.
    pub fn start(world: &World, host_key: &str) -> Server {
        let root = world.root.path().to_path_buf();
        let config = root.join(format!("sshd {host_key}"));
        let text = format!(
            "HostKey \"{0}/{host_key}\"\nAuthorizedKeysFile \"{0}/client.pub\"\nStrictModes no\n\
             UsePAM no\nPidFile none\nPermitRootLogin yes\nPasswordAuthentication no\n\
             KbdInteractiveAuthentication no\nSetEnv PATH={1}\n",
            root.display(),
            renew::sys::env::search_path().display()
        );
        write(&config, &text);
        if renew::sys::env::effective_uid() == 0 {
            // Where sshd locks itself in; an empty folder that its service makes at each start.
            fs::create_dir_all("/run/sshd").unwrap();
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                attend(stream.unwrap(), &config);
            }
        });
        Server { port, stop, thread: Some(thread) }
    }

    pub fn url(&self, world: &World) -> String {
        format!("ssh://{}@127.0.0.1:{}{}", me(), self.port, world.remote.display())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Serves one connection to its end: it is the standard input and output of the child.
#[expect(clippy::disallowed_methods, reason = "a job cannot have a connection as its input")]
fn attend(stream: TcpStream, config: &Path) {
    let output: OwnedFd = stream.try_clone().unwrap().into();
    let sshd = ["/usr/sbin/sshd", "/usr/local/sbin/sshd"];
    let sshd = sshd.iter().find(|path| Path::new(path).exists()).expect("sshd: run scripts/setup");
    let status = Command::new(sshd)
        .args(["-i", "-e", "-f"])
        .arg(config)
        .stdin(Stdio::from(OwnedFd::from(stream)))
        .stdout(Stdio::from(output))
        .stderr(Stdio::null())
        .status();
    // A client that does not like the host key goes away in the middle.
    assert!(status.is_ok(), "sshd starts: {status:?}");
}

/// The name of the account that runs the tests.
pub fn me() -> String {
    let uid = renew::sys::env::effective_uid().to_string();
    let accounts = fs::read_to_string("/etc/passwd").unwrap();
    let mine = accounts.lines().find(|line| line.split(':').nth(2) == Some(&uid));
    mine.expect("an account").split(':').next().unwrap().to_owned()
}

pub fn key(world: &World, name: &str) -> PathBuf {
    let path = world.root.path().join(name);
    let job = Job::new("ssh-keygen", Duration::from_secs(60))
        .env("PATH", renew::sys::env::search_path())
        .args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"])
        .arg(&path);
    assert!(SystemExec::default().run(&job).expect("ssh-keygen").ok());
    path
}

/// Writes the file that says which host key the server on this port has.
pub fn known_hosts(world: &World, port: u16, host_key: &str) -> PathBuf {
    let public = world.root.path().join(format!("{host_key}.pub"));
    let path = world.root.path().join("known hosts 100%");
    let public = fs::read_to_string(public).unwrap();
    write(&path, &format!("[127.0.0.1]:{port} {public}"));
    path
}

/// A world with keys, and a server that the host knows as its remote.
pub fn world_with_server() -> (World, Server, Access) {
    let world = World::with(&[("a", "1")]);
    for name in ["host", "other", "client", "stranger"] {
        let from = key(&world, &format!("key of {name}"));
        let name = if name == "host" { "hostkey" } else { name };
        fs::rename(&from, world.root.path().join(name)).unwrap();
        let public = world.root.path().join(format!("{name}.pub"));
        fs::rename(format!("{}.pub", from.display()), public).unwrap();
    }
    let server = Server::start(&world, "hostkey");
    world.git(&world.host, &["remote", "set-url", "origin", &server.url(&world)]);
    let access = Access {
        ssh_key_file: Some(world.root.path().join("client")),
        known_hosts_file: Some(known_hosts(&world, server.port, "hostkey")),
        token_file: None,
    };
    (world, server, access)
}

fn fetch(world: &World, access: &Access) -> Result<(), Problem> {
    world.open().with_access("origin", access)?.fetch("origin", "main")
}

#[test]
fn a_key_and_a_known_host_lead_to_the_remote() {
    let (world, server, access) = world_with_server();
    let id = world.publish(&[("a", "2")]);
    fetch(&world, &access).unwrap();
    let git = world.open().with_access("origin", &access).unwrap();
    assert_eq!(git.standing("origin", "main").unwrap().upstream.unwrap().id, id);
    assert_eq!(git.look("origin", "main").unwrap().target.id, id);
    let (dir, url) = (world.root.path().join("clone"), server.url(&world));
    let source = Source { url: &url, remote: "origin", branch: "main" };
    Git::clone_to(&source, &dir, &access, Duration::from_secs(60), &world.exec).unwrap();
    assert_eq!(fs::read_to_string(dir.join("a")).unwrap(), "2");
}

#[test]
fn another_host_key_is_refused() {
    let (world, server, access) = world_with_server();
    fetch(&world, &access).unwrap();
    let impostor = Server::start(&world, "other");
    world.git(&world.host, &["remote", "set-url", "origin", &impostor.url(&world)]);
    let problem = fetch(&world, &access).unwrap_err();
    assert_eq!(problem.reason, "git_host_key", "a host that nobody knows: {problem}");
    known_hosts(&world, impostor.port, "hostkey");
    let problem = fetch(&world, &access).unwrap_err();
    assert_eq!(problem.reason, "git_host_key", "a host whose key changed: {problem}");
    assert!(problem.resolution.contains("known_hosts"), "{problem}");
    known_hosts(&world, impostor.port, "other");
    fetch(&world, &access).unwrap();
    drop(server);
}

#[test]
fn another_key_is_refused_by_name() {
    let (world, _server, access) = world_with_server();
    let stranger = world.root.path().join("stranger");
    let problem = fetch(&world, &Access { ssh_key_file: Some(stranger), ..access }).unwrap_err();
    assert_eq!(problem.reason, "git_auth", "{problem}");
    assert!(problem.resolution.contains("/stranger"), "{problem}");
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let (world, _server, access) = world_with_server();
    let refusal = || {
        let problem = fetch(&world, &access).unwrap_err();
        assert_eq!(problem.reason, "git_credentials", "{problem}");
        problem.into_parts().resolution
    };
    let key = world.root.path().join("client");
    fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    assert!(refusal().contains("chmod 600"));
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    let known = access.known_hosts_file.as_ref().unwrap();
    fs::set_permissions(known, Permissions::from_mode(0o666)).unwrap();
    assert!(refusal().contains("chmod go-w"));
}

#[test]
fn a_key_has_to_belong_to_whom_git_runs_as() {
    if renew::sys::env::effective_uid() != 0 {
        return;
    }
    let (world, _server, access) = world_with_server();
    let somebody = 54_321;
    for path in snapshot(&world.host).keys() {
        lchown(path, Some(somebody), Some(somebody)).unwrap();
    }
    let problem = fetch(&world, &access).unwrap_err();
    assert!(problem.resolution.contains("chown 54321"), "{problem}");
    let key = world.root.path().join("client");
    assert_eq!(fs::metadata(&key).unwrap().uid(), 0, "a refusal changes nothing");
}
