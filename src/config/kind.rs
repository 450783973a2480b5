//! What a field may hold: the kinds of values, their words for people and their JSON Schema.

use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::config::tree::{Node, Value};
use crate::config::value::choice::SIGNALS;
use crate::config::value::{duration, size};

/// What a field holds.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Any text that is not empty.
    Text,
    /// `true` or `false`.
    Bool,
    /// A whole number between two bounds, both included.
    Count(u64, u64),
    /// A duration of at least this.
    Duration(Duration),
    /// A number of bytes.
    Size,
    /// A path of the host, relative to the config file.
    HostPath,
    /// A path inside the repository.
    RepoPath,
    /// The address of a git repository.
    GitUrl,
    /// The name of a git remote.
    Remote,
    /// The short name of a branch.
    Branch,
    /// `unix://` and a path.
    EngineHost,
    /// IP address and port.
    Address,
    /// An http or https address.
    Url,
    /// A semver range.
    Versions,
    /// The name of a service.
    Name,
    /// The name of a compose project.
    Project,
    /// A compose profile.
    Profile,
    /// A host name pattern.
    HostGlob,
    /// A cron expression.
    Schedule,
    /// A change window.
    Window,
    /// `recreate`, `none`, `signal:NAME`.
    FilesAction,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A list of values of one kind.
    List(&'static Kind),
    /// Compose files, or lists of them.
    ComposeFiles,
    /// A list of objects, whose fields have their own rows.
    Objects,
}

/// The value of a field that is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// It must not be left out.
    Required,
    /// There is no value.
    Nothing,
    /// This value, as it would be written (without quotes if it is text).
    Is(&'static str),
    /// What these words say; not one fixed value.
    Said(&'static str),
}

impl Kind {
    /// A duration of at least `min_s` seconds.
    #[must_use]
    pub const fn duration(min_s: u64) -> Kind {
        Kind::Duration(Duration::from_secs(min_s))
    }

    /// What kind of JSON value is expected, for messages.
    #[must_use]
    pub fn noun(&self) -> &'static str {
        match self {
            Kind::Bool => "true or false",
            Kind::Count(..) => "a whole number",
            Kind::Duration(_) => "a duration like \"90s\"",
            Kind::Size => "a size like \"1GiB\"",
            Kind::List(_) | Kind::ComposeFiles => "a list",
            Kind::Objects => "a list of objects",
            _ => "text",
        }
    }

    /// What it is, for the documentation.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Kind::Text | Kind::Name | Kind::Project | Kind::Remote | Kind::Branch => "text",
            Kind::Bool => "true or false",
            Kind::Count(..) => "number",
            Kind::Duration(_) => "duration",
            Kind::Size => "size",
            Kind::HostPath | Kind::RepoPath => "path",
            Kind::GitUrl | Kind::Url | Kind::Address | Kind::EngineHost => "address",
            Kind::Versions => "version range",
            Kind::Schedule => "schedule",
            Kind::Choice(_) | Kind::FilesAction => "choice",
            Kind::Profile | Kind::HostGlob | Kind::Window => "text",
            Kind::List(_) | Kind::ComposeFiles | Kind::Objects => "list",
        }
    }

    /// The JSON Schema of a value, without its default.
    #[must_use]
    pub fn schema(&self) -> Json {
        let text = |pattern: &str| json!({"type": "string", "pattern": pattern});
        match self {
            Kind::Bool => json!({"type": "boolean"}),
            Kind::Count(min, max) => json!({"type": "integer", "minimum": min, "maximum": max}),
            Kind::Duration(_) => text(r"^(0|((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h|d))+)$"),
            Kind::Size => {
                let pattern = r"^(\d+\.?\d*|\.\d+) *(|B|kB|KB|MB|GB|TB|KiB|MiB|GiB|TiB)$";
                json!({"type": ["string", "integer"], "pattern": pattern, "minimum": 0})
            }
            Kind::Name => text(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"),
            Kind::Project => text(r"^[a-z0-9][a-z0-9_-]*$"),
            Kind::RepoPath => text(r"^[^/]"),
            Kind::EngineHost => text(r"^unix:///"),
            Kind::Url => text(r"^https?://[^\s]+$"),
            Kind::HostGlob => text(r"^[A-Za-z0-9._*?-]+$"),
            Kind::FilesAction => text(&format!("^(recreate|none|signal:({}))$", SIGNALS.join("|"))),
            Kind::Choice(words) => json!({"enum": words}),
            Kind::List(item) => json!({"type": "array", "items": item.schema()}),
            Kind::ComposeFiles => {
                let file = Kind::RepoPath.schema();
                let inner = json!({"type": "array", "items": file, "minItems": 1});
                json!({"type": "array", "minItems": 1, "items": {"anyOf": [file, inner]}})
            }
            Kind::Objects => json!({"type": "array"}),
            _ => json!({"type": "string", "minLength": 1}),
        }
    }

    /// A default as JSON.
    #[must_use]
    pub fn preset_json(&self, text: &str) -> Json {
        match self {
            Kind::Bool | Kind::Count(..) | Kind::List(_) | Kind::ComposeFiles | Kind::Objects => {
                serde_json::from_str(text).unwrap_or(Json::Null)
            }
            _ => Json::String(text.to_owned()),
        }
    }

    /// Whether `node` says the same as the default `text`.
    #[must_use]
    pub fn is_preset(&self, node: &Node, text: &str) -> bool {
        match (self, &node.value) {
            (Kind::Bool, Value::Bool(said)) => said.to_string() == text,
            (Kind::Count(..), Value::Number(said)) => *said == text,
            (Kind::Duration(_), Value::Text(said)) => {
                duration::parse(said) == duration::parse(text)
            }
            (Kind::Size, Value::Text(said)) => size::parse(said) == size::parse(text),
            (Kind::Size, Value::Number(said)) => size::parse(said) == size::parse(text),
            (Kind::List(_) | Kind::Objects, Value::List(items)) => items.is_empty() && text == "[]",
            (_, Value::Text(said)) => *said == text,
            _ => false,
        }
    }
}
