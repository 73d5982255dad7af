//! A model as a whole: its end.

use crate::life::Life;
use crate::record::{
    Application, Key, Machine, ModelIndex, ModelInfo, Only, Pair, Scale, Storage, Unit,
};
use crate::refusal::Refusal;

use super::{Matter, Tidying};

/// Things that one Txn marks or removes.
const AT_ONCE: usize = 40;

/// Takes a dying model down: applications, then machines, then whatever records are left, then
/// itself.
pub(super) fn tidy(t: &mut Tidying<'_, '_>) -> Result<(), Refusal> {
    let Some(info) = t.d.get::<ModelInfo>(Only) else { return Ok(()) };
    if info.life.is_alive() {
        return Ok(());
    }
    let Some(model) = t.d.beneath() else { return Ok(()) };
    let destroy = info.destroy_storage == Some(true);
    let applications = model.table::<Application>().values().filter(|a| a.life.is_alive());
    let names: Vec<_> = applications.take(AT_ONCE / 2).map(|a| a.name.clone()).collect();
    for name in &names {
        let (Some(mut application), Some(mut scale)) =
            (t.d.get::<Application>(name.clone()), t.d.get::<Scale>(name.clone()))
        else {
            continue;
        };
        application.life.at_least(Life::Dying);
        scale.pending.clear();
        scale.destroy_storage |= destroy;
        scale.force |= info.force;
        t.d.put(application);
        t.d.put(scale);
    }
    if info.force {
        force(t, model);
    }
    if !model.table::<Application>().is_empty() {
        reopen(t, names.len() >= AT_ONCE / 2);
        return Ok(());
    }
    if destroy {
        let kept = model.table::<Storage>().values();
        let kept = kept.filter(|s| s.life.is_alive() && s.attachment.is_none());
        let ids: Vec<_> = kept.take(AT_ONCE).map(|storage| storage.id.clone()).collect();
        for id in &ids {
            let Some(mut storage) = t.d.get::<Storage>(id.clone()) else { continue };
            storage.life.at_least(Life::Dying);
            storage.force |= info.force;
            t.d.put(storage);
        }
        if ids.len() >= AT_ONCE {
            reopen(t, true);
            return Ok(());
        }
    }
    let machines = model.table::<Machine>().values().filter(|m| m.life.is_alive());
    let ids: Vec<_> = machines.take(AT_ONCE).map(|machine| machine.id).collect();
    for id in &ids {
        let Some(mut machine) = t.d.get::<Machine>(*id) else { continue };
        machine.life.at_least(Life::Dying);
        machine.force |= info.force;
        t.d.put(machine);
    }
    if !model.table::<Machine>().is_empty() {
        reopen(t, ids.len() >= AT_ONCE);
        return Ok(());
    }
    // What is left is history: results, charms, pools, and storage kept on machines that are gone.
    let mut left = 0;
    let mut keys = Vec::new();
    model.tables.for_each(model.id(), |key, _, _| {
        if !matches!(key, Key::ModelInfo(..) | Key::Counters(..)) {
            left += 1;
            if keys.len() < AT_ONCE {
                keys.push(key);
            }
        }
    });
    let storages = keys.iter().filter(|key| matches!(key, Key::Storage(..))).count();
    for key in keys {
        t.d.draft.remove_key(key);
    }
    if left > AT_ONCE {
        let mut counters = t.d.counters();
        let fewer = u32::try_from(storages).unwrap_or(u32::MAX);
        counters.storages = counters.storages.saturating_sub(fewer);
        t.d.put(counters);
        t.open.insert(Matter::Model(t.d.model));
        return Ok(());
    }
    t.d.remove::<ModelInfo>(Only);
    t.d.remove::<crate::record::Counters>(Only);
    t.d.draft.remove::<ModelIndex>(Pair(info.owner, info.name));
    Ok(())
}

fn force(t: &mut Tidying<'_, '_>, model: &crate::Model) {
    let behind = model.table::<Scale>().values().filter(|scale| !scale.force);
    let names: Vec<_> = behind.take(AT_ONCE / 2).map(|scale| scale.application.clone()).collect();
    for name in names {
        let Some(mut scale) = t.d.get::<Scale>(name) else { continue };
        scale.force = true;
        t.d.put(scale);
    }
    // Units that went by force before the model did may wait for an agent that now nobody waits for.
    let waiting = model.table::<Unit>().values().filter(|unit| unit.force && !unit.life.is_alive());
    let units = waiting.take(AT_ONCE).map(|unit| Matter::Unit(model.id(), unit.name.clone()));
    t.open.extend(units);
}

fn reopen(t: &mut Tidying<'_, '_>, more: bool) {
    if more {
        t.open.insert(Matter::Model(t.d.model));
    }
}
