//! `controllers`, `show-controller`, `version`, `whoami` (CLI contract §4.10, §1.8).

use std::collections::BTreeMap;

use serde::Serialize;

/// The answer of `controllers`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Controllers {
    /// By name.
    pub controllers: BTreeMap<String, Listed>,
    /// What `switch` chose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_controller: Option<String>,
}

/// One controller of `controllers`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Listed {
    /// What `switch` chose there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_model: Option<String>,
    /// As whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// What that user may do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access: Option<String>,
    /// Where it last answered.
    pub recent_server: String,
    /// Its identity.
    pub uuid: String,
    /// Where it may answer.
    pub api_endpoints: Vec<String>,
    /// What its certificate is signed by.
    pub ca_cert: String,
    /// The cloud that it was made on.
    pub cloud: String,
    /// Its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_version: Option<String>,
}

/// The answer of `version --all`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Version {
    /// The number whose dialect is spoken (§1.8).
    pub version: String,
    /// Of the source.
    pub git_commit: String,
    /// Of the source.
    pub git_tree_state: String,
    /// What built it.
    pub compiler: String,
    /// Our own name.
    pub product: String,
    /// Our own version.
    pub product_version: String,
}
