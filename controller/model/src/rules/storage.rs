//! Storage at run time.

use std::collections::{BTreeMap, BTreeSet};

use muster_charms::StorageDirective;

use crate::life::Life;
use crate::name::{PoolName, StorageId, StorageName, UnitName};
use crate::record::{Attachment, Machine, Provider, Storage, StorageFacts, StoragePool, Unit};
use crate::refusal::{Code, Refusal};
use crate::reply::{Outcome, Removal};
use crate::status::{Status, StorageState};

use super::{Deciding, attach, deploy, invalid, kept};

/// Where charms look for file systems without a location of their own (hook contract, section 1.13).
const MOUNTS: &str = "/var/lib/juju/storage";

pub(super) fn add(
    d: &mut Deciding<'_>,
    unit: &UnitName,
    name: &StorageName,
    directive: &StorageDirective,
) -> Result<Outcome, Refusal> {
    let mut unit = d.live_unit(unit)?;
    let application = d.application(&unit.name.application)?;
    let charm = d.charm_of(&application)?.charm;
    let Some(spec) = charm.metadata.storage.get(name) else {
        return Err(Refusal::not_found("storage", name));
    };
    let count = directive.count.unwrap_or(1);
    let present = unit.storages.iter().filter(|id| id.name == *name).count();
    let total = u32::try_from(present).unwrap_or(u32::MAX).saturating_add(count);
    if count == 0 || spec.count.max.is_some_and(|max| total > max) {
        return Err(Refusal::new(
            Code::Limit,
            format!(
                "cannot add storage \"{name}\" to {}: it would have {total}, at most {} are possible",
                unit.name,
                spec.count.max.unwrap_or(total)
            ),
        ));
    }
    let given = application.storage.get(name);
    let merged = StorageDirective {
        pool: directive.pool.clone().or_else(|| given.and_then(|g| g.pool.clone())),
        count: Some(count.max(spec.count.min)),
        size: directive.size.or_else(|| given.and_then(|g| g.size)),
    };
    let complete = deploy::complete(d, name, spec, Some(&merged))?;
    let ids = make(d, &mut unit, name, spec, &StorageDirective { count: Some(count), ..complete })?;
    d.put(unit);
    Ok(Outcome::Storage(ids))
}

/// Makes the instances of a complete directive and gives them to `unit`, which the caller writes.
pub(crate) fn make(
    d: &mut Deciding<'_>,
    unit: &mut Unit,
    name: &StorageName,
    spec: &muster_charms::StorageSpec,
    directive: &StorageDirective,
) -> Result<Vec<StorageId>, Refusal> {
    let Some(pool) = directive.pool.clone() else {
        return Err(invalid(format!("storage \"{name}\" has no pool")));
    };
    let Some(record) = d.get::<StoragePool>(pool.clone()) else {
        return Err(Refusal::not_found("pool", &pool));
    };
    let mut counters = d.counters();
    let mut ids = Vec::new();
    for _ in 0..directive.count.unwrap_or(1) {
        let id = StorageId { name: name.clone(), number: counters.storage };
        counters.storage += 1;
        counters.storages += 1;
        let location = muster_charms::storage::mount_point(MOUNTS, name, spec, id.number);
        let attachment = Attachment {
            unit: unit.name.clone(),
            life: Life::Alive,
            location: location.unwrap_or_default(),
        };
        let created = d.now;
        d.put(Storage {
            id: id.clone(),
            life: Life::Alive,
            kind: spec.kind,
            provider: record.provider,
            pool: pool.clone(),
            size_mib: directive.size.unwrap_or(deploy::DEFAULT_SIZE),
            read_only: spec.read_only,
            machine: Some(unit.machine),
            attachment: Some(attachment),
            force: false,
            created,
        });
        d.put(StorageFacts {
            storage: id.clone(),
            status: Status::new(StorageState::Pending, "", created),
            location: String::new(),
            provider_id: String::new(),
        });
        unit.storages.insert(id.clone());
        ids.push(id);
    }
    d.put(counters);
    Ok(ids)
}

pub(super) fn detach(
    d: &mut Deciding<'_>,
    ids: &BTreeSet<StorageId>,
    force: bool,
) -> Result<Outcome, Refusal> {
    let mut removal = Removal::default();
    for id in ids {
        let mut storage = find(d, id)?;
        let Some(attachment) = &mut storage.attachment else {
            return Err(Refusal::new(
                Code::NotFound,
                format!("storage \"{id}\" is not attached: its unit was not found"),
            ));
        };
        if !force {
            needed(d, id, &attachment.unit.clone())?;
        }
        attachment.life.at_least(Life::Dying);
        storage.force |= force;
        d.put(storage);
        removal.detached_storage.push(id.clone());
    }
    Ok(Outcome::Removal(removal))
}

/// Refuses to take a storage that its unit's charm cannot be without.
fn needed(d: &mut Deciding<'_>, id: &StorageId, unit: &UnitName) -> Result<(), Refusal> {
    let Some(unit) = d.get::<Unit>(unit.clone()).filter(|unit| unit.life.is_alive()) else {
        return Ok(());
    };
    let application = d.application(&unit.name.application)?;
    let charm = d.charm_of(&application)?.charm;
    let Some(spec) = charm.metadata.storage.get(&id.name) else { return Ok(()) };
    let mut have = 0;
    for other in unit.storages.iter().filter(|other| other.name == id.name) {
        let stays = d.get::<Storage>(other.clone()).and_then(|s| s.attachment);
        have += u32::from(stays.is_some_and(|a| a.life.is_alive()));
    }
    if have <= spec.count.min {
        return Err(Refusal::new(
            Code::InUse,
            format!(
                "cannot detach storage \"{id}\": charm \"{}\" needs at least {} of \"{}\"",
                charm.metadata.name, spec.count.min, id.name
            ),
        )
        .hint("remove the unit; its storage is kept unless --destroy-storage is given"));
    }
    Ok(())
}

pub(super) fn attach(
    d: &mut Deciding<'_>,
    unit: &UnitName,
    ids: &BTreeSet<StorageId>,
) -> Result<Outcome, Refusal> {
    let mut unit = d.live_unit(unit)?;
    for id in ids {
        attach::unpromised(d, id)?;
        take_over(d, &mut unit, id)?;
    }
    d.put(unit);
    Ok(Outcome::Storage(ids.iter().cloned().collect()))
}

/// Gives kept storage to `unit`, which the caller writes.
pub(crate) fn take_over(
    d: &mut Deciding<'_>,
    unit: &mut Unit,
    id: &StorageId,
) -> Result<(), Refusal> {
    let mut storage = find(d, id)?;
    if !storage.life.is_alive() {
        return Err(Refusal::new(Code::Dying, format!("storage \"{id}\" is being removed")));
    }
    if let Some(attachment) = &storage.attachment {
        return Err(Refusal::new(
            Code::InUse,
            format!("storage \"{id}\" is already attached to {}", attachment.unit),
        ));
    }
    if storage.machine.is_some_and(|machine| machine != unit.machine) {
        return Err(Refusal::new(
            Code::Unsuitable,
            format!("storage \"{id}\" is on another machine than {}", unit.name),
        )
        .hint("pools of this cloud keep their data on one machine; place the unit there"));
    }
    let application = d.application(&unit.name.application)?;
    let charm = d.charm_of(&application)?.charm;
    let Some(spec) = charm.metadata.storage.get(&id.name) else {
        return Err(Refusal::not_found("storage", &id.name)
            .hint(format!("charm \"{}\" has no storage of this name", charm.metadata.name)));
    };
    let have = unit.storages.iter().filter(|other| other.name == id.name).count();
    if spec.count.max.is_some_and(|max| have as u64 + 1 > u64::from(max)) {
        return Err(Refusal::new(
            Code::Limit,
            format!(
                "unit {} has {have} of \"{}\" already, which is all it takes",
                unit.name, id.name
            ),
        ));
    }
    let location = muster_charms::storage::mount_point(MOUNTS, &id.name, spec, id.number);
    kept::unlist(d, &storage);
    storage.attachment = Some(Attachment {
        unit: unit.name.clone(),
        life: Life::Alive,
        location: location.unwrap_or_default(),
    });
    unit.storages.insert(id.clone());
    d.put(storage);
    if let Some(mut facts) = d.get::<StorageFacts>(id.clone()) {
        let now = d.now;
        facts.status.set(StorageState::Pending, "", now);
        d.put(facts);
    }
    Ok(())
}

pub(super) fn remove(
    d: &mut Deciding<'_>,
    ids: &BTreeSet<StorageId>,
    force: bool,
    keep_data: bool,
) -> Result<Outcome, Refusal> {
    let mut removal = Removal::default();
    for id in ids {
        let mut storage = find(d, id)?;
        if let Some(attachment) = &mut storage.attachment {
            if !force {
                return Err(Refusal::new(
                    Code::InUse,
                    format!(
                        "cannot remove storage \"{id}\": it is attached to {}",
                        attachment.unit
                    ),
                )
                .hint(format!("`muster detach-storage {id}` first, or use --force")));
            }
            attachment.life.at_least(Life::Dying);
        }
        attach::unpromised(d, id)?;
        storage.force |= force;
        if keep_data {
            release(d, &storage, &mut removal)?;
            continue;
        }
        storage.life.at_least(Life::Dying);
        if storage.attachment.is_none()
            && let Some(machine) = storage.machine
            && let Some(mut facts) = d.get::<StorageFacts>(id.clone())
        {
            let standing = kept::standing(&storage, machine, d.now);
            facts.status.set(standing.value, standing.message, standing.since);
            d.put(facts);
        }
        d.put(storage);
        removal.destroyed_storage.push(id.clone());
    }
    Ok(Outcome::Removal(removal))
}

/// Forgets a storage and leaves its data where it is; not where that would be lost all the same.
fn release(d: &mut Deciding<'_>, storage: &Storage, removal: &mut Removal) -> Result<(), Refusal> {
    let id = &storage.id;
    if storage.attachment.is_some() {
        return Err(invalid(format!("storage \"{id}\" must be detached to be let go")));
    }
    if !storage.life.is_alive() {
        let what = format!("the data of storage \"{id}\" is being destroyed, or is gone by now");
        return Err(Refusal::new(Code::Dying, what));
    }
    // Only what is on this host itself stays when nobody knows of it any more: a machine that is a
    // container goes with what is in it, and nobody would be asked.
    let machine = storage.machine.and_then(|machine| d.get::<Machine>(machine));
    if let Some(machine) = machine.filter(|machine| !machine.host) {
        return Err(Refusal::new(
            Code::Unsuitable,
            format!("cannot let go of storage \"{id}\": it would go with machine {}", machine.id),
        )
        .hint(format!("`muster remove-storage {id}` destroys the data")));
    }
    removal.left.push((id.clone(), kept::place(d, id)));
    removal.detached_storage.push(id.clone());
    kept::forget(d, storage);
    Ok(())
}

fn find(d: &mut Deciding<'_>, id: &StorageId) -> Result<Storage, Refusal> {
    d.get::<Storage>(id.clone()).ok_or_else(|| Refusal::not_found("storage", id))
}

pub(super) fn create_pool(
    d: &mut Deciding<'_>,
    name: &PoolName,
    provider: Provider,
    attributes: &BTreeMap<String, String>,
) -> Result<Outcome, Refusal> {
    d.live_model()?;
    if d.get::<StoragePool>(name.clone()).is_some() {
        return Err(Refusal::new(
            Code::AlreadyExists,
            format!("storage pool \"{name}\" already exists"),
        ));
    }
    if let Some(key) = attributes.keys().next() {
        return Err(invalid(format!("provider {provider:?} has no attribute \"{key}\"")));
    }
    d.put(StoragePool { name: name.clone(), provider, attributes: attributes.clone() });
    Ok(Outcome::Done)
}
