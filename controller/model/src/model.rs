//! One model, as of one revision.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::name::{
    ApplicationName, CharmUrl, EndpointName, MachineId, Member, ModelId, RelationId, StorageId,
    UnitName,
};
use crate::record::{
    Application, CharmRecord, Counters, Databag, Leadership, Machine, MachineFacts, ModelInfo,
    ModelRecord, ModelTables, Occupancy, Only, Pair, Relation, Scale, Storage, TaskQueue,
    TaskTarget, Unit, UnitProgress,
};
use crate::table::Table;
use crate::version::Revision;

/// All records of one model: a plain value, no handle to anything.
#[derive(Clone, Debug)]
pub struct Model {
    id: ModelId,
    pub(crate) revision: Revision,
    pub(crate) tables: ModelTables,
    touched: Table<UnitName, ()>,
    touched_machines: Table<MachineId, ()>,
}

impl Model {
    /// An empty model.
    #[must_use]
    pub(crate) fn new(id: ModelId) -> Self {
        Model {
            id,
            revision: Revision::ZERO,
            tables: ModelTables::default(),
            touched: Table::default(),
            touched_machines: Table::default(),
        }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> ModelId {
        self.id
    }

    /// The last revision that changed anything in it.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The records of one kind.
    #[must_use]
    pub fn table<R: ModelRecord>(&self) -> &Table<R::Name, R> {
        R::table(self)
    }

    /// The model's own record. Every model has one for as long as it has any record.
    #[must_use]
    pub fn info(&self) -> Option<&ModelInfo> {
        self.table::<ModelInfo>().get(&Only).map(Arc::as_ref)
    }

    /// The next free numbers.
    #[must_use]
    pub fn counters(&self) -> Option<&Counters> {
        self.table::<Counters>().get(&Only).map(Arc::as_ref)
    }

    /// An application by name.
    #[must_use]
    pub fn application(&self, name: &ApplicationName) -> Option<&Application> {
        self.table::<Application>().get(name).map(Arc::as_ref)
    }

    /// How many units an application has and waits for.
    #[must_use]
    pub fn scale(&self, name: &ApplicationName) -> Option<&Scale> {
        self.table::<Scale>().get(name).map(Arc::as_ref)
    }

    /// Who leads an application.
    #[must_use]
    pub fn leader(&self, name: &ApplicationName) -> Option<&UnitName> {
        self.table::<Leadership>().get(name).and_then(|record| record.leader.as_ref())
    }

    /// A unit by name.
    #[must_use]
    pub fn unit(&self, name: &UnitName) -> Option<&Unit> {
        self.table::<Unit>().get(name).map(Arc::as_ref)
    }

    /// How far a unit is.
    #[must_use]
    pub fn progress(&self, name: &UnitName) -> Option<&UnitProgress> {
        self.table::<UnitProgress>().get(name).map(Arc::as_ref)
    }

    /// The units of an application, by number.
    pub fn units_of<'a>(
        &'a self,
        application: &'a ApplicationName,
    ) -> impl Iterator<Item = &'a Arc<Unit>> + 'a {
        self.table::<Unit>()
            .from_while(UnitName::new(application.clone(), 0), |unit| {
                unit.application == *application
            })
            .map(|(_, unit)| unit)
    }

    /// The units that live on a machine: principals and the subordinates beside them.
    pub fn units_on(&self, machine: MachineId) -> impl Iterator<Item = &Unit> {
        let names = self.table::<Occupancy>().get(&machine).map(|record| record.units.iter());
        names.into_iter().flatten().filter_map(|name| self.unit(name))
    }

    /// A machine by id.
    #[must_use]
    pub fn machine(&self, id: MachineId) -> Option<&Machine> {
        self.table::<Machine>().get(&id).map(Arc::as_ref)
    }

    /// What a machine's agent says of it.
    #[must_use]
    pub fn facts(&self, id: MachineId) -> Option<&MachineFacts> {
        self.table::<MachineFacts>().get(&id).map(Arc::as_ref)
    }

    /// A relation by number.
    #[must_use]
    pub fn relation(&self, id: RelationId) -> Option<&Relation> {
        self.table::<Relation>().get(&id).map(Arc::as_ref)
    }

    /// The relations of an application, by number.
    pub fn relations_of<'a>(
        &'a self,
        application: &ApplicationName,
    ) -> impl Iterator<Item = &'a Relation> + use<'a> {
        let ids = self.table::<Scale>().get(application).map(|scale| scale.relations.iter());
        ids.into_iter().flatten().filter_map(|id| self.relation(*id))
    }

    /// The relations at one endpoint of an application, by number.
    pub fn relations_at<'a>(
        &'a self,
        application: &'a ApplicationName,
        endpoint: &'a EndpointName,
    ) -> impl Iterator<Item = &'a Relation> + 'a {
        self.relations_of(application).filter(move |relation| {
            relation.ends.iter().any(|e| e.application == *application && e.endpoint == *endpoint)
        })
    }

    /// A member's databag in a relation.
    #[must_use]
    pub fn databag(&self, relation: RelationId, member: &Member) -> Option<&Databag> {
        self.table::<Databag>().get(&Pair(relation, member.clone())).map(Arc::as_ref)
    }

    /// The databags of one application's units in a relation, by number, in scope or not.
    pub fn unit_bags<'a>(
        &'a self,
        relation: RelationId,
        application: &'a ApplicationName,
    ) -> impl Iterator<Item = (&'a UnitName, &'a Arc<Databag>)> + 'a {
        let first = Member::Unit(UnitName::new(application.clone(), 0));
        self.table::<Databag>()
            .from_while(Pair(relation, first), move |Pair(id, member)| {
                *id == relation
                    && matches!(member, Member::Unit(u) if u.application == *application)
            })
            .filter_map(|(Pair(_, member), bag)| match member {
                Member::Unit(unit) => Some((unit, bag)),
                Member::Application(_) => None,
            })
    }

    /// A charm by URL.
    #[must_use]
    pub fn charm(&self, url: &CharmUrl) -> Option<&CharmRecord> {
        self.table::<CharmRecord>().get(url).map(Arc::as_ref)
    }

    /// The charm of an application.
    #[must_use]
    pub fn charm_of(&self, application: &ApplicationName) -> Option<&CharmRecord> {
        self.charm(&self.application(application)?.charm)
    }

    /// A storage instance by id.
    #[must_use]
    pub fn storage(&self, id: &StorageId) -> Option<&Storage> {
        self.table::<Storage>().get(id).map(Arc::as_ref)
    }

    /// The storage instances that a unit has, by id.
    pub fn storage_of<'a>(
        &'a self,
        unit: &UnitName,
    ) -> impl Iterator<Item = &'a Storage> + use<'a> {
        let ids = self.table::<Unit>().get(unit).map(|unit| unit.storages.iter());
        ids.into_iter().flatten().filter_map(|id| self.storage(id))
    }

    /// The tasks that a target has still to run.
    #[must_use]
    pub fn queue(&self, target: &TaskTarget) -> Option<&TaskQueue> {
        self.table::<TaskQueue>().get(target).map(Arc::as_ref)
    }

    /// The last revision that touched a unit: whoever rested at it or later has seen everything.
    #[must_use]
    pub fn touched(&self, unit: &UnitName) -> Revision {
        self.touched.entry(unit).map_or(Revision::ZERO, |entry| entry.revision)
    }

    /// The last revision that touched a machine: itself, or a unit that lives there. A machine that
    /// the model does not have counts as touched by the newest revision, so that whoever asks for
    /// its goal learns that there is none.
    #[must_use]
    pub fn touched_machine(&self, machine: MachineId) -> Revision {
        self.touched_machines.entry(&machine).map_or(self.revision, |entry| entry.revision)
    }

    pub(crate) fn touch_machines(&mut self, machines: &BTreeSet<MachineId>, revision: Revision) {
        for machine in machines {
            let present = self.machine(*machine).is_some().then_some(());
            self.touched_machines.set(*machine, present, revision);
        }
    }

    pub(crate) fn touch(&mut self, units: &BTreeSet<UnitName>, revision: Revision) {
        for unit in units {
            let present = self.unit(unit).is_some().then_some(());
            self.touched.set(unit.clone(), present, revision);
        }
    }

    pub(crate) fn touch_all(&mut self, revision: Revision) {
        let units: BTreeSet<UnitName> =
            self.table::<Unit>().iter().map(|(name, _)| name.clone()).collect();
        self.touch(&units, revision);
        let machines: BTreeSet<MachineId> =
            self.table::<Machine>().iter().map(|(id, _)| *id).collect();
        self.touch_machines(&machines, revision);
    }
}
