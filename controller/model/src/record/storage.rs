//! Storage: instances, whom they belong to, and what was really made.

use std::collections::BTreeMap;

use muster_charms::StorageKind;
use serde::{Deserialize, Serialize};

use crate::life::Life;
use crate::name::{MachineId, PoolName, StorageId, UnitName};
use crate::status::{Status, StorageState};
use crate::time::Timestamp;

/// A way of making storage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StoragePool {
    /// Its name.
    pub name: PoolName,
    /// What makes it.
    pub provider: Provider,
    /// Settings for the provider.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
}

/// What makes storage on a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// A directory on the root file system; no limit of size.
    Rootfs,
    /// Memory; gone at reboot.
    Tmpfs,
    /// A sparse file behind a loop device: ext4 for file systems, the device for block storage.
    Loop,
}

/// One instance. Its unit's agent looks again when this changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Storage {
    /// Its id.
    pub id: StorageId,
    /// Whether it is wanted. Dying: to be destroyed once no unit has it.
    #[serde(default)]
    pub life: Life,
    /// A file system or a device.
    pub kind: StorageKind,
    /// How it is made.
    pub provider: Provider,
    /// Which pool the operator named.
    pub pool: PoolName,
    /// Its size in MiB.
    pub size_mib: u64,
    /// Whether it is mounted read-only.
    #[serde(default)]
    pub read_only: bool,
    /// The machine that holds its data, once a unit was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<MachineId>,
    /// The unit that has it; none, if it is kept for another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attachment: Option<Attachment>,
    /// Once to be taken from its unit: whether that waits for no hook that fails or cannot run. Once dying
    /// and of no unit: whether it waits for no machine that is not heard.
    #[serde(default)]
    pub force: bool,
    /// When it was asked for.
    pub created: Timestamp,
}

/// A unit that has a storage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Attachment {
    /// The unit.
    pub unit: UnitName,
    /// Dying: to be taken from the unit, after its hook.
    #[serde(default)]
    pub life: Life,
    /// Where the charm finds it: the mount point, by the rule of the hook contract, section 1.8.
    /// Empty for devices.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub location: String,
}

/// What was really made of a storage, as the agent reports. Wakes nobody.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StorageFacts {
    /// The instance.
    pub storage: StorageId,
    /// Where it stands, with the reason if it cannot go on.
    pub status: Status<StorageState>,
    /// Where the charm finds it: mount point or device; empty before it is there.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub location: String,
    /// What the provider calls it (the backing file).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub provider_id: String,
}
