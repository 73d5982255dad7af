//! What must never be: one checker for the simulation, for every start and for `muster doctor`.
//!
//! Each finding names the invariant (`I1` …) of the reliability document, section 8. Those that are
//! true by construction have no line here: names are unique because they are keys (I3), a unit has
//! one machine because it has one field (I5), revisions grow because the store counts them (I12),
//! no record can name another model's because names do not carry a model (I14).

mod secret;

use crate::estate::Estate;
use crate::life::Life;
use crate::model::Model;
use crate::name::Member;
use crate::record::{
    Application, Databag, Leadership, Machine, Membership, Occupancy, Relation, Scale, Storage,
    Task, TaskQueue, Unit, UnitProgress,
};
use crate::view::Finding;

impl Estate {
    /// Everything that is not as it must be; empty if all is well.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        self.models().flat_map(|model| model.findings()).collect()
    }
}

impl Model {
    /// Everything in this model that is not as it must be.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        self.units_refer(&mut found);
        self.counts_agree(&mut found);
        self.relations_connect(&mut found);
        self.leaders_live(&mut found);
        self.storage_is_held_once(&mut found);
        self.secrets_hold(&mut found);
        self.tasks_refer(&mut found);
        self.settings_are_valid(&mut found);
        found
    }

    fn units_refer(&self, found: &mut Vec<Finding>) {
        for (name, unit) in self.table::<Unit>().iter() {
            if self.application(&name.application).is_none() {
                say(found, "I1", format!("unit {name} has no application"));
            }
            if self.machine(unit.machine).is_none() {
                say(
                    found,
                    "I1",
                    format!("unit {name} is on machine {}, which is not", unit.machine),
                );
            }
            if self.progress(name).is_none() {
                say(found, "I1", format!("unit {name} has no progress"));
            }
            let home = self.table::<Occupancy>().get(&unit.machine);
            if !home.is_some_and(|home| home.units.contains(name)) {
                say(found, "I5", format!("machine {} does not know unit {name}", unit.machine));
            }
            let Some(principal) = &unit.principal else { continue };
            match self.unit(principal) {
                None => say(found, "I5", format!("{name} lives beside {principal}, which is not")),
                Some(other) if other.machine != unit.machine => {
                    say(found, "I5", format!("{name} is not on the machine of {principal}"));
                }
                Some(other) if !other.subordinates.contains(name) => {
                    say(found, "I5", format!("{principal} does not know {name}"));
                }
                Some(_) => {}
            }
        }
        for (name, _) in self.table::<UnitProgress>().iter() {
            if self.unit(name).is_none() {
                say(found, "I2", format!("progress of unit {name}, which is not"));
            }
        }
        for (id, occupancy) in self.table::<Occupancy>().iter() {
            for unit in &occupancy.units {
                if self.unit(unit).is_none_or(|unit| unit.machine != *id) {
                    say(found, "I5", format!("machine {id} lists unit {unit}, which is not there"));
                }
            }
        }
    }

    fn counts_agree(&self, found: &mut Vec<Finding>) {
        for (name, scale) in self.table::<Scale>().iter() {
            let units = self.units_of(name).count();
            if units != scale.units as usize {
                say(found, "I1", format!("{name} counts {} units and has {units}", scale.units));
            }
            for id in &scale.relations {
                if self.relation(*id).is_none_or(|relation| relation.end_of(name).is_none()) {
                    say(found, "I1", format!("{name} lists relation {id}, which is not its own"));
                }
            }
        }
        let Some(counters) = self.counters() else {
            if self.info().is_some() {
                say(found, "I1", "the model has no counters".to_owned());
            }
            return;
        };
        let counts = [
            ("applications", counters.applications as usize, self.table::<Application>().len()),
            ("machines", counters.machines as usize, self.table::<Machine>().len()),
            ("storage instances", counters.storages as usize, self.table::<Storage>().len()),
        ];
        for (what, counted, there) in counts {
            if counted != there {
                say(found, "I1", format!("the model counts {counted} {what} and has {there}"));
            }
        }
    }

    fn relations_connect(&self, found: &mut Vec<Finding>) {
        for (id, relation) in self.table::<Relation>().iter() {
            for end in &relation.ends {
                if !self.scale(&end.application).is_some_and(|s| s.relations.contains(id)) {
                    say(found, "I1", format!("{} does not know relation {id}", end.application));
                }
                let endpoint = self
                    .charm_of(&end.application)
                    .and_then(|record| record.charm.endpoint(&end.endpoint));
                if endpoint.is_some_and(|e| e.interface != relation.interface || e.role != end.role)
                {
                    say(
                        found,
                        "I4",
                        format!("relation \"{relation}\" does not fit {}", end.endpoint),
                    );
                }
            }
            let inside = self.members_of(relation);
            let counted = self.table::<Membership>().get(id).map_or(0, |m| m.units as usize);
            if inside != counted {
                say(
                    found,
                    "I1",
                    format!("relation {id} counts {counted} members and has {inside}"),
                );
            }
        }
        for (key, bag) in self.table::<Databag>().iter() {
            if self.relation(key.0).is_none() {
                say(found, "I1", format!("a databag of relation {}, which is not", key.0));
            }
            if let Member::Unit(unit) = &bag.member
                && bag.in_scope
                && self.unit(unit).is_none()
            {
                say(found, "I2", format!("unit {unit}, which is not, is in relation {}", key.0));
            }
        }
    }

    fn members_of(&self, relation: &Relation) -> usize {
        let ends = relation.ends.iter();
        ends.flat_map(|end| self.unit_bags(relation.id, &end.application))
            .filter(|(_, bag)| bag.in_scope)
            .count()
    }

    fn leaders_live(&self, found: &mut Vec<Finding>) {
        for (name, record) in self.table::<Leadership>().iter() {
            if self.application(name).is_none() {
                say(found, "I1", format!("leadership of {name}, which is not"));
            }
            let Some(leader) = &record.leader else { continue };
            if leader.application != *name || self.unit(leader).is_none() {
                say(found, "I6", format!("{name} is led by {leader}, which is not its unit"));
            }
        }
    }

    fn storage_is_held_once(&self, found: &mut Vec<Finding>) {
        for (id, storage) in self.table::<Storage>().iter() {
            let home = storage.machine.and_then(|machine| self.table::<Occupancy>().get(&machine));
            let kept = home.is_some_and(|home| home.keeps.contains(id));
            if home.is_some() && kept != storage.attachment.is_none() {
                let whose =
                    if kept { "has a unit and is kept" } else { "is nobody's and not kept" };
                say(found, "I8", format!("storage {id} {whose} by its machine"));
            }
            let Some(attachment) = &storage.attachment else { continue };
            match self.unit(&attachment.unit) {
                None => {
                    say(
                        found,
                        "I8",
                        format!("storage {id} is {}'s, which is not", attachment.unit),
                    );
                }
                Some(unit) if !unit.storages.contains(id) => {
                    say(found, "I8", format!("{} does not know storage {id}", attachment.unit));
                }
                Some(_) => {}
            }
        }
        for (machine, home) in self.table::<Occupancy>().iter() {
            for id in &home.keeps {
                if self.storage(id).is_none_or(|storage| storage.machine != Some(*machine)) {
                    say(
                        found,
                        "I8",
                        format!("machine {machine} keeps storage {id}, which is not there"),
                    );
                }
            }
        }
        for (name, unit) in self.table::<Unit>().iter() {
            for id in &unit.storages {
                let holder = self.storage(id).and_then(|s| s.attachment.as_ref()).map(|a| &a.unit);
                if holder != Some(name) {
                    say(found, "I8", format!("{name} lists storage {id}, which is not its own"));
                }
            }
        }
    }

    fn tasks_refer(&self, found: &mut Vec<Finding>) {
        for (target, queue) in self.table::<TaskQueue>().iter() {
            for id in &queue.tasks {
                if self.table::<Task>().get(id).is_none_or(|task| task.target != *target) {
                    say(found, "I1", format!("{target} waits for task {id}, which is not its own"));
                }
            }
        }
    }

    fn settings_are_valid(&self, found: &mut Vec<Finding>) {
        for (name, application) in self.table::<Application>().iter() {
            let Some(record) = self.charm(&application.charm) else {
                say(found, "I1", format!("{name} has charm {}, which is not", application.charm));
                continue;
            };
            for (key, value) in &application.config {
                let option = record.charm.options.get(key);
                if !option.is_some_and(|option| option.kind.admits(value)) {
                    say(
                        found,
                        "I16",
                        format!("option {key} of {name} has a value of another type"),
                    );
                }
            }
            if application.life == Life::Dead {
                say(found, "I2", format!("application {name} is dead and still there"));
            }
        }
    }
}

fn say(found: &mut Vec<Finding>, invariant: &str, what: String) {
    found.push(Finding { invariant: invariant.to_owned(), what });
}
