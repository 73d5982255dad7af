//! Machines that operators ask for by hand.

use std::collections::BTreeSet;

use muster_charms::Base;

use crate::constraints::Constraints;
use crate::life::Life;
use crate::name::{MachineId, UnitName};
use crate::record::{InstanceRecord, Machine, Occupancy, Provider, Storage, Unit};
use crate::refusal::{Code, Refusal};
use crate::reply::{Outcome, Removal};
use crate::status::{Instance, Status};

use super::{Deciding, base, invalid, kept};

/// Machines that one command makes at most: each is three records, and a Txn has its limit.
const MAX_AT_ONCE: u32 = 30;

/// Machines that one retry of all takes up: a Txn has its limit, and the next retry takes up the rest.
const MAX_RETRIED: usize = 90;

pub(super) fn add(
    d: &mut Deciding<'_>,
    count: u32,
    constraints: &Constraints,
    base: Option<&Base>,
    host: bool,
) -> Result<Outcome, Refusal> {
    let info = d.live_model()?;
    if count == 0 || count > MAX_AT_ONCE {
        return Err(invalid(format!("1 to {MAX_AT_ONCE} machines can be asked for at once")));
    }
    if host && count != 1 {
        return Err(invalid("this host is one machine"));
    }
    let base = base.cloned().or_else(|| info.option("default-base").parse().ok());
    if let Some(base) = base.as_ref().filter(|_| !host) {
        base::has_image(d, base)?;
    }
    let mut ids = Vec::new();
    for _ in 0..count {
        let id = make(d, &constraints.over(&info.constraints), base.clone(), true, host);
        ids.push(id);
    }
    Ok(Outcome::Machines(ids))
}

/// Makes a machine's records; the substrate makes the machine.
pub(crate) fn make(
    d: &mut Deciding<'_>,
    constraints: &Constraints,
    base: Option<Base>,
    manual: bool,
    host: bool,
) -> MachineId {
    let mut counters = d.counters();
    let id = MachineId(counters.machine);
    counters.machine += 1;
    counters.machines += 1;
    if manual && !host {
        counters.free.insert(id);
    }
    d.put(counters);
    let created = d.now;
    d.put(Machine {
        id,
        life: Life::Alive,
        manual,
        host,
        constraints: constraints.clone(),
        base,
        force: false,
        created,
    });
    d.put(Occupancy { machine: id, units: BTreeSet::new(), keeps: BTreeSet::new() });
    d.put(InstanceRecord {
        machine: id,
        instance: None,
        status: Status::new(Instance::Pending, "", created),
        address: None,
        limits: std::collections::BTreeMap::new(),
        failures: 0,
        gone: false,
    });
    id
}

/// Forgets that machines failed, so that they are tried at once and not after their pause. What is
/// being made, or was made, is left as it is: asking twice does no harm.
pub(super) fn retry(
    d: &mut Deciding<'_>,
    machines: &BTreeSet<MachineId>,
) -> Result<Outcome, Refusal> {
    let all = machines.is_empty();
    let failed = |record: &InstanceRecord| record.status.value == Instance::ProvisioningError;
    let ids: Vec<MachineId> = if all {
        let model = d.beneath();
        let records = model.into_iter().flat_map(|model| model.table::<InstanceRecord>().iter());
        records.filter(|(_, record)| failed(record)).map(|(id, _)| *id).take(MAX_RETRIED).collect()
    } else {
        machines.iter().copied().collect()
    };
    let now = d.now;
    let mut again = Vec::new();
    for id in ids {
        if d.get::<Machine>(id).is_none() {
            return Err(Refusal::not_found("machine", id));
        }
        let Some(mut record) = d.get::<InstanceRecord>(id).filter(failed) else { continue };
        record.failures = 0;
        record.status = Status::new(Instance::Pending, "", now);
        d.put(record);
        again.push(id);
    }
    Ok(Outcome::Machines(again))
}

pub(super) fn remove(
    d: &mut Deciding<'_>,
    machines: &BTreeSet<MachineId>,
    force: bool,
) -> Result<Outcome, Refusal> {
    let mut removal = Removal::default();
    for id in machines {
        let Some(mut machine) = d.get::<Machine>(*id) else {
            return Err(Refusal::not_found("machine", id));
        };
        let occupancy = d.get::<Occupancy>(*id);
        let (units, kept) = occupancy.map(|o| (o.units, o.keeps)).unwrap_or_default();
        if !units.is_empty() && !force {
            let names: Vec<String> = units.iter().map(ToString::to_string).collect();
            return Err(Refusal::new(
                Code::InUse,
                format!("cannot remove machine {id}: it has unit(s) {} assigned", names.join(", ")),
            )
            .hint("remove the units first, or use --force to take them down with it"));
        }
        let kept = kept::wanted(d, &kept);
        if !kept.is_empty() && !force && machine.life.is_alive() {
            return Err(holds(&machine, &kept));
        }
        storage_of(d, machine.host, &units, kept, &mut removal);
        machine.life.at_least(Life::Dying);
        machine.force |= force;
        d.put(machine);
        removal.machines.push(*id);
        removal.units.extend(units);
        let mut counters = d.counters();
        counters.free.remove(id);
        d.put(counters);
    }
    Ok(Outcome::Removal(removal))
}

/// Refuses to lose, with a machine, data that nobody asked to be destroyed (R14).
fn holds(machine: &Machine, kept: &[Storage]) -> Refusal {
    let (id, names) = (machine.id, kept::named(kept));
    let refusal =
        Refusal::new(Code::InUse, format!("cannot remove machine {id}: it holds storage {names}"));
    if machine.host {
        return refusal.hint(
            "`muster remove-storage` destroys the data; with --force the machine goes and the data \
             is left on this host",
        );
    }
    refusal.hint(
        "`muster add-unit APPLICATION --attach-storage ID` uses it again and `muster remove-storage \
         ID` destroys it; with --force it is destroyed with the machine",
    )
}

/// Names what becomes of the storage on a machine that goes: it goes too, but on this host itself,
/// where it stays unless it was to be destroyed.
fn storage_of(
    d: &mut Deciding<'_>,
    host: bool,
    units: &BTreeSet<UnitName>,
    kept: Vec<Storage>,
    removal: &mut Removal,
) {
    let mut all: Vec<(Storage, bool)> = kept.into_iter().map(|storage| (storage, false)).collect();
    for name in units {
        let Some(unit) = d.get::<Unit>(name.clone()) else { continue };
        let held = unit.storages.iter().filter_map(|id| d.get::<Storage>(id.clone()));
        all.extend(held.map(|storage| (storage, unit.destroy_storage)));
    }
    for (storage, destroy) in all {
        let goes = destroy || !host || !storage.life.is_alive();
        if goes || storage.provider == Provider::Tmpfs {
            removal.destroyed_storage.push(storage.id);
        } else {
            removal.left.push((storage.id.clone(), kept::place_after(d, &storage)));
            removal.detached_storage.push(storage.id);
        }
    }
}
