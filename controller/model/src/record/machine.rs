//! Machines: what is wanted, who lives there, what the substrate and the agent say.

use std::collections::{BTreeMap, BTreeSet};

use muster_charms::Base;
use serde::{Deserialize, Serialize};

use crate::constraints::Constraints;
use crate::life::Life;
use crate::name::{MachineId, StorageId, UnitName};
use crate::status::{Instance, Status};
use crate::time::Timestamp;

/// What is wanted of a machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Machine {
    /// Its id.
    pub id: MachineId,
    /// Whether it is wanted.
    #[serde(default)]
    pub life: Life,
    /// Whether an operator added it by hand; then it stays when its last unit goes.
    #[serde(default)]
    pub manual: bool,
    /// Whether it is this host itself, and not one that the substrate makes.
    #[serde(default)]
    pub host: bool,
    /// What it must have: the application's over the model's, as of its making.
    #[serde(default)]
    pub constraints: Constraints,
    /// Which base it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Base>,
    /// Once dying: whether it goes without waiting for what lives on it.
    #[serde(default)]
    pub force: bool,
    /// When it was asked for.
    pub created: Timestamp,
}

/// Where a unit should go (CLI contract, section 7.3).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Placement {
    /// A new machine, or one that upkeep finds free.
    #[default]
    Anywhere,
    /// A new machine in any case.
    NewMachine,
    /// This machine.
    Machine(MachineId),
}

/// What a machine is needed for: units that live there, and storage that it keeps. Its agent looks
/// again when this changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Occupancy {
    /// The machine.
    pub machine: MachineId,
    /// Units that live there, in any stage of life: principals and the subordinates beside them.
    #[serde(default)]
    pub units: BTreeSet<UnitName>,
    /// Storage whose data it holds and that no unit has: kept, or, once dying, to be destroyed.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub keeps: BTreeSet<StorageId>,
}

/// What the agent of a machine says of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct MachineFacts {
    /// The machine.
    pub machine: MachineId,
    /// Its host name.
    pub hostname: String,
    /// Its addresses, best first: no loopback, no link-local ones.
    #[serde(default)]
    pub addresses: Vec<Address>,
    /// What it has.
    #[serde(default)]
    pub hardware: Hardware,
    /// What it runs, such as `debian@12`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Base>,
    /// The kernel's id for the present boot.
    pub boot_id: String,
    /// The version of the agent.
    pub agent_version: String,
    /// Why the agent cannot go on; empty if it can.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub trouble: String,
}

/// One address of a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Address {
    /// The address itself.
    pub value: std::net::IpAddr,
    /// The network it is in, such as `10.97.0.0/24`.
    pub cidr: String,
    /// The interface that has it.
    pub interface: String,
    /// The interface's hardware address.
    pub mac: String,
}

/// What a machine has, as the kernel and its limits say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Hardware {
    /// `amd64` and so on.
    pub arch: String,
    /// Cores that it may use.
    pub cores: u32,
    /// Memory that it may use, in MiB.
    pub mem_mib: u64,
    /// Size of the file system of its root, in MiB.
    pub root_disk_mib: u64,
}

/// What the substrate says of a machine. Written by the controller that provisions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct InstanceRecord {
    /// The machine.
    pub machine: MachineId,
    /// What the substrate calls it; none before it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Where it stands.
    pub status: Status<Instance>,
    /// Its address as the substrate gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<std::net::IpAddr>,
    /// Whether each limit of the constraints is enforced, by its key (`cores`, `mem`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, Limit>,
    /// How often making it failed in a row.
    #[serde(default)]
    pub failures: u32,
    /// Whether the substrate has let go of everything of it.
    #[serde(default)]
    pub gone: bool,
}

/// Whether a limit is enforced; read back, never assumed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Limit {
    /// It is.
    Enforced,
    /// It is not, and why.
    NotEnforced(String),
}
