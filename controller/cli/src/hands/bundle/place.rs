//! Where the units of a bundle go: its machines and units as those of the model.

use std::collections::BTreeMap;

use muster_charms::bundle::{Bundle, Target};
use muster_model::name::{ApplicationName, MachineId, UnitName};
use muster_model::record::Placement;
use muster_model::view::ModelView;

use crate::failure::Failure;

/// The bundle's machines as those of the model.
pub(super) type Machines = BTreeMap<String, MachineId>;

/// An application's units in the order in which they were made.
fn units(view: &ModelView, application: &ApplicationName) -> Vec<(UnitName, MachineId)> {
    let found = view.applications.get(application);
    let units = found.into_iter().flat_map(|found| &found.units);
    units.map(|(name, unit)| (name.clone(), unit.unit.machine)).collect()
}

/// Which target the unit of this number (from 0, in the bundle's counting) has; the last one counts
/// for all that follow.
pub(super) fn target(
    bundle: &Bundle,
    application: &ApplicationName,
    index: usize,
) -> Option<Target> {
    let to = &bundle.applications.get(application)?.to;
    to.get(index).or(to.last()).map(|placement| placement.target.clone())
}

/// Which of the bundle's machines are in the model already: told by `--map-machines`, or seen from
/// units that live where the bundle wants them.
pub(super) fn known(
    bundle: &Bundle,
    view: &ModelView,
    mapped: Option<&str>,
) -> Result<Machines, Failure> {
    let mut machines = Machines::new();
    for application in bundle.applications.keys() {
        for (index, (_, machine)) in units(view, application).into_iter().enumerate() {
            if let Some(Target::Machine(number)) = target(bundle, application, index) {
                machines.entry(number).or_insert(machine);
            }
        }
    }
    for part in mapped.into_iter().flat_map(|text| text.split(',')).filter(|part| !part.is_empty())
    {
        if part == "existing" {
            for number in bundle.machines.keys() {
                if let Ok(id) = number.parse::<MachineId>()
                    && view.machines.contains_key(&id)
                {
                    machines.insert(number.clone(), id);
                }
            }
            continue;
        }
        let bad = || {
            Failure::new(format!(
                "--map-machines: expected \"existing\" or <bundle-id>=<machine>, got {part:?}"
            ))
        };
        let (number, id) = part.split_once('=').ok_or_else(bad)?;
        let id: MachineId = id.parse().map_err(|_| bad())?;
        if !view.machines.contains_key(&id) {
            return Err(Failure::new(format!("--map-machines: machine \"{id}\" not found")));
        }
        machines.insert(number.to_owned(), id);
    }
    Ok(machines)
}

/// Where a unit goes, or the application whose units must be there first.
pub(super) fn resolve(
    target: Option<&Target>,
    index: usize,
    machines: &Machines,
    view: &ModelView,
) -> Result<Placement, ApplicationName> {
    let beside = |application: &ApplicationName, number: usize| {
        let there = units(view, application).get(number).map(|(_, machine)| *machine);
        there.map(Placement::Machine).ok_or_else(|| application.clone())
    };
    match target {
        None => Ok(Placement::Anywhere),
        Some(Target::New) => Ok(Placement::NewMachine),
        Some(Target::Machine(number)) => {
            Ok(machines.get(number).map_or(Placement::NewMachine, |id| Placement::Machine(*id)))
        }
        Some(Target::Unit(application, number)) => beside(application, *number as usize),
        Some(Target::Application(application)) => beside(application, index),
    }
}
