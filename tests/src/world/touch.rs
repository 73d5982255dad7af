//! Whether `touches` is exact: whose goal changed is named.

use std::collections::BTreeMap;

use muster_model::estate::Batch;
use muster_model::goal::{Goal, UnitGoal};
use muster_model::name::{MachineId, ModelId, UnitName};
use muster_model::touches::Touched;
use muster_model::{Estate, Revision, Seq};

use super::{Broken, World, broken};

impl World {
    /// Every machine and every unit whose goal differs is among those that `batch` touched.
    pub(crate) fn check_touched(
        &self,
        batch: &Batch,
        before: &Estate,
        touched: &Touched,
    ) -> Result<(), Broken> {
        let models: std::collections::BTreeSet<ModelId> =
            batch.changes.iter().filter_map(|(key, _)| key.model()).collect();
        for id in models {
            let (was, is) = (goals(before, id), goals(&self.estate, id));
            for (machine, goal) in &is {
                let old = was.get(machine);
                if old == Some(goal) {
                    continue;
                }
                if !touched.machines.get(&id).is_some_and(|all| all.contains(machine)) {
                    let keys: Vec<String> =
                        batch.changes.iter().map(|(key, _)| key.to_string()).collect();
                    return broken(format!(
                        "machine {machine} has another goal and is not touched by {keys:?}: \
                         {old:?} and {goal:?}"
                    ));
                }
                let none = BTreeMap::new();
                let units: &BTreeMap<UnitName, UnitGoal> = old.map_or(&none, |old| &old.units);
                for (name, unit) in &goal.units {
                    let named = touched.units.get(&id).is_some_and(|all| all.contains(name));
                    if units.get(name) != Some(unit) && !named {
                        return broken(format!("{name} has another goal and is not touched"));
                    }
                }
            }
        }
        Ok(())
    }
}

/// What concerns agents of the goals of a model. The number of a unit's last report, its ports
/// and what is ready of its storage are its own doing: it knows them before the controller does. What an application said in a
/// relation only its leader may read, who said it; the next leader hears of it by becoming one.
fn goals(estate: &Estate, id: ModelId) -> BTreeMap<MachineId, Goal> {
    let Some(model) = estate.model(id) else { return BTreeMap::new() };
    let machines = model.table::<muster_model::record::Machine>().iter().map(|(id, _)| *id);
    let all = machines.filter_map(|machine| {
        let mut goal = model.goal(machine, Revision::ZERO)?;
        for unit in goal.units.values_mut() {
            unit.seq = Seq::ZERO;
            unit.ports.clear();
            unit.storage.values_mut().for_each(|storage| storage.created = false);
            for relation in unit.relations.values_mut() {
                relation.own_application_version = muster_model::Version::ZERO;
            }
        }
        Some((machine, goal))
    });
    all.collect()
}
