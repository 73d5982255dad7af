//! An application: its wanted units, its leader, its end.

use crate::life::Life;
use crate::name::{ApplicationName, UnitName};
use crate::record::{
    Application, ApplicationStatus, LeaderSettings, Leadership, Machine, Membership, Occupancy,
    PendingUnit, Placement, Relation, Resource, Scale, SecretOwner, Storage, Unit, UnitProgress,
};
use crate::refusal::Refusal;
use crate::rules::{base, machine, storage};
use crate::status::{Agent, Status, Workload};
use crate::version::{Revision, Seq};

use super::{Matter, Tidying, secret};

/// Units that one Txn makes: each is up to ten records.
const AT_ONCE: usize = 6;

/// Units or relations that one Txn marks.
const MARKED: usize = 40;

pub(super) fn tidy(t: &mut Tidying<'_, '_>, name: &ApplicationName) -> Result<(), Refusal> {
    let Some(application) = t.d.get::<Application>(name.clone()) else { return Ok(()) };
    let Some(scale) = t.d.get::<Scale>(name.clone()) else { return Ok(()) };
    if application.life.is_alive() {
        make_units(t, &application, scale)?;
    } else if take_down(t, &application, &scale)? {
        return Ok(());
    }
    lead(t, name);
    Ok(())
}

fn make_units(
    t: &mut Tidying<'_, '_>,
    application: &Application,
    mut scale: Scale,
) -> Result<(), Refusal> {
    let wanted = scale.pending.len().min(AT_ONCE);
    if wanted == 0 {
        return Ok(());
    }
    let pending: Vec<PendingUnit> = scale.pending.drain(..wanted).collect();
    scale.units += u32::try_from(wanted).unwrap_or(0);
    t.d.put(scale);
    for one in pending {
        make_unit(t, application, &one)?;
    }
    Ok(())
}

fn make_unit(
    t: &mut Tidying<'_, '_>,
    application: &Application,
    pending: &PendingUnit,
) -> Result<(), Refusal> {
    let name = number(t, &application.name);
    let placement = beside_storage(t, pending);
    let machine = place(t, application, &placement)?;
    let mut unit = blank(&name, machine, t.d.now);
    let charm = t.d.charm_of(application)?.charm;
    for id in &pending.attach_storage {
        // Nobody else is given what this unit was promised; but its machine may have gone, or an older
        // controller promised it twice. Then it is made anew: a unit that could never be made would
        // hold up all that are asked for after it.
        let _not_to_be_had = storage::take_over(&mut t.d, &mut unit, id);
    }
    for (storage_name, directive) in &application.storage {
        let Some(spec) = charm.metadata.storage.get(storage_name) else { continue };
        let taken = unit.storages.iter().filter(|id| id.name == *storage_name).count();
        let taken = u32::try_from(taken).unwrap_or(u32::MAX);
        let mut directive = directive.clone();
        directive.count = Some(directive.count.unwrap_or(1).saturating_sub(taken));
        storage::make(&mut t.d, &mut unit, storage_name, spec, &directive)?;
    }
    settle_in(t, unit);
    Ok(())
}

/// Where kept storage is, if the unit that is to have it may go anywhere.
fn beside_storage(t: &mut Tidying<'_, '_>, pending: &PendingUnit) -> Placement {
    if pending.placement != Placement::Anywhere {
        return pending.placement.clone();
    }
    for id in &pending.attach_storage {
        let home = t.d.get::<Storage>(id.clone()).and_then(|storage| storage.machine);
        let machine = home.and_then(|home| t.d.get::<Machine>(home));
        if let Some(machine) = machine.filter(|machine| machine.life.is_alive()) {
            return Placement::Machine(machine.id);
        }
    }
    Placement::Anywhere
}

/// The next free number of an application's name.
pub(super) fn number(t: &mut Tidying<'_, '_>, application: &ApplicationName) -> UnitName {
    let mut counters = t.d.counters();
    let next = counters.unit.entry(application.clone()).or_insert(0);
    let name = UnitName::new(application.clone(), *next);
    *next += 1;
    t.d.put(counters);
    name
}

pub(super) fn blank(
    name: &UnitName,
    machine: crate::name::MachineId,
    now: crate::Timestamp,
) -> Unit {
    Unit {
        name: name.clone(),
        life: Life::Alive,
        machine,
        principal: None,
        subordinates: std::collections::BTreeSet::new(),
        storages: std::collections::BTreeSet::new(),
        resolve: None,
        destroy_storage: false,
        force: false,
        created: now,
    }
}

/// Writes a new unit with what stands beside it.
pub(super) fn settle_in(t: &mut Tidying<'_, '_>, unit: Unit) {
    let now = t.d.now;
    let occupancy = t.d.get::<Occupancy>(unit.machine);
    let mut occupancy = occupancy.unwrap_or_else(|| Occupancy {
        machine: unit.machine,
        units: [].into(),
        keeps: [].into(),
    });
    occupancy.units.insert(unit.name.clone());
    t.d.put(occupancy);
    let known = t.d.beneath().is_some_and(|model| model.facts(unit.machine).is_some());
    let waiting = if known { "agent initialising" } else { "waiting for machine" };
    t.d.put(UnitProgress {
        unit: unit.name.clone(),
        seq: Seq::ZERO,
        seen: false,
        installed: false,
        started: false,
        charm: None,
        charm_modified: 0,
        status_set: false,
        workload: Status::new(Workload::Waiting, waiting, now),
        agent: Status::new(Agent::Allocating, "", now),
        failure: None,
        ports: std::collections::BTreeSet::new(),
        rested: Revision::ZERO,
        waits_for: String::new(),
        left: 0,
    });
    t.d.put(unit);
}

/// The machine for a new unit: the one that was named, else a free one that an operator added and
/// that has what is needed, else a new one.
fn place(
    t: &mut Tidying<'_, '_>,
    application: &Application,
    placement: &Placement,
) -> Result<crate::name::MachineId, Refusal> {
    let info = t.d.info()?;
    let needs = application.constraints.over(&info.constraints);
    let mut counters = t.d.counters();
    if let Placement::Machine(id) = placement
        && let Some(machine) = t.d.get::<Machine>(*id)
        && machine.life.is_alive()
    {
        counters.free.remove(id);
        t.d.put(counters);
        return Ok(*id);
    }
    if *placement == Placement::Anywhere {
        for id in counters.free.clone() {
            let Some(machine) = t.d.get::<Machine>(id) else { continue };
            let has = base::of_machine(&mut t.d, &machine);
            let base = match (&has, &application.base) {
                (Some(has), Some(wants)) => has.same_release(wants),
                _ => true,
            };
            if machine.life.is_alive() && base && machine.constraints == needs {
                counters.free.remove(&id);
                t.d.put(counters);
                return Ok(id);
            }
        }
    }
    Ok(machine::make(&mut t.d, &needs, application.base.clone(), false, false))
}

/// Sees that an application with units has a leader that is heard.
fn lead(t: &mut Tidying<'_, '_>, name: &ApplicationName) {
    let Some(mut leadership) = t.d.get::<Leadership>(name.clone()) else { return };
    let keeps = match &leadership.leader {
        None => false,
        Some(unit) => {
            let unit = t.d.get::<Unit>(unit.clone());
            unit.is_some_and(|unit| unit.life.is_alive() && !t.has_lapsed(unit.machine))
        }
    };
    if keeps {
        return;
    }
    // Which unit is a choice, not a fact that the Txn depends on; that it lives is read below. Where
    // nobody is heard, whoever comes back first finds itself or somebody heard in the lead: without
    // any leader nothing would open this matter again.
    let units = t.d.beneath().into_iter().flat_map(|model| model.units_of(name));
    let alive: Vec<&Unit> =
        units.filter(|unit| unit.life.is_alive()).map(std::sync::Arc::as_ref).collect();
    let heard = alive.iter().find(|unit| !t.has_lapsed(unit.machine)).copied();
    let chosen = heard
        .or(alive.first().copied())
        .map(|unit| unit.name.clone())
        .filter(|unit| t.d.get::<Unit>(unit.clone()).is_some_and(|unit| unit.life.is_alive()));
    let nobody_heard = heard.is_none();
    let gone = leadership
        .leader
        .as_ref()
        .is_none_or(|unit| t.d.get::<Unit>(unit.clone()).is_none_or(|unit| !unit.life.is_alive()));
    if nobody_heard && !gone {
        // Nobody else is heard either: the old leader may come back.
        return;
    }
    if leadership.leader != chosen {
        leadership.leader = chosen;
        leadership.since = t.d.now;
        t.d.put(leadership);
    }
}

/// Takes a dying application down, a bounded part at a time; answers whether it is gone.
fn take_down(
    t: &mut Tidying<'_, '_>,
    application: &Application,
    scale: &Scale,
) -> Result<bool, Refusal> {
    let name = &application.name;
    let mut peers = Vec::new();
    let mut marked = 0;
    for id in &scale.relations {
        let Some(mut relation) = t.d.get::<Relation>(*id) else { continue };
        if relation.is_peer() {
            peers.push(relation);
        } else if relation.life.is_alive() || (scale.force && !relation.force) {
            relation.life.at_least(Life::Dying);
            relation.force |= scale.force;
            t.d.put(relation);
            marked += 1;
        }
    }
    let units = t.d.beneath().into_iter().flat_map(|model| model.units_of(name));
    let mut left = Vec::new();
    for unit in units {
        let behind = unit.life.is_alive()
            || (scale.destroy_storage && !unit.destroy_storage)
            || (scale.force && !unit.force);
        if behind && marked < MARKED {
            left.push(unit.name.clone());
            marked += 1;
        }
    }
    for unit in left {
        let Some(mut unit) = t.d.get::<Unit>(unit) else { continue };
        unit.life.at_least(Life::Dying);
        unit.destroy_storage |= scale.destroy_storage;
        unit.force |= scale.force;
        t.d.put(unit);
    }
    if marked >= MARKED {
        t.open.insert(Matter::Application(t.d.model, name.clone()));
    }
    if scale.units > 0 {
        return Ok(false);
    }
    for mut relation in peers {
        let id = relation.id;
        if t.d.get::<Membership>(id).is_some_and(|membership| membership.units > 0) {
            continue;
        }
        if relation.life.is_alive() {
            relation.life.at_least(Life::Dying);
            t.d.put(relation);
        }
    }
    if !scale.relations.is_empty() {
        return Ok(false);
    }
    if !secret::clear(t, &SecretOwner::Application(name.clone())) {
        return Ok(false);
    }
    if let Some(model) = t.d.beneath() {
        secret::application_gone(t, model, name);
    }
    let given: Vec<_> =
        t.d.beneath()
            .into_iter()
            .flat_map(|model| model.table::<Resource>().values())
            .filter(|resource| resource.application == *name)
            .map(|resource| crate::record::Pair(name.clone(), resource.name.clone()))
            .collect();
    for key in given {
        t.d.remove::<Resource>(key);
    }
    t.d.remove::<Application>(name.clone());
    t.d.remove::<Scale>(name.clone());
    t.d.remove::<Leadership>(name.clone());
    t.d.remove::<LeaderSettings>(name.clone());
    t.d.remove::<ApplicationStatus>(name.clone());
    let mut counters = t.d.counters();
    counters.applications = counters.applications.saturating_sub(1);
    t.d.put(counters);
    Ok(true)
}
