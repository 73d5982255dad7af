//! Storage that goes: from a unit whose agent is not heard, and of no unit at all.

use crate::name::StorageId;
use crate::record::{Machine, MachineFacts, Occupancy, Storage, Unit};
use crate::refusal::Refusal;
use crate::rules::kept;

use super::Tidying;

/// Storage of no unit that is to be destroyed is forgotten once its machine's agent has said that
/// the data is gone; at once, if there is nobody to say so: no machine, no agent that ever came, or
/// none that is heard while it goes by force. By force it is also taken from a unit on such a machine.
pub(super) fn tidy(t: &mut Tidying<'_, '_>, id: &StorageId) -> Result<(), Refusal> {
    let Some(storage) = t.d.get::<Storage>(id.clone()) else { return Ok(()) };
    if let Some(attachment) = &storage.attachment {
        let unit = t.d.get::<Unit>(attachment.unit.clone());
        let forced = storage.force && !attachment.life.is_alive();
        if let Some(mut unit) = unit.filter(|_| forced)
            && t.silent_since(unit.machine).is_some()
        {
            unit.storages.remove(id);
            t.d.put(unit);
            kept::let_go(&mut t.d, storage);
        }
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
