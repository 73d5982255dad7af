//! More units and fewer.

use std::collections::BTreeSet;

use crate::life::Life;
use crate::name::{ApplicationName, StorageId, UnitName};
use crate::record::{PendingUnit, Placement, Provider, Storage};
use crate::refusal::{Code, Refusal};
use crate::reply::{Outcome, Removal};

use super::{Deciding, attach, base, deploy, invalid};

pub(super) fn add_units(
    d: &mut Deciding<'_>,
    name: &ApplicationName,
    placements: &[Placement],
    attach_storage: &[StorageId],
) -> Result<Outcome, Refusal> {
    d.live_model()?;
    let application = d.live_application(name)?;
    if application.subordinate {
        return Err(invalid(format!(
            "\"{name}\" is a subordinate: its units come with those that it is related to"
        )));
    }
    if placements.is_empty() {
        return Err(invalid("at least one unit must be asked for"));
    }
    deploy::placements(d, placements)?;
    base::admits(d, &application, placements)?;
    let charm = d.charm_of(&application)?.charm;
    attach::attachable(d, &charm, attach_storage, placements)?;
    let mut scale = d.scale(name)?;
    let total = scale.units as usize + scale.pending.len() + placements.len();
    if total > deploy::MAX_UNITS {
        return Err(Refusal::new(
            Code::Limit,
            format!("\"{name}\" would have {total} units; at most {}", deploy::MAX_UNITS),
        ));
    }
    scale.pending.extend(placements.iter().map(|placement| PendingUnit {
        placement: placement.clone(),
        attach_storage: attach_storage.to_vec(),
    }));
    d.put(scale);
    let units = u32::try_from(placements.len()).unwrap_or(u32::MAX);
    Ok(Outcome::Application { name: name.clone(), units, base: None })
}

pub(super) fn remove_units(
    d: &mut Deciding<'_>,
    units: &BTreeSet<UnitName>,
    destroy_storage: bool,
    force: bool,
) -> Result<Outcome, Refusal> {
    let mut removal = Removal::default();
    for name in units {
        let mut unit = d.unit(name)?;
        if let Some(principal) = &unit.principal {
            return Err(invalid(format!("unit \"{name}\" is a subordinate"))
                .hint(format!("remove its relation, or its principal {principal}")));
        }
        unit.life.at_least(Life::Dying);
        unit.destroy_storage |= destroy_storage;
        unit.force |= force;
        storage(d, &unit.storages, destroy_storage, &mut removal);
        removal.units.push(name.clone());
        removal.units.extend(unit.subordinates.iter().cloned());
        d.put(unit);
    }
    Ok(Outcome::Removal(removal))
}

/// Names what becomes of a leaving unit's storage.
pub(super) fn storage(
    d: &mut Deciding<'_>,
    ids: &BTreeSet<StorageId>,
    destroy: bool,
    removal: &mut Removal,
) {
    for id in ids {
        let doomed = d
            .get::<Storage>(id.clone())
            .is_some_and(|s| !s.life.is_alive() || s.provider == Provider::Tmpfs);
        let list = if destroy || doomed {
            &mut removal.destroyed_storage
        } else {
            &mut removal.detached_storage
        };
        list.push(id.clone());
    }
}
