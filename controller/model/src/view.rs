//! What people are shown of a model: plain values made from the records.
//!
//! The shapes that scripts read are the CLI's (`cli/src/shape`), made from these; there is no third
//! set. A view holds records as they are, joined with what follows from them (whether a unit is
//! settled, whether its agent is heard), so that nobody has to derive it twice.

mod build;
mod uptake;
mod wait;

use std::collections::{BTreeMap, BTreeSet};

use muster_charms::secret::SecretId;
use serde::{Deserialize, Serialize};

pub use uptake::{has_taken, uptake};
pub use wait::{Condition, Wait, WaitAnswer, holds};

use crate::name::{
    ApplicationName, CharmUrl, MachineId, ModelId, OperationId, PoolName, RelationId, ResourceName,
    StorageId, TaskId, UnitName,
};
use crate::record::{
    Application, ApplicationStatus, Databag, InstanceRecord, LeaderSettings, Machine, MachineFacts,
    ModelInfo, Operation, Relation, Resource, Scale, Secret, Storage, StorageFacts, StoragePool,
    Task, TaskLog, TaskResult, Unit, UnitProgress,
};
use crate::status::{Agent, MachineAgent, Status, Workload};
use crate::version::Revision;

/// What a caller wants to see of a model. Status is always there; the rest is asked for, since it
/// can be large.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct ViewRequest {
    /// Storage instances and pools.
    pub storage: bool,
    /// Resources.
    pub resources: bool,
    /// Secrets, without their contents.
    pub secrets: bool,
    /// Databags and leader's settings.
    pub settings: bool,
    /// Operations and tasks, newest first, at most so many operations.
    pub operations: u32,
    /// This task, its log and its operation, whatever `operations` says.
    pub task: Option<u32>,
    /// What the charms declare: options, actions, endpoints.
    pub charms: bool,
    /// The keys of SSH.
    pub ssh_keys: bool,
    /// Only these applications, comma-separated, with what belongs to them; empty is all.
    pub applications: String,
}

/// A model, as far as it was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ModelView {
    /// As of which revision.
    pub revision: Revision,
    /// The model.
    pub info: ModelInfo,
    /// Whether everything in it is settled.
    pub settled: bool,
    /// Its applications.
    pub applications: BTreeMap<ApplicationName, ApplicationView>,
    /// Its machines.
    pub machines: BTreeMap<MachineId, MachineView>,
    /// Its relations.
    pub relations: BTreeMap<RelationId, RelationView>,
    /// Its storage, if asked for.
    #[serde(default)]
    pub storage: BTreeMap<StorageId, StorageView>,
    /// Its pools, if storage was asked for.
    #[serde(default)]
    pub storage_pools: BTreeMap<PoolName, StoragePool>,
    /// Its resources, if asked for.
    #[serde(default)]
    pub resources: Vec<Resource>,
    /// Its secrets, if asked for; never what they hold.
    #[serde(default)]
    pub secrets: BTreeMap<SecretId, Secret>,
    /// Its operations, if asked for.
    #[serde(default)]
    pub operations: BTreeMap<OperationId, Operation>,
    /// Its tasks, if asked for.
    #[serde(default)]
    pub tasks: BTreeMap<TaskId, TaskView>,
    /// What the charms of the applications declare, if asked for.
    #[serde(default)]
    pub charms: BTreeMap<CharmUrl, muster_charms::Charm>,
    /// The keys that let their bearers in on its machines, if asked for.
    #[serde(default)]
    pub ssh_keys: Vec<crate::ssh_key::SshKey>,
}

/// An application.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ApplicationView {
    /// What the operator said of it.
    pub application: Application,
    /// How many units it has and waits for.
    pub scale: Scale,
    /// What the leader said, and what it runs.
    #[serde(default)]
    pub stated: Option<ApplicationStatus>,
    /// Its status as it is shown: the leader's word, else the most severe of its units.
    pub status: Status<Workload>,
    /// Its charm's version text.
    #[serde(default)]
    pub charm_version: String,
    /// Whether it and all of its units are settled.
    pub settled: bool,
    /// Its units.
    pub units: BTreeMap<UnitName, UnitView>,
    /// The leader's settings, if asked for.
    #[serde(default)]
    pub leader_settings: Option<LeaderSettings>,
}

/// A unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct UnitView {
    /// What is wanted of it.
    pub unit: Unit,
    /// How far it is.
    pub progress: UnitProgress,
    /// Its workload's status as it is shown: an error while a hook fails, unknown while it is lost.
    pub workload: Status<Workload>,
    /// What its agent does as it is shown: executing while it runs something, lost while silent.
    pub agent: Status<Agent>,
    /// Whether it leads.
    pub leader: bool,
    /// Its machine's address, best first.
    #[serde(default)]
    pub address: Option<std::net::IpAddr>,
    /// Whether it has nothing to do as of the last change that concerns it.
    pub settled: bool,
    /// What it waits for, if it is not settled: a sentence.
    #[serde(default)]
    pub waits_for: String,
}

/// A machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct MachineView {
    /// What is wanted of it.
    pub machine: Machine,
    /// What its agent says of it; none before it has spoken.
    #[serde(default)]
    pub facts: Option<MachineFacts>,
    /// What the substrate says of it.
    #[serde(default)]
    pub instance: Option<InstanceRecord>,
    /// Its agent's status as it is shown.
    pub agent: Status<MachineAgent>,
    /// The units that live there.
    #[serde(default)]
    pub units: Vec<UnitName>,
    /// Storage that it keeps and that no unit has: for it the machine stays.
    #[serde(default)]
    pub holds: Vec<StorageId>,
}

/// A relation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RelationView {
    /// The relation.
    pub relation: Relation,
    /// Units in it.
    pub members: u32,
    /// Its databags, if settings were asked for.
    #[serde(default)]
    pub bags: Vec<Databag>,
}

/// A storage instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StorageView {
    /// What is wanted.
    pub storage: Storage,
    /// What was made of it.
    #[serde(default)]
    pub facts: Option<StorageFacts>,
}

/// A task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TaskView {
    /// What was asked.
    pub task: Task,
    /// What came of it.
    pub result: TaskResult,
    /// What it logged.
    #[serde(default)]
    pub log: Option<TaskLog>,
    /// How many tasks stand before it in its target's queue, while it is pending.
    #[serde(default)]
    pub queue_position: Option<u32>,
}

/// A model in a list of models.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ModelSummary {
    /// The model.
    pub info: ModelInfo,
    /// What the caller may do to it.
    pub access: crate::record::ModelAccess,
    /// Machines, cores they have, units.
    pub machines: u32,
    /// See `machines`.
    pub cores: u32,
    /// See `machines`.
    pub units: u32,
}

/// Something that is not as it must be, for `muster doctor`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Finding {
    /// Which invariant (`I1` … `I20`).
    pub invariant: String,
    /// What is wrong, with names.
    pub what: String,
}

/// What is heard of machines at the moment; beside the records, since it is never kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Machines that are silent, and since when.
    pub silent: BTreeMap<(ModelId, MachineId), crate::Timestamp>,
    /// Those of them that are silent for longer than a [lease](crate::upkeep::LEASE): measured by
    /// whoever listens on a clock that does not jump, so that no jump of the wall clock takes a lead
    /// away (R11).
    pub lapsed: BTreeSet<(ModelId, MachineId)>,
    /// What units run at the moment, and since when.
    pub executing: BTreeMap<(ModelId, UnitName), (String, crate::Timestamp)>,
}

/// The name of a resource, for lists.
pub type ResourceKey = (ApplicationName, ResourceName);
