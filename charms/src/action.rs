//! The actions of a charm (`actions.yaml`; hook contract, section 1.6).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::is_default;
use crate::name::ActionName;
use crate::schema::{self, Violation};
use crate::yaml::{Field, FieldError, Node};

/// What an action without a description says.
pub const NO_DESCRIPTION: &str = "No description";

/// An action as a charm declares it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Action {
    /// For people.
    pub description: String,
    /// What its parameters must be: a JSON schema (draft 4) of `type: object`.
    pub schema: Map<String, Value>,
    /// Whether it runs without the machine's hook lock.
    #[serde(default, skip_serializing_if = "is_default")]
    pub parallel: bool,
    /// Where not empty: it takes turns with this group on the machine, and not with hooks.
    #[serde(default, skip_serializing_if = "is_default")]
    pub execution_group: String,
}

/// Why parameters cannot be an action's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("validation failed: {}", told(violations))]
pub struct BadParams {
    /// Everything that is wrong with them.
    pub violations: Vec<Violation>,
}

fn told(violations: &[Violation]) -> String {
    violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl Action {
    /// The parameters as the action gets them: checked, with defaults filled in where they are
    /// missing (section 1.6).
    pub fn params(&self, given: Map<String, Value>) -> Result<Map<String, Value>, BadParams> {
        let mut value = Value::Object(given);
        schema::fill(&self.schema, &mut value);
        let violations = schema::validate(&self.schema, &value);
        match value {
            Value::Object(params) if violations.is_empty() => Ok(params),
            _ => Err(BadParams { violations }),
        }
    }

    /// The schemas of its parameters by name; empty where it declares none.
    #[must_use]
    pub fn properties(&self) -> Map<String, Value> {
        match self.schema.get("properties") {
            Some(Value::Object(properties)) => properties.clone(),
            _ => Map::new(),
        }
    }
}

/// Reads `actions.yaml`.
pub(crate) fn read(root: &Field<'_>) -> Result<BTreeMap<ActionName, Action>, FieldError> {
    let mut actions = BTreeMap::new();
    for (key, field) in root.entries()? {
        actions.insert(field.parse_key(key)?, read_one(key, &field)?);
    }
    Ok(actions)
}

fn read_one(name: &str, field: &Field<'_>) -> Result<Action, FieldError> {
    let mut description = field.text_of("description")?;
    if description.is_empty() {
        NO_DESCRIPTION.clone_into(&mut description);
    }
    let mut schema = Map::new();
    for (key, part) in field.entries()? {
        if let Some(stray) = number_key(part.node()) {
            return Err(part.error(format_args!("the key {stray:?} must be a string")));
        }
        match key {
            // What is the action's own is no keyword of its schema.
            "description" | "parallel" | "execution-group" => {}
            "params" => {
                part.map()?;
                schema.insert("properties".to_owned(), part.node().to_json());
            }
            // An empty list requires nothing, which draft 4 has no word for.
            "required" if part.items()?.is_empty() => {}
            _ => {
                schema.insert(key.to_owned(), part.node().to_json());
            }
        }
    }
    schema.insert("type".to_owned(), "object".into());
    schema.entry("title").or_insert_with(|| name.into());
    schema.insert("description".to_owned(), description.as_str().into());
    schema::check(&schema).map_err(|e| field.error(e))?;
    Ok(Action {
        description,
        schema,
        parallel: field.boolean_of("parallel")?,
        execution_group: field.text_of("execution-group")?,
    })
}

/// The first key that is a number or a boolean, anywhere below.
fn number_key(node: &Node) -> Option<&str> {
    if let Some(map) = node.as_map() {
        return map.iter().find_map(|entry| {
            if entry.textual { number_key(&entry.node) } else { Some(entry.key.as_str()) }
        });
    }
    match &node.value {
        crate::yaml::Value::List(list) => list.iter().find_map(number_key),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::yaml::{Limits, parse};

    fn actions(text: &str) -> Result<BTreeMap<ActionName, Action>, FieldError> {
        let node = parse("actions.yaml", text.as_bytes(), &Limits::FILE).unwrap();
        read(&Field::root("actions.yaml", &node))
    }

    fn params(action: &Action, given: Value) -> Result<Value, String> {
        let Value::Object(given) = given else { panic!("no map") };
        action.params(given).map(Value::Object).map_err(|e| e.to_string())
    }

    /// Hook contract C12.
    #[test]
    fn c12_reserved_names_and_references_are_refused() {
        assert!(actions("juju-x: {}").is_err());
        assert!(actions("juju: {}").is_err());
        assert!(actions("A: {}").is_err());
        assert!(actions("a: {params: {x: {$ref: '#/y'}}}").is_err());
        assert!(actions("a: {params: {x: {items: {$schema: y}}}}").is_err());
        assert!(actions("a: {params: {1: {}}}").is_err());
        assert!(actions("a: {params: {x: {type: text}}}").is_err());
        assert!(actions("a: {params: [x]}").is_err());
        assert!(actions("a: {parallel: 3}").is_err());
        assert!(actions("a: []").is_err());
    }

    /// Hook contract C13.
    #[test]
    fn c13_defaults_are_filled_into_params() {
        let all = actions(
            "submit:\n  description: Run it\n  params:\n    app: {type: string}\n    \
             wait: {type: boolean, default: true}\n  required: [app]\n  \
             additionalProperties: false\n  parallel: true\n  execution-group: jobs\n",
        )
        .unwrap();
        let action = &all["submit"];
        assert_eq!(params(action, json!({"app": "x"})), Ok(json!({"app": "x", "wait": true})));
        assert_eq!(
            params(action, json!({"app": "x", "wait": false})),
            Ok(json!({"app": "x", "wait": false}))
        );
        assert_eq!(
            params(action, json!({"app": 1, "y": 2})),
            Err("validation failed: app: expected string, got integer; \"y\" is not known".into())
        );
        assert!(params(action, json!({})).unwrap_err().contains("\"app\" is required"));
        assert_eq!((action.parallel, action.execution_group.as_str()), (true, "jobs"));
        assert_eq!(action.description, "Run it");
    }

    #[test]
    fn an_action_may_say_nothing() {
        for text in ["snapshot:", "snapshot: {}", "snapshot: {required: []}"] {
            let all = actions(text).unwrap();
            let action = &all["snapshot"];
            assert_eq!(action.description, NO_DESCRIPTION);
            assert!(action.properties().is_empty());
            assert_eq!(params(action, json!({"any": 1})), Ok(json!({"any": 1})));
        }
        assert!(actions("").unwrap().is_empty());
    }
}
