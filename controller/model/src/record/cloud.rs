//! Clouds that an operator wrote down, and whom one may log in as.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::cloud::{CloudDefinition, Credential};
use crate::name::{CloudName, UserName};
use crate::time::Timestamp;

/// A cloud that an operator wrote down. The controller's own is not among them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Cloud {
    /// Its name.
    pub name: CloudName,
    /// What is known of it.
    pub definition: CloudDefinition,
    /// Who wrote it down.
    pub by: UserName,
    /// When.
    pub at: Timestamp,
}

/// What one user keeps to log in to one cloud.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CloudCredentials {
    /// Whose.
    pub owner: UserName,
    /// For which cloud.
    pub cloud: CloudName,
    /// By name.
    pub credentials: BTreeMap<CloudName, Credential>,
}
