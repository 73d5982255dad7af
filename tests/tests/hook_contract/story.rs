//! A model with an operator, and what its units do.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use muster_model::command::{Deploy, EndpointRef, ModelCommand};
use muster_model::effects::Effects;
use muster_model::goal::{Snapshot, SnapshotRequest};
use muster_model::name::{ModelId, RelationId};
use muster_model::record::Placement;
use muster_model::reply::Outcome;
use muster_model::{Model, Refusal};
use muster_tests::fixture::add_charm;
use muster_tests::world::{World, named};

/// One model, and an operator.
pub(crate) struct Story {
    pub(crate) world: World,
    pub(crate) model: ModelId,
}

impl Story {
    pub(crate) fn new() -> Story {
        let mut world = World::new(1).unwrap();
        let model = world.add_model(1, "default").unwrap().unwrap();
        Story { world, model }
    }

    pub(crate) fn model(&self) -> &Model {
        self.world.estate.model(self.model).unwrap()
    }

    pub(crate) fn tell(&mut self, command: ModelCommand) -> Result<Outcome, Refusal> {
        self.world.command(self.model, command).unwrap()
    }

    pub(crate) fn deploy_on(&mut self, name: &str, placements: Vec<Placement>) {
        let Ok(Outcome::Charm(charm)) = self.tell(ModelCommand::AddCharm(add_charm(name, 1)))
        else {
            panic!("{name} is a charm")
        };
        let deploy = Deploy {
            application: named(name),
            charm,
            channel: None,
            placements,
            config: BTreeMap::new(),
            trust: false,
            constraints: Default::default(),
            base: None,
            storage: BTreeMap::new(),
            attach_storage: Vec::new(),
            resources: BTreeMap::new(),
            bindings: BTreeMap::new(),
            force: false,
        };
        self.tell(ModelCommand::Deploy(deploy)).unwrap();
    }

    pub(crate) fn deploy(&mut self, name: &str, units: usize) {
        self.deploy_on(name, vec![Placement::Anywhere; units]);
    }

    /// Relates two endpoints, written `application:endpoint`.
    pub(crate) fn relate(&mut self, one: &str, other: &str) -> RelationId {
        let end = |text: &str| {
            let (application, endpoint) = text.split_once(':').unwrap();
            EndpointRef { application: named(application), endpoint: Some(named(endpoint)) }
        };
        let command = ModelCommand::Integrate { one: end(one), other: end(other) };
        match self.tell(command) {
            Ok(Outcome::Relation { id, .. }) => id,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn settle(&mut self) {
        self.world.settle(Duration::from_secs(1800)).unwrap();
    }

    /// What this hook of this unit writes from now on.
    pub(crate) fn script(&mut self, unit: &str, hook: &str, effects: Effects) {
        self.world.scripts.of(self.model, &named(unit), hook).effects = effects;
    }

    /// Runs `config-changed` on every unit of the application.
    pub(crate) fn trigger(&mut self, application: &str) {
        let trust = !self.model().application(&named(application)).unwrap().trust;
        let command = ModelCommand::Configure {
            application: named(application),
            set: BTreeMap::new(),
            reset: BTreeSet::new(),
            trust: Some(trust),
        };
        self.tell(command).unwrap();
        self.settle();
    }

    /// The hooks that the unit committed since this was last asked.
    pub(crate) fn hooks(&mut self, unit: &str) -> String {
        self.world.committed(self.model, &named(unit)).join(", ")
    }

    /// Why the unit is in error.
    pub(crate) fn failure(&self, unit: &str) -> Option<String> {
        let progress = self.model().progress(&named(unit))?;
        progress.failure.as_ref().map(|failure| failure.reason.clone())
    }

    pub(crate) fn snapshot(&self, unit: &str) -> Snapshot {
        let request = SnapshotRequest { goal_state: true, ..SnapshotRequest::default() };
        self.model().snapshot(&named(unit), &request, self.world.estate.revision()).unwrap()
    }

    pub(crate) fn without_retries(&mut self) {
        let set = [("automatically-retry-hooks".to_owned(), "false".to_owned())].into();
        self.tell(ModelCommand::ConfigureModel { set, reset: BTreeSet::new() }).unwrap();
    }
}
