//! What an agent would report, without machines, files or processes: each hook ends well at once,
//! and what a task comes to is said by its own words.

use std::collections::{BTreeMap, BTreeSet};

use muster_api::client::Polled;
use muster_api::{AgentClient, CallError, Client};
use muster_controller::identity;
use muster_model::command::{Command, EstateCommand};
use muster_model::effects::Effects;
use muster_model::goal::{Goal, TaskGoal, UnitGoal};
use muster_model::hook::{Hook, RelationHook, RelationHookKind};
use muster_model::name::{MachineId, ModelId, RelationId, StorageId, TaskId, UnitName};
use muster_model::record::{Address, Hardware, Subject, TaskKind};
use muster_model::report::{FactsReport, NowReport, Report, ReportBody, StepReport, TaskOutcome};
use muster_model::status::{StorageState, TaskState, Workload};
use muster_model::view::{Condition, ViewRequest, Wait};
use muster_model::{Life, Revision, Seq, Timestamp, Version};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use crate::house::Door;

/// The charms that the puppets play: they say what those of the published client's own tests say.
pub(crate) const CHARMS: &[(&str, &str)] = &[
    (
        "testdb/metadata.yaml",
        "name: testdb\nsummary: A database.\ndescription: It.\nprovides:\n  db: {interface: dbi}\n\
         peers:\n  replicas: {interface: testdb-replicas}\n\
         storage:\n  data: {type: filesystem, location: /srv/data, multiple: {range: 0-2}}\n\
         resources:\n  words: {type: file, filename: words.txt, description: Words.}\n",
    ),
    (
        "testdb/config.yaml",
        "options:\n  testoption: {type: string, default: '', description: A text.}\n  \
         size: {type: int, default: 3, description: A number.}\n  \
         ratio: {type: float, default: 0.5, description: A share.}\n  \
         loud: {type: boolean, default: false, description: A switch.}\n  \
         bare: {type: string, description: Without a default.}\n",
    ),
    (
        "testdb/actions.yaml",
        "do-thing:\n  description: Does it.\n  additionalProperties: true\n  \
         params:\n    param1: {type: integer, default: 1}\n\
         crash: {description: Crashes.}\ngive-up: {description: Says that it failed.}\n\
         slow: {description: Never ends.}\ntalk: {description: Logs.}\n",
    ),
    ("testdb/version", "v7\n"),
    (
        "testapp/metadata.yaml",
        "name: testapp\nsummary: An application.\ndescription: It.\nrequires:\n  \
         db: {interface: dbi}\n",
    ),
    (
        "sidecar/metadata.yaml",
        "name: sidecar\nsummary: A subordinate.\ndescription: It.\nsubordinate: true\n\
         requires:\n  host: {interface: juju-info, scope: container}\n",
    ),
];

/// What one unit has done.
#[derive(Default)]
struct Done {
    seq: Seq,
    charm: Option<u32>,
    installed: bool,
    relations: BTreeSet<RelationId>,
    storage: BTreeSet<StorageId>,
    tasks: BTreeSet<TaskId>,
    gone: bool,
}

/// A machine with its agent.
struct Puppet {
    agent: AgentClient,
    model: ModelId,
    machine: MachineId,
    units: BTreeMap<UnitName, Done>,
    tasks: BTreeSet<TaskId>,
}

/// Gives each machine of each model an agent until `stop`.
pub(crate) async fn tend(client: Client, door: Door, stop: CancellationToken) {
    let mut known: BTreeSet<(ModelId, MachineId)> = BTreeSet::new();
    while !stop.is_cancelled() {
        // A controller that has ended needs no agents any more.
        let Ok(models) = client.models().await else { return };
        for model in &models {
            let id = model.info.id;
            let Ok(view) = client.view(id, &ViewRequest::default()).await else { continue };
            for machine in view.machines.keys().copied() {
                if known.insert((id, machine)) {
                    let puppet = Puppet::enrol(&client, &door, id, machine).await;
                    tokio::spawn(puppet.follow(stop.clone()));
                }
            }
            let condition = Condition::Changed { after: view.revision };
            // Whether it changed or the time was over: it is looked at again.
            drop(client.wait(id, &Wait { condition, timeout_ms: 20 }).await);
        }
        tokio::task::yield_now().await;
    }
}

impl Puppet {
    async fn enrol(client: &Client, door: &Door, model: ModelId, machine: MachineId) -> Puppet {
        let (join, own) = (identity::mint().unwrap(), identity::mint().unwrap());
        let command = Command::Estate(EstateCommand::AddToken {
            hash: join.hash(),
            subject: Subject::Join { model, machine },
            seconds: Some(3600),
        });
        let id = uuid::Uuid::new_v4().to_string().parse().unwrap();
        client.command(id, command, false).await.unwrap();
        let with = |token: &str| AgentClient::new(door.endpoint(token));
        with(join.expose()).enrol(own.hash()).await.unwrap();
        let agent = with(own.expose());
        Puppet { agent, model, machine, units: BTreeMap::new(), tasks: BTreeSet::new() }
    }

    /// Does what each goal asks for until the machine is gone.
    async fn follow(mut self, stop: CancellationToken) {
        if self.tell(self.facts()).await.is_err() {
            return;
        }
        let mut after = Revision::ZERO;
        loop {
            let goal = tokio::select! {
                goal = self.agent.goal(after) => goal,
                () = stop.cancelled() => return,
            };
            match goal {
                Ok(Polled { goal: Some(goal), .. }) => {
                    after = goal.revision;
                    // A report that is not taken is told again with the next goal.
                    drop(self.act(&goal).await);
                }
                Ok(Polled { goal: None, .. }) => {}
                Err(_) => return,
            }
        }
    }

    async fn tell(&self, body: ReportBody) -> Result<(), CallError> {
        self.agent.report(&Report { model: self.model, body }).await.map(|_| ())
    }

    fn facts(&self) -> ReportBody {
        let machine = self.machine;
        let address = Address {
            value: format!("10.0.0.{}", machine.0 + 2).parse().unwrap(),
            cidr: "10.0.0.0/24".to_owned(),
            interface: "eth0".to_owned(),
            mac: "fa:16:3e:00:00:01".to_owned(),
        };
        let hardware =
            Hardware { arch: "amd64".to_owned(), cores: 2, mem_mib: 2048, root_disk_mib: 8192 };
        let facts = FactsReport {
            hostname: format!("m{machine}"),
            addresses: vec![address],
            hardware,
            base: "debian@12".parse().ok(),
            boot_id: "b".to_owned(),
            agent_version: "0.1.0".to_owned(),
            trouble: String::new(),
        };
        ReportBody::Facts { machine, facts: Box::new(facts) }
    }

    async fn act(&mut self, goal: &Goal) -> Result<(), CallError> {
        for task in &goal.tasks {
            let Some(outcome) = outcome(task).filter(|_| !self.tasks.contains(&task.id)) else {
                continue;
            };
            let (machine, id) = (self.machine, task.id);
            self.tell(ReportBody::MachineTask { machine, task: id, outcome }).await?;
            self.tasks.insert(id);
        }
        let mut units = std::mem::take(&mut self.units);
        for (name, wanted) in &goal.units {
            let done = units
                .entry(name.clone())
                .or_insert_with(|| Done { seq: wanted.seq, ..Done::default() });
            self.unit(name, wanted, done).await?;
        }
        let resting: BTreeMap<UnitName, String> = goal
            .units
            .keys()
            .filter(|name| units.get(*name).is_some_and(|done| !done.gone))
            .map(|name| (name.clone(), String::new()))
            .collect();
        self.units = units;
        for storage in &goal.discard {
            let (machine, storage) = (self.machine, storage.clone());
            let trouble = String::new();
            self.tell(ReportBody::Discarded { machine, storage, trouble }).await?;
        }
        if !resting.is_empty() {
            let (machine, revision) = (self.machine, goal.revision);
            self.tell(ReportBody::Rest {
                machine,
                revision,
                units: resting,
                left: BTreeMap::new(),
            })
            .await?;
        } else if !goal.life.is_alive() && goal.units.is_empty() {
            self.tell(ReportBody::MachineDone { machine: self.machine }).await?;
        }
        Ok(())
    }

    async fn step(
        &self,
        unit: &UnitName,
        done: &mut Done,
        step: StepReport,
    ) -> Result<(), CallError> {
        let seq = done.seq.next();
        self.tell(ReportBody::Step { unit: unit.clone(), seq, step }).await?;
        done.seq = seq;
        Ok(())
    }

    async fn hook(&self, unit: &UnitName, done: &mut Done, hook: Hook) -> Result<(), CallError> {
        let effects = Effects::default();
        self.step(unit, done, StepReport::Committed { hook, effects }).await
    }

    async fn now(&self, unit: &UnitName, now: NowReport) -> Result<(), CallError> {
        self.tell(ReportBody::Now { unit: unit.clone(), now }).await
    }

    async fn unit(
        &self,
        name: &UnitName,
        goal: &UnitGoal,
        done: &mut Done,
    ) -> Result<(), CallError> {
        if done.gone {
            return Ok(());
        }
        for (id, wanted) in &goal.storage {
            let leaves = !wanted.life.is_alive() || goal.life != Life::Alive;
            let state = match (leaves, done.storage.contains(id)) {
                (false, false) => StorageState::Attached,
                (true, _) => StorageState::Detached,
                (false, true) => continue,
            };
            let (message, provider_id) = (String::new(), format!("puppet-{}", id.number));
            let location = wanted.location.clone();
            let storage = id.clone();
            let told = NowReport::Storage { storage, state, message, location, provider_id };
            self.now(name, told).await?;
            done.storage.insert(id.clone());
        }
        if goal.life == Life::Alive && done.charm != Some(goal.charm.modified) {
            let (charm, charm_modified) = (goal.charm.url.clone(), goal.charm.modified);
            self.step(name, done, StepReport::Deployed { charm, charm_modified }).await?;
            done.charm = Some(charm_modified);
            if done.installed {
                self.hook(name, done, Hook::UpgradeCharm).await?;
            } else {
                for hook in [Hook::Install, Hook::ConfigChanged, Hook::Start] {
                    self.hook(name, done, hook).await?;
                }
                done.installed = true;
                let (value, message) = (Workload::Active, "ready".to_owned());
                self.now(name, NowReport::Status { value, message }).await?;
            }
        }
        self.relations(name, goal, done).await?;
        for task in &goal.tasks {
            if done.tasks.contains(&task.id) {
                continue;
            }
            self.now(name, NowReport::TaskStarted(task.id)).await?;
            if says(task, "talk") {
                let (at, line) = (Timestamp(1_769_854_830_000), "so far so good".to_owned());
                self.now(name, NowReport::TaskLog { task: task.id, at, line }).await?;
            }
            let Some(outcome) = outcome(task) else { break };
            let effects = Effects::default();
            done.tasks.insert(task.id);
            self.step(name, done, StepReport::Task { task: task.id, outcome, effects }).await?;
        }
        if goal.life != Life::Alive && goal.subordinates.is_empty() {
            for hook in [Hook::Stop, Hook::Remove] {
                self.hook(name, done, hook).await?;
            }
            self.step(name, done, StepReport::Gone).await?;
            done.gone = true;
        }
        Ok(())
    }

    /// Says its own name in each relation, and leaves those that end.
    async fn relations(
        &self,
        name: &UnitName,
        goal: &UnitGoal,
        done: &mut Done,
    ) -> Result<(), CallError> {
        for (id, relation) in &goal.relations {
            let ends = relation.life != Life::Alive || goal.life != Life::Alive;
            let kind = match (ends, done.relations.contains(id)) {
                (false, false) if relation.in_scope => RelationHookKind::Created,
                (true, _) if relation.in_scope => RelationHookKind::Broken,
                _ => continue,
            };
            let hook = Hook::Relation(RelationHook {
                kind,
                relation: *id,
                endpoint: relation.endpoint.clone(),
                remote_application: relation.remote_application.clone(),
                remote_unit: None,
                version: Version::ZERO,
                departing_unit: None,
            });
            let mut effects = Effects::default();
            if !ends {
                let change = BTreeMap::from([("from".to_owned(), Some(name.to_string()))]);
                effects.unit_settings.insert(*id, change);
            }
            self.step(name, done, StepReport::Committed { hook, effects }).await?;
            done.relations.insert(*id);
        }
        Ok(())
    }
}

fn says(task: &TaskGoal, word: &str) -> bool {
    match &task.kind {
        TaskKind::Action { name, .. } => name.as_str() == word,
        TaskKind::Command { command, .. } => command == word,
    }
}

/// What a task comes to; none: it never ends.
fn outcome(task: &TaskGoal) -> Option<TaskOutcome> {
    if task.cancel {
        let (state, message) = (TaskState::Aborted, String::new());
        return Some(TaskOutcome { state, message, results: Map::new() });
    }
    let ended = |state, message: &str, results: Value| {
        let results = results.as_object().cloned().unwrap_or_default();
        Some(TaskOutcome { state, message: message.to_owned(), results })
    };
    match &task.kind {
        TaskKind::Action { name, parameters } => match name.as_str() {
            "slow" => None,
            "crash" => {
                let results = json!({ "return-code": 1, "stderr": "Traceback: oh\n" });
                ended(TaskState::Failed, "exit status 1", results)
            }
            "give-up" => ended(TaskState::Failed, "no luck", json!({ "return-code": 0 })),
            _ => {
                let results = json!({
                    "return-code": 0,
                    "params": Value::Object(parameters.clone()).to_string(),
                    "config": { "deep": "value" },
                });
                ended(TaskState::Completed, "", results)
            }
        },
        TaskKind::Command { command, .. } => {
            let (word, rest) = command.split_once(' ').unwrap_or((command, ""));
            match word {
                "sleep" => None,
                "exit" => {
                    let code: i64 = rest.parse().unwrap();
                    ended(TaskState::Completed, "", json!({ "return-code": code }))
                }
                _ => {
                    let results = json!({ "return-code": 0, "stdout": format!("{rest}\n") });
                    ended(TaskState::Completed, "", results)
                }
            }
        }
    }
}
