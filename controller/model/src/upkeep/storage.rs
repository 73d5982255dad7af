//! Storage that no unit has: its end.

use crate::name::StorageId;
use crate::record::{Machine, MachineFacts, Occupancy, Storage};
use crate::refusal::Refusal;
use crate::rules::kept;

use super::Tidying;

/// Storage of no unit that is to be destroyed is forgotten once its machine's agent has said that
/// the data is gone; at once, if there is nobody to say so: no machine, no agent that ever came, or
/// none that is heard while it goes by force.
pub(super) fn tidy(t: &mut Tidying<'_, '_>, id: &StorageId) -> Result<(), Refusal> {
    let Some(storage) = t.d.get::<Storage>(id.clone()) else { return Ok(()) };
    if storage.attachment.is_some() {
        return Ok(());
    }
    let machine = storage.machine.and_then(|machine| t.d.get::<Machine>(machine));
    let Some(machine) = machine else {
        if !storage.life.is_alive() {
            kept::forget(&mut t.d, &storage);
        }
        return Ok(());
    };
    if storage.life.is_alive() {
        // An older controller did not list what a machine keeps.
        if let Some(mut home) = t.d.get::<Occupancy>(machine.id)
            && home.keeps.insert(id.clone())
        {
            t.d.put(home);
        }
        return Ok(());
    }
    let heard_of = t.d.get::<MachineFacts>(machine.id).is_some();
    if !heard_of || storage.force && t.silent_since(machine.id).is_some() {
        kept::forget(&mut t.d, &storage);
    }
    Ok(())
}
