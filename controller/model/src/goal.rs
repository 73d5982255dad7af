//! What one machine should make true.
//!
//! A goal is complete: whoever has it needs no earlier one. It carries versions of settings, not
//! the settings: before a run the agent fetches those that it lacks, in one request
//! ([`Snapshot`]). What is missing from a goal is not thereby removed: only an explicit `dying`
//! removes (reliability document, R7).

mod build;
pub mod relation;
mod snapshot;

use std::collections::{BTreeMap, BTreeSet};

use muster_charms::{OptionValue, Scope, StorageKind};
use muster_resources::Digest;
use serde::{Deserialize, Serialize};

pub use build::{effective, settings};
pub use snapshot::{Snapshot, SnapshotRequest};

use crate::effects::{OpenPort, Settings};
use crate::life::Life;
use crate::name::{
    ApplicationName, CharmUrl, EndpointName, MachineId, Member, ModelId, ModelName, OptionName,
    RelationId, ResourceName, Role, StorageId, TaskId, UnitName,
};
use crate::record::{Address, Provider, Resolve, TaskKind};
use crate::version::{Revision, Seq, Version};

/// What one machine should make true, as of one revision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Goal {
    /// As of which revision.
    pub revision: Revision,
    /// The model's id.
    pub model: ModelId,
    /// The model's name.
    pub model_name: ModelName,
    /// The machine.
    pub machine: MachineId,
    /// Whether the machine is wanted. Dying, without units and with nothing to
    /// discard: the agent reports `MachineDone`.
    pub life: Life,
    /// Whether the machine's units go without running their hooks.
    #[serde(default)]
    pub force: bool,
    /// The machine's addresses as the model knows them, best first.
    #[serde(default)]
    pub addresses: Vec<Address>,
    /// How the model is set.
    pub settings: ModelSettings,
    /// The units that live there.
    pub units: BTreeMap<UnitName, UnitGoal>,
    /// Storage of no unit whose data is to be destroyed; what is not named here is left alone (R14).
    #[serde(default)]
    pub discard: BTreeSet<StorageId>,
    /// Tasks on the machine itself, in order.
    #[serde(default)]
    pub tasks: Vec<TaskGoal>,
}

impl Goal {
    /// The unit that has a storage, if one of this machine has it.
    #[must_use]
    pub fn holder(&self, storage: &StorageId) -> Option<&UnitName> {
        let mut units = self.units.iter();
        units.find(|(_, unit)| unit.storage.contains_key(storage)).map(|(name, _)| name)
    }
}

/// How a model is set, as far as agents care.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ModelSettings {
    /// Whether failed hooks run again by themselves.
    pub retry_hooks: bool,
    /// How often `update-status` runs, in milliseconds.
    pub update_status_ms: u64,
    /// Whether the machine's units may run hooks side by side.
    pub parallel_hooks: bool,
    /// From which networks the model's traffic comes, if the operator said so; comma-separated.
    #[serde(default)]
    pub egress_subnets: String,
    /// Proxies by the name of the model's option (`http-proxy`, `juju-http-proxy`, …); only those
    /// that are set.
    #[serde(default)]
    pub proxies: BTreeMap<String, String>,
}

/// What one unit should be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct UnitGoal {
    /// Whether it is wanted.
    pub life: Life,
    /// Once dying: whether it goes without running its hooks.
    #[serde(default)]
    pub force: bool,
    /// For subordinates: whom it lives beside.
    #[serde(default)]
    pub principal: Option<UnitName>,
    /// The subordinates that live beside it; it is not gone before they are.
    #[serde(default)]
    pub subordinates: BTreeSet<UnitName>,
    /// The last report that the controller took.
    pub seq: Seq,
    /// The charm that it should run.
    pub charm: CharmGoal,
    /// The application's configuration, with the charm's defaults filled in; options without a
    /// value are absent.
    #[serde(default)]
    pub config: BTreeMap<OptionName, OptionValue>,
    /// Whether the application may have the cloud's credentials.
    #[serde(default)]
    pub trust: bool,
    /// Whether it leads its application, as the records say. What it may claim is bounded by the
    /// lease that comes beside the goal.
    #[serde(default)]
    pub leader: bool,
    /// The version of the leader's settings.
    #[serde(default)]
    pub leader_settings: Version,
    /// The relations that it sees.
    #[serde(default)]
    pub relations: BTreeMap<RelationId, RelationGoal>,
    /// The storage that it has.
    #[serde(default)]
    pub storage: BTreeMap<StorageId, StorageGoal>,
    /// The charm's resources; those that were given.
    #[serde(default)]
    pub resources: BTreeMap<ResourceName, ResourceGoal>,
    /// Tasks that it has still to run, in order.
    #[serde(default)]
    pub tasks: Vec<TaskGoal>,
    /// The operator's last answer to a failed hook.
    #[serde(default)]
    pub resolve: Option<Resolve>,
    /// Ports that it has opened, as the model knows them.
    #[serde(default)]
    pub ports: BTreeSet<OpenPort>,
    /// Spaces of endpoints.
    #[serde(default)]
    pub bindings: BTreeMap<EndpointName, String>,
    /// What its machine must have: cores, and memory in MiB. Charms size daemons by it.
    #[serde(default)]
    pub cores: Option<u32>,
    /// See `cores`.
    #[serde(default)]
    pub mem_mib: Option<u64>,
}

/// The charm that a unit should run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CharmGoal {
    /// What it is called.
    pub url: CharmUrl,
    /// The archive.
    pub digest: Digest,
    /// The application's count of changes to the charm and its resources.
    pub modified: u32,
    /// Whether it also goes to a unit in error.
    #[serde(default)]
    pub forced: bool,
}

/// A relation as one unit sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RelationGoal {
    /// Whether it is wanted.
    pub life: Life,
    /// The local endpoint.
    pub endpoint: EndpointName,
    /// In which role.
    pub role: Role,
    /// Whether only those beside it are members.
    pub scope: Scope,
    /// The application at the other end; the own one for peers.
    pub remote_application: ApplicationName,
    /// The remote units that are in it and stay, with the versions of their databags.
    #[serde(default)]
    pub members: BTreeMap<UnitName, Version>,
    /// The version of the remote application's databag; zero: never written. For peers the own.
    #[serde(default)]
    pub remote_application_version: Version,
    /// The version of the own application's databag. Its change wakes nobody but among peers; a new
    /// leader, who may read it, sees the present one here.
    #[serde(default)]
    pub own_application_version: Version,
    /// Whether this unit is in it, as the controller knows it.
    #[serde(default)]
    pub in_scope: bool,
}

/// A storage that a unit has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StorageGoal {
    /// Dying: to be taken from the unit after its hook.
    pub life: Life,
    /// Whether its data is destroyed once it was taken.
    #[serde(default)]
    pub destroy: bool,
    /// Once dying: whether it goes also where its hook cannot run, or fails.
    #[serde(default)]
    pub force: bool,
    /// Whether some unit had it ready once: then it holds data, and is never made anew (R14).
    #[serde(default)]
    pub created: bool,
    /// A file system or a device.
    pub kind: StorageKind,
    /// How it is made.
    pub provider: Provider,
    /// The size in MiB.
    pub size_mib: u64,
    /// Where to mount it; empty for devices.
    #[serde(default)]
    pub location: String,
    /// Whether it is mounted read-only.
    #[serde(default)]
    pub read_only: bool,
}

/// A resource that was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ResourceGoal {
    /// The bytes.
    pub digest: Digest,
    /// How many.
    pub size: u64,
    /// The file name that the charm declares.
    pub filename: String,
    /// Counts the files given.
    pub revision: u32,
}

/// A task to run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TaskGoal {
    /// Its number.
    pub id: TaskId,
    /// What runs.
    pub kind: TaskKind,
    /// Whether it need not wait for the machine's lock.
    #[serde(default)]
    pub parallel: bool,
    /// The lock that it takes in place of the machine's.
    #[serde(default)]
    pub execution_group: String,
    /// Whether it is to be ended.
    #[serde(default)]
    pub cancel: bool,
}

/// A member's settings at a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Bag {
    /// The relation.
    pub relation: RelationId,
    /// Whose.
    pub member: Member,
    /// The version.
    pub version: Version,
    /// The settings.
    pub settings: Settings,
}
