//! What is different about `metadata.yaml` (layers document, section 6.1).

use muster_charms::yaml::{Map, Node, Value};

use crate::error::ComposeError;
use crate::merge::Merge;

/// Sections that map names to things; an empty one says nothing.
const SECTIONS: [&str; 8] = [
    "provides",
    "requires",
    "peers",
    "storage",
    "resources",
    "extra-bindings",
    "devices",
    "payloads",
];

/// The sections that hold relations, with the interface file of their role.
pub(crate) const ROLES: [&str; 3] = ["requires", "provides", "peers"];

/// The order in which the keys are written; the rest follows by name.
const ORDER: [&str; 10] = [
    "name",
    "summary",
    "maintainer",
    "maintainers",
    "description",
    "tags",
    "series",
    "requires",
    "provides",
    "peers",
];

/// Adds the metadata of a higher layer.
pub(crate) fn add(merge: &mut Merge<'_>, low: &mut Map, high: &Map) -> Result<(), ComposeError> {
    let high = normal(high);
    // Whoever maintains the layers below does not maintain this charm.
    for key in ["maintainer", "maintainers"] {
        low.remove(key);
        merge.origins.forget(merge.file, key);
    }
    let below = if high.get("series").is_some() { low.remove("series") } else { None };
    merge.maps("", low, &high)?;
    if let (Some(Value::List(below)), Some(Node { value: Value::List(series), .. })) =
        (below.map(|node| node.value), low.get_mut("series"))
    {
        let known = series.clone();
        series.extend(below.into_iter().filter(|item| !known.contains(item)));
    }
    Ok(())
}

/// Relations in their long form, and no empty sections.
fn normal(high: &Map) -> Map {
    let mut map = high.clone();
    for section in SECTIONS {
        if map.get(section).is_some_and(Node::is_null) {
            map.remove(section);
        }
    }
    for role in ROLES {
        let Some(Node { value: Value::Map(relations), .. }) = map.get_mut(role) else { continue };
        for entry in relations.iter_mut() {
            if entry.node.as_str().is_some() {
                let mut long = Map::new();
                long.insert("interface", entry.node.clone());
                entry.node.value = Value::Map(long);
            }
        }
    }
    map
}

/// The same in the order in which metadata is written.
pub(crate) fn ordered(mut map: Map) -> Map {
    let mut sorted = Map::new();
    for key in ORDER {
        if let Some(node) = map.remove(key) {
            sorted.insert(key, node);
        }
    }
    let mut rest: Vec<_> = map.iter().collect();
    rest.sort_by(|a, b| a.key.cmp(&b.key));
    for entry in rest {
        sorted.insert(&entry.key, entry.node.clone());
    }
    sorted
}

/// The names of a section in the order of the file.
pub(crate) fn names(map: &Map, section: &str) -> Vec<String> {
    let section = map.get(section).and_then(Node::as_map);
    section.into_iter().flat_map(Map::iter).map(|entry| entry.key.clone()).collect()
}

/// Every relation with its role and interface.
pub(crate) fn relations(map: &Map) -> Vec<(&'static str, String, String)> {
    let mut all = Vec::new();
    for role in ["provides", "requires", "peers"] {
        let section = map.get(role).and_then(Node::as_map);
        for entry in section.into_iter().flat_map(Map::iter) {
            let interface = entry.node.as_map().and_then(|map| map.get("interface"));
            if let Some(interface) = interface.and_then(Node::as_str) {
                all.push((role, entry.key.clone(), interface.to_owned()));
            }
        }
    }
    all
}
