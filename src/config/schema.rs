//! The JSON Schema of renew.json, made from the field table, for editors and other tools. It is a
//! little wider than the parser, never narrower: what renew accepts, the schema accepts.

use serde_json::{Map, Value as Json, json};

use crate::config::fields::Status;
use crate::config::kind::Preset;
use crate::config::shape::{self, Shape};

/// The whole schema as text, with a newline at its end.
#[must_use]
pub fn text() -> String {
    let mut schema = object(shape::document());
    if let Json::Object(map) = &mut schema {
        map.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        map.insert("title".to_owned(), json!("renew.json"));
        map.insert("required".to_owned(), json!(["services"]));
    }
    // A tree of strings and numbers always serialises.
    let text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text + "\n"
}

fn of(shape: &Shape) -> Json {
    let mut schema = match &shape.items {
        Some(items) => {
            let mut entry = object(items);
            if items.keys.contains_key("compose_files")
                && let Json::Object(map) = &mut entry
            {
                map.insert("required".to_owned(), json!(shape::OWN_ONLY));
            }
            json!({"type": "array", "items": entry})
        }
        None if shape.field.is_none() => object(shape),
        None => json!({}),
    };
    if let (Some(field), Json::Object(map)) = (shape.field, &mut schema) {
        if let (Json::Object(kind), None) = (field.kind.schema(), &shape.items) {
            map.extend(kind);
        }
        let later = match field.status {
            Status::Acted => "",
            Status::Later => " (not acted on in this version)",
        };
        map.insert("description".to_owned(), json!(format!("{}{later}", field.doc)));
        if let Preset::Is(text) = field.preset {
            map.insert("default".to_owned(), field.kind.preset_json(text));
        }
        if field.path == "services" {
            map.insert("minItems".to_owned(), json!(1));
        }
    }
    schema
}

fn object(shape: &Shape) -> Json {
    let mut properties: Map<String, Json> =
        shape.keys.iter().map(|(key, below)| ((*key).to_owned(), of(below))).collect();
    properties.insert("$schema".to_owned(), json!(true));
    let rest = match &shape.any_key {
        Some(any) => of(any),
        None => json!(false),
    };
    json!({
        "type": "object",
        "properties": properties,
        "patternProperties": {"^x-": true},
        "additionalProperties": rest,
    })
}
