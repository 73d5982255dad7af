//! Who must look again after a change.
//!
//! The work that a commit sets off is in the number of units that it concerns, so this list is
//! exact: whoever is not named here need not be woken, and whoever is has not rested
//! ([`settled`](crate::settled)) until it has seen the goal as of this revision.
//!
//! | changed | concerns |
//! | --- | --- |
//! | model | everybody in it |
//! | application, its resources, leader's settings | its units |
//! | leadership | who led and who leads |
//! | unit | itself; if its life changed, whoever sees it in a relation |
//! | machine, its addresses, who lives there | the units there |
//! | keys of SSH | the machines, and no unit |
//! | relation | the units of both ends |
//! | databag | whoever sees the member in that relation; the member itself when it comes or goes |
//! | secret | who manages it, and its readers when there is a newer revision |
//! | who reads a secret | the reader, and who manages it |
//! | storage | the unit that has it, and the one that had it; of none's, the machine that keeps it |
//! | task, queue | its target |
//! | counts, progress, facts of storage, results | nobody |

use std::collections::{BTreeMap, BTreeSet};

use muster_charms::secret::SecretId;

use crate::estate::{Batch, Estate};
use crate::model::Model;
use crate::name::{ApplicationName, MachineId, Member, ModelId, RelationId, UnitName};
use crate::record::{
    Key, Machine, MachineFacts, Pair, Secret, SecretOwner, Storage, Task, TaskTarget,
};

/// Who must look again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Units, by model.
    pub units: BTreeMap<ModelId, BTreeSet<UnitName>>,
    /// Machines, by model: those of the units, and those that are concerned themselves.
    pub machines: BTreeMap<ModelId, BTreeSet<MachineId>>,
}

impl Touched {
    /// Whether nobody is concerned.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.units.is_empty() && self.machines.is_empty()
    }
}

/// Who must look again after `batch`, which led from `before` to `after`.
#[must_use]
pub fn touches(batch: &Batch, before: &Estate, after: &Estate) -> Touched {
    let mut touched = Touched::default();
    for (key, _) in &batch.changes {
        let Some(id) = key.model() else { continue };
        let mut seen = Seen {
            was: before.model(id),
            is: after.model(id),
            units: BTreeSet::new(),
            machines: BTreeSet::new(),
        };
        seen.look(key);
        let Seen { was, is, units, mut machines } = seen;
        for name in &units {
            let unit = is.and_then(|m| m.unit(name)).or_else(|| was.and_then(|m| m.unit(name)));
            machines.extend(unit.map(|unit| unit.machine));
        }
        if !units.is_empty() {
            touched.units.entry(id).or_default().extend(units);
        }
        if !machines.is_empty() {
            touched.machines.entry(id).or_default().extend(machines);
        }
    }
    touched
}

struct Seen<'a> {
    was: Option<&'a Model>,
    is: Option<&'a Model>,
    units: BTreeSet<UnitName>,
    machines: BTreeSet<MachineId>,
}

impl<'a> Seen<'a> {
    fn sides(&self) -> impl Iterator<Item = &'a Model> + use<'a> {
        self.was.into_iter().chain(self.is)
    }

    fn look(&mut self, key: &Key) {
        match key {
            Key::ModelInfo(..) => self.everybody(),
            Key::Application(_, name) | Key::LeaderSettings(_, name) => self.units_of(name),
            Key::Resource(_, Pair(application, _)) => self.units_of(application),
            Key::Leadership(_, name) => {
                for model in self.sides() {
                    self.units.extend(model.leader(name).cloned());
                }
            }
            Key::Unit(_, name) => self.unit(name),
            Key::Machine(_, id) | Key::Occupancy(_, id) => self.machine(*id),
            Key::SshKeys(..) => {
                for model in self.sides() {
                    self.machines.extend(model.table::<Machine>().iter().map(|(id, _)| *id));
                }
            }
            Key::MachineFacts(_, id) => {
                let addresses =
                    |m: &'a Model| m.table::<MachineFacts>().get(id).map(|f| &f.addresses);
                if self.was.and_then(addresses) != self.is.and_then(addresses) {
                    self.machine(*id);
                }
            }
            Key::Relation(_, id) => self.relation(*id),
            Key::Databag(_, Pair(relation, member)) => {
                self.observers(*relation, member);
                let scope =
                    |m: &Model| m.databag(*relation, member).is_some_and(|bag| bag.in_scope);
                if let Member::Unit(unit) = member
                    && self.was.is_some_and(scope) != self.is.is_some_and(scope)
                {
                    self.units.insert(unit.clone());
                }
            }
            Key::Storage(_, id) => {
                for model in self.sides() {
                    let storage: Option<&Storage> = model.storage(id);
                    let unit = storage.and_then(|s| s.attachment.as_ref()).map(|a| a.unit.clone());
                    if unit.is_none() {
                        self.machines.extend(storage.and_then(|s| s.machine));
                    }
                    self.units.extend(unit);
                }
            }
            Key::Task(_, id) => {
                for model in self.sides() {
                    if let Some(task) = model.table::<Task>().get(id) {
                        self.target(&task.target);
                    }
                }
            }
            Key::TaskQueue(_, target) => self.target(target),
            Key::Secret(_, id) => self.secret(id),
            Key::SecretTrack(_, Pair(id, unit)) => {
                self.units.insert(unit.clone());
                self.managers(id);
            }
            Key::SecretShelf(_, SecretOwner::Unit(unit)) => {
                self.units.insert(unit.clone());
            }
            Key::Controller(_)
            | Key::User(_)
            | Key::Token(_)
            | Key::ModelIndex(_)
            | Key::Cloud(_)
            | Key::CloudCredentials(_)
            | Key::Presence(_)
            | Key::Request(_)
            | Key::Bases(_)
            | Key::Counters(..)
            | Key::Scale(..)
            | Key::ApplicationStatus(..)
            | Key::UnitProgress(..)
            | Key::UnitState(..)
            | Key::InstanceRecord(..)
            | Key::Membership(..)
            | Key::CharmRecord(..)
            | Key::SecretPart(..)
            | Key::SecretShelf(..)
            | Key::StoragePool(..)
            | Key::StorageFacts(..)
            | Key::Operation(..)
            | Key::TaskResult(..)
            | Key::TaskLog(..) => {}
        }
    }

    fn everybody(&mut self) {
        for model in self.sides() {
            self.units.extend(model.table::<crate::record::Unit>().iter().map(|(n, _)| n.clone()));
            self.machines.extend(model.table::<crate::record::Machine>().iter().map(|(id, _)| *id));
        }
    }

    fn units_of(&mut self, application: &ApplicationName) {
        for model in self.sides() {
            self.units.extend(model.units_of(application).map(|unit| unit.name.clone()));
        }
    }

    fn machine(&mut self, id: MachineId) {
        self.machines.insert(id);
        for model in self.sides() {
            self.units.extend(model.units_on(id).map(|unit| unit.name.clone()));
        }
    }

    fn unit(&mut self, name: &UnitName) {
        self.units.insert(name.clone());
        let life = |m: &Model| m.unit(name).map(|unit| unit.life);
        if self.was.and_then(life) == self.is.and_then(life) {
            return;
        }
        let Some(model) = self.is.or(self.was) else { return };
        let relations: Vec<RelationId> =
            model.relations_of(&name.application).map(|relation| relation.id).collect();
        for id in relations {
            if model.databag(id, &Member::Unit(name.clone())).is_some_and(|bag| bag.in_scope) {
                self.observers(id, &Member::Unit(name.clone()));
            }
        }
    }

    fn relation(&mut self, id: RelationId) {
        let applications: BTreeSet<&'a ApplicationName> = self
            .sides()
            .filter_map(|model| model.relation(id))
            .flat_map(|relation| relation.ends.iter().map(|end| &end.application))
            .collect();
        for application in applications {
            self.units_of(application);
        }
    }

    /// Whoever sees `member` in a relation: among peers the other units, and for the application's
    /// own bag all of them; else the units of the other end; in a container's scope only those that
    /// live beside it.
    fn observers(&mut self, id: RelationId, member: &Member) {
        for model in self.sides() {
            let Some(relation) = model.relation(id) else { continue };
            let Some(other) = relation.other_end(member.application()) else { continue };
            let container = relation.scope == muster_charms::Scope::Container;
            let seen = model.units_of(&other.application).filter(|unit| match member {
                Member::Unit(name) if *name == unit.name => false,
                Member::Unit(name) if container => beside(model, &unit.name, name),
                _ => true,
            });
            self.units.extend(seen.map(|unit| unit.name.clone()));
        }
    }

    /// Who manages a secret, if a hook of theirs may be about the change; who reads it, if there is
    /// another newest revision.
    fn secret(&mut self, id: &SecretId) {
        let (was, is) = (self.was.and_then(|m| m.secret(id)), self.is.and_then(|m| m.secret(id)));
        let asks = |secret: Option<&Secret>| {
            let secret = secret.filter(|secret| secret.is_kept())?;
            let due: Vec<_> = secret.revisions.iter().map(|(n, r)| (*n, r.due())).collect();
            Some((secret.label.clone(), secret.rotate_at, due))
        };
        if asks(was) != asks(is) {
            self.managers(id);
        }
        let newest =
            |secret: Option<&Secret>| secret.filter(|s| s.is_kept()).and_then(Secret::newest);
        if newest(was) != newest(is) {
            for model in self.sides() {
                self.units.extend(model.trackers(id).map(|track| track.unit.clone()));
            }
        }
    }

    fn managers(&mut self, id: &SecretId) {
        for model in self.sides() {
            match model.secret(id).map(|secret| &secret.owner) {
                Some(SecretOwner::Unit(unit)) => drop(self.units.insert(unit.clone())),
                Some(SecretOwner::Application(name)) => {
                    self.units.extend(model.leader(name).cloned());
                }
                Some(SecretOwner::Model) | None => {}
            }
        }
    }

    fn target(&mut self, target: &TaskTarget) {
        match target {
            TaskTarget::Unit(unit) => {
                self.units.insert(unit.clone());
            }
            TaskTarget::Machine(id) => {
                self.machines.insert(*id);
            }
        }
    }
}

/// Whether one of the two is the other's principal.
#[must_use]
pub fn beside(model: &Model, one: &UnitName, other: &UnitName) -> bool {
    let principal = |name: &UnitName| model.unit(name).and_then(|unit| unit.principal.as_ref());
    principal(one) == Some(other) || principal(other) == Some(one)
}
