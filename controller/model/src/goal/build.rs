//! Building a goal from the records.

use std::collections::{BTreeMap, BTreeSet};

use muster_charms::{Charm, OptionValue};

use super::{
    CharmGoal, Goal, ModelSettings, ResourceGoal, StorageGoal, TaskGoal, UnitGoal, relation,
};
use crate::life::Life;
use crate::model::Model;
use crate::name::{MachineId, OptionName, StorageId, UnitName};
use crate::record::{
    Application, LeaderSettings, Machine, ModelInfo, Occupancy, Pair, Resource, StorageFacts, Task,
    TaskTarget, Unit,
};
use crate::version::{Revision, Version};

/// Options of the model that are proxies, as agents are told of them.
const PROXIES: &[&str] = &[
    "ftp-proxy",
    "http-proxy",
    "https-proxy",
    "juju-ftp-proxy",
    "juju-http-proxy",
    "juju-https-proxy",
    "juju-no-proxy",
    "no-proxy",
];

impl Model {
    /// What `machine` should make true as of `revision`; none, if it is no machine of the model.
    #[must_use]
    pub fn goal(&self, machine: MachineId, revision: Revision) -> Option<Goal> {
        let record = self.machine(machine)?;
        let info = self.info()?;
        let units = self
            .units_on(machine)
            .filter_map(|unit| Some((unit.name.clone(), self.unit_goal(unit)?)))
            .collect();
        Some(Goal {
            revision,
            model: self.id(),
            model_name: info.name.clone(),
            machine,
            life: record.life,
            force: record.force || info.force,
            addresses: self.facts(machine).map(|f| f.addresses.clone()).unwrap_or_default(),
            settings: settings(info),
            units,
            discard: self.discards(record),
            tasks: self.task_goals(&TaskTarget::Machine(machine)),
        })
    }

    /// The goal of `machine` for an agent that has seen it as of `after`: none while nothing has
    /// touched it since. None either before the machine's facts are known: until then a unit may go
    /// without anybody asking the agent, which must not begin upon it.
    #[must_use]
    pub fn newer_goal(
        &self,
        machine: MachineId,
        after: Revision,
        revision: Revision,
    ) -> Option<Goal> {
        self.facts(machine)?;
        if self.touched_machine(machine) > after { self.goal(machine, revision) } else { None }
    }

    /// Kept storage of a machine that is to be destroyed. On one that the substrate takes away all
    /// data goes with it.
    fn discards(&self, machine: &Machine) -> BTreeSet<StorageId> {
        let stays = machine.life.is_alive() || machine.host;
        let kept = self.table::<Occupancy>().get(&machine.id).filter(|_| stays);
        let kept = kept.into_iter().flat_map(|occupancy| &occupancy.keeps);
        kept.filter(|id| self.storage(id).is_some_and(|s| !s.life.is_alive())).cloned().collect()
    }

    fn unit_goal(&self, unit: &Unit) -> Option<UnitGoal> {
        let name = &unit.name;
        let application = self.application(&name.application)?;
        let record = self.charm(&application.charm)?;
        let progress = self.progress(name)?;
        let constraints = self.machine(unit.machine).map(|m| &m.constraints);
        Some(UnitGoal {
            life: unit.life,
            force: unit.force,
            principal: unit.principal.clone(),
            subordinates: unit.subordinates.clone(),
            seq: progress.seq,
            charm: CharmGoal {
                url: application.charm.clone(),
                digest: record.digest,
                modified: application.charm_modified,
                forced: application.force_charm,
            },
            config: effective(&record.charm, application),
            trust: application.trust,
            leader: self.leader(&name.application) == Some(name),
            leader_settings: self
                .table::<LeaderSettings>()
                .get(&name.application)
                .map_or(Version::ZERO, |settings| settings.version),
            relations: self
                .relations_of(&name.application)
                .filter_map(|r| Some((r.id, relation::goal(self, unit, &record.charm, r)?)))
                .collect(),
            storage: self.storage_goals(name),
            resources: self.resource_goals(application, &record.charm),
            tasks: self.task_goals(&TaskTarget::Unit(name.clone())),
            resolve: unit.resolve,
            ports: progress.ports.clone(),
            bindings: application.bindings.clone(),
            cores: constraints.and_then(|c| c.cores()),
            mem_mib: constraints.and_then(|c| c.mem_mib()),
        })
    }

    fn storage_goals(&self, unit: &UnitName) -> BTreeMap<StorageId, StorageGoal> {
        let record = self.unit(unit);
        let leaves_with_data =
            record.is_some_and(|unit| unit.destroy_storage && unit.life != Life::Alive);
        self.storage_of(unit)
            .filter_map(|storage| {
                let attachment = storage.attachment.as_ref()?;
                let facts = self.table::<StorageFacts>().get(&storage.id);
                let goal = StorageGoal {
                    life: attachment.life.max(storage.life),
                    destroy: storage.life != Life::Alive || leaves_with_data,
                    force: storage.force,
                    // Its agent says what lies behind it as soon as it is ready.
                    created: facts.is_some_and(|facts| !facts.provider_id.is_empty()),
                    kind: storage.kind,
                    provider: storage.provider,
                    size_mib: storage.size_mib,
                    location: attachment.location.clone(),
                    read_only: storage.read_only,
                };
                Some((storage.id.clone(), goal))
            })
            .collect()
    }

    fn resource_goals(
        &self,
        application: &Application,
        charm: &Charm,
    ) -> BTreeMap<crate::name::ResourceName, ResourceGoal> {
        let given = self.table::<Resource>();
        charm
            .metadata
            .resources
            .iter()
            .filter_map(|(name, spec)| {
                let resource = given.get(&Pair(application.name.clone(), name.clone()))?;
                let goal = ResourceGoal {
                    digest: resource.digest,
                    size: resource.size,
                    filename: spec.filename.clone(),
                    revision: resource.revision,
                };
                Some((name.clone(), goal))
            })
            .collect()
    }

    fn task_goals(&self, target: &TaskTarget) -> Vec<TaskGoal> {
        let Some(queue) = self.queue(target) else { return Vec::new() };
        let tasks = queue.tasks.iter().filter_map(|id| self.table::<Task>().get(id));
        tasks
            .map(|task| TaskGoal {
                id: task.id,
                kind: task.kind.clone(),
                parallel: task.parallel,
                execution_group: task.execution_group.clone(),
                cancel: task.cancel,
            })
            .collect()
    }
}

/// How a model is set, as far as agents care.
#[must_use]
pub fn settings(info: &ModelInfo) -> ModelSettings {
    let proxies = PROXIES
        .iter()
        .filter(|key| !info.option(key).is_empty())
        .map(|key| ((*key).to_owned(), info.option(key).to_owned()))
        .collect();
    ModelSettings {
        retry_hooks: info.retries_hooks(),
        update_status_ms: u64::try_from(info.update_status_interval().as_millis())
            .unwrap_or(u64::MAX),
        parallel_hooks: info.parallel_hooks(),
        egress_subnets: info.option("egress-subnets").to_owned(),
        proxies,
    }
}

/// An application's configuration: what was set, over the charm's defaults. Options that the charm
/// does not have (any more) are left out; those without a value are absent.
#[must_use]
pub fn effective(charm: &Charm, application: &Application) -> BTreeMap<OptionName, OptionValue> {
    charm
        .options
        .iter()
        .filter_map(|(name, option)| {
            let set = application.config.get(name).filter(|value| option.kind.admits(value));
            let value = set.or(option.default.as_ref())?;
            Some((name.clone(), value.clone()))
        })
        .collect()
}
