//! Stories of a sync whose remote does not do what a remote should: it ends in time, says why, and
//! leaves no process behind.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::json;

use super::{Said, Site, ended};
use crate::fetching::processes_that_name;
use crate::tokens::set_url;

/// What a server does with each connection.
#[derive(Clone, Copy)]
enum Does {
    /// Takes it and says nothing.
    Silence,
    /// Answers, one byte at a time.
    Drip,
    /// Answers that there is nothing.
    Nothing,
}

/// A server on the loopback interface; ended when dropped.
struct Server {
    port: u16,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start(does: Does) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut served = Vec::new();
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    break;
                }
                let (stream, stopped) = (stream.unwrap(), Arc::clone(&stopped));
                served.push(std::thread::spawn(move || serve(stream, does, &stopped)));
            }
            for one in served {
                one.join().unwrap();
            }
        });
        Server { port, stop, thread: Some(thread) }
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

/// Serves one connection until its client goes away or the story ends.
fn serve(mut stream: TcpStream, does: Does, stopped: &AtomicBool) {
    stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let drip =
        b"HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\n\r\n";
    let mut drops = drip.iter().chain(std::iter::repeat(&b'0'));
    let mut buffer = [0; 4096];
    while !stopped.load(Ordering::SeqCst) {
        if matches!(stream.read(&mut buffer), Ok(0)) {
            return;
        }
        let sent = match does {
            Does::Silence => Ok(()),
            Does::Drip => stream.write_all(&[*drops.next().unwrap_or(&b'0')]),
            Does::Nothing => {
                let _ = stream.write_all(
                    b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                );
                return;
            }
        };
        if sent.is_err() {
            return;
        }
    }
}

/// A site that gives git two seconds.
fn hurried() -> Site {
    let site = Site::with(&[("shop/c.yml", "1"), ("a", "1")]);
    site.config(&json!({
        "repo": { "dir": "host" },
        "state_dir": "state",
        "services": [{
            "name": "shop", "compose_files": ["shop/c.yml"], "timeouts": { "git": "2s" },
        }],
    }));
    site
}

/// The service is meant for this host, and there is no docker here: that weighs more than git.
#[track_caller]
fn given_up(said: &Said, url: &str) {
    assert_eq!(said.code, 2, "{said:?}");
    let json = said.json();
    let error = &json["errors"][0];
    assert_eq!(error["reason"], "git_timeout", "{said:?}");
    assert!(error["message"].as_str().unwrap().contains(url), "{said:?}");
    assert!(error["resolution"].as_str().unwrap().contains("timeouts.git"), "{said:?}");
    assert_eq!(
        json["services"][0]["error"]["reason"], "engine_not_running",
        "it went on: {said:?}"
    );
    assert!(said.took >= Duration::from_secs(2) && said.took < Duration::from_secs(15), "{said:?}");
    assert_eq!(processes_that_name(url), Vec::<String>::new(), "left behind");
}

#[test]
fn a_server_that_says_nothing_or_drips_is_left_in_time() {
    for does in [Does::Silence, Does::Drip] {
        let (site, server) = (hurried(), Server::start(does));
        let url = format!("http://127.0.0.1:{}/x.git", server.port);
        set_url(&site.world, &url);
        given_up(&site.renew("sync --json"), &url);
    }
}

#[test]
fn an_ssh_server_that_says_nothing_is_left_in_time() {
    let (site, server) = (hurried(), Server::start(Does::Silence));
    let url = format!("ssh://git@127.0.0.1:{}/x.git", server.port);
    set_url(&site.world, &url);
    given_up(&site.renew("sync --json"), &url.replace("git@", "***@"));
    let port = format!("-p {} ", server.port);
    assert_eq!(processes_that_name(&port), Vec::<String>::new(), "left behind");
}

#[test]
fn a_name_server_that_says_nothing_is_left_in_time() {
    let site = hurried();
    let url = "http://git.example.org/x.git";
    set_url(&site.world, url);
    if renew::sys::env::effective_uid() != 0 {
        return;
    }
    let _nameserver = UdpSocket::bind("127.0.53.7:53").unwrap();
    // With a name server that never answers, in a mount namespace of its own (unshare(1)).
    let resolv = site.path("resolv.conf");
    crate::world::write(&resolv, "nameserver 127.0.53.7\noptions timeout:30 attempts:5\n");
    let script = format!("mount --bind '{}' /etc/resolv.conf && exec \"$@\"", resolv.display());
    let sync = site.command("sync --json");
    #[expect(clippy::disallowed_methods, reason = "a namespace is made by a program")]
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", &script, "sh"]).arg(sync.get_program()).args(sync.get_args());
    command.current_dir(site.path("")).env_clear();
    command.envs(sync.get_envs().filter_map(|(name, value)| Some((name, value?))));
    given_up(&ended(command), url);
}

#[test]
fn what_is_wrong_with_a_remote_is_said_with_its_address_and_the_way_out() {
    let site = Site::with(&[("shop/c.yml", "1"), ("a", "1")]);
    let server = Server::start(Does::Nothing);
    let nothing = format!("http://me:hunter2@127.0.0.1:{}/x.git", server.port);
    let nothing_said = format!("http://***@127.0.0.1:{}/x.git", server.port);
    let moved = site.path("moved.git").display().to_string();
    for (url, said, way_out) in [
        (nothing.as_str(), nothing_said.as_str(), "remote set-url origin"),
        (&moved, &moved, "remote set-url origin"),
        ("http://127.0.0.1:1/x.git", "http://127.0.0.1:1/x.git", "check the network"),
        ("http://nowhere.invalid/x.git", "http://nowhere.invalid/x.git", "check the network"),
        ("ssh://git@127.0.0.1:1/x.git", "ssh://***@127.0.0.1:1/x.git", "check the network"),
        ("ssh://git@nowhere.invalid/x.git", "ssh://***@nowhere.invalid/x.git", "check the network"),
    ] {
        set_url(&site.world, url);
        for command in ["sync --json", "plan --json"] {
            let told = if command.starts_with("sync") {
                site.refused()
            } else {
                let said = site.renew(command);
                assert_eq!(said.code, 0, "there is a plan, of the last target: {said:?}");
                let error = said.json()["errors"][0].clone();
                let text = |key: &str| error[key].as_str().unwrap().to_owned();
                let [reason, message, resolution] = ["reason", "message", "resolution"].map(text);
                super::Told { reason, message, resolution }
            };
            assert_eq!(told.reason, "git_fetch", "{url}: {told:?}");
            assert!(told.message.contains(&format!("origin ({said})")), "{url}: {told:?}");
            assert!(told.resolution.contains(way_out), "{url}: {told:?}");
            assert!(told.resolution.contains("stays in force"), "{url}: {told:?}");
        }
    }
    site.world.git(&site.world.host, &["remote", "remove", "origin"]);
    let told = site.refused();
    assert!(told.resolution.contains("remote add origin URL"), "{told:?}");
}

#[test]
fn a_git_that_is_missing_or_no_repository_is_said() {
    let site = Site::with(&[("shop/c.yml", "1")]);
    let mut sync = site.command("sync --json");
    sync.env("PATH", site.path("nothing"));
    let told = ended(sync).json()["errors"][0].clone();
    assert_eq!(told["reason"], "git_missing", "{told}");
    assert_eq!(told["resolution"], "install it (`apt install git`)");
    std::fs::rename(site.world.host.join(".git"), site.path("elsewhere")).unwrap();
    let told = site.refused();
    assert_eq!(told.reason, "not_a_repository", "{told:?}");
    assert!(told.message.contains(&site.world.host.display().to_string()), "{told:?}");
}
