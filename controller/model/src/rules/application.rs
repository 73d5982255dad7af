//! Taking an application down.

use std::collections::BTreeSet;

use crate::life::Life;
use crate::name::ApplicationName;
use crate::record::Relation;
use crate::refusal::Refusal;
use crate::reply::{Outcome, Removal};

use super::{Deciding, scale};

/// Marks the application; upkeep then takes its relations, units and storage down in turns.
pub(super) fn remove(
    d: &mut Deciding<'_>,
    name: &ApplicationName,
    destroy_storage: bool,
    force: bool,
) -> Result<Outcome, Refusal> {
    let mut application = d.application(name)?;
    let mut record = d.scale(name)?;
    application.life.at_least(Life::Dying);
    record.pending.clear();
    record.destroy_storage |= destroy_storage;
    record.force |= force;
    let mut removal = Removal { applications: vec![name.clone()], ..Removal::default() };
    if let Some(model) = d.beneath() {
        let mut storages = BTreeSet::new();
        for unit in model.units_of(name) {
            removal.units.push(unit.name.clone());
            storages.extend(unit.storages.iter().cloned());
        }
        scale::storage(d, &storages, destroy_storage, &mut removal);
    }
    for id in &record.relations {
        if let Some(relation) = d.get::<Relation>(*id).filter(|r| !r.is_peer()) {
            removal.relations.push(relation.to_string());
        }
    }
    d.put(application);
    d.put(record);
    Ok(Outcome::Removal(removal))
}
