//! Charms that a model knows.

use muster_charms::Charm;
use muster_resources::Digest;
use serde::{Deserialize, Serialize};

use crate::name::CharmUrl;
use crate::time::Timestamp;

/// One revision of a charm; never changed, so that what was checked is what is used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CharmRecord {
    /// What it is called in the model.
    pub url: CharmUrl,
    /// The archive's bytes.
    pub digest: Digest,
    /// How many.
    pub size: u64,
    /// What its files say, read from the verified archive.
    pub charm: Charm,
    /// When it was added.
    pub created: Timestamp,
}
