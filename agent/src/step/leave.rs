//! Taking everything of a unit from the machine.

use muster_model::name::StorageId;
use muster_resolver::{Progress, StorageSeen};

use super::StepError;
use crate::fetch::blocking;
use crate::mount;
use crate::paths::remove;
use crate::unit::Unit;

pub(super) async fn leave(unit: &mut Unit) -> Result<(), StepError> {
    unit.local.progress = Progress::Leaving;
    unit.local.task = None;
    unit.save()?;
    let goal = unit.goal();
    let wanted = goal.as_ref().and_then(|goal| goal.units.get(&unit.name));
    let kept: Vec<(StorageId, bool)> = unit
        .local
        .storage
        .iter()
        .filter(|(_, local)| local.made && !local.released)
        .map(|(id, _)| {
            let goal = wanted.and_then(|goal| goal.storage.get(id));
            (id.clone(), goal.is_some_and(|goal| goal.destroy))
        })
        .collect();
    for (id, destroy) in kept {
        // It may have been given to another unit while this one did not hear of it, or had no word
        // left for it: what was taken from here is not to be taken from there (R14).
        if held_by_another(unit, &id) {
            unit.local.unmounted(&id, false);
            unit.save()?;
            continue;
        }
        let (paths, name) = (unit.world.settings.paths.clone(), id.clone());
        let released = blocking(move || mount::release(&paths, &name, destroy)).await?;
        if let Err(error) = released {
            // A busy mount holds the unit here; nothing is forgotten (R14).
            let why = muster_console::outcome::Chain(&error).to_string();
            let again = unit.world.clock.now() + std::time::Duration::from_secs(10);
            unit.seen.storage.insert(id.clone(), StorageSeen::Trouble(why.clone(), again));
            return Err(StepError::Leave(why));
        }
        unit.local.unmounted(&id, destroy);
        unit.save()?;
    }
    remove_folders(unit).await?;
    unit.local.progress = Progress::Left;
    unit.save()
}

fn held_by_another(unit: &Unit, id: &StorageId) -> bool {
    let goal = unit.world.goal.borrow();
    let holder = goal.as_ref().and_then(|goal| goal.holder(id));
    holder.is_some_and(|holder| *holder != unit.name)
}

/// Removes what charms and hooks know of a unit.
pub(crate) async fn remove_folders(unit: &Unit) -> Result<(), StepError> {
    let paths = &unit.world.settings.paths;
    let folders = [paths.unit(&unit.name), paths.tools(&unit.name)];
    blocking(move || folders.iter().try_for_each(|folder| remove(folder)))
        .await?
        .map_err(|error| StepError::Leave(error.to_string()))
}
