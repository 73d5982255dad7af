//! JSON schema, draft 4, as actions and layers use it: check a schema, fill in defaults, check a
//! value against it.
//!
//! Written here because the libraries for it fetch what schemas refer to. Ours has no references
//! at all: `$ref` and `$schema` are refused (hook contract, section 1.6). `format` is informational
//! and not checked.

mod keyword;

use std::fmt;

use serde_json::{Map, Value};

pub use keyword::{BadSchema, check};

/// What a value breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The keys that lead to the value, joined by dots; empty for the whole.
    pub path: String,
    /// The rule it breaks, on one line.
    pub problem: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.problem)
        } else {
            write!(f, "{}: {}", self.path, self.problem)
        }
    }
}

/// Fills the defaults of `schema` into `value` wherever a property is absent and the object that
/// should have it is present, at every level.
pub fn fill(schema: &Map<String, Value>, value: &mut Value) {
    let Value::Object(object) = value else { return };
    let Some(Value::Object(properties)) = schema.get("properties") else { return };
    for (name, property) in properties {
        let Value::Object(property) = property else { continue };
        if let (None, Some(default)) = (object.get(name), property.get("default")) {
            object.insert(name.clone(), default.clone());
        }
        if let Some(inner) = object.get_mut(name) {
            fill(property, inner);
        }
    }
}

/// The most violations that are told; a value that breaks more is wrong altogether.
const MAX_VIOLATIONS: usize = 100;

/// All that `value` breaks, in the order of the schema; empty where it keeps the schema.
///
/// The schema must have passed [`check`]; what that would refuse is ignored here.
#[must_use]
pub fn validate(schema: &Map<String, Value>, value: &Value) -> Vec<Violation> {
    let mut found = Vec::new();
    keyword::value("", schema, value, &mut found);
    found.truncate(MAX_VIOLATIONS);
    found
}

#[cfg(test)]
mod tests;
