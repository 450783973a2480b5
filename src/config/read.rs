//! Typed access to the document: one call a field, by its path in the table. The table gives the
//! kind, the bounds and the default; what is wrong goes to the sink and reading goes on.

use std::borrow::Cow;
use std::collections::HashSet;
use std::time::Duration;

use crate::config::diagnostic::Sink;
use crate::config::fields;
use crate::config::kind::{Kind, Preset};
use crate::config::shape::join;
use crate::config::tree::{Node, Value};
use crate::config::value::{Problem, duration, size};

/// Reads the fields of one object of the document.
#[derive(Debug)]
pub struct Reader<'a, 's> {
    own: Option<&'a Node<'a>>,
    shown: String,
    defaults: Option<&'a Node<'a>>,
    /// What precedes the keys in the field table.
    prefix: &'static str,
    /// Where problems go.
    pub sink: &'s mut Sink,
}

/// A value that is in the document.
#[derive(Debug, Clone)]
pub struct Found<'a> {
    /// The value.
    pub node: &'a Node<'a>,
    /// Its key path.
    pub path: String,
}

impl<'a, 's> Reader<'a, 's> {
    /// Reads the top of the document.
    pub fn of_document(root: &'a Node<'a>, sink: &'s mut Sink) -> Reader<'a, 's> {
        Reader { own: Some(root), shown: String::new(), defaults: None, prefix: "", sink }
    }

    /// Reads one entry of a list, with `defaults` behind it. `prefix` is the list in the table.
    pub fn of_entry(
        entry: Found<'a>,
        defaults: Option<&'a Node<'a>>,
        prefix: &'static str,
        sink: &'s mut Sink,
    ) -> Reader<'a, 's> {
        Reader { own: Some(entry.node), shown: entry.path, defaults, prefix, sink }
    }

    /// The key path of the object itself.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.shown
    }

    /// Where the object itself begins.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.own.map_or(0, |node| node.offset)
    }

    /// The value of a key: the object's own, else that of `defaults`.
    #[must_use]
    pub fn find(&self, key: &str) -> Option<Found<'a>> {
        let own = self.own.and_then(|node| dig(node, &self.shown, key));
        own.or_else(|| self.defaults.and_then(|node| dig(node, "defaults", key)))
    }

    /// The objects a key may hold, the object's own first, each with its path: for maps that merge.
    #[must_use]
    pub fn find_both(&self, key: &str) -> Vec<Found<'a>> {
        let own = self.own.and_then(|node| dig(node, &self.shown, key));
        let other = self.defaults.and_then(|node| dig(node, "defaults", key));
        own.into_iter().chain(other).collect()
    }

    /// A text that may be left out.
    pub fn optional<T>(
        &mut self,
        key: &str,
        parse: impl Fn(&str) -> Result<T, Problem>,
    ) -> Option<T> {
        let found = self.find(key)?;
        self.parse(key, &found, parse)
    }

    /// A text with a default in the table.
    pub fn text<T: Default>(&mut self, key: &str, parse: impl Fn(&str) -> Result<T, Problem>) -> T {
        let preset = self.preset(key);
        self.optional(key, &parse).or_else(|| parse(preset).ok()).unwrap_or_default()
    }

    /// A duration with its bounds and default in the table.
    pub fn duration(&mut self, key: &str) -> Duration {
        let least = match self.kind(key) {
            Kind::Duration(least) => least,
            _ => Duration::ZERO,
        };
        self.text(key, |text| {
            let found = duration::parse(text)?;
            match found < least {
                true => Err(format!("must be at least {}", duration::show(least)).into()),
                false => Ok(found),
            }
        })
    }

    /// A size in bytes: text with a unit, or a plain number.
    pub fn size(&mut self, key: &str) -> u64 {
        let preset = self.preset(key);
        let bytes = self.find(key).and_then(|found| match &found.node.value {
            Value::Number(number) if number.bytes().all(|b| b.is_ascii_digit()) => {
                self.check(&found, size::parse(number))
            }
            _ => self.parse(key, &found, size::parse),
        });
        bytes.or_else(|| size::parse(preset).ok()).unwrap_or_default()
    }

    /// `true` or `false`, if it is said.
    pub fn flag(&mut self, key: &str) -> Option<bool> {
        let found = self.find(key)?;
        match found.node.value {
            Value::Bool(flag) => Some(flag),
            _ => self.mismatch(key, &found),
        }
    }

    /// `true` or `false` with its default in the table.
    pub fn flag_or_preset(&mut self, key: &str) -> bool {
        let preset = self.preset(key) == "true";
        self.flag(key).unwrap_or(preset)
    }

    /// A whole number within the bounds of the table, if it is said.
    pub fn count(&mut self, key: &str) -> Option<u64> {
        let found = self.find(key)?;
        let Value::Number(number) = found.node.value else { return self.mismatch(key, &found) };
        let (min, max) = match self.kind(key) {
            Kind::Count(min, max) => (min, max),
            _ => (0, u64::MAX),
        };
        let within = number.parse().ok().filter(|count| (min..=max).contains(count));
        let outside = || format!("{number} is not a whole number from {min} to {max}").into();
        self.check(&found, within.ok_or_else(outside))
    }

    /// A whole number with its default in the table.
    pub fn count_or_preset(&mut self, key: &str) -> u64 {
        let preset = self.preset(key).parse().unwrap_or_default();
        self.count(key).unwrap_or(preset)
    }

    /// A list of texts, if it is said. Items that do not parse are reported and left out.
    pub fn list<T>(
        &mut self,
        key: &str,
        parse: impl Fn(&str) -> Result<T, Problem>,
    ) -> Option<Vec<T>> {
        let found = self.find(key)?;
        let Value::List(items) = &found.node.value else { return self.mismatch(key, &found) };
        let mut values = Vec::with_capacity(items.len());
        for (index, node) in items.iter().enumerate() {
            let item = Found { node, path: format!("{}[{index}]", found.path) };
            let result = match node.text() {
                Some(text) => parse(text),
                None => Err(format!("expected text, found {}", node.noun()).into()),
            };
            values.extend(self.check(&item, result));
        }
        Some(values)
    }

    /// A list of texts in which none may stand twice.
    pub fn set<T>(
        &mut self,
        key: &str,
        parse: impl Fn(&str) -> Result<T, Problem>,
    ) -> Option<Vec<T>> {
        let found = self.find(key)?;
        let mut seen = HashSet::new();
        for (index, node) in found.node.items().iter().enumerate() {
            if node.text().is_some_and(|text| !seen.insert(text)) {
                let item = Found { node, path: format!("{}[{index}]", found.path) };
                self.check::<()>(&item, Err("is listed twice".into()));
            }
        }
        self.list(key, parse)
    }

    /// The entries of a list of objects; entries that are no objects were reported by `shape`.
    pub fn objects(&mut self, key: &str) -> Vec<Found<'a>> {
        let Some(found) = self.find(key) else { return Vec::new() };
        let Value::List(items) = &found.node.value else {
            return self.mismatch(key, &found).unwrap_or_default();
        };
        let entries = items.iter().enumerate();
        let objects = entries.filter(|(_, node)| matches!(node.value, Value::Object(_)));
        let path = |index| format!("{}[{index}]", found.path);
        objects.map(|(index, node)| Found { node, path: path(index) }).collect()
    }

    /// Reports a key that must be there and is not.
    pub fn missing(&mut self, key: &str) {
        let (offset, path) = (self.offset(), join(&self.shown, key));
        self.sink.error(offset, path, "is required");
    }

    /// Reports what is wrong with a found value, at its place within the text if there is one.
    pub fn check<T>(&mut self, found: &Found, result: Result<T, Problem>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(problem) => {
                let inner = match (&found.node.value, problem.within) {
                    (Value::Text(Cow::Borrowed(_)), Some(within)) => within + 1,
                    _ => 0,
                };
                let problem = Problem { within: None, ..problem };
                self.sink.error(found.node.offset + inner, found.path.clone(), problem);
                None
            }
        }
    }

    fn parse<T>(
        &mut self,
        key: &str,
        found: &Found,
        parse: impl Fn(&str) -> Result<T, Problem>,
    ) -> Option<T> {
        match found.node.text() {
            Some(text) => self.check(found, parse(text)),
            None => self.mismatch(key, found),
        }
    }

    fn mismatch<T>(&mut self, key: &str, found: &Found) -> Option<T> {
        let noun = self.kind(key).noun();
        let message = format!("expected {noun}, found {}", found.node.noun());
        self.check(found, Err(message.into()))
    }

    fn kind(&self, key: &str) -> Kind {
        let path = format!("{}{key}", self.prefix);
        fields::find(&path).map_or(Kind::Text, |field| field.kind)
    }

    /// The default of a field as the table writes it; empty if there is none.
    #[must_use]
    pub fn preset(&self, key: &str) -> &'static str {
        let path = format!("{}{key}", self.prefix);
        match fields::find(&path).map(|field| field.preset) {
            Some(Preset::Is(text)) => text,
            _ => "",
        }
    }
}

/// Follows a dotted key through objects.
fn dig<'a>(node: &'a Node<'a>, path: &str, key: &str) -> Option<Found<'a>> {
    let mut at = node;
    for part in key.split('.') {
        at = at.get(part)?;
    }
    let dot = if path.is_empty() { "" } else { "." };
    Some(Found { node: at, path: format!("{path}{dot}{key}") })
}
