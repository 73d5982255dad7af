//! `config`, `model-config` (CLI contract §4.3).

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

/// The answer of `config APP`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ApplicationConfig {
    /// The application.
    pub application: String,
    /// Its charm's name.
    pub charm: String,
    /// What the platform keeps for it: `trust`.
    pub application_config: BTreeMap<String, Entry>,
    /// What the charm declares.
    pub settings: BTreeMap<String, Entry>,
}

/// One option.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Entry {
    /// What it is without being set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// For people.
    pub description: String,
    /// `default`, `user` or `unset`.
    pub source: String,
    /// `string`, `int`, `float`, `boolean` or `secret`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it is; absent when unset and without a default. An empty string is a value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
}

/// One key of `model-config`, as JSON has it: with capitals (§10, trap 3).
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ModelEntry {
    /// What it is.
    pub value: Value,
    /// `default`, `controller`, `region` or `model`.
    pub source: String,
}
