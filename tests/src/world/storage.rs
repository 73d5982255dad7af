//! Storage on a machine: made, taken from its unit, destroyed, as the agent does it.

use std::time::Duration;

use muster_model::life::Life;
use muster_model::name::{StorageId, UnitName};
use muster_model::record::Provider;
use muster_model::report::{NowReport, ReportBody};
use muster_model::status::StorageState;
use muster_resolver::{Progress, StorageSeen};

use super::host::{Host, Stop};
use super::unit::Unit;
use super::{At, Broken, World};

/// How long a storage in trouble is left alone.
const AGAIN: Duration = Duration::from_secs(10);
const FULL: &str = "the disk is full";

impl World {
    /// The data of a storage is lost: a disk that was not put back, or a file removed by hand.
    ///
    /// # Panics
    /// If the machine is not there.
    pub fn lose(&mut self, at: At, id: &StorageId) {
        let host = self.hosts.get_mut(&at).expect("the machine is there");
        host.disk.remove(id);
        host.lost.insert(id.clone());
        // Whoever used it finds out when it looks again.
        host.mounts.remove(id);
        for unit in host.units.values_mut() {
            unit.seen.storage.remove(id);
        }
    }

    pub(crate) fn mount(
        &mut self,
        at: At,
        host: &mut Host,
        name: &UnitName,
        unit: &mut Unit,
        id: &StorageId,
    ) -> Result<bool, Stop> {
        let goal = host.goal.as_ref().and_then(|goal| goal.units.get(name)?.storage.get(id));
        let Some(goal) = goal else { return Ok(false) };
        let kept = unit.local.mounting(id, goal);
        self.save(host, name, unit)?;
        if self.random.happens(self.faults.trouble) {
            return self.trouble(at, host, name, unit, id, FULL);
        }
        if kept && host.lost.contains(id) {
            return self.trouble(at, host, name, unit, id, "the data is gone");
        }
        if kept && !host.disk.contains(id) {
            return Err(Broken(format!("R14: the data of {id} is gone from {name}")).into());
        }
        unit.local.mounted(id);
        host.disk.insert(id.clone());
        host.mounts.insert(id.clone());
        self.save(host, name, unit)?;
        let told = storage_now(id, StorageState::Attached, "");
        let _refused = self.tell_now(at, host, name, told)?;
        unit.seen.storage.insert(id.clone(), StorageSeen::Ready);
        Ok(true)
    }

    pub(crate) fn unmount(
        &mut self,
        at: At,
        host: &mut Host,
        name: &UnitName,
        unit: &mut Unit,
        id: &StorageId,
    ) -> Result<bool, Stop> {
        if self.random.happens(self.faults.trouble) {
            return self.trouble(at, host, name, unit, id, FULL);
        }
        let goal = host.goal.as_ref().and_then(|goal| goal.units.get(name)?.storage.get(id));
        let destroy = goal.is_some_and(|goal| goal.destroy && goal.life != Life::Alive);
        if destroy {
            self.may_go(at, id)?;
        }
        // Memory holds nothing once it is unmounted.
        let memory = goal.is_some_and(|goal| goal.provider == Provider::Tmpfs);
        release(host, name, id, destroy || memory)?;
        let told = storage_now(id, StorageState::Detached, "");
        let _refused = self.tell_now(at, host, name, told)?;
        unit.seen.storage.remove(id);
        unit.local.unmounted(id, destroy);
        self.save(host, name, unit)?;
        Ok(true)
    }

    fn trouble(
        &mut self,
        at: At,
        host: &mut Host,
        name: &UnitName,
        unit: &mut Unit,
        id: &StorageId,
        why: &str,
    ) -> Result<bool, Stop> {
        let again = self.now + AGAIN;
        let seen = StorageSeen::Trouble(why.to_owned(), again);
        unit.seen.storage.insert(id.clone(), seen);
        let told = storage_now(id, StorageState::Error, why);
        let _refused = self.tell_now(at, host, name, told)?;
        Ok(true)
    }

    pub(crate) fn leave(
        &mut self,
        at: At,
        host: &mut Host,
        name: &UnitName,
        unit: &mut Unit,
    ) -> Result<(), Stop> {
        unit.local.progress = Progress::Leaving;
        unit.local.task = None;
        self.save(host, name, unit)?;
        let made = unit.local.storage.iter().filter(|(_, local)| local.made && !local.released);
        let kept: Vec<StorageId> = made.map(|(id, _)| id.clone()).collect();
        for id in kept {
            let holder = host.goal.as_ref().and_then(|goal| goal.holder(&id));
            if holder.is_some_and(|holder| holder != name) {
                unit.local.unmounted(&id, false);
                self.save(host, name, unit)?;
                continue;
            }
            let goal = host.goal.as_ref().and_then(|goal| goal.units.get(name)?.storage.get(&id));
            let destroy = goal.is_some_and(|goal| goal.destroy);
            if destroy {
                self.may_go(at, &id)?;
            }
            let memory = goal.is_some_and(|goal| goal.provider == Provider::Tmpfs);
            release(host, name, &id, destroy || memory)?;
            unit.local.unmounted(&id, destroy);
            self.save(host, name, unit)?;
        }
        unit.local.progress = Progress::Left;
        self.save(host, name, unit)
    }

    /// Destroys the data of a storage that no unit has, as the goal says, and tells it.
    pub(crate) fn discard(&mut self, at: At, host: &mut Host, id: StorageId) -> Result<(), Stop> {
        let trouble = self.random.happens(self.faults.trouble);
        let trouble = if trouble { FULL.to_owned() } else { String::new() };
        if trouble.is_empty() {
            self.may_go(at, &id)?;
            host.disk.remove(&id);
            host.mounts.remove(&id);
        }
        let told = trouble.is_empty();
        let body = ReportBody::Discarded { machine: at.1, storage: id.clone(), trouble };
        if let Err(refusal) = self.tell(at, host, body)? {
            return Err(Broken(format!("R14: {id} should not be destroyed: {refusal}")).into());
        }
        if told {
            host.discarded.insert(id);
        }
        Ok(())
    }

    /// Data goes only where that was asked for (R14).
    fn may_go(&self, at: At, id: &StorageId) -> Result<(), Broken> {
        let storage = self.estate.model(at.0).and_then(|model| model.storage(id));
        let with_unit = |unit: &UnitName| {
            let unit = self.estate.model(at.0).and_then(|model| model.unit(unit));
            unit.is_some_and(|unit| unit.destroy_storage)
        };
        let wanted = storage.is_some_and(|storage| {
            let unit = storage.attachment.as_ref().map(|attachment| &attachment.unit);
            storage.life.is_alive() && !unit.is_some_and(with_unit)
        });
        if wanted {
            return Err(Broken(format!(
                "R14: the data of {id} is destroyed and nobody asked for it"
            )));
        }
        Ok(())
    }
}

/// Takes a storage from wherever it is mounted; never from another unit that uses it (R14).
fn release(host: &mut Host, name: &UnitName, id: &StorageId, destroy: bool) -> Result<(), Broken> {
    let holder = host.goal.as_ref().and_then(|goal| goal.holder(id)).filter(|other| *other != name);
    let other = holder.and_then(|other| Some((other, host.units.get(other)?)));
    let ready = Some(&StorageSeen::Ready);
    if let Some((other, _)) = other.filter(|(_, unit)| unit.seen.storage.get(id) == ready) {
        return Err(Broken(format!("R14: {name} takes {id} away from {other}")));
    }
    host.mounts.remove(id);
    if destroy {
        host.disk.remove(id);
    }
    Ok(())
}

fn storage_now(id: &StorageId, state: StorageState, message: &str) -> NowReport {
    NowReport::Storage {
        storage: id.clone(),
        state,
        message: message.to_owned(),
        location: String::new(),
        provider_id: match state {
            StorageState::Attached => format!("/agent/storage/{}-{}", id.name, id.number),
            _ => String::new(),
        },
    }
}
