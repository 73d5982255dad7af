//! `layer.yaml` of the charm: merged over all layers, with options filled in and checked (layers
//! document, section 6.3).

use muster_charms::schema;
use muster_charms::yaml::{Field, Map, Node, Value};
use serde_json::json;

use crate::error::{ComposeError, Warning};
use crate::layer::Layer;
use crate::merge::Merge;
use crate::origin::Origins;

pub(crate) const FILE: &str = "layer.yaml";

/// The charm's `layer.yaml`, made of those of `layers` that have one.
pub(crate) fn merge(
    layers: &[Layer],
    charm: &str,
    origins: &mut Origins,
    warnings: &mut Vec<Warning>,
) -> Result<Map, ComposeError> {
    let mut all = Map::new();
    let mut defines: Vec<(&str, Map)> = Vec::new();
    for layer in layers {
        let Some(config) = &layer.config else { continue };
        let mut config = config.clone();
        let defined = match config.remove("defines").map(|node| node.value) {
            Some(Value::Map(map)) => map,
            None | Some(Value::Null) => Map::new(),
            Some(_) => return Err(complain(layer, config, "defines", "expected a map")),
        };
        match defines.iter_mut().find(|(name, _)| *name == layer.name) {
            Some((_, known)) => {
                let mut merge = Merge { file: "defines", layer: &layer.url, origins };
                merge.maps(&layer.name, known, &defined)?;
            }
            None => defines.push((&layer.name, defined)),
        }
        adapt(layer, &mut config);
        let mut merge = Merge { file: FILE, layer: &layer.url, origins };
        merge.maps("", &mut all, &config)?;
    }
    if all.get("is").is_none() {
        all.insert("is", Node::new(Value::String(charm.to_owned())));
    }
    let options = options(&all, &defines, origins, warnings)?;
    all.insert("options", options);
    Ok(all)
}

fn complain(layer: &Layer, config: Map, key: &str, problem: &str) -> ComposeError {
    let node = Node::new(Value::Map(config));
    Field::root(&layer.shown(FILE), &node).error(format_args!("`{key}`: {problem}")).into()
}

/// What a layer says only for itself gets its name.
fn adapt(layer: &Layer, config: &mut Map) {
    if !layer.includes.is_empty() {
        let short = layer.includes.iter().map(|include| Node::new(Value::String(cut(include))));
        config.insert("includes", Node::new(Value::List(short.collect())));
    }
    if let Some(ignore) = config.get("ignore").filter(|node| !node.is_null()).cloned() {
        let list = match ignore.value {
            Value::List(_) => ignore,
            _ => Node::new(Value::List(vec![ignore])),
        };
        let mut keyed = Map::new();
        keyed.insert(&layer.name, list);
        config.insert("ignore", Node::new(Value::Map(keyed)));
    }
    // It was this layer's name and is not the charm's.
    config.remove("name");
}

/// Includes by path are cut to their last two parts: where somebody builds is nobody's business.
fn cut(include: &str) -> String {
    if include.contains(':') {
        return include.to_owned();
    }
    let parts: Vec<&str> = include.split('/').filter(|part| !part.is_empty()).collect();
    parts.get(parts.len().saturating_sub(2)..).unwrap_or_default().join("/")
}

fn options(
    all: &Map,
    defines: &[(&str, Map)],
    origins: &Origins,
    warnings: &mut Vec<Warning>,
) -> Result<Node, ComposeError> {
    let mut values = match all.get("options") {
        None => json!({}),
        Some(node) if node.is_null() => json!({}),
        Some(node) => node.to_json(),
    };
    let mut problems = Vec::new();
    let mut properties = serde_json::Map::new();
    for (layer, defined) in defines {
        let inner = Node::new(Value::Map(defined.clone())).to_json();
        properties.insert(
            (*layer).to_owned(),
            json!({"type": "object", "properties": inner, "default": {}}),
        );
    }
    let mut wanted = serde_json::Map::new();
    wanted.insert("type".to_owned(), json!("object"));
    wanted.insert("properties".to_owned(), serde_json::Value::Object(properties));
    if let Err(bad) = schema::check(&wanted) {
        let path = bad.path.strip_prefix("properties.").unwrap_or(&bad.path);
        problems.push(format!("Invalid definition of option {path}: {}", bad.problem));
    }
    if let serde_json::Value::Object(values) = &values {
        for (layer, set) in values {
            let Some((_, defined)) = defines.iter().find(|(name, _)| name == layer) else {
                let by = origins.of_key(FILE, &format!("options.{layer}")).unwrap_or("?");
                problems.push(format!("Options set for undefined layer: {layer} (by {by})"));
                continue;
            };
            for option in set.as_object().into_iter().flat_map(serde_json::Map::keys) {
                if defined.get(option).is_none() {
                    let (layer, option) = (layer.clone(), option.clone());
                    warnings.push(Warning::UnknownOption { layer, option });
                }
            }
        }
    }
    schema::fill(&wanted, &mut values);
    for violation in schema::validate(&wanted, &values) {
        let key = format!("options.{}", violation.path);
        let by = origins.of_key(FILE, &key).map_or(String::new(), |l| format!(" (set by {l})"));
        let (path, problem) = (violation.path, violation.problem);
        problems.push(format!("Invalid value for option {path}: {problem}{by}"));
    }
    if !problems.is_empty() {
        return Err(ComposeError::Options(problems));
    }
    Ok(Node::from_json(&values))
}
