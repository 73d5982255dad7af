//! Kept storage for a new unit: it goes where the data is.

use muster_charms::Charm;

use crate::name::{ApplicationName, MachineId, StorageId};
use crate::record::{Machine, Placement, Scale, Storage};
use crate::refusal::{Code, Refusal};

use super::{Deciding, invalid};

/// Refuses kept storage that the one new unit of `charm` cannot have, before anything is made.
pub(super) fn attachable(
    d: &mut Deciding<'_>,
    charm: &Charm,
    ids: &[StorageId],
    placements: &[Placement],
) -> Result<(), Refusal> {
    if ids.is_empty() {
        return Ok(());
    }
    let [placement] = placements else {
        return Err(invalid("--attach-storage needs exactly one unit"));
    };
    let mut home: Option<(MachineId, &StorageId)> = None;
    for id in ids {
        let Some(storage) = d.get::<Storage>(id.clone()) else {
            return Err(Refusal::not_found("storage", id));
        };
        free(&storage)?;
        unpromised(d, id)?;
        fits(charm, id, ids)?;
        let Some(machine) = storage.machine else { continue };
        reachable(d, id, machine, placement)?;
        match home {
            Some((other, first)) if other != machine => {
                return Err(Refusal::new(
                    Code::Unsuitable,
                    format!(
                        "storage \"{first}\" is on machine {other} and storage \"{id}\" on machine \
                         {machine}: one unit cannot have both"
                    ),
                ));
            }
            _ => home = Some((machine, id)),
        }
    }
    Ok(())
}

fn free(storage: &Storage) -> Result<(), Refusal> {
    let id = &storage.id;
    if let Some(attachment) = &storage.attachment {
        return Err(Refusal::new(
            Code::InUse,
            format!("storage \"{id}\" is attached to {}", attachment.unit),
        )
        .hint(format!("`muster detach-storage {id}` first")));
    }
    if storage.life.is_alive() {
        return Ok(());
    }
    Err(Refusal::new(Code::Dying, format!("storage \"{id}\" is being removed")))
}

/// Refuses storage that a unit which upkeep has still to make was promised.
pub(super) fn unpromised(d: &mut Deciding<'_>, id: &StorageId) -> Result<(), Refusal> {
    let applications: Vec<ApplicationName> = match d.beneath() {
        Some(model) => model.table::<Scale>().iter().map(|(name, _)| name.clone()).collect(),
        None => Vec::new(),
    };
    for name in applications {
        let scale = d.get::<Scale>(name.clone());
        let mut pending = scale.iter().flat_map(|scale| &scale.pending);
        if pending.any(|unit| unit.attach_storage.contains(id)) {
            let what = format!("storage \"{id}\" is promised to a new unit of \"{name}\"");
            return Err(Refusal::new(Code::InUse, what));
        }
    }
    Ok(())
}

fn fits(charm: &Charm, id: &StorageId, all: &[StorageId]) -> Result<(), Refusal> {
    let name = &charm.metadata.name;
    let Some(spec) = charm.metadata.storage.get(&id.name) else {
        return Err(Refusal::not_found("storage", &id.name)
            .hint(format!("charm \"{name}\" has no storage of this name")));
    };
    let count = all.iter().filter(|other| other.name == id.name).count() as u64;
    match spec.count.max.map(u64::from).filter(|max| count > *max) {
        Some(max) => Err(Refusal::new(
            Code::Limit,
            format!("charm \"{name}\" takes at most {max} of \"{}\", not {count}", id.name),
        )),
        None => Ok(()),
    }
}

/// Pools of a machine keep their data on it.
fn reachable(
    d: &mut Deciding<'_>,
    id: &StorageId,
    machine: MachineId,
    placement: &Placement,
) -> Result<(), Refusal> {
    let alive = d.get::<Machine>(machine).is_some_and(|machine| machine.life.is_alive());
    if !alive {
        return Err(Refusal::new(
            Code::Dying,
            format!("storage \"{id}\" is on machine {machine}, which is being removed"),
        ));
    }
    let there = match placement {
        Placement::Anywhere => true,
        Placement::Machine(wanted) => *wanted == machine,
        Placement::NewMachine => false,
    };
    if there {
        return Ok(());
    }
    Err(Refusal::new(
        Code::Unsuitable,
        format!("storage \"{id}\" is on machine {machine}: the unit cannot be anywhere else"),
    )
    .hint(format!("leave the placement out, or give `--to {machine}`")))
}
