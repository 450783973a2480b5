//! Tiny images made from nothing but the static busybox of this machine: two layers, a
//! configuration and a manifest, as bytes. It never talks to an engine or a registry.

use std::fmt::Write;
use std::rc::Rc;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The label that every test image carries, and so every container made from one: its value is the
/// sandbox.
pub const LABEL: &str = "renew-test-sandbox";

/// Runs until it is told to stop, and then stops at once. Before it says so it does not hear.
const MAIN: &str = "trap 'exit 0' TERM; echo ready; sleep 100000 & wait";

const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar";
const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
/// The media type of the manifest.
pub const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
/// The media type of an index.
pub const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";

/// Bytes and their digest, which is dear to compute in a test build.
#[derive(Clone)]
pub struct Blob {
    /// The content.
    pub bytes: Rc<[u8]>,
    /// `sha256:<hex>` of it.
    pub digest: String,
}

impl From<Vec<u8>> for Blob {
    fn from(bytes: Vec<u8>) -> Blob {
        Blob { digest: digest(&bytes), bytes: bytes.into() }
    }
}

/// An image, ready to be sent.
pub struct Image {
    /// Layers and configuration.
    pub blobs: Vec<Blob>,
    /// The manifest that names them.
    pub manifest: Blob,
}

/// `sha256:<hex>` of some bytes.
pub fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold("sha256:".to_owned(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("to write to a string");
        text
    })
}

/// The layer that all images of one sandbox begin with. None is shared between sandboxes: one may
/// be deleted while another is pulled.
pub fn base(sandbox: &str) -> Blob {
    let busybox = ["/bin/busybox", "/usr/bin/busybox"]
        .iter()
        .find_map(|path| std::fs::read(path).ok())
        .expect("a static busybox: run scripts/setup");
    let mut base = Tar::default();
    base.file("bin/busybox", 0o755, &busybox);
    for applet in ["sh", "sleep", "cat", "true", "false"] {
        base.link(&format!("bin/{applet}"), "busybox");
    }
    base.file("SANDBOX", 0o644, sandbox.as_bytes());
    base.finish().into()
}

impl Image {
    /// Has the manifest say another size of one layer than it has.
    pub fn swell(&mut self, layer: usize, bytes: u64) {
        let mut manifest: Value =
            serde_json::from_slice(&self.manifest.bytes).expect("a manifest of ours");
        manifest["layers"][layer]["size"] = bytes.into();
        self.manifest = manifest.to_string().into_bytes().into();
    }

    /// Adds a layer with a file of so many bytes.
    pub fn grow(&mut self, bytes: usize) {
        let mut large = Tar::default();
        large.file("LARGE", 0o644, &vec![b'x'; bytes]);
        let config = self.blobs.pop().expect("a configuration");
        self.blobs.push(large.finish().into());
        let mut config: Value = serde_json::from_slice(&config.bytes).expect("JSON of ours");
        let layers = self.blobs.iter().map(|layer| layer.digest.clone());
        config["rootfs"]["diff_ids"] = layers.collect();
        config["history"] = self.blobs.iter().map(|_| json!({ "created_by": "test" })).collect();
        let config: Blob = config.to_string().into_bytes().into();
        self.manifest = manifest(&config, &self.blobs);
        self.blobs.push(config);
    }
}

/// The processor an image is made for.
#[derive(Clone, Copy)]
pub enum Machine {
    /// This one's.
    Here,
    /// One that this machine cannot run.
    Elsewhere,
}

impl Machine {
    fn architecture(self) -> &'static str {
        match (self, std::env::consts::ARCH) {
            (Machine::Here, "x86_64") => "amd64",
            (Machine::Here, "aarch64") => "arm64",
            (Machine::Here, other) => other,
            (Machine::Elsewhere, _) => "s390x",
        }
    }
}

/// Builds an image of which `version` is the only content that differs within a sandbox.
pub fn build(sandbox: &str, base: &Blob, version: &str, machine: Machine) -> Image {
    let mut top = Tar::default();
    top.file("VERSION", 0o644, version.as_bytes());
    assemble(sandbox, version, machine, vec![base.clone(), top.finish().into()])
}

/// An index: one of these images, by platform.
pub fn index(images: &[(Machine, &Image)]) -> Blob {
    let choice = |(machine, image): &(Machine, &Image)| -> Value {
        let mut choice = describe(MANIFEST_TYPE, &image.manifest);
        choice["platform"] = json!({ "os": "linux", "architecture": machine.architecture() });
        choice
    };
    json!({
        "schemaVersion": 2,
        "mediaType": INDEX_TYPE,
        "manifests": images.iter().map(choice).collect::<Vec<Value>>(),
    })
    .to_string()
    .into_bytes()
    .into()
}

fn describe(kind: &str, blob: &Blob) -> Value {
    json!({ "mediaType": kind, "size": blob.bytes.len(), "digest": blob.digest })
}

fn assemble(sandbox: &str, version: &str, machine: Machine, layers: Vec<Blob>) -> Image {
    let digests: Vec<&str> = layers.iter().map(|layer| layer.digest.as_str()).collect();
    let config: Blob = json!({
        "architecture": machine.architecture(),
        "os": "linux",
        "created": "2026-01-01T00:00:00Z",
        "config": {
            "Cmd": ["/bin/sh", "-c", MAIN],
            "Env": ["PATH=/bin"],
            "Labels": { LABEL: sandbox, "version": version },
        },
        "rootfs": { "type": "layers", "diff_ids": digests },
        "history": digests.iter().map(|_| json!({ "created_by": "test" })).collect::<Vec<Value>>(),
    })
    .to_string()
    .into_bytes()
    .into();
    let manifest = manifest(&config, &layers);
    let mut blobs = layers;
    blobs.push(config);
    Image { blobs, manifest }
}

fn manifest(config: &Blob, layers: &[Blob]) -> Blob {
    json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": describe(CONFIG_TYPE, config),
        "layers": layers.iter().map(|layer| describe(LAYER_TYPE, layer)).collect::<Vec<Value>>(),
    })
    .to_string()
    .into_bytes()
    .into()
}

/// A tar archive in the ustar format, always the same bytes for the same content.
#[derive(Default)]
struct Tar(Vec<u8>);

impl Tar {
    fn file(&mut self, name: &str, mode: u32, content: &[u8]) {
        self.header(name, mode, content.len(), b'0', "");
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
    }

    fn link(&mut self, name: &str, target: &str) {
        self.header(name, 0o777, 0, b'2', target);
    }

    fn finish(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }

    fn header(&mut self, name: &str, mode: u32, size: usize, kind: u8, target: &str) {
        let mut block = [0_u8; 512];
        let mut put = |at: usize, text: &str| {
            block[at..at + text.len()].copy_from_slice(text.as_bytes());
        };
        put(0, name);
        put(100, &format!("{mode:07o}"));
        put(108, "0000000");
        put(116, "0000000");
        put(124, &format!("{size:011o}"));
        put(136, "00000000000");
        put(148, "        "); // the checksum counts its own field as spaces
        put(157, target);
        put(257, "ustar");
        put(263, "00");
        block[156] = kind;
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.0.extend_from_slice(&block);
    }
}
