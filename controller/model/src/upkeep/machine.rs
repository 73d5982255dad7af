//! A machine: whether it is still needed, and its end.

use std::collections::BTreeSet;

use crate::life::Life;
use crate::name::{MachineId, StorageId};
use crate::record::{
    InstanceRecord, Machine, MachineFacts, Occupancy, Storage, TaskTarget, Token, Unit,
};
use crate::refusal::Refusal;

use crate::rules::kept;

use super::{Matter, Tidying, storage, unit};

/// Units that one Txn marks.
const AT_ONCE: usize = 40;

/// Storage instances that one Txn forgets.
const FORGOTTEN: usize = 20;

/// Takes a dying machine down: its units first, then its agent says that it is done, then the
/// substrate lets go of it, and last its records. Where no agent ever came nobody is waited for; nor by
/// force where none is heard, or where the substrate ends whatever runs there.
pub(super) fn tidy(t: &mut Tidying<'_, '_>, id: MachineId) -> Result<(), Refusal> {
    let Some(mut machine) = t.d.get::<Machine>(id) else { return Ok(()) };
    let occupancy = t.d.get::<Occupancy>(id);
    let (units, kept) = occupancy.map(|o| (o.units, o.keeps)).unwrap_or_default();
    if machine.life.is_alive() {
        return needless(t, machine, units.is_empty(), &kept);
    }
    for name in units.iter().take(AT_ONCE) {
        let Some(mut unit) = t.d.get::<Unit>(name.clone()) else { continue };
        if unit.life.is_alive() || (machine.force && !unit.force) {
            unit.life.at_least(Life::Dying);
            unit.force |= machine.force;
            t.d.put(unit);
        } else if machine.force {
            t.open.insert(Matter::Unit(t.d.model, name.clone()));
        }
    }
    if !units.is_empty() {
        return Ok(());
    }
    let heard_of = t.d.get::<MachineFacts>(id).is_some();
    let silent = t.silent_since(id).is_some();
    if machine.life == Life::Dying && (!heard_of || machine.force && (silent || !machine.host)) {
        machine.life.at_least(Life::Dead);
        t.d.put(machine.clone());
    }
    if machine.life != Life::Dead {
        return Ok(());
    }
    let gone = t.d.get::<InstanceRecord>(id).is_none_or(|instance| instance.gone);
    if !gone {
        return Ok(());
    }
    if !unit::cancel(t, &TaskTarget::Machine(id), "machine removed") {
        return Ok(());
    }
    for id in kept.iter().take(FORGOTTEN) {
        // Its data went with the machine; on this host itself it stays, and is nobody's.
        let Some(storage) = t.d.get::<Storage>(id.clone()) else { continue };
        kept::forget(&mut t.d, &storage);
    }
    if kept.len() > FORGOTTEN {
        return Ok(());
    }
    let tokens: Vec<_> = {
        let estate = t.d.draft.estate();
        estate.machine_tokens(t.d.model, id).map(|token| token.hash).collect()
    };
    for hash in tokens {
        t.d.draft.remove::<Token>(hash);
    }
    t.d.remove::<Machine>(id);
    t.d.remove::<Occupancy>(id);
    t.d.remove::<MachineFacts>(id);
    t.d.remove::<InstanceRecord>(id);
    let mut counters = t.d.counters();
    counters.machines = counters.machines.saturating_sub(1);
    counters.free.remove(&id);
    t.d.put(counters);
    Ok(())
}

/// A machine that was made for units goes when it has none and keeps no data that is wanted (R14).
fn needless(
    t: &mut Tidying<'_, '_>,
    mut machine: Machine,
    empty: bool,
    kept: &BTreeSet<StorageId>,
) -> Result<(), Refusal> {
    let mut holds = false;
    for id in kept {
        match t.d.get::<Storage>(id.clone()) {
            Some(storage) if storage.life.is_alive() => holds = true,
            // Of what goes by force nobody says that it is gone while the machine is not heard.
            Some(storage) if storage.force => storage::tidy(t, id)?,
            _ => {}
        }
    }
    if empty && !holds && !machine.manual && !machine.host {
        machine.life.at_least(Life::Dying);
        t.d.put(machine);
    }
    Ok(())
}
