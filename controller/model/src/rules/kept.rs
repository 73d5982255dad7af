//! Storage that no unit has: kept on the machine that holds its data, or to be destroyed there.
//!
//! A machine's [`Occupancy`] lists it, so that the machine stays for as long as it holds something
//! that nobody asked to be destroyed (reliability document, R14), and so that its agent is told what
//! is to be destroyed.

use crate::life::Life;
use crate::name::{MachineId, StorageId};
use crate::record::{Machine, Occupancy, Provider, Storage, StorageFacts};
use crate::refusal::{Code, Refusal};
use crate::report::Receipt;
use crate::status::{Status, StorageState};

use super::{Deciding, invalid};

/// Takes a storage from its unit. What is wanted is kept; of what is not, the machine's agent says
/// when its data is gone: whether the unit's agent has seen that it was to be destroyed is not known.
pub(crate) fn let_go(d: &mut Deciding<'_>, mut storage: Storage) {
    let home = storage.machine.and_then(|machine| d.get::<Occupancy>(machine));
    let Some(mut home) = home.filter(|_| storage.provider != Provider::Tmpfs) else {
        // Memory holds nothing once it is unmounted.
        forget(d, &storage);
        return;
    };
    storage.attachment = None;
    // By force it was to be taken from that unit; what is kept is like any other.
    storage.force &= !storage.life.is_alive();
    home.keeps.insert(storage.id.clone());
    let facts = d.get::<StorageFacts>(storage.id.clone());
    if facts.as_ref().is_none_or(|facts| facts.provider_id.is_empty()) {
        // No charm ever saw it: its agent says what lies behind it before a hook runs.
        storage.life.at_least(Life::Dying);
    }
    if let Some(mut facts) = facts {
        facts.status = standing(&storage, home.machine, d.now);
        facts.location.clear();
        d.put(facts);
    }
    d.put(home);
    d.put(storage);
}

/// Where a storage stands that no unit has.
pub(crate) fn standing(
    storage: &Storage,
    machine: MachineId,
    now: crate::Timestamp,
) -> Status<StorageState> {
    if storage.life.is_alive() {
        Status::new(StorageState::Detached, format!("kept on machine {machine}"), now)
    } else {
        let waits = format!("waits for the agent of machine {machine}");
        Status::new(StorageState::Destroying, waits, now)
    }
}

/// Takes a storage from those that its machine keeps: a unit has it now, or it is no more.
pub(crate) fn unlist(d: &mut Deciding<'_>, storage: &Storage) {
    let Some(machine) = storage.machine else { return };
    let Some(mut home) = d.get::<Occupancy>(machine) else { return };
    if home.keeps.remove(&storage.id) {
        d.put(home);
    }
}

/// Removes a storage's records: nothing is known of its data any more.
pub(crate) fn forget(d: &mut Deciding<'_>, storage: &Storage) {
    unlist(d, storage);
    d.remove::<Storage>(storage.id.clone());
    d.remove::<StorageFacts>(storage.id.clone());
    let mut counters = d.counters();
    counters.storages = counters.storages.saturating_sub(1);
    d.put(counters);
}

/// A machine's agent says that the data of a storage is gone, or why it is not.
pub(crate) fn discarded(
    d: &mut Deciding<'_>,
    machine: MachineId,
    id: &StorageId,
    trouble: &str,
) -> Result<Receipt, Refusal> {
    let Some(storage) = d.get::<Storage>(id.clone()) else { return Ok(Receipt::default()) };
    if storage.machine != Some(machine) {
        return Err(Refusal::new(
            Code::PermissionDenied,
            format!("permission denied: storage \"{id}\" is not on machine {machine}"),
        ));
    }
    if storage.life.is_alive() || storage.attachment.is_some() {
        return Err(invalid(format!("storage \"{id}\" is wanted")));
    }
    if trouble.is_empty() {
        forget(d, &storage);
    } else if let Some(mut facts) = d.get::<StorageFacts>(id.clone()) {
        let now = d.now;
        facts.status.set(StorageState::Error, trouble, now);
        d.put(facts);
    }
    Ok(Receipt::default())
}

/// Whether nothing but this host's own disk holds it, which stays when the records go.
pub(super) fn outlives_its_machine(d: &mut Deciding<'_>, storage: &Storage) -> bool {
    let machine = storage.machine.and_then(|machine| d.get::<Machine>(machine));
    storage.provider != Provider::Tmpfs && machine.is_some_and(|machine| machine.host)
}

/// Where the data of a storage lies, as its agent has said; empty if it has not.
pub(super) fn place(d: &mut Deciding<'_>, id: &StorageId) -> String {
    d.get::<StorageFacts>(id.clone()).map(|facts| facts.provider_id).unwrap_or_default()
}

/// Where it will lie when its machine, which is this host itself, is none any more: its agent then
/// puts it aside, so that no other machine's storage of the same name finds it.
pub(super) fn place_after(d: &mut Deciding<'_>, storage: &Storage) -> String {
    let here = place(d, &storage.id);
    match (here.rsplit_once("/storage/"), storage.machine) {
        (Some((agent, name)), Some(machine)) => {
            format!("{agent}/kept/{}-{machine}/{name}", d.model)
        }
        _ => here,
    }
}

/// The storage of `ids` that is wanted.
pub(super) fn wanted<'a>(
    d: &mut Deciding<'_>,
    ids: impl IntoIterator<Item = &'a StorageId>,
) -> Vec<Storage> {
    let found = ids.into_iter().filter_map(|id| d.get::<Storage>(id.clone()));
    found.filter(|storage| storage.life == Life::Alive).collect()
}

/// Storage by name, for a sentence: at most so many that it stays one.
pub(super) fn named(storages: &[Storage]) -> String {
    const SHOWN: usize = 6;
    let mut names: Vec<String> =
        storages.iter().take(SHOWN).map(|storage| storage.id.to_string()).collect();
    if storages.len() > SHOWN {
        names.push(format!("and {} more", storages.len() - SHOWN));
    }
    names.join(", ")
}
