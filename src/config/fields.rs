//! The one table of configuration fields. The parser, the unknown-key check, the JSON Schema and
//! the documentation are all made from it; a field that is not here does not exist.

use crate::config::kind::{Kind, Preset};
use crate::config::value::choice;

/// Whether this version does what the field says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It does.
    Acted,
    /// It is read and checked, and a warning says that it has no effect.
    Later,
}

/// One field of renew.json.
#[derive(Debug)]
pub struct Field {
    /// Where it stands: `[]` is an item of a list, `*` any key.
    pub path: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Its value when it is left out.
    pub preset: Preset,
    /// Whether it has an effect in this version.
    pub status: Status,
    /// What it means, in one line.
    pub doc: &'static str,
}

const fn field(
    path: &'static str,
    kind: Kind,
    preset: Preset,
    status: Status,
    doc: &'static str,
) -> Field {
    Field { path, kind, preset, status, doc }
}

use Preset::{Is, Nothing, Required, Said};
use Status::{Acted, Later};

const NONE_YET: Preset = Is("[]");

/// Every field, in the order of the documentation. `defaults.*` is made from `services[].*`.
#[rustfmt::skip] // A table: one field, two lines.
pub static FIELDS: &[Field] = &[
    field("requires", Kind::Versions, Nothing, Acted,
        "range of renew versions this file is for, like `>=0.1, <2`"),
    field("repo.dir", Kind::HostPath, Said("directory of this file"), Acted,
        "git working tree, or a directory inside one"),
    field("repo.url", Kind::GitUrl, Nothing, Acted,
        "cloned if the working tree does not exist"),
    field("repo.remote", Kind::Remote, Is("origin"), Acted,
        "remote that is fetched"),
    field("repo.branch", Kind::Branch, Is("main"), Acted,
        "branch that is followed"),
    field("repo.ssh_key_file", Kind::HostPath, Nothing, Acted,
        "private key for this repository"),
    field("repo.known_hosts_file", Kind::HostPath, Nothing, Acted,
        "ssh host keys that are trusted"),
    field("repo.token_file", Kind::HostPath, Nothing, Acted,
        "file with an access token for https"),
    field("repo.allowed_signers", Kind::HostPath, Nothing, Acted,
        "ssh allowed-signers file or OpenPGP keyring: only commits signed by one of them are deployed"),
    field("repo.fast_forward_only", Kind::Bool, Said("`false`; `true` with `allowed_signers`"), Acted,
        "refuse a branch that moved backwards or was rewritten"),
    field("repo.splay", Kind::duration(0), Is("0s"), Later,
        "stable delay of this host added to each fetch, so that a fleet does not ask at once"),
    field("state_dir", Kind::HostPath, Said("`<repo.dir>/.renew`"), Acted,
        "everything renew remembers; private to its user"),
    field("run_on_start", Kind::Bool, Is("false"), Acted,
        "run every service once when the daemon starts"),
    field("log_format", Kind::Choice(choice::LogFormat::WORDS), Is("text"), Acted,
        "`text`, or `json` with one object per line"),
    field("workers", Kind::Count(1, 256), Said("4, at most the number of services"), Acted,
        "services that the daemon runs at the same time"),
    field("docker.host", Kind::EngineHost, Said("`DOCKER_HOST` or the default socket"), Acted,
        "engine to talk to, `unix://` and a path"),
    field("docker.config_dir", Kind::HostPath, Said("`DOCKER_CONFIG` or `~/.docker`"), Acted,
        "directory with docker's `config.json`: registry credentials"),
    field("control.socket", Kind::HostPath, Said("`<state_dir>/renew.sock`"), Acted,
        "where the daemon listens for `renew status` and the like"),
    field("listen.address", Kind::Address, Nothing, Later,
        "address and port for push webhooks, like `127.0.0.1:9000`"),
    field("listen.secret_file", Kind::HostPath, Nothing, Later,
        "file with the webhook secret, at least 32 bytes; needed with `listen.address`"),
    field("notify", Kind::Objects, NONE_YET, Later,
        "whom to tell; each entry has `url` or `command`"),
    field("notify[].url", Kind::Url, Nothing, Later,
        "gets a JSON POST; https, or http to this host"),
    field("notify[].command", Kind::List(&Kind::Text), Nothing, Later,
        "program with arguments, run with the event on its input"),
    field("notify[].on", Kind::List(&Kind::Choice(choice::NotifyOn::WORDS)), Said("every event"), Later,
        "which events"),
    field("notify[].template", Kind::Text, Nothing, Later,
        "text to send instead of the event as JSON"),
    field("heartbeat.url", Kind::Url, Nothing, Later,
        "asked with GET while the scheduler makes progress (dead man's switch)"),
    field("heartbeat.interval", Kind::duration(1), Is("5m"), Later,
        "how often"),
    field("retention.age", Kind::duration(1), Is("90d"), Later,
        "events and records older than this are dropped"),
    field("retention.count", Kind::Count(1, 1_000_000), Is("20"), Later,
        "rotated event files and old records kept"),
    field("retention.bytes", Kind::Size, Is("64MiB"), Later,
        "space that events may take"),
    field("disk_floor", Kind::Size, Is("1GiB"), Acted,
        "no pull when less would be free under docker's root"),
    field("services", Kind::Objects, Required, Acted,
        "what to keep running; at least one"),
    field("services[].name", Kind::Name, Required, Acted,
        "unique; letters, digits, `.`, `_`, `-`; also the key in the state"),
    field("services[].compose_files", Kind::ComposeFiles, Required, Acted,
        "compose files relative to `repo.dir`, see below"),
    field("services[].hosts", Kind::List(&Kind::HostGlob), Said("every host"), Acted,
        "host name patterns: the service exists only on these"),
    field("services[].profiles", Kind::List(&Kind::Profile), NONE_YET, Acted,
        "compose profiles to enable"),
    field("services[].schedule", Kind::Schedule, Is("*/3 * * * *"), Acted,
        "when to look: five cron fields, `@every DURATION`, `@hourly`, `@daily`, `@midnight`, `@weekly`, `@monthly`, `@yearly`, `@annually`"),
    field("services[].windows", Kind::List(&Kind::Window), Said("always"), Acted,
        "when changes may be made; outside, they wait, healing goes on"),
    field("services[].mode", Kind::Choice(choice::Mode::WORDS), Is("apply"), Acted,
        "`observe`: plan and report, change nothing"),
    field("services[].env_file", Kind::HostPath, Nothing, Acted,
        "secret file outside git, passed to compose after the project's own `.env`; other content recreates what runs"),
    field("services[].compose_project_name", Kind::Project, Said("compose's own choice"), Acted,
        "compose project (`-p`); keeps existing volumes"),
    field("services[].recreate_on", Kind::List(&Kind::Choice(choice::Reason::WORDS)), Is("[\"image\",\"config\",\"files\"]"), Acted,
        "which drift leads to a recreate: `image`, `config`, `files`, and `unhealthy`"),
    field("services[].files_action", Kind::FilesAction, Is("recreate"), Acted,
        "what a changed mounted file leads to: `recreate`, `signal:HUP`, `none`"),
    field("services[].heal", Kind::Choice(choice::Heal::WORDS), Is("all"), Acted,
        "`all` starts whatever should run; `crashed` leaves alone what a person stopped; `none`"),
    field("services[].image_check", Kind::Choice(choice::ImageCheck::WORDS), Is("registry"), Acted,
        "`registry` asks for the digest behind a moving tag; `local` looks at local images only"),
    field("services[].image_check_every", Kind::duration(0), Is("10m"), Acted,
        "the daemon asks for one image at most this often, unless a run is requested; `sync` asks every time"),
    field("services[].remove_orphans", Kind::Bool, Is("false"), Acted,
        "remove containers of compose services that left the stack"),
    field("services[].health.local_url", Kind::Url, Nothing, Acted,
        "answers 2xx while this host's instance is well"),
    field("services[].health.peer_urls", Kind::List(&Kind::Url), NONE_YET, Acted,
        "the same on the other hosts; this host drops itself"),
    field("services[].health.peers_required", Kind::Count(0, 10_000), Said("1 if there are peers"), Acted,
        "fewer healthy peers than this refuse a restart"),
    field("services[].health.timeout", Kind::duration(0), Is("5s"), Acted,
        "patience with one answer"),
    field("services[].lease.url", Kind::Url, Nothing, Later,
        "FleetLock server: at most N hosts change at once"),
    field("services[].lease.group", Kind::Text, Said("name of the service"), Later,
        "FleetLock group"),
    field("services[].lease.id", Kind::Text, Said("`<machine id>/<service>`"), Later,
        "who holds the slot"),
    field("services[].verify.timeout", Kind::duration(1), Is("2m"), Acted,
        "how long a changed service may take to become good"),
    field("services[].verify.soak", Kind::duration(0), Is("10s"), Acted,
        "how long nothing may restart"),
    field("services[].verify.probation", Kind::duration(0), Is("10m"), Acted,
        "restarts within this time still count against the change"),
    field("services[].on_failure", Kind::Choice(choice::OnFailure::WORDS), Is("rollback"), Acted,
        "`rollback`, or `keep` (roll forward only)"),
    field("services[].pre_script", Kind::RepoPath, Nothing, Acted,
        "run before anything stops, from the commit being deployed; failure refuses the change"),
    field("services[].clean_script", Kind::RepoPath, Nothing, Acted,
        "run after a change; its failure is only reported"),
    field("services[].per_service.*.mode", Kind::Choice(choice::Mode::WORDS), Said("of the service"), Acted,
        "the same for one compose service"),
    field("services[].per_service.*.recreate_on", Kind::List(&Kind::Choice(choice::Reason::WORDS)), Said("of the service"), Acted,
        "the same for one compose service"),
    field("services[].per_service.*.files_action", Kind::FilesAction, Said("of the service"), Acted,
        "the same for one compose service"),
    field("services[].per_service.*.image_check", Kind::Choice(choice::ImageCheck::WORDS), Said("of the service"), Acted,
        "the same for one compose service"),
    field("services[].per_service.*.on_failure", Kind::Choice(choice::OnFailure::WORDS), Said("of the service"), Acted,
        "the same for one compose service"),
    field("services[].per_service.*.heal", Kind::Choice(choice::Heal::WORDS), Said("of the service"), Acted,
        "the same for one compose service"),
    field("services[].prune_images", Kind::Bool, Is("true"), Acted,
        "remove images that renew itself superseded, except those of kept releases"),
    field("services[].keep_releases", Kind::Count(1, 100), Is("2"), Acted,
        "good releases kept: the one in force and the ones before"),
    field("services[].timeouts.git", Kind::duration(1), Is("2m"), Acted,
        "deadline of one git command"),
    field("services[].timeouts.pull", Kind::duration(1), Is("15m"), Acted,
        "deadline of a pull, counted from its last progress"),
    field("services[].timeouts.up", Kind::duration(1), Is("5m"), Acted,
        "deadline of compose up, plus the longest stop grace period"),
    field("services[].timeouts.script", Kind::duration(1), Is("1m"), Acted,
        "deadline of a script"),
];

/// Finds a field by its path; a path under `defaults` is that of the services' field.
#[must_use]
pub fn find(path: &str) -> Option<&'static Field> {
    static BY_PATH: std::sync::LazyLock<std::collections::HashMap<&str, &Field>> =
        std::sync::LazyLock::new(|| FIELDS.iter().map(|field| (field.path, field)).collect());
    BY_PATH.get(path).copied()
}
