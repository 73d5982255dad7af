//! Which layer gave each file and each key of the merged ones.

use std::collections::BTreeMap;

use serde::Serialize;

/// Where a charm's files and keys came from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Origins {
    /// By path.
    pub files: BTreeMap<String, Origin>,
    /// By merged file, then by key with those above it, joined by dots: the layer that set it last.
    pub keys: BTreeMap<String, BTreeMap<String, String>>,
}

/// Where a file came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// The url of its layer.
    pub layer: String,
    /// Whether it was made here, or is a copy.
    pub made: bool,
}

impl Origins {
    /// Notes that `layer` set `key` of `file`.
    pub(crate) fn set(&mut self, file: &str, key: &str, layer: &str) {
        self.keys.entry(file.to_owned()).or_default().insert(key.to_owned(), layer.to_owned());
    }

    /// The layer that set `key` of `file`, or something below it.
    #[must_use]
    pub fn of_key(&self, file: &str, key: &str) -> Option<&str> {
        let keys = self.keys.get(file)?;
        let below = format!("{key}.");
        keys.get(key)
            .or_else(|| {
                keys.range(below.clone()..)
                    .next()
                    .filter(|(k, _)| k.starts_with(&below))
                    .map(|(_, l)| l)
            })
            .map(String::as_str)
    }

    /// Forgets `key` of `file` and all below it.
    pub(crate) fn forget(&mut self, file: &str, key: &str) {
        let below = format!("{key}.");
        if let Some(keys) = self.keys.get_mut(file) {
            keys.retain(|k, _| k != key && !k.starts_with(&below));
        }
    }
}
