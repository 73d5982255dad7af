//! `storage`, `show-storage`, `storage-pools` (CLI contract §4.6).

mod of;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

pub use of::pools;

use super::status::Info;

/// The answer of `storage`; each part is left out when there is none.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct StorageList {
    /// What charms asked for.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub storage: BTreeMap<String, Storage>,
    /// What they got.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub filesystems: BTreeMap<String, Filesystem>,
    /// What that stands on.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub volumes: BTreeMap<String, Volume>,
}

impl StorageList {
    /// Whether there is none of anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.storage.is_empty() && self.filesystems.is_empty() && self.volumes.is_empty()
    }
}

/// One storage, `name/n`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Storage {
    /// `filesystem` or `block`.
    pub kind: String,
    /// `dying` or `dead`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub life: Option<String>,
    /// Where it stands.
    pub status: Info,
    /// Whether it outlives its unit.
    pub persistent: bool,
    /// Whose it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attachments: Option<UnitAttachments>,
}

/// The units that have a storage.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct UnitAttachments {
    /// By unit.
    pub units: BTreeMap<String, UnitAttachment>,
}

/// Where a unit has it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct UnitAttachment {
    /// The unit's machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// The path there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// `dying` or `dead`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub life: Option<String>,
}

/// A file system, `machine/n` or `n`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Filesystem {
    /// What the provider calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider_id: Option<String>,
    /// What it stands on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume: Option<String>,
    /// Whose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage: Option<String>,
    /// From which pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// MiB.
    pub size: u64,
    /// `dying` or `dead`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub life: Option<String>,
    /// Where it stands.
    pub status: Info,
    /// Who has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attachments: Option<FilesystemAttachments>,
}

/// The machines and units that have a file system.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct FilesystemAttachments {
    /// By machine.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub machines: BTreeMap<String, Mount>,
    /// By unit.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub units: BTreeMap<String, UnitAttachment>,
}

/// Where a machine has it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Mount {
    /// The path.
    pub mount_point: String,
    /// Whether it can be written.
    pub read_only: bool,
    /// `dying` or `dead`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub life: Option<String>,
}

/// A block device.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Volume {
    /// What the provider calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider_id: Option<String>,
    /// Whose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage: Option<String>,
    /// From which pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// MiB.
    pub size: u64,
    /// Whether it outlives its machine.
    pub persistent: bool,
    /// `dying` or `dead`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub life: Option<String>,
    /// Where it stands.
    pub status: Info,
    /// Who has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attachments: Option<VolumeAttachments>,
}

/// The machines and units that have a block device.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct VolumeAttachments {
    /// By machine.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub machines: BTreeMap<String, Device>,
    /// By unit.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub units: BTreeMap<String, UnitAttachment>,
}

/// The device on one machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Device {
    /// Whether it can be written.
    pub read_only: bool,
    /// `loop3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// `dying` or `dead`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub life: Option<String>,
}

/// The answer of `storage-pools`: by name.
pub type Pools = BTreeMap<String, Pool>;

/// A pool.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Pool {
    /// `rootfs`, `tmpfs`, `loop`.
    pub provider: String,
    /// Its settings.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub attrs: BTreeMap<String, Value>,
}
