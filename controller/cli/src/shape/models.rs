//! `models`, `show-model` (CLI contract §4.2).

use std::collections::BTreeMap;

use serde::Serialize;

use super::status::Info;

/// The answer of `models`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Models {
    /// All that the user may see.
    pub models: Vec<Listed>,
    /// The short name of the current one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_model: Option<String>,
}

/// One model of `models`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Listed {
    /// `user/model`.
    pub name: String,
    /// `model`.
    pub short_name: String,
    /// Its identity.
    pub model_uuid: String,
    /// `iaas`.
    pub model_type: String,
    /// The controller's identity.
    pub controller_uuid: String,
    /// As the client knows it.
    pub controller_name: String,
    /// Whether the controller itself lives here.
    pub is_controller: bool,
    /// Whose it is.
    pub owner: String,
    /// Where machines come from.
    pub cloud: String,
    /// The kind of cloud.
    #[serde(rename = "type")]
    pub kind: String,
    /// `alive`, `dying` or `dead`.
    pub life: String,
    /// How it is.
    pub status: Info,
    /// What this user may do.
    pub access: String,
    /// When this user last was here.
    pub last_connection: String,
    /// Of the agents.
    pub agent_version: String,
    /// For the table only.
    #[serde(skip)]
    pub machines: usize,
    /// For the table only.
    #[serde(skip)]
    pub cores: usize,
    /// For the table only.
    #[serde(skip)]
    pub units: usize,
}

/// The answer of `show-model`: one entry, by short name.
pub type Shown = BTreeMap<String, Model>;

/// One model in full.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Model {
    /// `user/model`.
    pub name: String,
    /// `model`.
    pub short_name: String,
    /// Its identity.
    pub model_uuid: String,
    /// `iaas`.
    pub model_type: String,
    /// The controller's identity.
    pub controller_uuid: String,
    /// As the client knows it.
    pub controller_name: String,
    /// Whether the controller itself lives here.
    pub is_controller: bool,
    /// Whose it is.
    pub owner: String,
    /// Where machines come from.
    pub cloud: String,
    /// The kind of cloud.
    #[serde(rename = "type")]
    pub kind: String,
    /// `alive`, `dying` or `dead`.
    pub life: String,
    /// How it is.
    pub status: Info,
    /// By name.
    pub users: BTreeMap<String, User>,
    /// By id.
    pub machines: BTreeMap<String, Machine>,
    /// Where secrets are kept.
    pub secret_backends: BTreeMap<String, SecretBackend>,
    /// Of the agents.
    pub agent_version: String,
}

/// Somebody who may use the model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct User {
    /// `read`, `write` or `admin`.
    pub access: String,
    /// `just now`, `never connected`.
    pub last_connection: String,
}

/// A machine, as short as `show-model` has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Machine {
    /// How many.
    pub cores: u64,
}

/// A place where secrets are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct SecretBackend {
    /// How many.
    pub num_secrets: u64,
    /// `active`.
    pub status: String,
}
