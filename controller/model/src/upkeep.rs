//! What the estate needs that nobody asked for: placing units, choosing leaders, taking units into
//! relations, taking down what is dying.
//!
//! It is asked after each commit, and so costs what the commit costs: an [`Agenda`] names the
//! matters that a batch may have opened, and [`next`] looks at those alone. Everything it does is
//! one bounded [`Txn`] at a time; what is left over is opened again by that very Txn. A matter that
//! was looked at twice, or by two controllers, does no harm: whoever is late conflicts.

mod application;
mod machine;
mod model;
mod prune;
mod relation;
mod secret;
mod storage;
mod unit;

pub use prune::{ANSWERS, OPERATION_AGE, OPERATIONS, stale};

use std::collections::{BTreeMap, BTreeSet};

use muster_charms::secret::SecretId;

use crate::draft::{Draft, MAX_WRITES, Txn};
use crate::estate::{Batch, Estate};
use crate::name::{ApplicationName, MachineId, Member, ModelId, RelationId, StorageId, UnitName};
use crate::record::{Key, Pair, SecretOwner, TaskTarget};
use crate::refusal::Refusal;
use crate::rules::Deciding;
use crate::time::Timestamp;
use crate::view::Heard;

/// How long a unit that is not heard keeps the lead: its guarantee and a margin (R10; hook
/// contract, section 4.7: 60 seconds).
pub const LEASE: std::time::Duration = std::time::Duration::from_secs(60);

/// Writes after which a Txn takes on no further matter, so that the last one fits.
const FULL: usize = MAX_WRITES / 2;

/// Something that may need tidying.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Matter {
    /// A model as a whole.
    Model(ModelId),
    /// An application: its wanted units, its leader, its end.
    Application(ModelId, ApplicationName),
    /// A unit: its relations, its subordinates, its end.
    Unit(ModelId, UnitName),
    /// A relation: who should be in it, its end.
    Relation(ModelId, RelationId),
    /// A machine: its end.
    Machine(ModelId, MachineId),
    /// A storage instance: its end.
    Storage(ModelId, StorageId),
    /// A secret: its grants, its readers, its end.
    Secret(ModelId, SecretId),
}

impl Matter {
    fn model(&self) -> ModelId {
        match self {
            Matter::Model(model)
            | Matter::Application(model, _)
            | Matter::Unit(model, _)
            | Matter::Relation(model, _)
            | Matter::Machine(model, _)
            | Matter::Storage(model, _)
            | Matter::Secret(model, _) => *model,
        }
    }
}

/// The matters that are still to be looked at.
#[derive(Clone, Debug, Default)]
pub struct Agenda {
    open: BTreeSet<Matter>,
}

impl Agenda {
    /// Every matter of an estate: for a controller that has just started.
    #[must_use]
    pub fn everything(estate: &Estate) -> Self {
        let mut agenda = Agenda::default();
        estate.for_each(|key, _, _| agenda.open_by(&key));
        agenda
    }

    /// Opens what a batch may have to do with.
    pub fn note(&mut self, batch: &Batch) {
        for (key, _) in &batch.changes {
            self.open_by(key);
        }
    }

    /// Opens a matter again, because its Txn came too late or time has passed.
    pub fn open(&mut self, matters: impl IntoIterator<Item = Matter>) {
        self.open.extend(matters);
    }

    /// Whether nothing is left to look at.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    fn open_by(&mut self, key: &Key) {
        let matter = match key {
            Key::ModelInfo(model, _) | Key::Counters(model, _) => Matter::Model(*model),
            Key::Application(model, name)
            | Key::Scale(model, name)
            | Key::Leadership(model, name) => Matter::Application(*model, name.clone()),
            Key::Unit(model, name) => {
                // A unit that goes may take the lead with it.
                self.open.insert(Matter::Application(*model, name.application.clone()));
                Matter::Unit(*model, name.clone())
            }
            Key::UnitProgress(model, name) | Key::TaskQueue(model, TaskTarget::Unit(name)) => {
                Matter::Unit(*model, name.clone())
            }
            Key::Relation(model, id) | Key::Membership(model, id) => Matter::Relation(*model, *id),
            Key::Databag(model, Pair(id, Member::Unit(name))) => {
                self.open.insert(Matter::Unit(*model, name.clone()));
                Matter::Relation(*model, *id)
            }
            Key::Machine(model, id)
            | Key::TaskQueue(model, TaskTarget::Machine(id))
            | Key::Occupancy(model, id)
            | Key::InstanceRecord(model, id)
            | Key::MachineFacts(model, id) => Matter::Machine(*model, *id),
            Key::Storage(model, id) => Matter::Storage(*model, id.clone()),
            Key::Secret(model, id) => {
                // A model that goes waits for its secrets.
                self.open.insert(Matter::Model(*model));
                Matter::Secret(*model, id.clone())
            }
            Key::SecretTrack(model, Pair(id, _)) => Matter::Secret(*model, id.clone()),
            Key::SecretShelf(model, SecretOwner::Unit(name)) => Matter::Unit(*model, name.clone()),
            Key::SecretShelf(model, SecretOwner::Application(name)) => {
                Matter::Application(*model, name.clone())
            }
            _ => return,
        };
        self.open.insert(matter);
    }
}

/// What upkeep makes of the next few matters.
#[derive(Debug)]
pub struct Upkeep {
    /// What is to be committed; never empty.
    pub txn: Txn,
    /// The matters that it is about: to be opened again if the commit conflicts.
    pub matters: Vec<Matter>,
}

/// The next bounded Txn, or none when everything is at rest. Matters that cannot be tidied are
/// handed to `stuck` with the reason; they stay closed until something about them changes.
pub fn next(
    estate: &Estate,
    agenda: &mut Agenda,
    heard: &Heard,
    now: Timestamp,
    mut stuck: impl FnMut(Matter, Refusal),
) -> Option<Upkeep> {
    let mut draft = Draft::new(estate);
    let mut matters = Vec::new();
    // What a matter opens is looked at once this Txn holds: until then it would see the estate
    // beneath the draft and do the same again.
    let mut opened = BTreeSet::new();
    while draft.writes() < FULL {
        let Some(matter) = agenda.open.pop_first() else { break };
        let before = draft.clone();
        let mut tidying = Tidying {
            d: Deciding { draft, model: matter.model(), by: None, now },
            heard,
            open: BTreeSet::new(),
        };
        let result = tidying.tidy(&matter);
        let Tidying { d, open, .. } = tidying;
        match result {
            Ok(()) if d.draft.writes() > MAX_WRITES && !matters.is_empty() => {
                // Too much in one go: it gets a Txn of its own.
                draft = before;
                agenda.open.insert(matter);
                break;
            }
            Ok(()) => {
                // Most matters have nothing to do. Kept, their reads would be copied again for each
                // matter that follows.
                let idle = d.draft.wrote_nothing_since(&before);
                draft = if idle { before } else { d.draft };
                opened.extend(open);
                matters.push(matter);
            }
            Err(refusal) => {
                draft = before;
                stuck(matter, refusal);
            }
        }
    }
    let txn = draft.finish();
    if !txn.is_empty() {
        agenda.open.extend(opened);
        return Some(Upkeep { txn, matters });
    }
    // Nothing was written, so a matter that opened itself would do so for ever.
    agenda.open.extend(opened.into_iter().filter(|matter| !matters.contains(matter)));
    if agenda.is_empty() {
        return None;
    }
    next(estate, agenda, heard, now, stuck)
}

/// One matter under upkeep's hands.
struct Tidying<'e, 'h> {
    d: Deciding<'e>,
    heard: &'h Heard,
    /// Matters that this one has opened without writing to them.
    open: BTreeSet<Matter>,
}

impl Tidying<'_, '_> {
    fn tidy(&mut self, matter: &Matter) -> Result<(), Refusal> {
        match matter {
            Matter::Model(_) => model::tidy(self),
            Matter::Application(_, name) => application::tidy(self, name),
            Matter::Unit(_, name) => unit::tidy(self, name),
            Matter::Relation(_, id) => relation::tidy(self, *id),
            Matter::Machine(_, id) => machine::tidy(self, *id),
            Matter::Storage(_, id) => storage::tidy(self, id),
            Matter::Secret(_, id) => secret::tidy(self, id),
        }
    }

    /// Since when a machine has not been heard; none if it is.
    fn silent_since(&self, machine: MachineId) -> Option<Timestamp> {
        self.heard.silent.get(&(self.d.model, machine)).copied()
    }

    /// Whether a machine has not been heard for longer than its units may believe that they lead.
    fn has_lapsed(&self, machine: MachineId) -> bool {
        self.heard.lapsed.contains(&(self.d.model, machine))
    }
}

/// What is to be looked at because of machines that have lapsed: for the controller, which calls it
/// when time has passed.
#[must_use]
pub fn lapsed(estate: &Estate, heard: &Heard) -> Vec<Matter> {
    let mut matters = Vec::new();
    let mut machines: BTreeMap<ModelId, BTreeSet<MachineId>> = BTreeMap::new();
    for (model, machine) in &heard.lapsed {
        machines.entry(*model).or_default().insert(*machine);
    }
    for (id, machines) in machines {
        let Some(model) = estate.model(id) else { continue };
        for machine in machines {
            for unit in model.units_on(machine) {
                if model.leader(&unit.name.application) == Some(&unit.name) {
                    matters.push(Matter::Application(id, unit.name.application.clone()));
                }
                if !unit.life.is_alive() {
                    matters.push(Matter::Unit(id, unit.name.clone()));
                }
            }
            matters.push(Matter::Machine(id, machine));
        }
    }
    matters
}
