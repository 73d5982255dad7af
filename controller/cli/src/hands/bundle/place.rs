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

#[cfg(test)]
mod tests {
    use muster_charms::bundle::Source;

    use super::*;
    use crate::shape::story::Story;

    const CHARM: &[(&str, &str)] = &[("metadata.yaml", "name: wiki\nsummary: s\ndescription: d\n")];

    fn bundle(to: &str) -> Bundle {
        let machines = if to.contains('7') { "machines:\n  \"7\": {}\n  \"8\": {}\n" } else { "" };
        let text = format!(
            "{machines}applications:\n  wiki:\n    charm: ./wiki\n    num_units: 3\n    to: {to}\n  db:\n    charm: ./db\n    num_units: 2\n    to: [wiki, wiki/2]\n"
        );
        let base = Source { file: "bundle.yaml", folder: "", bytes: text.as_bytes() };
        let none = |path: &str| Err(format!("{path} is not there"));
        Bundle::load(&base, &[], &none, &|_| Ok(())).expect("a bundle")
    }

    fn name(text: &str) -> ApplicationName {
        text.parse().unwrap()
    }

    /// Deploying again finds the bundle's machines where its units already live (§8.5).
    #[test]
    fn machines_are_known_again_by_the_units_on_them() {
        let mut story = Story::begin();
        story.deploy(CHARM, 2);
        let bundle = bundle("[\"7\", \"8\"]");
        let machines = known(&bundle, &story.view(), None).unwrap();
        assert_eq!(machines.get("7"), Some(&MachineId(0)));
        assert_eq!(machines.get("8"), Some(&MachineId(1)));
        // The last place counts for all units that follow.
        let third = target(&bundle, &name("wiki"), 2);
        assert_eq!(third, Some(Target::Machine("8".to_owned())));
        let place = resolve(third.as_ref(), 2, &machines, &story.view());
        assert_eq!(place, Ok(Placement::Machine(MachineId(1))));
    }

    #[test]
    fn a_unit_beside_one_that_is_not_there_waits_for_it() {
        let mut story = Story::begin();
        story.deploy(CHARM, 2);
        let bundle = bundle("[new]");
        let view = story.view();
        let none = Machines::new();
        let db = name("db");
        let at = |index| resolve(target(&bundle, &db, index).as_ref(), index, &none, &view);
        assert_eq!(at(0), Ok(Placement::Machine(MachineId(0))));
        assert_eq!(at(1), Err(name("wiki")));
        let wiki = target(&bundle, &name("wiki"), 0);
        assert_eq!(resolve(wiki.as_ref(), 0, &none, &view), Ok(Placement::NewMachine));
        assert_eq!(resolve(None, 0, &none, &view), Ok(Placement::Anywhere));
    }

    #[test]
    fn machines_are_mapped_by_hand() {
        let mut story = Story::begin();
        story.deploy(CHARM, 2);
        let bundle = bundle("[\"7\", \"8\"]");
        let machines = known(&bundle, &story.view(), Some("existing,7=1")).unwrap();
        assert_eq!(machines.get("7"), Some(&MachineId(1)));
        // No machine of the model has the number 8, so a unit's place is all that is known.
        assert_eq!(machines.get("8"), Some(&MachineId(1)));
        let refused = |text| known(&bundle, &story.view(), Some(text)).unwrap_err().message;
        assert_eq!(refused("7=9"), "--map-machines: machine \"9\" not found");
        assert!(refused("7").starts_with("--map-machines: expected \"existing\" or"));
    }
}
