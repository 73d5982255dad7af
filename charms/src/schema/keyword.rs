//! The keywords of draft 4, one by one.

use regex::{Regex, RegexBuilder};
use serde_json::{Map, Number, Value};

use super::Violation;

/// Why a schema is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{problem}", if path.is_empty() { String::new() } else { format!("{path}: ") })]
pub struct BadSchema {
    /// The keys that lead to what is wrong, joined by dots.
    pub path: String,
    /// What is wrong with it.
    pub problem: String,
}

const TYPES: [&str; 7] = ["array", "boolean", "integer", "null", "number", "object", "string"];

/// The largest program that one pattern may become, in bytes.
const MAX_PATTERN: usize = 1 << 20;

/// Whether this is a schema of draft 4 that refers to nothing outside of itself.
pub fn check(schema: &Map<String, Value>) -> Result<(), BadSchema> {
    check_at("", schema)
}

fn check_at(path: &str, schema: &Map<String, Value>) -> Result<(), BadSchema> {
    for (keyword, value) in schema {
        let at = join(path, keyword);
        let bad = |problem: &str| BadSchema { path: at.clone(), problem: problem.to_owned() };
        match keyword.as_str() {
            "$ref" | "$schema" => return Err(bad("schemas must not refer to others")),
            "type" => check_type(value).map_err(|p| bad(&p))?,
            "properties" | "patternProperties" | "definitions" => {
                let map = value.as_object().ok_or_else(|| bad("must be a map of schemas"))?;
                for (name, inner) in map {
                    if keyword == "patternProperties" {
                        pattern(name).map_err(|p| bad(&p))?;
                    }
                    check_value(&join(&at, name), inner)?;
                }
            }
            "items" => match value {
                Value::Array(list) => check_list(&at, list)?,
                other => check_value(&at, other)?,
            },
            "additionalItems" | "additionalProperties" if value.is_boolean() => {}
            "additionalItems" | "additionalProperties" | "not" => check_value(&at, value)?,
            "allOf" | "anyOf" | "oneOf" => match value.as_array() {
                Some(list) if !list.is_empty() => check_list(&at, list)?,
                _ => return Err(bad("must be a list of schemas, not an empty one")),
            },
            "dependencies" => {
                let map = value.as_object().ok_or_else(|| bad("must be a map"))?;
                for (name, inner) in map {
                    if names(inner).is_none() {
                        check_value(&join(&at, name), inner)?;
                    }
                }
            }
            "required" => match names(value) {
                Some(list) if !list.is_empty() => {}
                _ => return Err(bad("must be a list of names, not an empty one")),
            },
            "enum" if value.as_array().is_none_or(Vec::is_empty) => {
                return Err(bad("must be a list of values, not an empty one"));
            }
            "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties"
            | "maxProperties"
                if value.as_u64().is_none() =>
            {
                return Err(bad("must be a count"));
            }
            "minimum" | "maximum" if !value.is_number() => return Err(bad("must be a number")),
            "multipleOf" if !value.as_f64().is_some_and(|number| number > 0.0) => {
                return Err(bad("must be a number above 0"));
            }
            "exclusiveMinimum" | "exclusiveMaximum" | "uniqueItems" if !value.is_boolean() => {
                return Err(bad("must be true or false"));
            }
            "pattern" => {
                let text = value.as_str().ok_or_else(|| bad("must be a string"))?;
                pattern(text).map_err(|p| bad(&p))?;
            }
            "title" | "description" | "format" | "id" if !value.is_string() => {
                return Err(bad("must be a string"));
            }
            _ => {}
        }
    }
    Ok(())
}

fn check_value(path: &str, value: &Value) -> Result<(), BadSchema> {
    match value {
        Value::Object(schema) => check_at(path, schema),
        _ => Err(BadSchema { path: path.to_owned(), problem: "must be a schema".to_owned() }),
    }
}

fn check_list(path: &str, list: &[Value]) -> Result<(), BadSchema> {
    list.iter()
        .enumerate()
        .try_for_each(|(index, value)| check_value(&join(path, &index.to_string()), value))
}

fn check_type(value: &Value) -> Result<(), String> {
    let one = |value: &Value| match value.as_str() {
        Some(word) if TYPES.contains(&word) => Ok(()),
        Some(word) => Err(format!("unknown type {word:?}; known are {}", TYPES.join(", "))),
        None => Err("must be the name of a type, or a list of such".to_owned()),
    };
    match value {
        Value::Array(list) if !list.is_empty() => list.iter().try_for_each(one),
        other => one(other),
    }
}

fn names(value: &Value) -> Option<Vec<&str>> {
    value.as_array()?.iter().map(Value::as_str).collect()
}

/// Patterns run in time linear in the text; what needs more (looking around, references back) is
/// not to be had.
fn pattern(text: &str) -> Result<Regex, String> {
    RegexBuilder::new(text)
        .size_limit(MAX_PATTERN)
        .build()
        .map_err(|_| format!("the pattern {text:?} is none that can be used here"))
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

pub(super) fn value(
    path: &str,
    schema: &Map<String, Value>,
    value: &Value,
    found: &mut Vec<Violation>,
) {
    if found.len() >= super::MAX_VIOLATIONS {
        return;
    }
    let mut say = |problem: String| found.push(Violation { path: path.to_owned(), problem });
    if let Some(types) = schema.get("type") {
        let fits = match types {
            Value::Array(list) => list.iter().any(|word| has_type(word, value)),
            word => has_type(word, value),
        };
        if !fits {
            // What has the wrong type breaks every other rule, too; one sentence is enough.
            say(format!("expected {}, got {}", told(types), type_of(value)));
            return;
        }
    }
    if let Some(Value::Array(list)) = schema.get("enum")
        && !list.contains(value)
    {
        say(format!("{value} is none of {}", Value::Array(list.clone())));
    }
    match value {
        Value::Number(number) => numbers(schema, number, &mut say),
        Value::String(text) => texts(schema, text, &mut say),
        Value::Array(list) => lists(path, schema, list, found),
        Value::Object(object) => objects(path, schema, object, found),
        Value::Null | Value::Bool(_) => {}
    }
    combined(path, schema, value, found);
}

fn numbers(schema: &Map<String, Value>, number: &Number, say: &mut impl FnMut(String)) {
    let flag = |keyword: &str| schema.get(keyword) == Some(&Value::Bool(true));
    if let Some(Value::Number(least)) = schema.get("minimum") {
        let order = compare(number, least);
        if order.is_lt() || flag("exclusiveMinimum") && order.is_eq() {
            let word = if flag("exclusiveMinimum") { "above" } else { "at least" };
            say(format!("must be {word} {least}, is {number}"));
        }
    }
    if let Some(Value::Number(most)) = schema.get("maximum") {
        let order = compare(number, most);
        if order.is_gt() || flag("exclusiveMaximum") && order.is_eq() {
            let word = if flag("exclusiveMaximum") { "below" } else { "at most" };
            say(format!("must be {word} {most}, is {number}"));
        }
    }
    if let Some(Value::Number(step)) = schema.get("multipleOf") {
        let multiple = match (number.as_i64(), step.as_i64()) {
            (Some(number), Some(step)) => number.checked_rem(step) == Some(0),
            _ => match (number.as_f64(), step.as_f64()) {
                (Some(number), Some(step)) => (number / step).fract() == 0.0,
                _ => false,
            },
        };
        if !multiple {
            say(format!("must be a multiple of {step}, is {number}"));
        }
    }
}

fn compare(a: &Number, b: &Number) -> std::cmp::Ordering {
    match (a.as_i64(), b.as_i64()) {
        (Some(a), Some(b)) => a.cmp(&b),
        _ => a.as_f64().unwrap_or(0.0).total_cmp(&b.as_f64().unwrap_or(0.0)),
    }
}

fn count(schema: &Map<String, Value>, keyword: &str) -> Option<u64> {
    schema.get(keyword).and_then(Value::as_u64)
}

fn size(
    schema: &Map<String, Value>,
    kind: [&str; 2],
    length: usize,
    what: &str,
    say: &mut impl FnMut(String),
) {
    let [least, most] = kind.map(|keyword| count(schema, keyword));
    let length = length as u64;
    if let Some(least) = least.filter(|least| length < *least) {
        say(format!("must have at least {least} {what}, has {length}"));
    }
    if let Some(most) = most.filter(|most| length > *most) {
        say(format!("must have at most {most} {what}, has {length}"));
    }
}

fn texts(schema: &Map<String, Value>, text: &str, say: &mut impl FnMut(String)) {
    size(schema, ["minLength", "maxLength"], text.chars().count(), "characters", say);
    if let Some(Value::String(wanted)) = schema.get("pattern")
        && !pattern(wanted).is_ok_and(|pattern| pattern.is_match(text))
    {
        say(format!("{text:?} does not match the pattern {wanted:?}"));
    }
}

fn lists(path: &str, schema: &Map<String, Value>, list: &[Value], found: &mut Vec<Violation>) {
    let mut say = |problem: String| found.push(Violation { path: path.to_owned(), problem });
    size(schema, ["minItems", "maxItems"], list.len(), "items", &mut say);
    if schema.get("uniqueItems") == Some(&Value::Bool(true)) {
        // Printed values order; values do not.
        let mut seen = std::collections::BTreeSet::new();
        if let Some(twice) = list.iter().find(|item| !seen.insert(item.to_string())) {
            say(format!("{twice} is there twice"));
        }
    }
    let (each, rest) = match schema.get("items") {
        Some(Value::Array(schemas)) => (schemas.as_slice(), schema.get("additionalItems")),
        single => (&[][..], single),
    };
    for (index, item) in list.iter().enumerate() {
        let at = join(path, &index.to_string());
        match each.get(index).or(rest) {
            Some(Value::Object(schema)) => value(&at, schema, item, found),
            Some(Value::Bool(false)) => {
                let problem = format!("must have at most {} items", each.len());
                found.push(Violation { path: path.to_owned(), problem });
                return;
            }
            _ => {}
        }
    }
}

fn objects(
    path: &str,
    schema: &Map<String, Value>,
    object: &Map<String, Value>,
    found: &mut Vec<Violation>,
) {
    let mut say = |problem: String| found.push(Violation { path: path.to_owned(), problem });
    size(schema, ["minProperties", "maxProperties"], object.len(), "keys", &mut say);
    for name in schema.get("required").and_then(names).unwrap_or_default() {
        if !object.contains_key(name) {
            say(format!("{name:?} is required"));
        }
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    let patterns: Vec<(Regex, &Value)> = schema
        .get("patternProperties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(text, inner)| Some((pattern(text).ok()?, inner)))
        .collect();
    for (name, item) in object {
        let at = join(path, name);
        let mut known = false;
        if let Some(inner) = properties.and_then(|p| p.get(name)).and_then(Value::as_object) {
            known = true;
            value(&at, inner, item, found);
        }
        for (pattern, inner) in &patterns {
            if let (true, Some(inner)) = (pattern.is_match(name), inner.as_object()) {
                known = true;
                value(&at, inner, item, found);
            }
        }
        match schema.get("additionalProperties") {
            Some(Value::Bool(false)) if !known => {
                let problem = format!("{name:?} is not known");
                found.push(Violation { path: path.to_owned(), problem });
            }
            Some(Value::Object(inner)) if !known => value(&at, inner, item, found),
            _ => {}
        }
    }
    let dependencies = schema.get("dependencies").and_then(Value::as_object);
    for (name, needs) in dependencies.into_iter().flatten().filter(|(n, _)| object.contains_key(*n))
    {
        if let Value::Object(inner) = needs {
            value(path, inner, &Value::Object(object.clone()), found);
        }
        for other in names(needs).unwrap_or_default() {
            if !object.contains_key(other) {
                let problem = format!("{name:?} needs {other:?} beside it");
                found.push(Violation { path: path.to_owned(), problem });
            }
        }
    }
}

fn combined(path: &str, schema: &Map<String, Value>, item: &Value, found: &mut Vec<Violation>) {
    let keeps = |inner: &Value| {
        let mut broken = Vec::new();
        if let Value::Object(inner) = inner {
            value(path, inner, item, &mut broken);
        }
        broken.is_empty()
    };
    let list = |keyword: &str| schema.get(keyword).and_then(Value::as_array);
    let mut say = |problem: &str| {
        found.push(Violation { path: path.to_owned(), problem: problem.to_owned() });
    };
    if list("anyOf").is_some_and(|list| !list.iter().any(keeps)) {
        say("fits none of the allowed forms (anyOf)");
    }
    if list("oneOf").is_some_and(|list| list.iter().filter(|inner| keeps(inner)).count() != 1) {
        say("fits not exactly one of the allowed forms (oneOf)");
    }
    if schema.get("not").is_some_and(keeps) {
        say("has a form that is not allowed (not)");
    }
    for inner in list("allOf").into_iter().flatten().filter_map(Value::as_object) {
        value(path, inner, item, found);
    }
}

fn has_type(word: &Value, value: &Value) -> bool {
    match (word.as_str(), value) {
        (Some("number"), Value::Number(_)) => true,
        (Some(word), value) => word == type_of(value),
        (None, _) => false,
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn told(types: &Value) -> String {
    match types {
        Value::Array(list) => {
            list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or ")
        }
        word => word.as_str().unwrap_or_default().to_owned(),
    }
}
