//! The field table as a tree of keys, and the walk that holds a document against it: unknown keys,
//! duplicate keys, objects where values belong, and fields that have no effect yet.

use std::collections::{BTreeMap, HashSet};
use std::sync::LazyLock;

use crate::config::diagnostic::Sink;
use crate::config::fields::{FIELDS, Field, Status, find};
use crate::config::kind::Preset;
use crate::config::tree::{Node, Value};
use crate::config::value::Problem;
use crate::nearest::nearest;

/// What may stand at one place of the document.
#[derive(Debug, Default, Clone)]
pub struct Shape {
    /// The field, if a value stands here.
    pub field: Option<&'static Field>,
    /// The known keys, if an object stands here.
    pub keys: BTreeMap<&'static str, Shape>,
    /// What stands under any key, if every key is allowed.
    pub any_key: Option<Box<Shape>>,
    /// What every item is, if a list of objects stands here.
    pub items: Option<Box<Shape>>,
}

/// The fields of a service that cannot have a default.
pub const OWN_ONLY: &[&str] = &["name", "compose_files"];

/// The whole document.
#[must_use]
pub fn document() -> &'static Shape {
    static SHAPE: LazyLock<Shape> = LazyLock::new(|| {
        let mut root = Shape::default();
        for field in FIELDS {
            root.insert(field);
        }
        let service = root.keys.get("services").and_then(|list| list.items.clone());
        let mut defaults = service.map(|shape| *shape).unwrap_or_default();
        defaults.keys.retain(|key, _| !OWN_ONLY.contains(key));
        root.keys.insert("defaults", defaults);
        root
    });
    &SHAPE
}

/// Whether a key is accepted everywhere and means nothing to renew.
#[must_use]
pub fn is_foreign(key: &str) -> bool {
    key == "$schema" || key.starts_with("x-")
}

impl Shape {
    fn insert(&mut self, field: &'static Field) {
        let mut at = self;
        for part in field.path.split('.') {
            let (key, is_list) = match part.strip_suffix("[]") {
                Some(key) => (key, true),
                None => (part, false),
            };
            at = match key {
                "*" => at.any_key.get_or_insert_default(),
                _ => at.keys.entry(key).or_default(),
            };
            if is_list {
                at = at.items.get_or_insert_default();
            }
        }
        at.field = Some(field);
    }

    fn is_object(&self) -> bool {
        !self.keys.is_empty() || self.any_key.is_some()
    }

    fn below(&self, key: &str) -> Option<&Shape> {
        self.keys.get(key).or(self.any_key.as_deref())
    }
}

/// Holds a document against the table.
pub fn check(root: &Node, sink: &mut Sink) {
    walk(document(), root, "", sink);
}

fn walk(shape: &Shape, node: &Node, path: &str, sink: &mut Sink) {
    if let Some(field) = shape.field {
        warn_if_idle(field, node, path, sink);
    }
    if shape.is_object() {
        match &node.value {
            Value::Object(_) => walk_members(shape, node, path, sink),
            _ => {
                sink.error(node.offset, path, format!("expected an object, found {}", node.noun()))
            }
        }
    } else if let Some(items) = &shape.items {
        for (index, item) in node.items().iter().enumerate() {
            walk(items, item, &format!("{path}[{index}]"), sink);
        }
    }
}

fn walk_members(shape: &Shape, node: &Node, path: &str, sink: &mut Sink) {
    let mut seen = HashSet::new();
    for member in node.members() {
        let key = member.key.as_ref();
        let below = join(path, key);
        if sink.is_full() {
            return;
        }
        if !seen.insert(key) {
            let problem = Problem::new("is set twice", "keep one of the two");
            sink.error(member.offset, below, problem);
            continue;
        }
        if is_foreign(key) {
            continue;
        }
        match shape.below(key) {
            Some(shape) => walk(shape, &member.node, &below, sink),
            None => sink.error(member.offset, below, unknown_key(shape, path, key)),
        }
    }
}

/// The key path of `key` inside `path`; a key that would read ambiguously is quoted.
#[must_use]
pub fn join(path: &str, key: &str) -> String {
    let plain = !key.is_empty() && !key.contains(['.', '[', ']', '"']);
    let shown = match plain && !key.chars().any(char::is_control) {
        true => key.to_owned(),
        false => format!("{key:?}"),
    };
    if path.is_empty() { shown } else { format!("{path}.{shown}") }
}

fn unknown_key(shape: &Shape, path: &str, key: &str) -> Problem {
    let message = format!("unknown key {key:?}");
    if path == "defaults" && OWN_ONLY.contains(&key) {
        return Problem::new(message, format!("{key:?} belongs to each service, not to defaults"));
    }
    if let Some(near) = nearest(key, shape.keys.keys().copied()) {
        return Problem::new(message, format!("did you mean {near:?}?"));
    }
    let elsewhere = FIELDS.iter().find(|field| field.path.split(['.', '[']).any(|p| p == key));
    match elsewhere {
        Some(field) => Problem::new(message, format!("there is a field {}", field.path)),
        None => Problem::new(message, "keys of your own start with \"x-\""),
    }
}

/// Warns about a value that has no effect in this version.
fn warn_if_idle(field: &'static Field, node: &Node, path: &str, sink: &mut Sink) {
    if field.status == Status::Acted {
        return;
    }
    let preset = field.preset;
    let is_preset = matches!(preset, Preset::Is(text) if field.kind.is_preset(node, text));
    // An idle list is said once, not again for the fields of its entries.
    let in_idle_list = field.path.rsplit_once("[].").and_then(|(list, _)| find(list));
    if !is_preset && in_idle_list.is_none_or(|list| list.status == Status::Acted) {
        sink.warning(node.offset, path, format!("\"{path}\" is not acted on in this version"));
    }
}
