//! `expose`: what of an application may be reached from outside its model.
//!
//! *Outside* is any address that is neither one of the model's own machines nor the host's: other
//! models' machines as well as whoever reaches the machines' network through this host. From there
//! a port answers if a unit has opened it *and* its application is exposed, for the endpoints and
//! networks of the exposure; everything else does not. Inside a model everything reaches.
//! A port opened for all endpoints counts for each. It is the machine that has the address, so a
//! port that two applications of one machine share is open when either is exposed.
//!
//! Machines have addresses of IPv4 only, so networks of IPv6 open nothing. Where the host itself is
//! the machine, or machines are joined by hand, nothing here is enforced.
//!
//! Somebody else may clear the host's tables, as a reload of its own firewall does: then they are made
//! anew, with all doors.
//!
//! The work after a change is a look at the units of exposed applications, in memory, and the
//! rules of those machines whose doors are others now. The substrate remembers what it was told, so
//! a controller that starts again begins with the difference.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use muster_charms::Cidr;
use muster_model::effects::{OpenPort, Protocol};
use muster_model::name::ModelId;
use muster_model::record::{Application, Exposure, InstanceRecord, Unit, UnitProgress};
use muster_model::status::Instance;
use muster_model::{Estate, Model, Revision};
use tokio_util::sync::CancellationToken;

use super::{FIRST_WAIT, LONGEST_WAIT, Provisioner};
use crate::ledger::Ledger;
use crate::substrate::{Door, Substrate, SubstrateError, Traffic};

/// How often it is looked whether the host's tables are there: nobody tells who clears them, and until
/// they are back machines are open. A look is one short call of `nft`.
const LOOK: Duration = Duration::from_secs(10);

/// Doors by the substrate's name of the machine; a machine without any is not in it.
type Doors = BTreeMap<String, BTreeSet<Door>>;

/// Keeps the machines' doors as the estate wants them, until `shutdown`.
pub(super) async fn follow(this: Provisioner, ledger: Ledger, shutdown: CancellationToken) {
    let Some(substrate) = this.plan.substrate.clone() else { return };
    let mut estates = ledger.watch();
    let mut seen = Seen::default();
    let mut made: Option<Doors> = None;
    let mut failures = 0;
    let mut beat = tokio::time::interval(LOOK);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let estate = estates.borrow_and_update().clone();
        let changed = seen.look(&estate);
        drop(estate);
        if changed || made.is_none() || failures > 0 {
            let wanted = seen.all();
            let (substrate, before) = (substrate.clone(), made.take());
            let done = tokio::task::spawn_blocking(move || make(&substrate, before, &wanted)).await;
            let failed = match done {
                Ok((now, failed)) => {
                    made = now;
                    failed
                }
                Err(error) => {
                    tracing::error!(%error, "a thread of the provisioner failed");
                    true
                }
            };
            failures = if failed { failures + 1 } else { 0 };
        }
        let again = async {
            if failures == 0 {
                return std::future::pending().await;
            }
            let wait = FIRST_WAIT * 2u32.saturating_pow(failures.min(8));
            tokio::time::sleep(wait.min(LONGEST_WAIT)).await;
        };
        tokio::select! {
            changed = estates.changed() => if changed.is_err() { return },
            () = again => {}
            _ = beat.tick() => mend(&substrate).await,
            () = this.ending.cancelled() => return,
            () = shutdown.cancelled() => return,
        }
    }
}

async fn mend(substrate: &Substrate) {
    let substrate = substrate.clone();
    match tokio::task::spawn_blocking(move || substrate.mend_rules()).await {
        Ok(Ok(false)) => {}
        Ok(Ok(true)) => tracing::warn!("somebody cleared the host's rules; they are made anew"),
        Ok(Err(error)) => {
            tracing::warn!(error = %crate::Chain(&error), "the host's rules could not be made anew");
        }
        Err(error) => tracing::error!(%error, "a thread of the provisioner failed"),
    }
}

/// Tells the substrate of the differences. Answers what is so now, and whether any of it failed.
fn make(substrate: &Substrate, before: Option<Doors>, wanted: &Doors) -> (Option<Doors>, bool) {
    let mut doors = match before.map_or_else(|| known(substrate), Ok) {
        Ok(doors) => doors,
        Err(error) => {
            tracing::warn!(error = %crate::Chain(&error), "cannot ask what is open");
            return (None, true);
        }
    };
    let none = BTreeSet::new();
    let names: BTreeSet<String> = doors.keys().chain(wanted.keys()).cloned().collect();
    let mut failed = false;
    for name in names {
        let (is, shall) = (doors.get(&name), wanted.get(&name).unwrap_or(&none));
        if is.unwrap_or(&none) == shall {
            continue;
        }
        let list: Vec<Door> = shall.iter().copied().collect();
        match substrate.set_doors(&name, &list) {
            // A machine that is gone has no doors.
            Ok(()) | Err(SubstrateError::Unknown { .. }) if shall.is_empty() => {
                doors.remove(&name);
            }
            Ok(()) => {
                doors.insert(name, shall.clone());
            }
            Err(error) => {
                failed = true;
                let error = crate::Chain(&error);
                tracing::warn!(machine = name, %error, "what may reach it was not changed");
            }
        }
    }
    (Some(doors), failed)
}

fn known(substrate: &Substrate) -> Result<Doors, SubstrateError> {
    let hosts = substrate.list()?.into_iter();
    let open = hosts.filter(|host| !host.doors.is_empty());
    Ok(open.map(|host| (host.name, host.doors.into_iter().collect())).collect())
}

/// What each model wants, as of the revision at which it was last looked at.
#[derive(Debug, Default)]
struct Seen {
    models: BTreeMap<ModelId, (Revision, Doors)>,
}

impl Seen {
    /// Takes in what has changed. Answers whether anything is wanted otherwise than before.
    fn look(&mut self, estate: &Estate) -> bool {
        let before = self.models.len();
        self.models.retain(|id, _| estate.model(*id).is_some());
        let mut changed = self.models.len() != before;
        for model in estate.models() {
            let written = model
                .table::<Application>()
                .written()
                .max(model.table::<Unit>().written())
                .max(model.table::<UnitProgress>().written())
                .max(model.table::<InstanceRecord>().written());
            if self.models.get(&model.id()).is_some_and(|(seen, _)| *seen >= written) {
                continue;
            }
            let wanted = wanted(model);
            changed |= self.models.get(&model.id()).map(|(_, doors)| doors) != Some(&wanted);
            self.models.insert(model.id(), (written, wanted));
        }
        changed
    }

    fn all(&self) -> Doors {
        self.models.values().flat_map(|(_, doors)| doors.clone()).collect()
    }
}

/// The doors that a model's machines shall have.
fn wanted(model: &Model) -> Doors {
    let mut all = Doors::new();
    for (name, application) in model.table::<Application>().iter() {
        let Some(exposure) = &application.exposed else { continue };
        for unit in model.units_of(name) {
            let Some(progress) = model.progress(&unit.name) else { continue };
            let Some(instance) = model.table::<InstanceRecord>().get(&unit.machine) else {
                continue;
            };
            let made = instance.status.value == Instance::Running && !instance.gone;
            let here = model.machine(unit.machine).is_none_or(|machine| machine.host);
            let Some(instance) = instance.instance.as_ref().filter(|_| made && !here) else {
                continue;
            };
            let doors = doors(exposure, &progress.ports);
            if !doors.is_empty() {
                all.entry(instance.clone()).or_default().extend(doors);
            }
        }
    }
    all
}

/// The doors of one unit.
fn doors(exposure: &Exposure, ports: &BTreeSet<OpenPort>) -> BTreeSet<Door> {
    let everybody = (Ipv4Addr::UNSPECIFIED, 0);
    let mut from: Vec<_> = exposure.cidrs.iter().filter_map(network).collect();
    if exposure.cidrs.is_empty() {
        from.push(everybody);
    }
    let exposed = |port: &&OpenPort| match &port.endpoint {
        None => true,
        Some(endpoint) => exposure.endpoints.is_empty() || exposure.endpoints.contains(endpoint),
    };
    let mut doors = BTreeSet::new();
    for port in ports.iter().filter(exposed) {
        let traffic = match port.range.protocol {
            Protocol::Icmp => Traffic::Icmp,
            Protocol::Tcp => Traffic::Tcp(port.range.from, port.range.to),
            Protocol::Udp => Traffic::Udp(port.range.from, port.range.to),
        };
        doors.extend(from.iter().map(|from| Door { traffic, from: *from }));
    }
    doors
}

/// A network of IPv4. Machines have no addresses of IPv6, so one of those opens nothing.
fn network(cidr: &Cidr) -> Option<(Ipv4Addr, u8)> {
    match cidr.address() {
        IpAddr::V4(address) => Some((address, cidr.bits())),
        IpAddr::V6(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(endpoints: &[&str], cidrs: &[&str], ports: &[(&str, Option<&str>)], expect: &[Door]) {
        let exposure = Exposure {
            endpoints: endpoints.iter().map(|name| name.parse().unwrap()).collect(),
            cidrs: cidrs.iter().map(|cidr| cidr.parse().unwrap()).collect(),
        };
        let ports = ports.iter().map(|(range, endpoint)| OpenPort {
            range: range.parse().unwrap(),
            endpoint: endpoint.map(|name| name.parse().unwrap()),
        });
        let found: Vec<Door> = doors(&exposure, &ports.collect()).into_iter().collect();
        assert_eq!(found, expect);
    }

    fn tcp(first: u16, last: u16, from: [u8; 4], bits: u8) -> Door {
        Door { traffic: Traffic::Tcp(first, last), from: (from.into(), bits) }
    }

    #[test]
    fn an_exposure_of_everything_opens_each_open_port_to_everybody() {
        let all = [0, 0, 0, 0];
        let icmp = Door { traffic: Traffic::Icmp, from: (all.into(), 0) };
        let udp = Door { traffic: Traffic::Udp(53, 53), from: (all.into(), 0) };
        let ports = [("80/tcp", Some("web")), ("8000-8010/tcp", None), ("53/udp", None)];
        check(&[], &[], &ports, &[tcp(80, 80, all, 0), tcp(8000, 8010, all, 0), udp]);
        check(&[], &[], &[("icmp", None)], &[icmp]);
        check(&[], &[], &[], &[]);
    }

    #[test]
    fn an_exposure_of_one_endpoint_leaves_the_ports_of_others_shut() {
        let ports = [("80/tcp", Some("web")), ("81/tcp", Some("admin")), ("82/tcp", None)];
        let all = [0, 0, 0, 0];
        check(&["web"], &[], &ports, &[tcp(80, 80, all, 0), tcp(82, 82, all, 0)]);
    }

    #[test]
    fn an_exposure_to_networks_opens_to_these_alone() {
        let cidrs = ["10.0.0.0/8", "2001:db8::/32", "192.0.2.7/32"];
        let expect = [tcp(80, 80, [10, 0, 0, 0], 8), tcp(80, 80, [192, 0, 2, 7], 32)];
        check(&[], &cidrs, &[("80/tcp", None)], &expect);
        // Everybody of IPv6 is nobody here, and in particular not everybody of IPv4.
        check(&[], &["::/0"], &[("80/tcp", None)], &[]);
    }
}
