//! The actions of a charm (`actions.yaml`; hook contract, section 1.6).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::is_default;

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
