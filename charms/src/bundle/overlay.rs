//! Several documents, and overlays, into one tree (CLI contract, section 8.4).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::BadBundle;
use crate::yaml::{Limits, Map, Node, Value, parse_many};

/// A file that holds a bundle or an overlay.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// What errors call it.
    pub file: &'a str,
    /// The folder that its relative paths start from; empty for the working directory.
    pub folder: &'a str,
    /// Its content.
    pub bytes: &'a [u8],
}

/// Reads a file that a bundle includes; the error is one sentence.
pub type Include<'a> = dyn Fn(&str) -> Result<Vec<u8>, String> + 'a;

/// The most that one include may bring, in bytes: the limit of an application's configuration.
const MAX_INCLUDE: usize = 256 << 10;

/// Maps of an application that overlays merge key by key.
const MERGED: [&str; 7] =
    ["options", "annotations", "resources", "storage", "devices", "bindings", "offers"];

/// What only overlays may say.
const OVERLAY_ONLY: [&str; 2] = ["offers", "exposed-endpoints"];

pub(super) fn merged(
    base: &Source<'_>,
    overlays: &[Source<'_>],
    include: &Include<'_>,
) -> Result<Node, BadBundle> {
    let mut problems = Vec::new();
    let mut whole: Option<Map> = None;
    for source in std::iter::once(base).chain(overlays) {
        let documents = match parse_many(source.file, source.bytes, &Limits::BUNDLE) {
            Ok(documents) => documents,
            Err(error) => {
                problems.push(error.to_string());
                continue;
            }
        };
        for document in documents {
            let Value::Map(mut map) = document.value else {
                problems.push(format!("{}:{}: expected a map", source.file, document.line));
                continue;
            };
            if let Some(services) = map.remove("services") {
                map.insert("applications", services);
            }
            settle(&mut map, source, include, &mut problems);
            match &mut whole {
                None => {
                    refuse_overlay_keys(&map, source.file, &mut problems);
                    whole = Some(map);
                }
                Some(whole) => {
                    forget_lines(&mut map);
                    overlay(whole, map);
                }
            }
        }
    }
    match whole {
        Some(map) if problems.is_empty() => Ok(Node::new(Value::Map(map))),
        None if problems.is_empty() => {
            Err(BadBundle { problems: vec![format!("{}: the bundle is empty", base.file)] })
        }
        _ => Err(BadBundle { problems }),
    }
}

fn applications(map: &mut Map) -> impl Iterator<Item = (&str, &mut Map)> {
    let section = map.get_mut("applications").and_then(as_map_mut);
    section.into_iter().flat_map(Map::iter_mut).filter_map(|entry| {
        let key = entry.key.as_str();
        as_map_mut(&mut entry.node).map(|map| (key, map))
    })
}

fn as_map_mut(node: &mut Node) -> Option<&mut Map> {
    if let Value::Map(map) = &mut node.value { Some(map) } else { None }
}

fn refuse_overlay_keys(map: &Map, file: &str, problems: &mut Vec<String>) {
    let applications = map.get("applications").and_then(Node::as_map);
    for entry in applications.into_iter().flat_map(Map::iter) {
        for key in OVERLAY_ONLY {
            if let Some(node) = entry.node.as_map().and_then(|app| app.get(key)) {
                let (line, name) = (node.line, &entry.key);
                problems.push(format!(
                    "{file}:{line}: `applications.{name}.{key}`: only an overlay may have this"
                ));
            }
        }
    }
}

/// Makes paths relative to the working directory, and replaces includes.
fn settle(map: &mut Map, source: &Source<'_>, include: &Include<'_>, problems: &mut Vec<String>) {
    for (name, application) in applications(map) {
        if let Some(Node { value: Value::String(charm), .. }) = application.get_mut("charm")
            && charm.starts_with('.')
        {
            *charm = join(source.folder, charm);
        }
        let resources = application.get_mut("resources").and_then(as_map_mut);
        for entry in resources.into_iter().flat_map(Map::iter_mut) {
            if let Value::String(path) = &mut entry.node.value {
                *path = join(source.folder, path);
            }
        }
        for section in ["options", "annotations"] {
            let section_map = application.get_mut(section).and_then(as_map_mut);
            for entry in section_map.into_iter().flat_map(Map::iter_mut) {
                let line = entry.node.line;
                let Value::String(text) = &mut entry.node.value else { continue };
                if let Err(problem) = replace(text, source.folder, include) {
                    let (file, key) = (source.file, &entry.key);
                    problems.push(format!(
                        "{file}:{line}: `applications.{name}.{section}.{key}`: {problem}"
                    ));
                }
            }
        }
    }
}

fn replace(text: &mut String, folder: &str, include: &Include<'_>) -> Result<(), String> {
    let (path, encoded) = if let Some(path) = text.strip_prefix("include-file://") {
        (path, false)
    } else if let Some(path) = text.strip_prefix("include-base64://") {
        (path, true)
    } else {
        return Ok(());
    };
    let path = join(folder, path);
    let bytes = include(&path).map_err(|problem| format!("cannot include {path:?}: {problem}"))?;
    if bytes.len() > MAX_INCLUDE {
        let length = bytes.len();
        return Err(format!("{path:?} has {length} bytes; the limit is {MAX_INCLUDE}"));
    }
    *text = if encoded {
        STANDARD.encode(&bytes)
    } else {
        String::from_utf8(bytes)
            .map_err(|_| format!("{path:?} is not UTF-8; include it with include-base64://"))?
    };
    Ok(())
}

/// A path that starts from `folder`, written as a path and never as a bare name.
fn join(folder: &str, path: &str) -> String {
    if path.starts_with('/') {
        return path.to_owned();
    }
    let path = path.strip_prefix("./").unwrap_or(path);
    match folder.trim_end_matches('/') {
        "" if folder.is_empty() && path.starts_with("..") => path.to_owned(),
        "" if folder.is_empty() => format!("./{path}"),
        "" => format!("/{path}"),
        folder if folder.starts_with(['/', '.']) => format!("{folder}/{path}"),
        folder => format!("./{folder}/{path}"),
    }
}

/// An overlay's lines are those of another file than errors name.
fn forget_lines(map: &mut Map) {
    for entry in map.iter_mut() {
        forget(&mut entry.node);
    }
}

fn forget(node: &mut Node) {
    node.line = 0;
    match &mut node.value {
        Value::Map(map) => forget_lines(map),
        Value::List(list) => list.iter_mut().for_each(forget),
        _ => {}
    }
}

fn overlay(whole: &mut Map, mut over: Map) {
    for section in ["applications", "saas"] {
        let Some(Node { value: Value::Map(entries), .. }) = over.remove(section) else { continue };
        if whole.get(section).is_none_or(Node::is_null) {
            whole.insert(section, Node::new(Value::Map(Map::new())));
        }
        let mut removed = Vec::new();
        if let Some(below) = whole.get_mut(section).and_then(as_map_mut) {
            for entry in entries.iter() {
                match (&entry.node.value, below.get_mut(&entry.key)) {
                    (Value::Null, _) => {
                        below.remove(&entry.key);
                        removed.push(entry.key.clone());
                    }
                    (Value::Map(high), Some(Node { value: Value::Map(low), .. })) => {
                        application(low, high);
                    }
                    _ => below.insert(&entry.key, entry.node.clone()),
                }
            }
        }
        remove_relations(whole, &removed);
    }
    if let Some(Node { value: Value::List(more), .. }) = over.remove("relations") {
        match whole.get_mut("relations").map(|node| &mut node.value) {
            Some(Value::List(relations)) => relations.extend(more),
            _ => whole.insert("relations", Node::new(Value::List(more))),
        }
    }
    for entry in over.iter() {
        whole.insert(&entry.key, entry.node.clone());
    }
}

fn application(low: &mut Map, high: &Map) {
    for entry in high.iter() {
        match (&entry.node.value, low.get_mut(&entry.key)) {
            (Value::Map(values), Some(Node { value: Value::Map(below), .. }))
                if MERGED.contains(&entry.key.as_str()) =>
            {
                by_key(below, values);
            }
            (Value::Null, _) => {
                low.remove(&entry.key);
            }
            _ => low.insert(&entry.key, entry.node.clone()),
        }
    }
}

/// Merges key by key, maps within as well: one overlay may offer, and the next say to whom.
fn by_key(low: &mut Map, high: &Map) {
    for entry in high.iter() {
        match (&entry.node.value, low.get_mut(&entry.key)) {
            (Value::Map(values), Some(Node { value: Value::Map(below), .. })) => {
                by_key(below, values);
            }
            (Value::Null, _) => {
                low.remove(&entry.key);
            }
            _ => low.insert(&entry.key, entry.node.clone()),
        }
    }
}

fn remove_relations(whole: &mut Map, removed: &[String]) {
    if let Some(Node { value: Value::List(relations), .. }) = whole.get_mut("relations") {
        relations.retain(|relation| {
            let Value::List(sides) = &relation.value else { return true };
            !sides.iter().filter_map(Node::as_str).any(|side| {
                let application = side.split(':').next().unwrap_or(side);
                removed.iter().any(|name| name == application)
            })
        });
    }
}
