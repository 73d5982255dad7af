//! Applications: what the operator said of them, how many units they have, who leads.

use std::collections::{BTreeMap, BTreeSet};

use muster_charms::{Base, Cidr, OptionValue, StorageDirective};
use serde::{Deserialize, Serialize};

use super::Placement;
use crate::constraints::Constraints;
use crate::effects::Settings;
use crate::life::Life;
use crate::name::{
    ApplicationName, CharmUrl, EndpointName, OptionName, RelationId, StorageId, StorageName,
    UnitName,
};
use crate::status::{Status, Workload};
use crate::time::Timestamp;
use crate::version::Version;

/// What the operator said of an application. Every unit of it looks again when this changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Application {
    /// Its name.
    pub name: ApplicationName,
    /// Whether it is wanted.
    #[serde(default)]
    pub life: Life,
    /// The charm that its units should run.
    pub charm: CharmUrl,
    /// Counts refreshes and attached resources; a unit whose own number differs upgrades.
    #[serde(default)]
    pub charm_modified: u32,
    /// Whether the present charm also goes to units in error (`refresh --force-units`).
    #[serde(default)]
    pub force_charm: bool,
    /// The channel that the operator named, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// The base of its machines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Base>,
    /// Whether its units live beside another's.
    #[serde(default)]
    pub subordinate: bool,
    /// The options that were set; the others have the charm's defaults.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub config: BTreeMap<OptionName, OptionValue>,
    /// Whether it may have the cloud's credentials.
    #[serde(default)]
    pub trust: bool,
    /// What its machines must have, over the model's.
    #[serde(default)]
    pub constraints: Constraints,
    /// How each storage of the charm is made for new units.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub storage: BTreeMap<StorageName, StorageDirective>,
    /// Space of each endpoint that is not in the default one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub bindings: BTreeMap<EndpointName, String>,
    /// Whether its opened ports may be reached from outside; none is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exposed: Option<Exposure>,
    /// When it was deployed.
    pub created: Timestamp,
}

/// From where an exposed application may be reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Exposure {
    /// The endpoints that are exposed; empty is all.
    pub endpoints: BTreeSet<EndpointName>,
    /// The networks that may reach them; empty is all.
    pub cidrs: BTreeSet<Cidr>,
}

/// How many units an application has and how many it waits for. Concerns no agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Scale {
    /// The application.
    pub application: ApplicationName,
    /// Units that exist, in any stage of life.
    #[serde(default)]
    pub units: u32,
    /// Units that were asked for and that upkeep has still to make, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pending: Vec<PendingUnit>,
    /// Relations that exist, in any stage of life.
    #[serde(default)]
    pub relations: BTreeSet<RelationId>,
    /// Once dying: whether the units' storage is destroyed with them.
    #[serde(default)]
    pub destroy_storage: bool,
    /// Once dying: whether units go without running their hooks.
    #[serde(default)]
    pub force: bool,
}

/// A unit that was asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct PendingUnit {
    /// Where the operator wants it.
    pub placement: Placement,
    /// Kept storage that it takes over.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attach_storage: Vec<StorageId>,
}

/// Who leads an application (hook contract, section 4.7). Changed by upkeep alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Leadership {
    /// The application.
    pub application: ApplicationName,
    /// The unit that leads; none, while there is none to choose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<UnitName>,
    /// Since when.
    pub since: Timestamp,
}

/// The leader's settings (`leader-set`): all units read them, the leader writes them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LeaderSettings {
    /// The application.
    pub application: ApplicationName,
    /// How often they changed.
    #[serde(default)]
    pub version: Version,
    /// The settings.
    #[serde(default)]
    pub settings: Settings,
}

/// What the leader said of the application as a whole, and what it runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ApplicationStatus {
    /// The application.
    pub application: ApplicationName,
    /// Set by `status-set --application`; none, where the units speak for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status<Workload>>,
    /// Set by `application-version-set`; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub workload_version: String,
}
