//! Storage comes to the unit and goes from it; the host's part.

use std::time::Duration;

use muster_model::Life;
use muster_model::Report;
use muster_model::name::StorageId;
use muster_model::report::{NowReport, ReportBody};
use muster_model::status::StorageState;
use muster_resolver::StorageSeen;

use super::StepError;
use crate::controller::{ControllerError, report_until_answered};
use crate::fetch::blocking;
use crate::mount::{self, Data, MountError};
use crate::unit::Unit;

/// How long a storage in trouble is left alone. Whoever frees space or ends what holds a mount need
/// not wait longer than this.
const AGAIN: Duration = Duration::from_secs(10);

pub(super) async fn mount(unit: &mut Unit, id: &StorageId) -> Result<(), StepError> {
    let Some(goal) = unit.goal() else { return Ok(()) };
    let Some(goal) = goal.units.get(&unit.name).and_then(|goal| goal.storage.get(id)).cloned()
    else {
        return Ok(());
    };
    // Journalled before it is made, so that whatever is there is taken away in the end; and again
    // when it was ready once, from when on it is never made anew.
    let data = if unit.local.mounting(id, &goal) { Data::Kept } else { Data::New };
    unit.save()?;
    let (paths, name) = (unit.world.settings.paths.clone(), id.clone());
    let made = blocking(move || mount::ready(&paths, &name, &goal, data)).await?;
    match made {
        Ok(ready) => {
            unit.local.mounted(id);
            unit.save()?;
            let told = NowReport::Storage {
                storage: id.clone(),
                state: StorageState::Attached,
                message: String::new(),
                location: ready.location.to_string_lossy().into_owned(),
                provider_id: ready.provider_id,
            };
            tell(unit, told).await?;
            unit.locations.insert(id.clone(), ready.location);
            unit.seen.storage.insert(id.clone(), StorageSeen::Ready);
            Ok(())
        }
        Err(error) => trouble(unit, id, &error).await,
    }
}

pub(super) async fn unmount(unit: &mut Unit, id: &StorageId) -> Result<(), StepError> {
    let goal = unit.goal();
    let goal = goal.as_ref().and_then(|goal| goal.units.get(&unit.name)?.storage.get(id));
    // Data goes only where that was asked for in so many words (R14).
    let destroy = goal.is_some_and(|goal| goal.destroy && goal.life != Life::Alive);
    let (paths, name) = (unit.world.settings.paths.clone(), id.clone());
    let taken = blocking(move || mount::release(&paths, &name, destroy)).await?;
    if let Err(error) = taken {
        return trouble(unit, id, &error).await;
    }
    let told = NowReport::Storage {
        storage: id.clone(),
        state: StorageState::Detached,
        message: String::new(),
        location: String::new(),
        provider_id: String::new(),
    };
    tell(unit, told).await?;
    unit.locations.remove(id);
    unit.seen.storage.remove(id);
    unit.local.unmounted(id, destroy);
    unit.save()
}

async fn trouble(unit: &mut Unit, id: &StorageId, error: &MountError) -> Result<(), StepError> {
    let message = muster_console::outcome::Chain(error).to_string();
    tracing::warn!(unit = %unit.name, storage = %id, error = message, "storage is in trouble");
    let again = unit.world.clock.now() + AGAIN;
    let seen = StorageSeen::Trouble(message.clone(), again);
    unit.seen.storage.insert(id.clone(), seen);
    let told = NowReport::Storage {
        storage: id.clone(),
        state: StorageState::Error,
        message,
        location: String::new(),
        provider_id: String::new(),
    };
    tell(unit, told).await
}

/// Says where a storage stands. A refusal is the controller's business: it knows better who has it.
async fn tell(unit: &Unit, now: NowReport) -> Result<(), StepError> {
    let report =
        Report { model: unit.world.model, body: ReportBody::Now { unit: unit.name.clone(), now } };
    match report_until_answered(&unit.world.controller, &report, &unit.stop).await {
        None => Err(StepError::Stopping),
        Some(Ok(_)) => Ok(()),
        Some(Err(ControllerError::Refused(refusal))) => {
            tracing::warn!(unit = %unit.name, %refusal, "a storage report was refused");
            Ok(())
        }
        Some(Err(error)) => Err(StepError::Report(error)),
    }
}
