//! What is remembered from change to change: lives, numbers, and what each unit's hooks did.

use std::collections::{BTreeMap, BTreeSet};

use muster_model::estate::Batch;
use muster_model::life::Life;
use muster_model::name::{ApplicationName, ModelId, StorageId, UnitName};
use muster_model::record::{Key, Record};
use muster_model::report::StepReport;
use muster_model::{Estate, Model};

use super::order::Order;
use super::{Broken, broken};

/// What was seen so far.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// The highest number of each application's units.
    units: BTreeMap<(ModelId, ApplicationName), u32>,
    /// The highest number of machines, relations, storages and tasks.
    numbers: BTreeMap<(ModelId, &'static str), u32>,
    /// Units that were to go by force.
    forced: BTreeSet<(ModelId, UnitName)>,
    /// Models in which storage was forgotten while its data may still be there: by force, or at the
    /// operator's wish.
    left: BTreeSet<ModelId>,
    /// What the hooks of each unit did.
    orders: BTreeMap<(ModelId, UnitName), Order>,
}

impl Watch {
    /// Lives only move forward (I2); numbers are never used again (I3).
    pub(crate) fn saw(
        &mut self,
        batch: &Batch,
        before: &Estate,
        after: &Estate,
    ) -> Result<(), Broken> {
        if after.revision() != batch.revision || before.revision() >= batch.revision {
            return broken("I12: a revision does not follow the one before");
        }
        for (key, record) in &batch.changes {
            let old = before.get(key).map(|(_, record)| record);
            if let (Some(old), Some(new)) = (&old, record)
                && let (Some(was), Some(is)) = (life(old), life(new))
                && is < was
            {
                return broken(format!("I2: {key} was {was} and is {is}"));
            }
            if let (Key::Unit(model, name), Some(Record::Unit(unit))) = (key, record)
                && unit.force
            {
                self.forced.insert((*model, name.clone()));
            }
            if let (Key::Storage(model, _), Some(Record::Storage(old)), None) = (key, &old, record)
                && (old.force || old.life.is_alive())
            {
                self.left.insert(*model);
            }
            if old.is_some() || record.is_none() {
                continue;
            }
            self.numbered(key)?;
        }
        Ok(())
    }

    /// What a unit committed since this was last asked.
    pub(crate) fn told(&mut self, model: ModelId, unit: &UnitName) -> Vec<String> {
        let Some(order) = self.orders.get_mut(&(model, unit.clone())) else { return Vec::new() };
        order.told_since()
    }

    /// Whether data may be left that no record speaks of.
    pub(crate) fn forced_storage(&self, model: ModelId) -> bool {
        self.left.contains(&model)
    }

    /// Whether a unit was to go by force.
    pub(crate) fn went_by_force(&self, model: ModelId, unit: &UnitName) -> bool {
        self.forced.contains(&(model, unit.clone()))
    }

    fn numbered(&mut self, key: &Key) -> Result<(), Broken> {
        let (model, what, number) = match key {
            Key::Unit(model, unit) => {
                let owner = (*model, unit.application.clone());
                let last = self.units.insert(owner, unit.number);
                if last.is_some_and(|last| last >= unit.number) {
                    return broken(format!("I3: unit {unit} comes after number {last:?}"));
                }
                return Ok(());
            }
            Key::Machine(model, id) => (*model, "machine", id.0),
            Key::Relation(model, id) => (*model, "relation", id.0),
            Key::Storage(model, StorageId { number, .. }) => (*model, "storage", *number),
            Key::Operation(model, id) => (*model, "operation", id.0),
            _ => return Ok(()),
        };
        // One Txn may make several at once, in the order of their keys, which is not that of their
        // numbers for storage.
        let last = self.numbers.entry((model, what)).or_default();
        if *last > number && what != "storage" {
            return broken(format!("I3: {what} {number} comes after {last}"));
        }
        *last = (*last).max(number);
        Ok(())
    }

    /// A report of a unit is taken for the first time: the hooks come in the contract's order.
    pub(crate) fn took(
        &mut self,
        unit: (ModelId, UnitName),
        step: &StepReport,
        model: Option<&Model>,
        forced: bool,
    ) -> Result<(), Broken> {
        let name = unit.1.clone();
        let order = self.orders.entry(unit).or_default();
        let gone = |relation| model.is_none_or(|model| model.relation(relation).is_none());
        let peer = |relation| {
            model.and_then(|model| model.relation(relation)).is_some_and(|r| r.is_peer())
        };
        match order.follow(step, forced, gone, peer) {
            Ok(()) => Ok(()),
            Err(rule) => broken(format!(
                "hook contract 4.4: {name}: {rule}\n  so far: {}\n  now: {step:?}",
                order.told().join(", ")
            )),
        }
    }
}

fn life(record: &Record) -> Option<Life> {
    match record {
        Record::ModelInfo(model) => Some(model.life),
        Record::Application(application) => Some(application.life),
        Record::Unit(unit) => Some(unit.life),
        Record::Machine(machine) => Some(machine.life),
        Record::Relation(relation) => Some(relation.life),
        Record::Storage(storage) => Some(storage.life),
        _ => None,
    }
}
