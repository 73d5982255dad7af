//! What it takes to make an application, and to give it another charm.

use std::collections::BTreeMap;

use muster_charms::{Base, Charm, StorageDirective};
use muster_resources::Digest;
use serde::{Deserialize, Serialize};

use crate::constraints::Constraints;
use crate::name::{
    ApplicationName, CharmUrl, EndpointName, OptionName, ResourceName, StorageId, StorageName,
};
use crate::record::Placement;

/// A charm to make known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct AddCharm {
    /// The archive's bytes, which the controller has.
    pub digest: Digest,
    /// How many.
    pub size: u64,
    /// What its files say, read by the server from the verified bytes; never taken from a client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charm: Option<Box<Charm>>,
}

/// An application to make.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Deploy {
    /// Its name.
    pub application: ApplicationName,
    /// Its charm, which the model knows.
    pub charm: CharmUrl,
    /// The channel that the operator named.
    #[serde(default)]
    pub channel: Option<String>,
    /// Where each unit goes; its length is the number of units.
    #[serde(default)]
    pub placements: Vec<Placement>,
    /// Options, as text.
    #[serde(default)]
    pub config: BTreeMap<OptionName, String>,
    /// Whether it may have the cloud's credentials.
    #[serde(default)]
    pub trust: bool,
    /// What its machines must have.
    #[serde(default)]
    pub constraints: Constraints,
    /// The base of its machines; none: chosen from the charm's and the model's.
    #[serde(default)]
    pub base: Option<Base>,
    /// How each storage is made.
    #[serde(default)]
    pub storage: BTreeMap<StorageName, StorageDirective>,
    /// Kept storage for its one unit.
    #[serde(default)]
    pub attach_storage: Vec<StorageId>,
    /// Files.
    #[serde(default)]
    pub resources: BTreeMap<ResourceName, ResourceFile>,
    /// Spaces of endpoints.
    #[serde(default)]
    pub bindings: BTreeMap<EndpointName, String>,
    /// Also on a base that the charm does not name.
    #[serde(default)]
    pub force: bool,
}

/// Another charm, resources or settings for an application.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Refresh {
    /// The application.
    pub application: ApplicationName,
    /// The new charm, which the model knows; none keeps the present one.
    pub charm: Option<CharmUrl>,
    /// The channel that the operator named.
    #[serde(default)]
    pub channel: Option<String>,
    /// The base of new machines from now on; none leaves it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Base>,
    /// Spaces of endpoints, over those that stand.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub bindings: BTreeMap<EndpointName, String>,
    /// Options, as text.
    #[serde(default)]
    pub config: BTreeMap<OptionName, String>,
    /// How storage that is new in the charm is made.
    #[serde(default)]
    pub storage: BTreeMap<StorageName, StorageDirective>,
    /// Files.
    #[serde(default)]
    pub resources: BTreeMap<ResourceName, ResourceFile>,
    /// Also to units in error.
    #[serde(default)]
    pub force_units: bool,
    /// Also to a base that the charm does not name.
    #[serde(default)]
    pub force_base: bool,
}

impl Refresh {
    /// A refresh of an application that changes nothing yet.
    #[must_use]
    pub fn of(application: ApplicationName) -> Refresh {
        Refresh {
            application,
            charm: None,
            channel: None,
            base: None,
            bindings: BTreeMap::new(),
            config: BTreeMap::new(),
            storage: BTreeMap::new(),
            resources: BTreeMap::new(),
            force_units: false,
            force_base: false,
        }
    }
}

/// A file for a resource: bytes that the controller has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ResourceFile {
    /// The bytes.
    pub digest: Digest,
    /// How many.
    pub size: u64,
    /// What the file was called where it came from.
    pub origin_name: String,
}
