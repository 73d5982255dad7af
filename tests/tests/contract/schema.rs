//! The shapes as JSON schemas (draft 4): one file each in `shapes/`.
//!
//! `{"$ref": "info.json"}` stands for the schema in that file. Keys that a schema does not name are
//! allowed: callers ignore what they do not know, and we add.

use muster_charms::schema::{check, validate};
use serde_json::{Map, Value};

use crate::house::shapes;

/// The schema in a file, with everything that it refers to put in.
fn load(name: &str) -> Map<String, Value> {
    let path = shapes().join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{name}: {e}"));
    let value: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
    match whole(value) {
        Value::Object(schema) => schema,
        other => panic!("{name}: {other}"),
    }
}

fn whole(value: Value) -> Value {
    match value {
        Value::Object(map) => match map.get("$ref") {
            Some(Value::String(file)) => Value::Object(load(file)),
            _ => Value::Object(map.into_iter().map(|(k, v)| (k, whole(v))).collect()),
        },
        Value::Array(list) => list.into_iter().map(whole).collect(),
        other => other,
    }
}

/// What a value breaks of the shape in `shapes/NAME.json`; empty if nothing.
pub(crate) fn complaints(name: &str, value: &Value) -> Vec<String> {
    let schema = load(&format!("{name}.json"));
    check(&schema).unwrap_or_else(|error| panic!("{name}: {error}"));
    validate(&schema, value).iter().map(ToString::to_string).collect()
}

/// Asserts that a value has the shape in `shapes/NAME.json`.
#[track_caller]
pub(crate) fn has_shape(name: &str, value: &Value) {
    let wrong = complaints(name, value);
    assert!(wrong.is_empty(), "{name}:\n{}\n{value:#}", wrong.join("\n"));
}

#[test]
fn a_shape_that_is_not_kept_is_found() {
    let good = serde_json::json!({ "current": "active", "since": "31 Jan 2026 10:20:30+00:00" });
    has_shape("info", &good);
    let bad = serde_json::json!({ "current": 3, "since": "yesterday" });
    assert_eq!(complaints("info", &bad).len(), 2);
    let whole = serde_json::json!({ "model": {} });
    assert!(complaints("status", &whole).len() > 5);
}
