//! A registry process of the sandbox on a free loopback port, and pushes to it as some far-away
//! build machine would do them: over HTTP, so that this host's engine knows nothing of the image.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::image::{Blob, INDEX_TYPE, Image, MANIFEST_TYPE};
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
    host: String,
    port: u16,
    /// More lines of its configuration, below `http:` and after it.
    more: String,
    guard: Option<Child>,
}

impl Registry {
    /// Starts a registry with an empty store below `dir`.
    pub fn start(dir: &Path) -> Registry {
        fs::create_dir_all(dir).expect("a folder for the registry");
        Registry::with(dir, "127.0.0.1", String::new())
    }

    /// Starts one at another address of this host, which speaks TLS (`cert.pem`, `key.pem`) and
    /// wants a password (`htpasswd`): files in `dir`.
    pub fn start_secured(dir: &Path, host: &str) -> Registry {
        let at = dir.display();
        let more = format!(
            "  tls: {{certificate: \"{at}/cert.pem\", key: \"{at}/key.pem\"}}\n\
             auth: {{htpasswd: {{realm: r, path: \"{at}/htpasswd\"}}}}\n"
        );
        Registry::with(dir, host, more)
    }

    fn with(dir: &Path, host: &str, more: String) -> Registry {
        let (dir, host) = (dir.to_owned(), host.to_owned());
        let mut registry = Registry { dir, host, port: 0, more, guard: None };
        registry.up();
        registry
    }

    /// Has what another registry has, by its folder.
    pub fn take_over(&self, store: &Path) {
        let mut copy = Command::new("cp");
        copy.arg("-a").arg(store.join(".")).arg(self.dir.join("store"));
        super::run(copy).expect(0);
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
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
            "version: 0.1\nlog: {{level: info}}\nstorage: {{filesystem: {{rootdirectory: \
             \"{}\"}}}}\nhttp:\n  addr: \"{}\"\n{}",
            self.dir.join("store").display(),
            self.address(),
            self.more
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
            port_in(&fs::read_to_string(&log).unwrap_or_default(), &self.host)
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
        self.put(repository, tag, MANIFEST_TYPE, &image.manifest);
        image.manifest.digest.clone()
    }

    /// Pushes images without a tag, and an index of them under `repository:tag`.
    pub fn push_index(&self, repository: &str, tag: &str, images: &[&Image], index: &Blob) {
        for image in images {
            self.push(repository, &image.manifest.digest, image);
        }
        self.put(repository, tag, INDEX_TYPE, index);
    }

    fn put(&self, repository: &str, reference: &str, kind: &str, manifest: &Blob) {
        ureq::put(format!("http://{}/v2/{repository}/manifests/{reference}", self.address()))
            .header("content-type", kind)
            .send(&manifest.bytes[..])
            .expect("send the manifest");
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.down();
    }
}

/// The port in the line in which the registry says where it listens.
fn port_in(log: &str, host: &str) -> Option<u16> {
    let (_, rest) = log.split_once(&format!("listening on {host}:"))?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}
