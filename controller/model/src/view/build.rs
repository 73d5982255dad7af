//! Making views from records.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    ApplicationView, Heard, MachineView, ModelSummary, ModelView, RelationView, StorageView,
    TaskView, UnitView, ViewRequest, has_taken,
};
use crate::life::Life;
use crate::model::Model;
use crate::name::{ApplicationName, OperationId, TaskId};
use crate::record::{
    Application, ApplicationStatus, Databag, InstanceRecord, LeaderSettings, Machine, MachineFacts,
    Membership, ModelAccess, Occupancy, Operation, Pair, Relation, Resource, Scale, Secret,
    Storage, StorageFacts, StoragePool, Task, TaskLog, TaskQueue, TaskResult, Unit, UnitProgress,
};
use crate::settled::{self, Unsettled};
use crate::status::{Agent, MachineAgent, Status, Workload};
use crate::version::Revision;

const NOT_HEARD: &str = "agent is not communicating with the server";

impl Model {
    /// The model as people are shown it.
    #[must_use]
    pub fn view(
        &self,
        request: &ViewRequest,
        heard: &Heard,
        revision: Revision,
    ) -> Option<ModelView> {
        let info = self.info()?.clone();
        let only: BTreeSet<&str> =
            request.applications.split(',').filter(|name| !name.is_empty()).collect();
        let wanted = |name: &ApplicationName| only.is_empty() || only.contains(name.as_str());
        let applications: BTreeMap<_, _> = self
            .table::<Application>()
            .iter()
            .filter(|(name, _)| wanted(name))
            .filter_map(|(name, application)| {
                Some((name.clone(), self.application_view(application, request, heard)?))
            })
            .collect();
        let machines: BTreeMap<_, _> = self
            .table::<Machine>()
            .iter()
            .map(|(id, machine)| (*id, self.machine_view(machine, heard)))
            .collect();
        let relations = self
            .table::<Relation>()
            .iter()
            .filter(|(_, relation)| relation.ends.iter().any(|end| wanted(&end.application)))
            .map(|(id, relation)| (*id, self.relation_view(relation, request.settings)))
            .collect();
        let at_rest = machines.values().all(|m| m.machine.life.is_alive())
            && self.table::<Storage>().values().all(|storage| storage.life.is_alive());
        let settled = at_rest
            && info.life.is_alive()
            && applications.values().all(|application| application.settled);
        let mut view = ModelView {
            revision,
            info,
            settled,
            applications,
            machines,
            relations,
            storage: BTreeMap::new(),
            storage_pools: BTreeMap::new(),
            resources: Vec::new(),
            secrets: BTreeMap::new(),
            operations: BTreeMap::new(),
            tasks: BTreeMap::new(),
            charms: BTreeMap::new(),
            ssh_keys: if request.ssh_keys { self.ssh_keys() } else { Vec::new() },
        };
        self.add_extras(&mut view, request, &wanted);
        Some(view)
    }

    fn add_extras(
        &self,
        view: &mut ModelView,
        request: &ViewRequest,
        wanted: &dyn Fn(&ApplicationName) -> bool,
    ) {
        if request.storage {
            let facts = self.table::<StorageFacts>();
            let all = self.table::<Storage>().iter().map(|(id, storage)| {
                let facts = facts.get(id).map(|facts| (**facts).clone());
                (id.clone(), StorageView { storage: (**storage).clone(), facts })
            });
            view.storage = all.collect();
            let pools = self.table::<StoragePool>().iter();
            view.storage_pools =
                pools.map(|(name, pool)| (name.clone(), (**pool).clone())).collect();
        }
        if request.resources {
            let all = self.table::<Resource>().values().filter(|r| wanted(&r.application));
            view.resources = all.map(|resource| (**resource).clone()).collect();
        }
        if request.secrets {
            let all = self.table::<Secret>().iter().filter(|(_, secret)| secret.is_kept());
            view.secrets = all.map(|(id, secret)| (id.clone(), (**secret).clone())).collect();
        }
        if request.charms {
            for application in view.applications.values() {
                let url = &application.application.charm;
                if let Some(record) = self.charm(url) {
                    view.charms.insert(url.clone(), record.charm.clone());
                }
            }
        }
        let mut operations: Vec<OperationId> = self
            .table::<Operation>()
            .iter()
            .rev()
            .take(request.operations as usize)
            .map(|(id, _)| *id)
            .collect();
        let task = request.task.map(TaskId);
        let of_task = task.and_then(|id| self.table::<Task>().get(&id)).map(|t| t.operation);
        operations.extend(of_task);
        for id in operations {
            let Some(operation) = self.table::<Operation>().get(&id) else { continue };
            view.operations.insert(id, (**operation).clone());
            for task in &operation.tasks {
                if let Some(seen) = self.task_view(*task) {
                    view.tasks.insert(*task, seen);
                }
            }
        }
    }

    fn application_view(
        &self,
        application: &Application,
        request: &ViewRequest,
        heard: &Heard,
    ) -> Option<ApplicationView> {
        let name = &application.name;
        let scale = self.table::<Scale>().get(name).map(|scale| (**scale).clone())?;
        let stated = self.table::<ApplicationStatus>().get(name).map(|stated| (**stated).clone());
        let units: BTreeMap<_, _> = self
            .units_of(name)
            .filter_map(|unit| Some((unit.name.clone(), self.unit_view(unit, heard)?)))
            .collect();
        let status = match stated.as_ref().and_then(|stated| stated.status.clone()) {
            Some(status) => status,
            None => worst(&units)
                .unwrap_or_else(|| Status::new(Workload::Unknown, "", application.created)),
        };
        let charm_version =
            self.charm(&application.charm).and_then(|record| record.charm.version.clone());
        let settings = self.table::<LeaderSettings>().get(name).filter(|_| request.settings);
        let settled = application.life.is_alive()
            && scale.pending.is_empty()
            && units.values().all(|unit| unit.settled && unit.unit.life.is_alive());
        Some(ApplicationView {
            application: application.clone(),
            scale,
            stated,
            status,
            charm_version: charm_version.unwrap_or_default(),
            settled,
            units,
            leader_settings: settings.map(|settings| (**settings).clone()),
        })
    }

    fn unit_view(&self, unit: &Unit, heard: &Heard) -> Option<UnitView> {
        let name = &unit.name;
        let progress = self.table::<UnitProgress>().get(name).map(|p| (**p).clone())?;
        let rest = settled::unit(self, name);
        let silent = heard.silent.get(&(self.id(), unit.machine));
        let running = heard.executing.get(&(self.id(), name.clone()));
        let mut workload = progress.workload_shown();
        let mut agent = progress.agent.clone();
        if agent.value == Agent::Error {
            agent = Status::new(Agent::Idle, "", agent.since);
        }
        if let Some((what, since)) = running {
            agent = Status::new(Agent::Executing, what.clone(), *since);
        }
        if let (Some(failure), Some(told)) = (&progress.failure, progress.failure_told())
            && workload.value != Workload::Error
        {
            agent = Status::new(Agent::Error, told, failure.at);
        }
        // Not while it is being installed: nobody has promised to be heard yet.
        if let Some(since) = silent.filter(|_| progress.installed && unit.life != Life::Dead) {
            agent = Status::new(Agent::Lost, NOT_HEARD, *since);
            if progress.failure.is_none() {
                let message = format!("agent lost, see 'juju show-status-log {name}'");
                workload = Status::new(Workload::Unknown, message, *since);
            }
        }
        let waits_for = match (&rest, running) {
            (Ok(()), _) => String::new(),
            (Err(_), Some((what, _))) => what.clone(),
            (Err(Unsettled::Failed(why)), None) if self.holds_up_a_refresh(&progress) => {
                format!("{why}; the refresh waits for `muster resolved {name}`")
            }
            (Err(Unsettled::Failed(why) | Unsettled::Waits(why)), None) => why.clone(),
            (Err(Unsettled::Behind), None) => self.behind(unit, silent.is_some()),
        };
        let address = self.facts(unit.machine).and_then(|facts| facts.addresses.first());
        Some(UnitView {
            unit: unit.clone(),
            workload,
            agent,
            leader: self.leader(&name.application) == Some(name),
            address: address.map(|address| address.value),
            settled: rest.is_ok() && running.is_none() && silent.is_none(),
            waits_for,
            progress,
        })
    }

    /// Whether a failed hook keeps what the application was last given from its unit.
    fn holds_up_a_refresh(&self, progress: &UnitProgress) -> bool {
        let application = self.application(&progress.unit.application);
        progress.charm.is_some()
            && application.is_some_and(|it| !it.force_charm && !has_taken(it, progress))
    }

    /// Whom a unit that has not caught up waits for.
    fn behind(&self, unit: &Unit, silent: bool) -> String {
        let machine = unit.machine;
        if silent {
            return format!("the agent of machine {machine}, which is not heard");
        }
        if self.facts(machine).is_some() {
            return format!("the agent of machine {machine} to catch up");
        }
        let instance = self.table::<InstanceRecord>().get(&machine);
        match instance.filter(|instance| !instance.status.message.is_empty()) {
            Some(i) => format!("machine {machine}: {} {}", i.status.value, i.status.message),
            None => format!("machine {machine} to be made"),
        }
    }

    fn machine_view(&self, machine: &Machine, heard: &Heard) -> MachineView {
        let id = machine.id;
        let facts = self.facts(id).cloned();
        let instance = self.table::<InstanceRecord>().get(&id).map(|record| (**record).clone());
        let silent = heard.silent.get(&(self.id(), id));
        let agent = match (&facts, silent) {
            (None, _) => Status::new(MachineAgent::Pending, "", machine.created),
            (Some(_), Some(since)) => Status::new(MachineAgent::Down, NOT_HEARD, *since),
            (Some(facts), None) if !facts.trouble.is_empty() => {
                Status::new(MachineAgent::Error, facts.trouble.clone(), machine.created)
            }
            (Some(_), None) if !machine.life.is_alive() => {
                Status::new(MachineAgent::Stopped, "", machine.created)
            }
            (Some(_), None) => Status::new(MachineAgent::Started, "", machine.created),
        };
        let home = self.table::<Occupancy>().get(&id);
        MachineView {
            machine: machine.clone(),
            facts,
            instance,
            agent,
            units: home.map(|home| home.units.iter().cloned().collect()).unwrap_or_default(),
            holds: home.map(|home| home.keeps.iter().cloned().collect()).unwrap_or_default(),
        }
    }

    fn relation_view(&self, relation: &Relation, settings: bool) -> RelationView {
        let members = self.table::<Membership>().get(&relation.id).map_or(0, |m| m.units);
        let mut bags = Vec::new();
        if settings {
            let first = relation.ends.iter().map(|end| &end.application).min();
            if let Some(first) = first {
                let from = Pair(relation.id, crate::name::Member::Application(first.clone()));
                let all = self.table::<Databag>().from_while(from, |key| key.0 == relation.id);
                bags = all.map(|(_, bag)| (**bag).clone()).collect();
            }
        }
        RelationView { relation: relation.clone(), members, bags }
    }

    fn task_view(&self, id: TaskId) -> Option<TaskView> {
        let task = self.table::<Task>().get(&id)?;
        let result = self.table::<TaskResult>().get(&id)?;
        let queue = self.table::<TaskQueue>().get(&task.target);
        let before = queue.and_then(|queue| queue.tasks.iter().position(|other| *other == id));
        Some(TaskView {
            task: (**task).clone(),
            result: (**result).clone(),
            log: self.table::<TaskLog>().get(&id).map(|log| (**log).clone()),
            queue_position: before.and_then(|at| u32::try_from(at).ok()),
        })
    }

    /// The model in a list of models.
    #[must_use]
    pub fn summary(&self, access: ModelAccess) -> Option<ModelSummary> {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let cores = self.table::<MachineFacts>().values().map(|facts| facts.hardware.cores).sum();
        Some(ModelSummary {
            info: self.info()?.clone(),
            access,
            machines: count(self.table::<Machine>().len()),
            cores,
            units: count(self.table::<Unit>().len()),
        })
    }
}

/// The most severe of the units' displayed statuses; the first in natural order wins ties.
fn worst(units: &BTreeMap<crate::name::UnitName, UnitView>) -> Option<Status<Workload>> {
    let mut found: Option<&Status<Workload>> = None;
    for unit in units.values() {
        if found.is_none_or(|status| unit.workload.value > status.value) {
            found = Some(&unit.workload);
        }
    }
    found.cloned()
}
