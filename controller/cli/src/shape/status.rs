//! `status` (CLI contract §4.1), `machines` and `show-machine` (§4.10).

mod of;

use std::collections::BTreeMap;

use serde::Serialize;

pub use of::Beside;
pub(crate) use of::{fading, info};

use super::storage::StorageList;
use super::{is_false, is_zero};

/// The whole answer of `status`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Status {
    /// The model.
    pub model: Model,
    /// Machines by id; containers stand inside their hosts.
    pub machines: BTreeMap<String, Machine>,
    /// Applications by name.
    pub applications: BTreeMap<String, Application>,
    /// Remote applications by alias.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub application_endpoints: BTreeMap<String, Remote>,
    /// Offers by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub offers: BTreeMap<String, Offer>,
    /// What `storage` says, when there is any.
    #[serde(skip_serializing_if = "StorageList::is_empty")]
    pub storage: StorageList,
    /// When it was so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub controller: Option<Controller>,
    /// Every relation once, for the table of `--relations`; our own addition.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub integrations: Vec<Integration>,
}

/// When the status was so.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Controller {
    /// `15:04:05+01:00`.
    pub timestamp: String,
}

/// The model's own lines.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Model {
    /// Without its owner.
    pub name: String,
    /// `iaas`.
    #[serde(rename = "type")]
    pub kind: String,
    /// As the client knows it.
    pub controller: String,
    /// Where machines come from.
    pub cloud: String,
    /// The region there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Of the agents.
    pub version: String,
    /// A newer version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upgrade_available: Option<String>,
    /// How the model is.
    pub model_status: Info,
    /// Whether everything that was asked for has been done; our own addition.
    pub settled: Settled,
    /// The revision that all of this is as of; our own addition.
    pub revision: u64,
}

/// Whether somebody has done all that was asked, and what else he waits for.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Settled {
    /// Nothing is left to do.
    pub settled: bool,
    /// One sentence for each thing that is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waiting_on: Vec<String>,
}

/// A status with its message and its time.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Info {
    /// The word (§5).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub current: String,
    /// For people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// The agent's version; only in a juju-status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// `dying` or `dead`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub life: Option<String>,
}

/// An operating system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Base {
    /// `debian`, `ubuntu`.
    pub name: String,
    /// `12`, `24.04`: without `/stable`.
    pub channel: String,
}

/// One machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Machine {
    /// Its agent.
    pub juju_status: Info,
    /// Its own name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// The address to reach it by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns_name: Option<String>,
    /// All its addresses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ip_addresses: Vec<String>,
    /// `pending` until it exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<String>,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// What the substrate says.
    pub machine_status: Info,
    /// Of its profile.
    pub modification_status: Info,
    /// What runs on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<Base>,
    /// By interface.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub network_interfaces: BTreeMap<String, Interface>,
    /// Machines inside it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub containers: BTreeMap<String, Machine>,
    /// What was asked for (§7.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub constraints: Option<String>,
    /// What there is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hardware: Option<String>,
    /// Constraints that the substrate cannot hold to; our own addition.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_enforced: Vec<String>,
    /// Storage that it keeps for the next unit, and stays for; our own addition.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub holds_storage: Vec<String>,
}

/// A network interface of a machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Interface {
    /// Its addresses.
    pub ip_addresses: Vec<String>,
    /// Its hardware address.
    pub mac_address: String,
    /// Whether it carries traffic.
    pub is_up: bool,
    /// The way out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    /// The space it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub space: Option<String>,
}

/// One application.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Application {
    /// `local:name-rev`, or a name.
    pub charm: String,
    /// What runs on its machines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<Base>,
    /// `local` or `charmhub`.
    pub charm_origin: String,
    /// The charm's own name.
    pub charm_name: String,
    /// Its revision.
    pub charm_rev: u32,
    /// Where it was taken from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub charm_channel: Option<String>,
    /// What the charm says of itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub charm_version: Option<String>,
    /// A newer charm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_upgrade_to: Option<String>,
    /// Whether the world may come in.
    pub exposed: bool,
    /// `dying` or `dead`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub life: Option<String>,
    /// How it is (§5).
    pub application_status: Info,
    /// By endpoint.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub relations: BTreeMap<String, Vec<Related>>,
    /// Its principals.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subordinate_to: Vec<String>,
    /// By name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub units: BTreeMap<String, Unit>,
    /// Of the workload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Endpoint to space; key `""` is the default.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub endpoint_bindings: BTreeMap<String, String>,
    /// Our own addition.
    pub settled: Settled,
}

/// The other side of a relation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Related {
    /// The application there; itself, for a peer relation.
    pub related_application: String,
    /// What they speak.
    pub interface: String,
    /// `global` or `container`.
    pub scope: String,
}

/// One unit.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Unit {
    /// What the charm says.
    pub workload_status: Info,
    /// What its agent does.
    pub juju_status: Info,
    /// Only when it leads.
    #[serde(skip_serializing_if = "is_false")]
    pub leader: bool,
    /// The charm it still has while a refresh waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upgrading_from: Option<String>,
    /// Where it lives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// `8080/tcp`, `8000-8010/tcp`, `icmp`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub open_ports: Vec<String>,
    /// How clients reach it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_address: Option<String>,
    /// The same, where callers look who know of no machines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The units that live beside it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub subordinates: BTreeMap<String, Unit>,
    /// Our own addition.
    pub settled: Settled,
}

/// An application of another model.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Remote {
    /// `[ctl:]user/model.offer`.
    pub url: String,
    /// By name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub endpoints: BTreeMap<String, Endpoint>,
    /// `dying` or `dead`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub life: Option<String>,
    /// How it is there.
    pub application_status: Info,
    /// Endpoint to names.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub relations: BTreeMap<String, Vec<String>>,
}

/// An endpoint that is offered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Endpoint {
    /// What it speaks.
    pub interface: String,
    /// `provider` or `requirer`.
    pub role: String,
}

/// An offer to other models.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Offer {
    /// Whose.
    pub application: String,
    /// Its charm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub charm: Option<String>,
    /// Connections that carry data.
    #[serde(skip_serializing_if = "is_zero")]
    pub active_connected_count: u32,
    /// All connections.
    #[serde(skip_serializing_if = "is_zero")]
    pub total_connected_count: u32,
    /// By name.
    pub endpoints: BTreeMap<String, Endpoint>,
}

/// A relation, as the table of `--relations` shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Integration {
    /// Its number.
    pub id: u32,
    /// `application:endpoint`.
    pub provider: String,
    /// `application:endpoint`.
    pub requirer: String,
    /// What they speak.
    pub interface: String,
    /// `regular`, `peer` or `subordinate`.
    #[serde(rename = "type")]
    pub kind: String,
    /// When it is not joined.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// The answer of `machines` and `show-machine`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Machines {
    /// The model's name.
    pub model: String,
    /// By id.
    pub machines: BTreeMap<String, Machine>,
}
