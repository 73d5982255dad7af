//! A unit: its relations, its subordinates, its end.

use muster_charms::Scope;

use crate::life::Life;
use crate::name::{Member, RelationId, UnitName};
use crate::record::{
    Application, Databag, Leadership, Machine, ModelInfo, Occupancy, Only, Pair, Relation, Scale,
    SecretOwner, Storage, TaskQueue, TaskResult, TaskTarget, Unit, UnitProgress, UnitState,
};
use crate::refusal::Refusal;
use crate::rules::kept;
use crate::rules::report::scope;
use crate::status::TaskState;

use super::{Tidying, application, secret};

/// Tasks that one Txn cancels.
const CANCELLED: usize = 20;

pub(super) fn tidy(t: &mut Tidying<'_, '_>, name: &UnitName) -> Result<(), Refusal> {
    let Some(unit) = t.d.get::<Unit>(name.clone()) else { return Ok(()) };
    match unit.life {
        Life::Alive => {
            if t.d.progress(name)?.installed {
                scope::enter_all(&mut t.d, name)?;
            }
            if unit.principal.is_some() {
                leave_without_principal(t, unit)
            } else {
                bring_subordinates(t, unit)
            }
        }
        Life::Dying => leave(t, unit),
        Life::Dead => dismantle(t, &unit),
    }
}

/// The relations of a unit's application that bring a subordinate beside it.
fn container_relations(t: &mut Tidying<'_, '_>, unit: &UnitName) -> Result<Vec<Relation>, Refusal> {
    let mut found = Vec::new();
    for id in t.d.scale(&unit.application)?.relations {
        let relation = t.d.get::<Relation>(id);
        found.extend(relation.filter(|r| r.scope == Scope::Container && !r.is_peer()));
    }
    Ok(found)
}

/// Makes the subordinate units that should live beside a principal: one for each subordinate
/// application that an alive relation connects, once the principal is in that relation (hook
/// contract, section 4.6).
fn bring_subordinates(t: &mut Tidying<'_, '_>, mut principal: Unit) -> Result<(), Refusal> {
    for relation in container_relations(t, &principal.name)? {
        let Some(other) = relation.other_end(&principal.name.application) else { continue };
        let key = Pair(relation.id, Member::Unit(principal.name.clone()));
        let entered = t.d.get::<Databag>(key).is_some_and(|bag| bag.in_scope);
        let present = principal.subordinates.iter().any(|s| s.application == other.application);
        if !relation.life.is_alive() || !entered || present {
            continue;
        }
        let Some(app) = t.d.get::<Application>(other.application.clone()) else { continue };
        if !app.subordinate || !app.life.is_alive() {
            continue;
        }
        let name = application::number(t, &app.name);
        let mut unit = application::blank(&name, principal.machine, t.d.now);
        unit.principal = Some(principal.name.clone());
        principal.subordinates.insert(name);
        let mut scale = t.d.scale(&app.name)?;
        scale.units += 1;
        t.d.put(scale);
        t.d.put(principal.clone());
        application::settle_in(t, unit);
    }
    Ok(())
}

/// A subordinate dies when no alive relation to its principal's application remains.
fn leave_without_principal(t: &mut Tidying<'_, '_>, mut unit: Unit) -> Result<(), Refusal> {
    let Some(principal) = unit.principal.clone() else { return Ok(()) };
    let held = container_relations(t, &unit.name)?.into_iter().any(|relation| {
        let other = relation.other_end(&unit.name.application);
        relation.life.is_alive() && other.is_some_and(|o| o.application == principal.application)
    });
    if !held {
        unit.life.at_least(Life::Dying);
        t.d.put(unit);
    }
    Ok(())
}

/// A dying unit takes its subordinates with it. Its agent does the rest and reports that it is
/// gone; there is nobody to do so where no agent ever came, or where the unit goes by force and
/// its machine is not heard. Where the machine itself goes by force, or its model, and is none that stays, the unit
/// goes with it: a daemon that uses its storage would let nobody take it down.
fn leave(t: &mut Tidying<'_, '_>, mut unit: Unit) -> Result<(), Refusal> {
    for name in unit.subordinates.clone() {
        let Some(mut subordinate) = t.d.get::<Unit>(name) else { continue };
        let force = unit.force && !subordinate.force;
        if subordinate.life.is_alive() || force {
            subordinate.life.at_least(Life::Dying);
            subordinate.force |= unit.force;
            subordinate.destroy_storage |= unit.destroy_storage;
            t.d.put(subordinate);
        }
    }
    if unit.destroy_storage {
        for id in &unit.storages {
            let Some(mut storage) = t.d.get::<Storage>(id.clone()) else { continue };
            if storage.life.is_alive() {
                storage.life.at_least(Life::Dying);
                t.d.put(storage);
            }
        }
    }
    let seen = t.d.progress(&unit.name)?.seen;
    let silent = t.silent_since(unit.machine).is_some();
    let reachable = t.d.beneath().is_some_and(|model| model.facts(unit.machine).is_some());
    let machine = t.d.get::<Machine>(unit.machine).filter(|machine| !machine.host);
    let model = t.d.get::<ModelInfo>(Only);
    let with_model = model.is_some_and(|model| model.force && !model.life.is_alive());
    let taken_down = machine.is_some_and(|m| m.force && !m.life.is_alive() || with_model);
    if !seen && !reachable || unit.force && (silent || !reachable || taken_down) {
        unit.life.at_least(Life::Dead);
        t.d.put(unit);
    }
    Ok(())
}

/// Takes away everything of a unit that is gone.
fn dismantle(t: &mut Tidying<'_, '_>, unit: &Unit) -> Result<(), Refusal> {
    if !unit.subordinates.is_empty() {
        return Ok(());
    }
    let name = &unit.name;
    let target = TaskTarget::Unit(name.clone());
    if !cancel(t, &target, "unit removed") {
        return Ok(());
    }
    if !secret::clear(t, &SecretOwner::Unit(name.clone())) {
        return Ok(());
    }
    let relations: Vec<RelationId> = t.d.scale(&name.application)?.relations.into_iter().collect();
    for id in relations {
        scope::leave(&mut t.d, name, id);
    }
    for id in &unit.storages {
        let Some(mut storage) = t.d.get::<Storage>(id.clone()) else { continue };
        if unit.destroy_storage {
            storage.life.at_least(Life::Dying);
        }
        kept::let_go(&mut t.d, storage);
    }
    if let Some(principal) = &unit.principal
        && let Some(mut principal) = t.d.get::<Unit>(principal.clone())
    {
        principal.subordinates.remove(name);
        t.d.put(principal);
    }
    if let Some(mut leadership) = t.d.get::<Leadership>(name.application.clone())
        && leadership.leader.as_ref() == Some(name)
    {
        leadership.leader = None;
        leadership.since = t.d.now;
        t.d.put(leadership);
    }
    let mut scale: Scale = t.d.scale(&name.application)?;
    scale.units = scale.units.saturating_sub(1);
    t.d.put(scale);
    if let Some(mut occupancy) = t.d.get::<Occupancy>(unit.machine) {
        occupancy.units.remove(name);
        t.d.put(occupancy);
    }
    t.d.remove::<Unit>(name.clone());
    t.d.remove::<UnitProgress>(name.clone());
    t.d.remove::<UnitState>(name.clone());
    Ok(())
}

/// Cancels what waits for a target that is gone, at most as many as a Txn has room for; those that
/// are left are cancelled when upkeep looks again, as it does because the queue was written. Answers
/// whether none is left.
pub(super) fn cancel(t: &mut Tidying<'_, '_>, target: &TaskTarget, why: &str) -> bool {
    let Some(mut queue) = t.d.get::<TaskQueue>(target.clone()) else { return true };
    let left = queue.tasks.split_off(queue.tasks.len().min(CANCELLED));
    for id in &queue.tasks {
        let Some(mut result) = t.d.get::<TaskResult>(*id) else { continue };
        if !result.state.is_over() {
            result.state = TaskState::Cancelled;
            why.clone_into(&mut result.message);
            result.completed = Some(t.d.now);
            t.d.put(result);
        }
    }
    if left.is_empty() {
        t.d.remove::<TaskQueue>(target.clone());
        return true;
    }
    queue.tasks = left;
    t.d.put(queue);
    false
}
