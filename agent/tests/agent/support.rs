//! An agent as it is, against a controller that is a value in memory: real processes, real tools, a
//! real disk below a folder of its own.

mod charm;
mod fake;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use muster_agent::config::Settings;
use muster_agent::controller::Controller;
use muster_agent::failpoint::Failpoints;
use muster_agent::paths::Paths;
use muster_agent::{RunEnd, RunError};
use muster_charms::Scope;
use muster_model::effects::Settings as Map;
use muster_model::goal::{CharmGoal, Goal, ModelSettings, RelationGoal, UnitGoal};
use muster_model::name::{Member, ModelId, RelationId, Role, TaskId, UnitName};
use muster_model::record::Address;
use muster_model::report::{ReportBody, StepReport, TaskOutcome};
use muster_model::{Hook, Life, Revision, Seq, Version};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub(crate) use charm::CharmText;
pub(crate) use fake::{Fake, State};

const MODEL: &str = "f7b5b0a6-2f2c-4f0e-8a44-3c2a66a1c001";

/// How long anything may take before a test gives up; nothing waits for it to pass.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// One machine with its agent.
pub(crate) struct Host {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) paths: Paths,
    pub(crate) fake: Arc<Fake>,
    pub(crate) settings: Settings,
    agent: Option<(CancellationToken, tokio::task::JoinHandle<Result<RunEnd, RunError>>)>,
}

pub(crate) fn unit() -> UnitName {
    "wiki/0".parse().unwrap()
}

impl Host {
    /// A machine whose goal has one unit, `wiki/0`, with this charm. The agent does not run yet.
    pub(crate) fn new(charm: &CharmText) -> Host {
        let folder = tempfile::Builder::new().prefix("ma").tempdir().unwrap();
        let root = std::fs::canonicalize(folder.path()).unwrap();
        let paths = Paths {
            juju: root.join("j"),
            muster: root.join("m"),
            logs: root.join("l"),
            programs: None,
        };
        let mut settings =
            Settings::new(paths.clone(), PathBuf::from(env!("CARGO_BIN_EXE_muster-agent")));
        settings.may_reboot = false;
        settings.boot = Some("boot-1".to_owned());
        settings.linger = Duration::from_millis(300);
        settings.grace = Duration::from_secs(2);
        let (digest, bytes) = charm.pack(&root);
        let wanted = UnitGoal {
            life: Life::Alive,
            force: false,
            principal: None,
            subordinates: Default::default(),
            seq: Seq::ZERO,
            charm: CharmGoal {
                url: "local:wiki-0".parse().unwrap(),
                digest,
                modified: 0,
                forced: false,
            },
            config: Default::default(),
            trust: false,
            leader: false,
            leader_settings: Version::ZERO,
            relations: Default::default(),
            storage: Default::default(),
            resources: Default::default(),
            tasks: Vec::new(),
            resolve: None,
            ports: Default::default(),
            bindings: Default::default(),
            cores: None,
            mem_mib: None,
        };
        let goal = Goal {
            discard: Default::default(),
            revision: Revision(1),
            model: MODEL.parse::<ModelId>().unwrap(),
            model_name: "prod".parse().unwrap(),
            machine: "3".parse().unwrap(),
            life: Life::Alive,
            force: false,
            addresses: vec![Address {
                value: "10.0.0.5".parse().unwrap(),
                cidr: "10.0.0.0/24".into(),
                interface: "eth0".into(),
                mac: "fa:16:3e:00:00:01".into(),
            }],
            settings: ModelSettings {
                egress_subnets: String::new(),
                retry_hooks: false,
                update_status_ms: 300_000,
                parallel_hooks: false,
                proxies: BTreeMap::new(),
            },
            units: [(unit(), wanted)].into(),
            tasks: Vec::new(),
        };
        let fake = Fake {
            state: Mutex::new(State {
                goal,
                reports: Vec::new(),
                bags: BTreeMap::new(),
                leader_settings: Default::default(),
                unit_state: Default::default(),
                blobs: [(digest, bytes)].into(),
                logs: Vec::new(),
                lease: Duration::from_secs(60),
                down: false,
                known: false,
                full: false,
                refuse: None,
                refuse_machine: 0,
                snapshots: 0,
                blob_reads: 0,
            }),
            changed: watch::Sender::new(0),
        };
        Host { folder, paths, fake: Arc::new(fake), settings, agent: None }
    }

    pub(crate) fn model(&self) -> ModelId {
        self.fake.state.lock().unwrap().goal.model
    }

    pub(crate) fn root(&self) -> PathBuf {
        std::fs::canonicalize(self.folder.path()).unwrap()
    }

    /// Changes what is wanted of `wiki/0`.
    pub(crate) fn unit(&self, change: impl FnOnce(&mut UnitGoal)) {
        self.fake.want(|goal| change(goal.units.get_mut(&unit()).unwrap()));
    }

    /// A relation of `wiki/0`, with what its remote units say.
    pub(crate) fn relate(&self, id: u32, endpoint: &str, role: Role, members: &[(&str, &str)]) {
        let remote = if role == Role::Peer { "wiki" } else { "postgresql" };
        let mut state = self.fake.state.lock().unwrap();
        let id = RelationId(id);
        let keys = Map::from([("private-address".to_owned(), "10.0.0.5".to_owned())]);
        state.bags.insert((id, Member::Unit(unit())), (Version(1), keys));
        let mut known = BTreeMap::new();
        for (name, text) in members {
            let name: UnitName = name.parse().unwrap();
            let settings = Map::from([("k".to_owned(), (*text).to_owned())]);
            state.bags.insert((id, Member::Unit(name.clone())), (Version(1), settings));
            known.insert(name, Version(1));
        }
        drop(state);
        self.unit(|goal| {
            goal.relations.insert(
                id,
                RelationGoal {
                    own_application_version: Version::ZERO,
                    life: Life::Alive,
                    endpoint: endpoint.parse().unwrap(),
                    role,
                    scope: Scope::Global,
                    remote_application: remote.parse().unwrap(),
                    members: known,
                    remote_application_version: Version::ZERO,
                    in_scope: true,
                },
            );
        });
    }

    /// Another charm for `wiki/0`.
    pub(crate) fn refresh(&self, charm: &CharmText, forced: bool) {
        let (digest, bytes) = charm.pack(&self.root());
        self.fake.state.lock().unwrap().blobs.insert(digest, bytes);
        self.unit(|goal| {
            goal.charm.digest = digest;
            goal.charm.url.revision += 1;
            goal.charm.modified += 1;
            goal.charm.forced = forced;
        });
    }

    pub(crate) fn start(&mut self) {
        let stop = CancellationToken::new();
        let identity = (MODEL.parse().unwrap(), "3".parse().unwrap());
        let run = muster_agent::run(
            self.settings.clone(),
            Arc::clone(&self.fake) as Arc<dyn Controller>,
            identity,
            stop.clone(),
        );
        self.agent = Some((stop, tokio::spawn(run)));
    }

    /// Ends the agent as a service is ended, or waits until it has ended by itself.
    pub(crate) async fn ended(&mut self, stop: bool) -> RunEnd {
        let (token, task) = self.agent.take().unwrap();
        if stop {
            token.cancel();
        }
        tokio::time::timeout(PATIENCE, task).await.unwrap().unwrap().unwrap()
    }

    pub(crate) async fn stop(&mut self) {
        assert_eq!(self.ended(true).await, RunEnd::Stopped);
    }

    /// Runs the agent until it stops at the failpoint, then leaves it stopped.
    pub(crate) async fn crash_at(&mut self, place: &str, nth: u32) {
        self.settings.failpoints = Failpoints::at(place, nth);
        self.start();
        assert_eq!(self.ended(false).await, RunEnd::Failpoint);
        self.settings.failpoints = Failpoints::default();
    }

    /// Waits until the state answers.
    pub(crate) async fn until<T>(
        &self,
        what: &str,
        mut look: impl FnMut(&State) -> Option<T>,
    ) -> T {
        let mut changed = self.fake.changed.subscribe();
        let waited = tokio::time::timeout(PATIENCE, async {
            loop {
                if let Some(found) = look(&self.fake.state.lock().unwrap()) {
                    return found;
                }
                changed.changed().await.unwrap();
            }
        });
        match waited.await {
            Ok(found) => found,
            Err(_) => {
                let state = self.fake.state.lock().unwrap();
                let logs: Vec<String> = state
                    .logs
                    .iter()
                    .map(|line| format!("{} {} {}", line.level, line.module, line.message))
                    .collect();
                let ended = self.agent.as_ref().is_none_or(|(_, task)| task.is_finished());
                panic!(
                    "no {what}; agent ended: {ended}; trace:\n{}\nreports:\n{:#?}\nlog:\n{}",
                    self.trace_all(),
                    state.reports.iter().rev().take(12).collect::<Vec<_>>(),
                    logs.join("\n")
                )
            }
        }
    }

    /// Waits until the unit has nothing to do as of the present revision; answers what it waits for.
    pub(crate) async fn rest(&self) -> String {
        self.until("rest", |state| {
            let revision = state.goal.revision;
            state.reports.iter().rev().find_map(|report| match report {
                ReportBody::Rest { revision: at, units, .. } if *at >= revision => {
                    units.get(&unit()).cloned()
                }
                _ => None,
            })
        })
        .await
    }

    fn trace_all(&self) -> String {
        std::fs::read_to_string(self.root().join("trace")).unwrap_or_default()
    }

    /// The hooks that ran since the last time this was asked, one a line.
    pub(crate) fn trace(&self) -> String {
        let path = self.root().join("trace");
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let _none = std::fs::remove_file(&path);
        text.lines().collect::<Vec<_>>().join(", ")
    }

    /// What a hook left in a file of this name.
    pub(crate) fn left(&self, name: &str) -> String {
        std::fs::read_to_string(self.root().join(name))
            .unwrap_or_else(|error| panic!("{name}: {error}; ran: {}", self.trace_all()))
    }

    /// Waits until a hook has left a file of this name.
    pub(crate) async fn appears(&self, name: &str) {
        let path = self.root().join(name);
        self.until_so(name, || path.exists()).await;
    }

    /// Waits for what only the disk tells.
    pub(crate) async fn until_so(&self, what: &str, so: impl Fn() -> bool) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !so() {
            assert!(tokio::time::Instant::now() < deadline, "no {what}; ran: {}", self.trace_all());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Gives the unit a task.
    pub(crate) fn ask(&self, id: TaskId, kind: muster_model::record::TaskKind) {
        self.unit(|goal| {
            goal.tasks.push(muster_model::goal::TaskGoal {
                id,
                kind,
                parallel: false,
                execution_group: String::new(),
                cancel: false,
            });
        });
    }

    /// Gives the unit a task and waits for its outcome.
    pub(crate) async fn task(&self, id: u32, kind: muster_model::record::TaskKind) -> TaskOutcome {
        self.ask(TaskId(id), kind);
        self.outcome(TaskId(id)).await
    }

    pub(crate) async fn outcome(&self, id: TaskId) -> TaskOutcome {
        self.until("outcome", |state| {
            state.reports.iter().find_map(|report| match report {
                ReportBody::Step { step: StepReport::Task { task, outcome, .. }, .. }
                    if *task == id =>
                {
                    Some(outcome.clone())
                }
                _ => None,
            })
        })
        .await
    }

    /// Runs `script` in bash in the context of the unit, and answers its output and code.
    pub(crate) async fn exec(&self, id: u32, script: &str) -> (i64, String, String) {
        let kind = muster_model::record::TaskKind::Command {
            command: script.to_owned(),
            timeout_ms: None,
        };
        let outcome = self.task(id, kind).await;
        let text = |key: &str| {
            outcome.results.get(key).and_then(|v| v.as_str()).unwrap_or_default().to_owned()
        };
        let code = outcome.results.get("return-code").and_then(serde_json::Value::as_i64);
        (code.unwrap_or(-1), text("stdout"), text("stderr"))
    }

    /// Commits of hooks so far, by name, with their effects.
    pub(crate) fn commits(&self) -> Vec<(Hook, muster_model::Effects)> {
        let state = self.fake.state.lock().unwrap();
        let of = |report: &ReportBody| match report {
            ReportBody::Step { step: StepReport::Committed { hook, effects }, .. } => {
                Some((hook.clone(), effects.clone()))
            }
            _ => None,
        };
        state.reports.iter().filter_map(of).collect()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some((stop, task)) = self.agent.take() {
            stop.cancel();
            task.abort();
        }
        // Whatever a test mounted goes with it.
        let root = self.root();
        let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        for point in table.lines().rev().filter_map(|line| line.split(' ').nth(4)) {
            if Path::new(point).starts_with(&root) {
                let _gone = nix::mount::umount(point);
            }
        }
    }
}
