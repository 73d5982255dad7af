//! What a command answers.

use serde::{Deserialize, Serialize};

use crate::name::{
    ApplicationName, CharmUrl, MachineId, ModelId, OperationId, RelationId, StorageId, TaskId,
    UnitName,
};
use crate::record::{OfferedBase, TaskTarget};
use crate::version::Revision;

/// The answer to a command that was taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Reply {
    /// The revision at which it holds.
    pub revision: Revision,
    /// Whether it changed anything.
    pub changed: bool,
    /// What was made or found.
    pub outcome: Outcome,
}

/// What a command made or found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Nothing to say but that it was done.
    Done,
    /// A model.
    Model(ModelId),
    /// A charm, made known or known before.
    Charm(CharmUrl),
    /// An application and how many units it will have.
    Application {
        /// Its name.
        name: ApplicationName,
        /// Units that will be made.
        units: u32,
        /// Of one that was deployed: the base that was chosen.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        base: Option<OfferedBase>,
    },
    /// A relation.
    Relation {
        /// Its number.
        id: RelationId,
        /// What it connects, as people write it.
        key: String,
    },
    /// Machines.
    Machines(Vec<MachineId>),
    /// Storage.
    Storage(Vec<StorageId>),
    /// An operation with its tasks; targets that do not exist are named, not failed.
    Operation {
        /// Its number.
        id: OperationId,
        /// Its tasks and where each runs.
        tasks: Vec<(TaskId, TaskTarget)>,
        /// Targets that were not found, as they were written.
        missing: Vec<String>,
    },
    /// What a removal takes down.
    Removal(Removal),
    /// Who an agent is, once it has enrolled.
    Enrolled {
        /// The machine's model.
        model: ModelId,
        /// The machine.
        machine: MachineId,
    },
}

/// What a removal takes down.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Removal {
    /// Applications.
    pub applications: Vec<ApplicationName>,
    /// Units.
    pub units: Vec<UnitName>,
    /// Machines.
    pub machines: Vec<MachineId>,
    /// Relations, as people write them.
    pub relations: Vec<String>,
    /// Storage whose data goes.
    pub destroyed_storage: Vec<StorageId>,
    /// Storage that is kept.
    pub detached_storage: Vec<StorageId>,
    /// Of that, what Muster will know nothing of any more, with where its data lies (empty if that is
    /// not known).
    pub left: Vec<(StorageId, String)>,
}
