//! `show-unit` and `show-application` (CLI contract §4.7).

use std::collections::BTreeMap;

use serde::Serialize;

/// One unit of `show-unit`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Unit {
    /// Of the workload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workload_version: Option<String>,
    /// Where it lives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// `8080/tcp`.
    pub opened_ports: Vec<String>,
    /// How clients reach it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_address: Option<String>,
    /// The same, where callers look who know of no machines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// `local:name-rev`.
    pub charm: String,
    /// Whether it leads.
    pub leader: bool,
    /// `alive`, `dying` or `dead`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub life: Option<String>,
    /// Processes that its hooks left running, if there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub background_processes: Option<u32>,
    /// One entry a relation.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub relation_info: Vec<RelationInfo>,
}

/// A relation as one unit sees it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct RelationInfo {
    /// Its number.
    pub relation_id: u32,
    /// Of this unit's application.
    pub endpoint: String,
    /// Whether the other side is in another model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cross_model: Option<bool>,
    /// Of the other application.
    pub related_endpoint: String,
    /// What the other application says.
    pub application_data: BTreeMap<String, String>,
    /// What this unit says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local_unit: Option<UnitData>,
    /// What the units there say.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub related_units: BTreeMap<String, UnitData>,
}

/// What one unit says in a relation.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct UnitData {
    /// Whether it takes part.
    pub in_scope: bool,
    /// Its settings.
    pub data: BTreeMap<String, String>,
}

/// One application of `show-application`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Application {
    /// The charm's name.
    pub charm: String,
    /// `name@channel`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// Where it was taken from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// What its machines should be.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub constraints: BTreeMap<String, serde_json::Value>,
    /// Whether it has machines of its own.
    pub principal: bool,
    /// Whether the world may come in.
    pub exposed: bool,
    /// Whether it lives in another model.
    pub remote: bool,
    /// `alive`, `dying` or `dead`.
    pub life: String,
    /// Endpoint to space.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub endpoint_bindings: BTreeMap<String, String>,
}
