//! What a unit asks of a secret that it reads.

use muster_charms::secret::SecretId;
use serde::{Deserialize, Serialize};

/// Which secret a unit wants to read, and how (`secret-get`; hook contract, section 5.10).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SecretWant {
    /// The secret; none: the one of the label.
    #[serde(default)]
    pub id: Option<SecretId>,
    /// What the unit calls it, or is to call it from now on if `id` says which.
    #[serde(default)]
    pub label: Option<String>,
    /// Which revision.
    pub how: SecretHow,
}

/// Which revision a unit wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretHow {
    /// The one that it tracks; the first time the newest, which it then tracks.
    Tracked,
    /// The newest, which it then tracks.
    Refresh,
    /// The newest; what it tracks stays.
    Peek,
}

/// What a unit may read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SecretFound {
    /// The secret.
    pub id: SecretId,
    /// The revision.
    pub revision: u32,
}
