//! A git server for a sandbox's remote, so that what the server does is not counted.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::support::Sandbox;

/// Ends when dropped.
pub struct Server(Child);

impl Server {
    /// Serves the remote over loopback, and makes the host's checkout follow it there.
    pub fn start(sandbox: &Sandbox) -> Server {
        let port = {
            let probe = TcpListener::bind("127.0.0.1:0").expect("a port");
            probe.local_addr().expect("an address").port()
        };
        let base: &Path = sandbox.root();
        let child = Command::new("git")
            .args(["daemon", "--export-all", "--reuseaddr", "--listen=127.0.0.1"])
            .arg(format!("--port={port}"))
            .arg(format!("--base-path={}", base.display()))
            .arg(base)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("git daemon");
        let server = Server(child);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            sleep(Duration::from_millis(20));
        }
        let url = format!("git://127.0.0.1:{port}/remote.git");
        sandbox.git(&sandbox.host, &["remote", "set-url", "origin", &url]);
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It ends with its work: what is left to do is only to wait for it.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
