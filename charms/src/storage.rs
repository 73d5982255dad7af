//! The storages of a charm (hook contract, section 1.8) and the directives that size them
//! (CLI contract, section 7.2).

mod directive;
mod place;
mod read;

use serde::{Deserialize, Serialize};

pub use directive::{BadDirective, MAX_COUNT, MAX_SIZE, PoolName, StorageDirective, parse_size};
pub use place::mount_point;
pub(crate) use read::read;

use crate::is_default;

/// What a storage is to the charm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StorageKind {
    /// A folder that something is mounted on.
    Filesystem,
    /// A device.
    Block,
}

/// How many instances of a storage a unit has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// At least so many; the unit is not ready with fewer.
    pub min: u32,
    /// At most so many; nothing means without bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
}

impl Range {
    /// Exactly one: what a storage without `multiple` has.
    pub const ONE: Range = Range { min: 1, max: Some(1) };

    /// Whether `count` lies in it.
    #[must_use]
    pub fn admits(self, count: u32) -> bool {
        count >= self.min && self.max.is_none_or(|max| count <= max)
    }

    /// Whether there is never more than one instance, so that it can have the location itself.
    #[must_use]
    pub fn is_single(self) -> bool {
        self.max == Some(1)
    }
}

impl Default for Range {
    fn default() -> Self {
        Range::ONE
    }
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.max {
            Some(max) if max == self.min => write!(f, "{max}"),
            Some(max) => write!(f, "{}-{max}", self.min),
            None => write!(f, "{}+", self.min),
        }
    }
}

/// A storage as a charm declares it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StorageSpec {
    /// A folder or a device.
    #[serde(rename = "type")]
    pub kind: StorageKind,
    /// For people.
    #[serde(default, skip_serializing_if = "is_default")]
    pub description: String,
    /// How many instances a unit has.
    #[serde(default, skip_serializing_if = "is_default")]
    pub count: Range,
    /// The least size of an instance, in MiB; 0 where the charm says none.
    #[serde(default, skip_serializing_if = "is_default", rename = "minimum-size-mib")]
    pub minimum_size: u64,
    /// Where it is mounted, of a file system only; see [`mount_point`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Whether the unit may only read it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub read_only: bool,
    /// Whether all units of the application have the same one.
    #[serde(default, skip_serializing_if = "is_default")]
    pub shared: bool,
    /// Whether its content may be lost when the machine goes down (`properties: [transient]`).
    #[serde(default, skip_serializing_if = "is_default")]
    pub transient: bool,
}

impl StorageSpec {
    /// A storage of which a unit has exactly one, with nothing else said.
    #[must_use]
    pub fn new(kind: StorageKind) -> Self {
        StorageSpec {
            kind,
            description: String::new(),
            count: Range::ONE,
            minimum_size: 0,
            location: None,
            read_only: false,
            shared: false,
            transient: false,
        }
    }
}
