//! The shapes of status, made from the model's view.

use std::collections::BTreeMap;

use muster_charms::Scope;
use muster_model::life::Life;
use muster_model::name::{ApplicationName, UnitName};
use muster_model::record::{Limit, Relation};
use muster_model::status::{Agent, Instance};
use muster_model::view::{ApplicationView, MachineView, ModelView, UnitView};
use muster_model::{Timestamp, status as words};

use super::{
    Application, Base, Controller, Info, Integration, Interface, Machine, Machines, Model, Related,
    Settled, Status, Unit,
};
use crate::clock::Zone;
use crate::shape::storage::StorageList;

/// What the view does not know and the shape says.
pub struct Beside<'a> {
    /// What the client calls the controller.
    pub controller: &'a str,
    /// Which clock people read.
    pub zone: &'a Zone,
    /// When it was so.
    pub now: Timestamp,
    /// The version of the agents, as the contract has it.
    pub version: &'a str,
}

/// `dying` or `dead`, and nothing of the living.
pub(crate) fn fading(life: Life) -> Option<String> {
    (!life.is_alive()).then(|| life.to_string())
}

/// A status as the shapes have it.
pub(crate) fn info<W: std::fmt::Display>(status: &words::Status<W>, zone: &Zone) -> Info {
    Info {
        current: status.value.to_string(),
        message: status.message.clone(),
        since: Some(zone.status(status.since)),
        ..Info::default()
    }
}

/// A base as the shapes have it: its channel without `/stable`.
fn base(base: &muster_charms::Base) -> Base {
    let (name, channel) = match base.to_string().split_once('@') {
        Some((name, channel)) => (name.to_owned(), channel.to_owned()),
        None => (base.to_string(), String::new()),
    };
    let channel = channel.strip_suffix("/stable").unwrap_or(&channel).to_owned();
    Base { name, channel }
}

impl Status {
    /// The status of a model.
    #[must_use]
    pub fn of(view: &ModelView, beside: &Beside<'_>) -> Status {
        let zone = beside.zone;
        let (word, message) = match view.info.life {
            Life::Alive => ("available", ""),
            Life::Dying | Life::Dead => ("destroying", "attempting to destroy the model"),
        };
        let waiting: Vec<String> = view
            .applications
            .values()
            .flat_map(|application| &application.units)
            .filter(|(_, unit)| !unit.settled)
            .map(|(name, unit)| format!("{name}: {}", unit.waits_for))
            .take(20)
            .collect();
        let model = Model {
            name: view.info.name.to_string(),
            kind: "iaas".to_owned(),
            controller: beside.controller.to_owned(),
            cloud: view.info.cloud.to_string(),
            version: beside.version.to_owned(),
            model_status: Info {
                current: word.to_owned(),
                message: message.to_owned(),
                since: Some(zone.status(view.info.created)),
                ..Info::default()
            },
            settled: Settled { settled: view.settled, waiting_on: waiting },
            revision: view.revision.0,
            ..Model::default()
        };
        let machines = view.machines.iter();
        let machines = machines.map(|(id, m)| (id.to_string(), Machine::of(m, zone))).collect();
        let all: BTreeMap<&UnitName, &UnitView> =
            view.applications.values().flat_map(|application| &application.units).collect();
        let applications = view.applications.iter();
        let applications = applications
            .map(|(name, app)| (name.to_string(), Application::of(name, app, view, &all, zone)))
            .collect();
        Status {
            model,
            machines,
            applications,
            storage: StorageList::of(view, zone),
            controller: Some(Controller { timestamp: zone.clock(beside.now) }),
            integrations: view.relations.values().map(|r| integration(&r.relation)).collect(),
            ..Status::default()
        }
    }
}

impl Machines {
    /// The machines of a model.
    #[must_use]
    pub fn of(view: &ModelView, zone: &Zone) -> Machines {
        let machines = view.machines.iter();
        Machines {
            model: view.info.name.to_string(),
            machines: machines.map(|(id, m)| (id.to_string(), Machine::of(m, zone))).collect(),
        }
    }
}

impl Machine {
    fn of(view: &MachineView, zone: &Zone) -> Machine {
        let facts = view.facts.as_ref();
        let instance = view.instance.as_ref();
        let mut addresses: Vec<String> = facts
            .map(|f| f.addresses.iter().map(|a| a.value.to_string()).collect())
            .unwrap_or_default();
        if addresses.is_empty() {
            addresses.extend(instance.and_then(|i| i.address).map(|address| address.to_string()));
        }
        let mut interfaces: BTreeMap<String, Interface> = BTreeMap::new();
        for address in facts.map(|f| f.addresses.as_slice()).unwrap_or_default() {
            let interface = interfaces.entry(address.interface.clone()).or_default();
            interface.ip_addresses.push(address.value.to_string());
            interface.mac_address.clone_from(&address.mac);
            interface.is_up = true;
            interface.space = Some("alpha".to_owned());
        }
        let mut agent = info(&view.agent, zone);
        agent.version =
            facts.map(|f| f.agent_version.clone()).filter(|version| !version.is_empty());
        agent.life = fading(view.machine.life);
        if let Some(trouble) = facts.map(|f| &f.trouble).filter(|trouble| !trouble.is_empty()) {
            agent.message.clone_from(trouble);
        }
        let pending = Info { current: Instance::Pending.to_string(), ..Info::default() };
        let limits = instance.map(|i| &i.limits);
        let not_enforced = limits.into_iter().flatten().filter_map(|(key, limit)| match limit {
            Limit::Enforced => None,
            Limit::NotEnforced(why) if why.is_empty() => Some(key.clone()),
            Limit::NotEnforced(why) => Some(format!("{key} ({why})")),
        });
        let hardware = facts.map(|f| {
            let h = &f.hardware;
            format!(
                "arch={} cores={} mem={}M root-disk={}M virt-type=container",
                h.arch, h.cores, h.mem_mib, h.root_disk_mib
            )
        });
        let id = instance.and_then(|i| i.instance.clone());
        Machine {
            juju_status: agent,
            hostname: facts.map(|f| f.hostname.clone()),
            dns_name: addresses.first().cloned(),
            ip_addresses: addresses,
            instance_id: Some(id.unwrap_or_else(|| "pending".to_owned())),
            machine_status: instance.map_or(pending, |i| info(&i.status, zone)),
            modification_status: Info { current: "idle".to_owned(), ..Info::default() },
            base: facts.and_then(|f| f.base.as_ref()).or(view.machine.base.as_ref()).map(base),
            network_interfaces: interfaces,
            constraints: Some(view.machine.constraints.to_string()).filter(|text| !text.is_empty()),
            hardware,
            not_enforced: not_enforced.collect(),
            holds_storage: view.holds.iter().map(ToString::to_string).collect(),
            ..Machine::default()
        }
    }
}

impl Application {
    fn of(
        name: &ApplicationName,
        view: &ApplicationView,
        model: &ModelView,
        all: &BTreeMap<&UnitName, &UnitView>,
        zone: &Zone,
    ) -> Application {
        let application = &view.application;
        let url = &application.charm;
        let mut relations: BTreeMap<String, Vec<Related>> = BTreeMap::new();
        let mut principals: Vec<String> = Vec::new();
        for relation in model.relations.values().map(|r| &r.relation) {
            for (own, other) in sides(relation) {
                if own.application != *name {
                    continue;
                }
                if application.subordinate && relation.scope == Scope::Container {
                    principals.push(other.application.to_string());
                }
                relations.entry(own.endpoint.to_string()).or_default().push(Related {
                    related_application: other.application.to_string(),
                    interface: relation.interface.to_string(),
                    scope: scope(relation).to_owned(),
                });
            }
        }
        principals.sort();
        principals.dedup();
        // A subordinate's units stand under those of its principals.
        let units = view.units.iter().filter(|(_, unit)| unit.unit.principal.is_none());
        let unsettled = view.units.iter().filter(|(_, unit)| !unit.settled);
        let version = view.stated.as_ref().map(|stated| stated.workload_version.clone());
        Application {
            charm: if url.local { url.to_string() } else { url.name.to_string() },
            base: application.base.as_ref().map(base),
            charm_origin: if url.local { "local" } else { "charmhub" }.to_owned(),
            charm_name: url.name.to_string(),
            charm_rev: url.revision,
            charm_channel: application.channel.clone(),
            charm_version: Some(view.charm_version.clone()).filter(|text| !text.is_empty()),
            exposed: application.exposed.is_some(),
            life: fading(application.life),
            application_status: info(&view.status, zone),
            relations,
            subordinate_to: principals,
            units: units
                .map(|(name, unit)| {
                    (name.to_string(), Unit::of(unit, application, model, all, zone))
                })
                .collect(),
            version: version.filter(|text| !text.is_empty()),
            endpoint_bindings: std::iter::once((String::new(), "alpha".to_owned()))
                .chain(application.bindings.iter().map(|(e, s)| (e.to_string(), s.clone())))
                .collect(),
            settled: Settled {
                settled: view.settled,
                waiting_on: unsettled.map(|(n, u)| format!("{n}: {}", u.waits_for)).collect(),
            },
            ..Application::default()
        }
    }
}

impl Unit {
    fn of(
        view: &UnitView,
        application: &muster_model::record::Application,
        model: &ModelView,
        all: &BTreeMap<&UnitName, &UnitView>,
        zone: &Zone,
    ) -> Unit {
        let mut agent = info(&view.agent, zone);
        if view.agent.value == Agent::Error {
            agent.current = Agent::Idle.to_string();
        }
        agent.life = fading(view.unit.life);
        let old = view.progress.charm.as_ref().filter(|charm| **charm != application.charm);
        let subordinates = view.unit.subordinates.iter().filter_map(|name| {
            // It is drawn under its principal, and has a charm of its own.
            let own = model.applications.get(&name.application)?;
            let unit = all.get(name)?;
            Some((name.to_string(), Unit::of(unit, &own.application, model, all, zone)))
        });
        let mut ports: Vec<String> =
            view.progress.ports.iter().map(|p| p.range.to_string()).collect();
        ports.dedup();
        Unit {
            workload_status: info(&view.workload, zone),
            juju_status: agent,
            leader: view.leader,
            upgrading_from: old.map(ToString::to_string),
            machine: Some(view.unit.machine.to_string()).filter(|_| view.unit.principal.is_none()),
            open_ports: ports,
            public_address: view.address.map(|address| address.to_string()),
            address: view.address.map(|address| address.to_string()),
            subordinates: subordinates.collect(),
            settled: Settled {
                settled: view.settled,
                waiting_on: Some(view.waits_for.clone())
                    .filter(|text| !text.is_empty())
                    .into_iter()
                    .collect(),
            },
        }
    }
}

type End = muster_model::record::RelationEnd;

/// Each end with the one it looks at; peers look at themselves.
fn sides(relation: &Relation) -> Vec<(&End, &End)> {
    match relation.ends.as_slice() {
        [peers] => vec![(peers, peers)],
        [one, other] => vec![(one, other), (other, one)],
        _ => Vec::new(),
    }
}

fn scope(relation: &Relation) -> &'static str {
    match relation.scope {
        Scope::Global => "global",
        Scope::Container => "container",
    }
}

fn integration(relation: &Relation) -> Integration {
    let end = |end: &End| format!("{}:{}", end.application, end.endpoint);
    let provider = relation.ends.first().map(end).unwrap_or_default();
    let kind = match relation.scope {
        _ if relation.is_peer() => "peer",
        Scope::Container => "subordinate",
        Scope::Global => "regular",
    };
    Integration {
        id: relation.id.0,
        requirer: relation.ends.get(1).map_or_else(|| provider.clone(), end),
        provider,
        interface: relation.interface.to_string(),
        kind: kind.to_owned(),
        message: if relation.life.is_alive() { String::new() } else { "removing".to_owned() },
    }
}

#[cfg(test)]
mod tests;
