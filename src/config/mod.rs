//! renew.json, from text with positions to validated types. [`parse`] is a pure function of the
//! text and its path; only `load`, `last_good` and `disk` look at the machine.
//!
//! In reading order: [`fields`] is the one table of what exists; [`tree`] is JSON with positions;
//! `shape` holds a document against the table; `read` gives typed access; `host`, `service`,
//! `policy` and `stack` are what comes out; `cross` judges services against each other.

use crate::gather::sort_by_key;
use std::path::{Path, PathBuf};

pub mod diagnostic;
pub mod disk;
pub mod fields;
pub mod kind;
pub mod last_good;
pub mod load;
pub mod lookup;
pub mod schema;
pub mod tree;
pub mod value;

mod cross;
mod host;
mod peers;
mod policy;
mod read;
mod service;
mod shape;
mod stack;
mod windows;

pub use diagnostic::{Diagnostic, Extent};
pub use host::{Docker, Heartbeat, Listen, Notify, NotifyTarget, Repo, Retention};
pub use load::{LoadError, Outcome, find, load, load_or_last_good};
pub use peers::unreachable_peers;
pub use policy::{EffectivePolicy, PerService};
pub use service::{Health, Lease, Service, Timeouts, Verify};
pub use stack::Subject;
pub use value::choice::{
    FilesAction, Heal, ImageCheck, LogFormat, Mode, NotifyOn, OnFailure, Reason, RecreateOn,
};
pub use value::glob::HostGlob;
pub use value::name::ServiceName;
pub use value::url::HttpUrl;
pub use value::window::Window;
pub use windows::missed_windows;

use diagnostic::{Lines, Sink};
use read::{Found, Reader};
use stack::Mark;
use tree::Node;
use value::{Problem, path};

/// The largest configuration file that is read, in bytes.
pub const FILE_BYTES_MAX: u64 = 4 << 20;

/// A whole configuration, validated.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file it came from, absolute.
    pub path: PathBuf,
    /// The repository that is followed.
    pub repo: Repo,
    /// Everything that must survive a restart.
    pub state_dir: PathBuf,
    /// Whether every service is run once when the daemon starts.
    pub run_on_start: bool,
    /// How log lines look.
    pub log_format: LogFormat,
    /// Services handled at the same time.
    pub workers: usize,
    /// The engine.
    pub docker: Docker,
    /// Where the daemon listens.
    pub control_socket: PathBuf,
    /// The webhook listener.
    pub listen: Option<Listen>,
    /// Receivers of notifications.
    pub notify: Vec<Notify>,
    /// The dead man's switch.
    pub heartbeat: Option<Heartbeat>,
    /// How much history is kept.
    pub retention: Retention,
    /// No pull when less would be free under docker's root, in bytes.
    pub disk_floor_bytes: u64,
    /// The services in the order of the file, those of other hosts included.
    pub services: Vec<Service>,
}

/// A configuration with what was noticed while reading it.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What it was made of.
    pub text: String,
    /// What works but should be looked at.
    pub warnings: Vec<Diagnostic>,
    /// Where the text speaks of something outside it, in its order: for errors about files that
    /// do not exist.
    pub places: Vec<Place>,
}

/// A place in the text that speaks of something outside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Index of the service.
    pub service: usize,
    /// What it speaks of.
    pub subject: Subject,
    /// Key path.
    pub path: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// Parses and validates a configuration. Pure if `path` is absolute: nothing is looked up on disk.
///
/// # Errors
/// Everything that is wrong, in the order of the text. A file made for another version of renew
/// gives that one error only.
pub fn parse(text: &[u8], path: &Path) -> Result<Loaded, Vec<Diagnostic>> {
    // Editors of other systems put a byte order mark first; RFC 8259 lets a parser ignore it.
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    if text.len() as u64 > FILE_BYTES_MAX {
        let message = format!("is larger than {FILE_BYTES_MAX} bytes");
        return Err(vec![Diagnostic::of_file(path, message.into())]);
    }
    let fail = |source: &str, offset: usize, path_in: &str, problem: Problem| {
        let mut sink = Sink::default();
        sink.error(offset, path_in, problem);
        sink.finish(path, source).0
    };
    let source = std::str::from_utf8(text).map_err(|cause| {
        let good = text.get(..cause.valid_up_to()).unwrap_or_default();
        let source = std::str::from_utf8(good).unwrap_or_default();
        let message = "is not UTF-8 text from here on";
        fail(source, source.len(), "", Problem::new(message, "save the file as UTF-8"))
    })?;
    let root = tree::parse(source).map_err(|error| fail(source, error.offset, "", error.into()))?;
    if !matches!(root.value, tree::Value::Object(_)) {
        let message = format!("expected an object, found {}", root.noun());
        return Err(fail(source, root.offset, "", message.into()));
    }
    if let Some((found, problem)) = other_version(&root) {
        return Err(fail(source, found.offset, "requires", problem));
    }
    let mut sink = Sink::default();
    shape::check(&root, &mut sink);
    let mut marks = Vec::new();
    let config = read_document(&root, path, &mut sink, &mut marks);
    let (errors, warnings) = sink.finish(path, source);
    match config {
        Some(config) if errors.is_empty() => {
            let (text, places) = (source.to_owned(), places(marks, source));
            Ok(Loaded { config, text, warnings, places })
        }
        _ => Err(errors),
    }
}

fn places(mut marks: Vec<Mark>, source: &str) -> Vec<Place> {
    sort_by_key(&mut marks, |mark| mark.offset);
    let mut lines = Lines::new(source);
    let placed = marks.into_iter().map(|mark| {
        let (line, column) = lines.at(mark.offset);
        Place { service: mark.service, subject: mark.subject, path: mark.path, line, column }
    });
    placed.collect()
}

/// Whether the file is for another version of renew. Asked before anything else, because such a
/// file may hold keys that this version cannot know.
fn other_version<'a>(root: &'a Node<'a>) -> Option<(&'a Node<'a>, Problem)> {
    let node = root.get("requires")?;
    let range = semver::VersionReq::parse(node.text()?).ok()?;
    let own = semver::Version::parse(env!("CARGO_PKG_VERSION")).ok()?;
    // A release candidate counts as the version it is a candidate for.
    let own = semver::Version::new(own.major, own.minor, own.patch);
    if range.matches(&own) {
        return None;
    }
    let message = format!("this is renew {own}, the file is for {range}");
    let hint = "upgrade renew, or widen the range if the file does work with this version";
    Some((node, Problem::new(message, hint)))
}

fn read_document(
    root: &Node,
    file: &Path,
    sink: &mut Sink,
    marks: &mut Vec<Mark>,
) -> Option<Config> {
    let absolute = std::path::absolute(file).unwrap_or_else(|_| file.to_path_buf());
    let absolute = path::normal(&absolute);
    let dir = absolute.parent().unwrap_or(Path::new("/")).to_path_buf();
    let services = read_services(root, &dir, sink, marks);
    let mut reader = Reader::of_document(root, sink);
    reader.optional("requires", |text| {
        let bad = |cause| Problem::from(format!("{text:?} is not a range of versions: {cause}"));
        semver::VersionReq::parse(text).map_err(bad)
    });
    let repo = host::read_repo(&mut reader, &dir);
    let state_dir = host::read_state_dir(&mut reader, &dir, &repo.dir);
    let workers = reader.count("workers").and_then(|count| usize::try_from(count).ok());
    Some(Config {
        run_on_start: reader.flag_or_preset("run_on_start"),
        log_format: reader.text("log_format", LogFormat::parse),
        workers: workers.unwrap_or_else(|| services.as_ref().map_or(1, Vec::len).clamp(1, 4)),
        docker: host::read_docker(&mut reader, &dir),
        control_socket: host::read_socket(&mut reader, &dir, &state_dir),
        listen: host::read_listen(&mut reader, &dir),
        notify: host::read_notify(&mut reader),
        heartbeat: host::read_heartbeat(&mut reader),
        retention: host::read_retention(&mut reader),
        disk_floor_bytes: reader.size("disk_floor"),
        services: services?,
        path: absolute,
        repo,
        state_dir,
    })
}

/// Reads `defaults` for its errors, then every service over it, then judges them together.
fn read_services(
    root: &Node,
    dir: &Path,
    sink: &mut Sink,
    marks: &mut Vec<Mark>,
) -> Option<Vec<Service>> {
    let defaults = root.get("defaults");
    if let Some(node) = defaults {
        let found = Found { node, path: "defaults".to_owned() };
        let mut reader = Reader::of_entry(found, None, "services[].", sink);
        service::read_policy_only(&mut reader, dir);
        reader.optional("pre_script", path::in_repository);
        reader.optional("clean_script", path::in_repository);
    }
    let mut document = Reader::of_document(root, sink);
    let entries = document.objects("services");
    match document.find("services") {
        None => document.missing("services"),
        Some(found) if found.node.items().is_empty() && found.node.noun() == "a list" => {
            let hint = "a service needs \"name\" and \"compose_files\"";
            sink.error(found.node.offset, found.path, Problem::new("names no service", hint));
        }
        Some(_) => {}
    }
    let mut services = Vec::with_capacity(entries.len());
    let mut origins = Vec::with_capacity(entries.len());
    for (index, entry) in entries.into_iter().enumerate() {
        let mut reader = Reader::of_entry(entry.clone(), defaults, "services[].", sink);
        if let Some(service) = service::read(&mut reader, index, dir, marks) {
            services.push(service);
            origins.push(entry);
        }
    }
    cross::check(&services, &origins, sink);
    Some(services)
}
