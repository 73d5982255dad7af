//! `resources` (CLI contract §4.8).

use serde::Serialize;

/// The answer of `resources APP`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Resources {
    /// What is attached.
    pub resources: Vec<Resource>,
    /// What a store would have newer.
    pub updates: Vec<Resource>,
}

/// One resource.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Resource {
    /// `application/name`.
    #[serde(rename = "resourceid")]
    pub id: String,
    /// The application.
    #[serde(rename = "applicationId")]
    pub application: String,
    /// As the charm declares it.
    pub name: String,
    /// `file` or `oci-image`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The file name that the charm sees.
    pub path: String,
    /// For people.
    pub description: String,
    /// A number, or when it was uploaded.
    pub revision: String,
    /// Its digest.
    pub fingerprint: String,
    /// Bytes.
    pub size: u64,
    /// `upload` or `store`.
    pub origin: String,
    /// Whether a unit has it.
    pub used: bool,
    /// When it was attached.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub timestamp: String,
    /// By whom.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub username: String,
}

/// One line of `resources --details`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Detail {
    /// The unit.
    #[serde(rename = "unitID")]
    pub unit_id: String,
    /// What it has.
    pub unit: Resource,
    /// What it should have.
    pub expected: Resource,
    /// Bytes fetched so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<u64>,
}
