//! `metadata.yaml`: what a charm says of itself (hook contract, section 1.2).

mod read;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::assumes::Assumption;
use crate::endpoint::Endpoint;
use crate::is_default;
use crate::name::{ApplicationName, EndpointName, ResourceName, StorageName};
use crate::resource::ResourceSpec;
use crate::storage::StorageSpec;
use crate::version::Version;

pub(crate) use read::{V1_KEYS, V2_KEYS, read};

/// What `metadata.yaml` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Metadata {
    /// The charm's name.
    pub name: ApplicationName,
    /// One line for people.
    pub summary: String,
    /// More for people.
    pub description: String,
    /// What it declares under `provides`, `requires` and `peers`; names are unique over all three.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub endpoints: BTreeMap<EndpointName, Endpoint>,
    /// Further names that an address can be bound to; none is the name of an endpoint.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub extra_bindings: BTreeSet<EndpointName>,
    /// Whether its units live beside those of a principal.
    #[serde(default, skip_serializing_if = "is_default")]
    pub subordinate: bool,
    /// What it stores on.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub storage: BTreeMap<StorageName, StorageSpec>,
    /// What it is given beside its own files.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub resources: BTreeMap<ResourceName, ResourceSpec>,
    /// The payloads that `payload-register` may name, with their types.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub payloads: BTreeMap<String, String>,
    /// Devices; no machine acts on them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub devices: BTreeMap<String, Device>,
    /// What must hold where it is deployed; all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub assumes: Vec<Assumption>,
    /// Terms to agree to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub terms: Vec<String>,
    /// The least version of the agent, of format v1 only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_juju_version: Option<Version>,
    /// The series it runs on (`focal`, …), of format v1 only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub series: Vec<String>,
    /// The names of its containers; a charm that has any runs on no machine.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub containers: BTreeSet<String>,
    /// As whom it wants to run; machines run it as root whatever it says.
    #[serde(default, skip_serializing_if = "is_default")]
    pub charm_user: CharmUser,
    /// Informational.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<String>,
    /// Informational.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

/// A device that a charm asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Device {
    /// Such as `gpu`.
    #[serde(rename = "type")]
    pub kind: String,
    /// For people.
    #[serde(default, skip_serializing_if = "is_default")]
    pub description: String,
    /// At least so many.
    pub countmin: u32,
    /// At most so many; not less than `countmin`.
    pub countmax: u32,
}

/// As whom a charm wants its hooks to run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CharmUser {
    /// As root.
    #[default]
    Root,
    /// As one who may become root.
    Sudoer,
    /// As one who may not.
    NonRoot,
}

impl Metadata {
    /// The metadata of a charm that says nothing but its name.
    #[must_use]
    pub fn new(name: ApplicationName) -> Self {
        Metadata {
            name,
            summary: String::new(),
            description: String::new(),
            endpoints: BTreeMap::new(),
            extra_bindings: BTreeSet::new(),
            subordinate: false,
            storage: BTreeMap::new(),
            resources: BTreeMap::new(),
            payloads: BTreeMap::new(),
            devices: BTreeMap::new(),
            assumes: Vec::new(),
            terms: Vec::new(),
            min_juju_version: None,
            series: Vec::new(),
            containers: BTreeSet::new(),
            charm_user: CharmUser::Root,
            categories: Vec::new(),
            tags: Vec::new(),
        }
    }
}
