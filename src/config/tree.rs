//! JSON with positions: the text as a tree whose every value and key knows its byte offset. It
//! judges syntax only, never meaning.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize as _;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::config::value::Problem;

/// Deeper than any configuration; every level is scanned once more, so depth costs time.
const DEPTH_MAX: usize = 32;

/// One value and where it begins.
#[derive(Debug)]
pub struct Node<'a> {
    /// Byte offset of the first character of the value.
    pub offset: usize,
    /// What it is.
    pub value: Value<'a>,
}

/// A JSON value.
#[derive(Debug)]
pub enum Value<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number as it was written.
    Number(&'a str),
    /// Text without its escapes; borrowed if it was written without any.
    Text(Cow<'a, str>),
    /// `[…]`
    List(Vec<Node<'a>>),
    /// `{…}`, in the order of the file, duplicates included.
    Object(Vec<Member<'a>>),
}

/// One key of an object with its value.
#[derive(Debug)]
pub struct Member<'a> {
    /// The key without escapes.
    pub key: Cow<'a, str>,
    /// Byte offset of the key's opening quote.
    pub offset: usize,
    /// The value.
    pub node: Node<'a>,
}

/// Where the text stops being JSON, and why.
#[derive(Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// Byte offset.
    pub offset: usize,
    /// What is wrong there.
    pub message: String,
    /// What to do about it.
    pub hint: Option<&'static str>,
}

impl From<SyntaxError> for Problem {
    fn from(error: SyntaxError) -> Problem {
        Problem { message: error.message, hint: error.hint.map(str::to_owned), within: None }
    }
}

impl<'a> Node<'a> {
    /// The value of `key`, if this is an object that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node<'a>> {
        self.members().iter().find(|member| member.key == key).map(|member| &member.node)
    }

    /// The members, none if this is no object.
    #[must_use]
    pub fn members(&self) -> &[Member<'a>] {
        match &self.value {
            Value::Object(members) => members,
            _ => &[],
        }
    }

    /// The items, none if this is no list.
    #[must_use]
    pub fn items(&self) -> &[Node<'a>] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The text, if this is one.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// What this is, as a person would call it.
    #[must_use]
    pub fn noun(&self) -> &'static str {
        match &self.value {
            Value::Null => "null",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::Text(_) => "text",
            Value::List(_) => "a list",
            Value::Object(_) => "an object",
        }
    }
}

/// Parses a whole text.
///
/// # Errors
/// The first place at which the text is not JSON.
pub fn parse(source: &str) -> Result<Node<'_>, SyntaxError> {
    if source.trim().is_empty() {
        let hint = "the smallest file names one service with \"name\" and \"compose_files\"";
        return Err(SyntaxError { offset: 0, message: "is empty".to_owned(), hint: Some(hint) });
    }
    let raw: &RawValue =
        serde_json::from_str(source).map_err(|cause| syntax_error(source, 0, &cause))?;
    build(source, raw, 0)
}

fn build<'a>(source: &'a str, raw: &'a RawValue, depth: usize) -> Result<Node<'a>, SyntaxError> {
    let text = raw.get();
    let offset = text.as_ptr().addr() - source.as_ptr().addr();
    if depth > DEPTH_MAX {
        let message = format!("values are nested more than {DEPTH_MAX} deep");
        return Err(SyntaxError { offset, message, hint: None });
    }
    let fail = |cause: serde_json::Error| syntax_error(source, offset, &cause);
    let value = match text.as_bytes().first() {
        Some(b'n') => Value::Null,
        Some(b't') => Value::Bool(true),
        Some(b'f') => Value::Bool(false),
        Some(b'"') => Value::Text(unescape(text).map_err(fail)?),
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text).map_err(fail)?;
            let nodes = items.into_iter().map(|item| build(source, item, depth + 1));
            Value::List(nodes.collect::<Result<_, _>>()?)
        }
        Some(b'{') => {
            let mut reader = serde_json::Deserializer::from_str(text);
            let pairs = reader.deserialize_map(Pairs).map_err(fail)?;
            let members = pairs.into_iter().map(|(key, value)| {
                Ok(Member {
                    offset: key.get().as_ptr().addr() - source.as_ptr().addr(),
                    key: unescape(key.get()).map_err(fail)?,
                    node: build(source, value, depth + 1)?,
                })
            });
            Value::Object(members.collect::<Result<_, _>>()?)
        }
        _ => Value::Number(text),
    };
    Ok(Node { offset, value })
}

fn unescape(quoted: &str) -> Result<Cow<'_, str>, serde_json::Error> {
    let inner = &quoted[1..quoted.len() - 1];
    if inner.contains('\\') {
        String::deserialize(&mut serde_json::Deserializer::from_str(quoted)).map(Cow::Owned)
    } else {
        Ok(Cow::Borrowed(inner))
    }
}

/// Keeps the pairs of an object in order, both sides as slices of the source.
struct Pairs;

impl<'de> Visitor<'de> for Pairs {
    type Value = Vec<(&'de RawValue, &'de RawValue)>;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(pairs)
    }
}

/// Turns the parser's line and column, counted from `start`, into an offset into `source`.
fn syntax_error(source: &str, start: usize, cause: &serde_json::Error) -> SyntaxError {
    let from = &source[start..];
    let line_starts_at: usize =
        from.split_inclusive('\n').take(cause.line().saturating_sub(1)).map(str::len).sum();
    let mut offset = start + line_starts_at + cause.column().saturating_sub(1);
    offset = offset.min(source.len());
    while !source.is_char_boundary(offset) {
        offset -= 1;
    }
    let full = cause.to_string();
    let said = full.rsplit_once(" at line ").map_or(full.as_str(), |(said, _)| said);
    let here = &source[offset..];
    let (message, hint) = match said {
        "key must be a string" if here.starts_with('}') => ("trailing comma", None),
        "expected value" | "key must be a string" if here.starts_with(['/', '#']) => {
            ("a comment is in it", Some("JSON has none; a key that starts with \"x-\" is yours"))
        }
        "EOF while parsing a value" => ("the file ends where a value should be", None),
        "EOF while parsing an object" => ("the file ends inside an object", None),
        "EOF while parsing a list" => ("the file ends inside a list", None),
        "EOF while parsing a string" => ("the file ends inside a text", None),
        said => (said, None),
    };
    SyntaxError { offset, message: format!("not JSON: {message}"), hint }
}

#[cfg(test)]
mod tests {
    use super::{Value, parse};

    #[test]
    fn every_value_and_key_knows_where_it_begins() {
        let source = "  {\"a\" : [1, \"x\\u0041\"],\n \"\\u0062\": {\"c\": null, \"c\": true}}\n";
        let root = parse(source).unwrap();
        assert_eq!(root.offset, 2);
        let members = root.members();
        assert_eq!((members[0].offset, members[0].node.offset), (3, 9));
        let items = members[0].node.items();
        assert!(matches!(items[0].value, Value::Number("1")));
        assert_eq!((items[1].offset, items[1].text()), (13, Some("xA")));
        assert_eq!(
            (members[1].key.as_ref(), &source[members[1].offset..][..8]),
            ("b", "\"\\u0062\"")
        );
        assert_eq!(members[1].node.members().len(), 2, "duplicates are kept for the judge");
    }

    #[test]
    fn broken_text_is_placed() {
        let deep = "[".repeat(40) + &"]".repeat(40);
        for (source, offset, says) in [
            ("", 0, "is empty"),
            (" \r\n", 0, "is empty"),
            ("{", 0, "ends inside an object"),
            ("{\"a\": [1", 7, "ends inside a list"),
            ("{\"a\": \"b", 7, "ends inside a text"),
            ("// hi\n{}", 0, "a comment"),
            ("{# hi\n}", 1, "a comment"),
            ("{\"a\": 1} x", 9, "trailing"),
            ("{\"a\" 1}", 5, "expected `:`"),
            ("{\"a\":\n 1,}", 9, "trailing comma"),
            ("{a: 1}", 1, "key must be a string"),
            ("{\"a\": \"\u{1}\"}", 6, "control character"),
            ("{\"a\":\n [\"\\ud800\"]}", 15, "end of hex escape"),
            (deep.as_str(), 33, "nested"),
        ] {
            let error = parse(source).unwrap_err();
            assert!(error.message.contains(says), "{source}: {}", error.message);
            assert_eq!(error.offset, offset, "{source}: {}", error.message);
        }
    }
}
