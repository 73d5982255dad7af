//! What an agent fetches before a run: the settings that it lacks, in one answer.

use serde::{Deserialize, Serialize};

use crate::effects::Settings;
use crate::goal::Bag;
use crate::name::{Member, RelationId, UnitName};
use crate::version::{Revision, Version};

/// What an agent has already, so that only the rest is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SnapshotRequest {
    /// Bags with the versions that it has. Those of its own relations that are not listed are sent.
    #[serde(default)]
    pub known: Vec<(RelationId, Member, Version)>,
    /// The version of the leader's settings that it has.
    #[serde(default)]
    pub leader_settings: Option<Version>,
    /// The version of the unit's state that it has.
    #[serde(default)]
    pub state: Option<Version>,
    /// Whether it wants `goal-state`.
    #[serde(default)]
    pub goal_state: bool,
}

/// What the agent lacked, as of one revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Snapshot {
    /// As of which revision.
    pub revision: Revision,
    /// The unit.
    pub unit: UnitName,
    /// Bags that are new or have another version: of every member that the unit may read, departed
    /// ones included, its own and its application's.
    pub bags: Vec<Bag>,
    /// The leader's settings, if they have another version.
    #[serde(default)]
    pub leader_settings: Option<(Version, Settings)>,
    /// The unit's state, if it has another version.
    #[serde(default)]
    pub state: Option<(Version, Settings)>,
    /// The workload status that the model has for the unit, and for its application.
    #[serde(default)]
    pub status: Option<serde_json::Value>,
    /// `goal-state`, in the shape of the hook contract, section 6.2.
    #[serde(default)]
    pub goal_state: Option<serde_json::Value>,
}
