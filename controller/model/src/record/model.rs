//! A model itself, and the numbers it gives out.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::ModelAccess;
use crate::constraints::Constraints;
use crate::life::Life;
use crate::name::{ApplicationName, CloudName, MachineId, ModelId, ModelName, UserName};
use crate::time::Timestamp;

/// A model. Its configuration concerns every agent in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ModelInfo {
    /// Its id for life.
    pub id: ModelId,
    /// Its short name, unique for the owner.
    pub name: ModelName,
    /// Who made it.
    pub owner: UserName,
    /// Whether it is wanted.
    #[serde(default)]
    pub life: Life,
    /// Where its machines are made.
    pub cloud: CloudName,
    /// When it was made.
    pub created: Timestamp,
    /// Values of the options in [`model_config`](crate::model_config) that differ from the defaults.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub config: BTreeMap<String, String>,
    /// What every machine must have unless its application says otherwise.
    #[serde(default)]
    pub constraints: Constraints,
    /// Who may do what, beside superusers. The owner is an admin by this entry alone.
    #[serde(default)]
    pub access: BTreeMap<UserName, ModelAccess>,
    /// Once it is dying: what becomes of its storage. None, while alive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destroy_storage: Option<bool>,
    /// Once it is dying: whether everything goes without waiting for hooks.
    #[serde(default)]
    pub force: bool,
}

/// From an owner's short name to the model, so that the name is unique.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ModelIndex {
    /// The owner.
    pub owner: UserName,
    /// The short name.
    pub name: ModelName,
    /// Which model it is.
    pub model: ModelId,
}

/// The next free numbers of a model; none is ever given twice, also not after a removal.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Counters {
    /// The next machine.
    pub machine: u32,
    /// The next relation.
    pub relation: u32,
    /// The next operation or task; the first is 1.
    pub task: u32,
    /// The next storage instance.
    pub storage: u32,
    /// The next revision of a local charm of each name; the first is 0.
    pub charm: BTreeMap<ApplicationName, u32>,
    /// The next unit of each application name.
    pub unit: BTreeMap<ApplicationName, u32>,
    /// How many applications there are.
    pub applications: u32,
    /// How many machines there are.
    pub machines: u32,
    /// How many storage instances there are.
    pub storages: u32,
    /// Machines that an operator added and on which no unit was ever placed.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub free: BTreeSet<MachineId>,
}
