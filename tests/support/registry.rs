//! A registry process of the sandbox on a free loopback port, and pushes to it as some far-away
//! build machine would do them: over HTTP, so that this host's engine knows nothing of the image.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::image::{Image, MANIFEST_TYPE};
use super::wait_for;

/// Runs the registry until this shell's input ends, which it does even if the test is killed.
const GUARD: &str = r#"
docker-registry serve "$1" >"$2" 2>&1 &
cat >/dev/null
kill $!
wait
"#;

/// A registry; it ends when dropped.
pub struct Registry {
    dir: PathBuf,
    port: u16,
    guard: Option<Child>,
}

impl Registry {
    /// Starts a registry with an empty store below `dir`.
    pub fn start(dir: &Path) -> Registry {
        fs::create_dir_all(dir).expect("a folder for the registry");
        let mut registry = Registry { dir: dir.to_owned(), port: 0, guard: None };
        registry.up();
        registry
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Ends the process; what was pushed stays.
    pub fn down(&mut self) {
        if let Some(mut guard) = self.guard.take() {
            drop(guard.stdin.take());
            guard.wait().expect("the registry's guard");
        }
    }

    /// Starts the process again, on the port it had.
    pub fn up(&mut self) {
        let (config, log) = (self.dir.join("config.yml"), self.dir.join("log"));
        let text = format!(
            "version: 0.1\nlog: {{level: info}}\nhttp: {{addr: \"127.0.0.1:{}\"}}\n\
             storage: {{filesystem: {{rootdirectory: \"{}\"}}}}\n",
            self.port,
            self.dir.join("store").display()
        );
        fs::write(&config, text).expect("the registry's configuration");
        let _ = fs::remove_file(&log);
        let guard = Command::new("/bin/sh")
            .args(["-c", GUARD, "guard"])
            .args([&config, &log])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("the registry's guard");
        self.guard = Some(guard);
        self.port = wait_for("the registry to listen (is docker-registry installed?)", 20, || {
            port_in(&fs::read_to_string(&log).unwrap_or_default())
        });
    }

    /// Pushes an image under `repository:tag` and gives the digest of its manifest.
    pub fn push(&self, repository: &str, tag: &str, image: &Image) -> String {
        let base = format!("http://{}/v2/{repository}", self.address());
        for blob in &image.blobs {
            let name = &blob.digest;
            if ureq::head(format!("{base}/blobs/{name}")).call().is_ok() {
                continue;
            }
            let begun = ureq::post(format!("{base}/blobs/uploads/")).send_empty().expect("begin");
            let place = begun.headers().get("location").expect("a place").to_str().expect("text");
            ureq::put(format!("{place}&digest={name}")).send(&blob.bytes[..]).expect("send a blob");
        }
        ureq::put(format!("{base}/manifests/{tag}"))
            .header("content-type", MANIFEST_TYPE)
            .send(&image.manifest.bytes[..])
            .expect("send the manifest");
        image.manifest.digest.clone()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.down();
    }
}

/// The port in the line in which the registry says where it listens.
fn port_in(log: &str) -> Option<u16> {
    let (_, rest) = log.split_once("listening on 127.0.0.1:")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}
