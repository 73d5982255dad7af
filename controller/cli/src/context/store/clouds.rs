//! `clouds.yaml` and `credentials.yaml`, as other programs that read them know them.

use std::collections::BTreeMap;
use std::fmt;

use muster_model::cloud::CloudDefinition;
use serde::{Deserialize, Serialize};

use super::Extra;

/// `clouds.yaml`: what this person wrote down.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Clouds {
    /// By name.
    #[serde(default)]
    pub clouds: BTreeMap<String, CloudDefinition>,
    #[serde(flatten)]
    extra: Extra,
}

/// `credentials.yaml`, readable by its owner only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    /// By cloud.
    #[serde(default)]
    pub credentials: BTreeMap<String, OfCloud>,
    #[serde(flatten)]
    extra: Extra,
}

/// What is kept for one cloud.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct OfCloud {
    /// The one that is meant where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_credential: Option<String>,
    /// The region that is meant where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_region: Option<String>,
    /// By name.
    #[serde(flatten)]
    pub named: BTreeMap<String, Secret>,
}

impl OfCloud {
    /// Whether nothing is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == OfCloud::default()
    }
}

/// A credential with everything that proves who somebody is.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Secret {
    /// How one logs in with it.
    pub auth_type: String,
    /// Its attributes.
    #[serde(flatten)]
    pub attributes: BTreeMap<String, String>,
}

/// Without its attributes, which are nobody's to print.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").field("auth_type", &self.auth_type).finish_non_exhaustive()
    }
}
