//! Storage comes and goes on a host, as the agent's own `step/storage.rs` and `step/leave.rs` do it.

use std::time::Duration;

use muster_model::life::Life;
use muster_model::name::{StorageId, UnitName};
use muster_model::report::NowReport;
use muster_model::status::StorageState;
use muster_resolver::{Progress, StorageSeen};

use super::host::{Host, Stop};
use super::unit::Unit;
use super::{At, Broken, World};

/// How long a storage in trouble is left alone.
const AGAIN: Duration = Duration::from_secs(10);

impl World {
    pub(super) fn mount(
        &mut self,
        at: At,
        host: &mut Host,
        name: &UnitName,
        unit: &mut Unit,
        id: &StorageId,
    ) -> Result<bool, Stop> {
        unit.local.storage.entry(id.clone()).or_default().made = true;
        self.save(host, name, unit)?;
        if self.random.happens(self.faults.trouble) {
            return self.trouble(at, host, name, unit, id);
        }
        let local = unit.local.storage.entry(id.clone()).or_default();
        if (local.created || local.attached) && !host.disk.contains(id) {
            return Err(Broken(format!("R14: the data of {id} is gone from {name}")).into());
        }
        local.created = true;
        host.disk.insert(id.clone());
        host.mounts.insert(id.clone());
        self.save(host, name, unit)?;
        let told = storage_now(id, StorageState::Attached, "");
        let _refused = self.tell_now(at, host, name, told)?;
        unit.seen.storage.insert(id.clone(), StorageSeen::Ready);
        Ok(true)
    }

    pub(super) fn unmount(
        &mut self,
        at: At,
        host: &mut Host,
        name: &UnitName,
        unit: &mut Unit,
        id: &StorageId,
    ) -> Result<bool, Stop> {
        if self.random.happens(self.faults.trouble) {
            return self.trouble(at, host, name, unit, id);
        }
        let goal = host.goal.as_ref().and_then(|goal| goal.units.get(name)?.storage.get(id));
        let destroy = goal.is_some_and(|goal| goal.destroy && goal.life != Life::Alive);
        release(host, id, destroy);
        let told = storage_now(id, StorageState::Detached, "");
        let _refused = self.tell_now(at, host, name, told)?;
        unit.seen.storage.remove(id);
        let local = unit.local.storage.entry(id.clone()).or_default();
        local.released = true;
        local.created &= !destroy;
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
    ) -> Result<bool, Stop> {
        let again = self.now + AGAIN;
        let seen = StorageSeen::Trouble("the disk is full".to_owned(), again);
        unit.seen.storage.insert(id.clone(), seen);
        let told = storage_now(id, StorageState::Error, "the disk is full");
        let _refused = self.tell_now(at, host, name, told)?;
        Ok(true)
    }

    pub(super) fn leave(
        &mut self,
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
            let goal = host.goal.as_ref().and_then(|goal| goal.units.get(name)?.storage.get(&id));
            let destroy = goal.is_some_and(|goal| goal.destroy);
            release(host, &id, destroy);
            unit.local.storage.entry(id).or_default().released = true;
            self.save(host, name, unit)?;
        }
        unit.local.progress = Progress::Left;
        self.save(host, name, unit)
    }
}

fn release(host: &mut Host, id: &StorageId, destroy: bool) {
    host.mounts.remove(id);
    if destroy {
        host.disk.remove(id);
    }
}

fn storage_now(id: &StorageId, state: StorageState, message: &str) -> NowReport {
    NowReport::Storage {
        storage: id.clone(),
        state,
        message: message.to_owned(),
        location: String::new(),
        provider_id: String::new(),
    }
}
