//! Machines that operators ask for by hand.

use std::collections::BTreeSet;

use muster_charms::Base;

use crate::constraints::Constraints;
use crate::life::Life;
use crate::name::MachineId;
use crate::record::{InstanceRecord, Machine, Occupancy};
use crate::refusal::{Code, Refusal};
use crate::reply::{Outcome, Removal};
use crate::status::{Instance, Status};

use super::{Deciding, invalid};

/// Machines that one command makes at most: each is three records, and a Txn has its limit.
const MAX_AT_ONCE: u32 = 30;

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
    d.put(Occupancy { machine: id, units: BTreeSet::new() });
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
        let units = d.get::<Occupancy>(*id).map(|o| o.units).unwrap_or_default();
        if !units.is_empty() && !force {
            let names: Vec<String> = units.iter().map(ToString::to_string).collect();
            return Err(Refusal::new(
                Code::InUse,
                format!("cannot remove machine {id}: it has unit(s) {} assigned", names.join(", ")),
            )
            .hint("remove the units first, or use --force to take them down with it"));
        }
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
