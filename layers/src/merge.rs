//! The generic merge of all merged YAML (layers document, section 5.4).

use muster_charms::yaml::{Map, Node, Value};

use crate::error::ComposeError;
use crate::origin::Origins;

/// What is merged, and whom to blame.
pub(crate) struct Merge<'a> {
    /// The file, as the charm has it.
    pub(crate) file: &'a str,
    /// The url of the layer that is added.
    pub(crate) layer: &'a str,
    pub(crate) origins: &'a mut Origins,
}

impl Merge<'_> {
    /// Adds the map `high` to `low`: maps recurse, lists unite, everything else replaces.
    pub(crate) fn maps(
        &mut self,
        path: &str,
        low: &mut Map,
        high: &Map,
    ) -> Result<(), ComposeError> {
        for entry in high.iter() {
            let key =
                if path.is_empty() { entry.key.clone() } else { format!("{path}.{}", entry.key) };
            match low.get_mut(&entry.key) {
                Some(old) if is_truthy(old) => self.nodes(&key, old, &entry.node)?,
                _ => {
                    low.insert(&entry.key, entry.node.clone());
                    self.own(&key, &entry.node);
                }
            }
        }
        Ok(())
    }

    fn nodes(&mut self, key: &str, low: &mut Node, high: &Node) -> Result<(), ComposeError> {
        match (&mut low.value, &high.value) {
            (Value::Map(low), Value::Map(high)) => self.maps(key, low, high),
            (Value::List(low), Value::List(high)) => {
                for item in high {
                    if !low.contains(item) {
                        low.push(item.clone());
                        self.origins.set(self.file, key, self.layer);
                    }
                }
                Ok(())
            }
            (_, Value::Map(_) | Value::List(_)) => Err(ComposeError::Clash {
                file: self.file.to_owned(),
                key: key.to_owned(),
                low: self.origins.of_key(self.file, key).unwrap_or("?").to_owned(),
                low_kind: low.kind(),
                high: self.layer.to_owned(),
                high_kind: high.kind(),
            }),
            _ => {
                *low = high.clone();
                self.origins.forget(self.file, key);
                self.own(key, high);
                Ok(())
            }
        }
    }

    /// Notes that this layer set `key` and all below it.
    fn own(&mut self, key: &str, node: &Node) {
        match &node.value {
            Value::Map(map) if !map.is_empty() => {
                for entry in map.iter() {
                    self.own(&format!("{key}.{}", entry.key), &entry.node);
                }
            }
            _ => self.origins.set(self.file, key, self.layer),
        }
    }
}

fn is_truthy(node: &Node) -> bool {
    match &node.value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Int(value) => *value != 0,
        Value::Float(value) => *value != 0.0,
        Value::String(value) => !value.is_empty(),
        Value::List(value) => !value.is_empty(),
        Value::Map(value) => !value.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use muster_charms::yaml::{Limits, parse};

    use super::*;

    fn map(text: &str) -> Map {
        parse("f", text.as_bytes(), &Limits::FILE).unwrap().as_map().cloned().unwrap()
    }

    fn merged(low: &str, high: &str) -> Result<Map, String> {
        let mut origins = Origins::default();
        let mut all = Map::new();
        for (layer, text) in [("layer:low", low), ("layer:high", high)] {
            let mut merge = Merge { file: "config.yaml", layer, origins: &mut origins };
            merge.maps("", &mut all, &map(text)).map_err(|e| e.to_string())?;
        }
        Ok(all)
    }

    #[test]
    fn maps_recurse_lists_unite_and_the_rest_replaces() {
        let same = |low: &str, high: &str, want: &str| {
            assert_eq!(merged(low, high), Ok(map(want)), "{low} + {high}");
        };
        same("{a: {x: 1, y: 2}}", "{a: {y: 3, z: 4}}", "{a: {x: 1, y: 3, z: 4}}");
        same("{a: [1, 2]}", "{a: [2, 3]}", "{a: [1, 2, 3]}");
        same("{a: 1}", "{a: null}", "{a: null}");
        same("{a: {x: 1}}", "{a: {}}", "{a: {x: 1}}");
        same("{a: {x: 1}}", "{a: 5}", "{a: 5}");
        same("{a: null}", "{a: {x: 1}}", "{a: {x: 1}}");
        same("{a: []}", "{a: {x: 1}}", "{a: {x: 1}}");
        same("{a: 0}", "{a: [1]}", "{a: [1]}");
    }

    #[test]
    fn a_map_over_a_list_names_file_key_and_layers() {
        assert_eq!(
            merged("{a: {b: [1]}}", "{a: {b: {x: 1}}}"),
            Err("config.yaml: `a.b` is a map in layer layer:high and a list in layer layer:low"
                .into())
        );
        assert!(merged("{a: {x: 1}}", "{a: [1]}").is_err());
        assert!(merged("{a: text}", "{a: [1]}").is_err());
    }
}
