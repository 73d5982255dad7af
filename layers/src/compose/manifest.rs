//! `.build.manifest`: which layer gave which file, with its digest (layers document, section 11).

use std::collections::BTreeMap;

use muster_charms::Tree;
use muster_charms::tree::Item;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::layer::Layer;
use crate::origin::Origins;

pub(crate) const FILE: &str = ".build.manifest";

/// The manifest's text: sorted keys, two blanks a level.
pub(crate) fn text<'a>(
    layers: impl Iterator<Item = &'a Layer>,
    tree: &Tree,
    origins: &Origins,
) -> String {
    let layers: Vec<_> = layers
        .map(|layer| BTreeMap::from([("rev", layer.revision.as_str()), ("url", &layer.url)]))
        .collect();
    let mut signatures = BTreeMap::from([(FILE, json!(["build", "dynamic", "unchecked"]))]);
    for (path, item) in tree.iter() {
        if let (Item::File { bytes, .. }, Some(origin)) = (item, origins.files.get(path)) {
            let kind = if origin.made { "dynamic" } else { "static" };
            let digest = hex::encode(Sha256::digest(bytes));
            signatures.insert(path, json!([origin.layer, kind, digest]));
        }
    }
    let whole = BTreeMap::from([("layers", json!(layers)), ("signatures", json!(signatures))]);
    // The keys of what is written are all texts, and nothing else can fail in memory.
    serde_json::to_string_pretty(&whole).unwrap_or_default()
}
