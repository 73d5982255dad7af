//! An agent as it is, against a controller that is a value in memory: real processes, real tools, a
//! real disk below a folder of its own.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt};
use muster_agent::config::Settings;
use muster_agent::controller::{Bytestream, Controller, ControllerError, Polled};
use muster_agent::failpoint::Failpoints;
use muster_agent::paths::Paths;
use muster_agent::{RunEnd, RunError};
use muster_api::body::{LogBatch, LogLine, LogReceipt, PresenceBody};
use muster_charms::Scope;
use muster_model::effects::{Settings as Map, apply_change};
use muster_model::goal::{
    Bag, CharmGoal, Goal, ModelSettings, RelationGoal, Snapshot, SnapshotRequest, UnitGoal,
};
use muster_model::name::{Member, ModelId, RelationId, Role, TaskId, UnitName};
use muster_model::record::Address;
use muster_model::refusal::Code;
use muster_model::report::{NowReport, Receipt, ReportBody, StepReport, TaskOutcome};
use muster_model::{Hook, Life, Refusal, Report, Revision, Seq, Version};
use muster_resources::{Digest, Limits};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

const MODEL: &str = "f7b5b0a6-2f2c-4f0e-8a44-3c2a66a1c001";

/// How long anything may take before a test gives up; nothing waits for it to pass.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The controller, as far as an agent can tell.
#[derive(Debug)]
pub(crate) struct Fake {
    pub(crate) state: Mutex<State>,
    changed: watch::Sender<u64>,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) goal: Goal,
    pub(crate) reports: Vec<ReportBody>,
    pub(crate) bags: BTreeMap<(RelationId, Member), (Version, Map)>,
    pub(crate) leader_settings: (Version, Map),
    pub(crate) unit_state: (Version, Map),
    pub(crate) blobs: BTreeMap<Digest, Vec<u8>>,
    pub(crate) logs: Vec<LogLine>,
    pub(crate) lease: Duration,
    /// Nobody answers.
    pub(crate) down: bool,
    /// The next commit whose effects are not empty is refused with this.
    pub(crate) refuse: Option<String>,
    /// So many reports of the machine itself are refused, whatever they say.
    pub(crate) refuse_machine: u32,
    pub(crate) snapshots: u32,
    pub(crate) blob_reads: u32,
}

impl Fake {
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let value = change(&mut self.state.lock().unwrap());
        self.changed.send_modify(|count| *count += 1);
        value
    }

    /// Changes what is wanted, as of a new revision.
    pub(crate) fn want(&self, change: impl FnOnce(&mut Goal)) {
        self.change(|state| {
            change(&mut state.goal);
            state.goal.revision = state.goal.revision.next();
        });
    }

    fn answer(&self, report: &Report) -> Result<Receipt, ControllerError> {
        self.change(|state| {
            if state.down {
                return Err(ControllerError::Passing(Box::from("down")));
            }
            let mut receipt = Receipt { revision: state.goal.revision, ..Receipt::default() };
            match &report.body {
                ReportBody::Step { unit, seq, step } => {
                    let Some(wanted) = state.goal.units.get_mut(unit) else {
                        if *step == StepReport::Gone {
                            // Its records have gone; as the controller does, this is heard again.
                            state.reports.push(report.body.clone());
                            receipt.seq = *seq;
                            return Ok(receipt);
                        }
                        return Err(refused(Code::NotFound, "unit not found"));
                    };
                    if *seq <= wanted.seq {
                        receipt.seq = wanted.seq;
                        return Ok(receipt);
                    }
                    if *seq != wanted.seq.next() {
                        return Err(refused(Code::OutOfStep, "not the next one"));
                    }
                    let effects = match step {
                        StepReport::Committed { effects, .. }
                        | StepReport::Task { effects, .. }
                        | StepReport::Outside { effects } => Some(effects.clone()),
                        _ => None,
                    };
                    if let Some(effects) = effects.filter(|effects| !effects.is_empty()) {
                        if let Some(text) = state.refuse.take() {
                            return Err(refused(Code::Invalid, &text));
                        }
                        for (relation, change) in &effects.unit_settings {
                            let bag = state
                                .bags
                                .entry((*relation, Member::Unit(unit.clone())))
                                .or_default();
                            if apply_change(&mut bag.1, change) {
                                bag.0 = bag.0.next();
                            }
                        }
                        for (relation, change) in &effects.application_settings {
                            let member = Member::Application(unit.application.clone());
                            let bag = state.bags.entry((*relation, member)).or_default();
                            if apply_change(&mut bag.1, change) {
                                bag.0 = bag.0.next();
                            }
                        }
                        if apply_change(&mut state.unit_state.1, &effects.state) {
                            state.unit_state.0 = state.unit_state.0.next();
                        }
                        let wanted = state.goal.units.get_mut(unit).unwrap();
                        for port in &effects.close_ports {
                            wanted.ports.retain(|open| {
                                open.range != port.range
                                    || (port.endpoint.is_some() && open.endpoint != port.endpoint)
                            });
                        }
                        wanted.ports.extend(effects.open_ports.iter().cloned());
                    }
                    let wanted = state.goal.units.get_mut(unit).unwrap();
                    wanted.seq = *seq;
                    receipt.seq = *seq;
                    if let StepReport::Task { task, .. } = step {
                        wanted.tasks.retain(|goal| goal.id != *task);
                    }
                    if *step == StepReport::Gone {
                        state.goal.units.remove(unit);
                    }
                    state.goal.revision = state.goal.revision.next();
                }
                ReportBody::Rest { .. } | ReportBody::MachineDone { .. }
                    if state.refuse_machine > 0 =>
                {
                    state.refuse_machine -= 1;
                    return Err(refused(Code::Invalid, "not now"));
                }
                ReportBody::Now { now: NowReport::LeaderSettings(change), .. } => {
                    if apply_change(&mut state.leader_settings.1, change) {
                        state.leader_settings.0 = state.leader_settings.0.next();
                    }
                    receipt.leader_settings = state.leader_settings.0;
                }
                _ => {}
            }
            state.reports.push(report.body.clone());
            Ok(receipt)
        })
    }
}

fn refused(code: Code, text: &str) -> ControllerError {
    ControllerError::Refused(Refusal::new(code, text))
}

impl Controller for Fake {
    fn goal(&self, after: Revision) -> BoxFuture<'_, Result<Polled, ControllerError>> {
        Box::pin(async move {
            let sent = Instant::now();
            let mut changed = self.changed.subscribe();
            loop {
                {
                    let state = self.state.lock().unwrap();
                    if state.down {
                        return Err(ControllerError::Passing(Box::from("down")));
                    }
                    if state.goal.revision > after {
                        return Ok(Polled {
                            goal: Some(state.goal.clone()),
                            lease: Some(sent + state.lease),
                        });
                    }
                }
                if changed.changed().await.is_err() {
                    return Err(ControllerError::Passing(Box::from("over")));
                }
            }
        })
    }

    fn report<'a>(&'a self, report: &'a Report) -> BoxFuture<'a, Result<Receipt, ControllerError>> {
        Box::pin(async move { self.answer(report) })
    }

    fn snapshot<'a>(
        &'a self,
        unit: &'a UnitName,
        request: &'a SnapshotRequest,
    ) -> BoxFuture<'a, Result<Snapshot, ControllerError>> {
        Box::pin(async move {
            let mut state = self.state.lock().unwrap();
            state.snapshots += 1;
            let bags = state
                .bags
                .iter()
                .filter(|((relation, member), (version, _))| {
                    !request.known.contains(&(*relation, member.clone(), *version))
                })
                .map(|((relation, member), (version, settings))| Bag {
                    relation: *relation,
                    member: member.clone(),
                    version: *version,
                    settings: settings.clone(),
                })
                .collect();
            let goal_state = serde_json::json!({
                "units": { "wiki/0": { "status": "active", "since": "2024-01-31 10:20:30Z" } },
                "relations": {},
            });
            Ok(Snapshot {
                revision: state.goal.revision,
                unit: unit.clone(),
                bags,
                leader_settings: (request.leader_settings != Some(state.leader_settings.0))
                    .then(|| state.leader_settings.clone()),
                state: (request.state != Some(state.unit_state.0))
                    .then(|| state.unit_state.clone()),
                status: Some(serde_json::json!({
                    "unit": { "status": "maintenance", "message": "m", "status-data": {} },
                    "application": { "status": "active", "message": "", "status-data": {} },
                    "units": { "wiki/0": { "status": "active", "message": "" } },
                })),
                goal_state: request.goal_state.then_some(goal_state),
            })
        })
    }

    fn blob<'a>(
        &'a self,
        digest: &'a Digest,
        offset: u64,
    ) -> BoxFuture<'a, Result<Bytestream, ControllerError>> {
        Box::pin(async move {
            let mut state = self.state.lock().unwrap();
            state.blob_reads += 1;
            let Some(bytes) = state.blobs.get(digest) else {
                return Err(refused(Code::NotFound, "no such blob"));
            };
            let rest = bytes[usize::try_from(offset).unwrap()..].to_vec();
            let pieces: Vec<_> =
                rest.chunks(1000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
            Ok(stream::iter(pieces).boxed())
        })
    }

    fn logs<'a>(
        &'a self,
        batch: &'a LogBatch,
    ) -> BoxFuture<'a, Result<LogReceipt, ControllerError>> {
        Box::pin(async move {
            let mut state = self.state.lock().unwrap();
            let have = state.logs.len() as u64;
            let skip = usize::try_from(have.saturating_sub(batch.first)).unwrap();
            state.logs.extend(batch.lines.iter().skip(skip).cloned());
            let next = state.logs.len() as u64;
            drop(state);
            self.changed.send_modify(|count| *count += 1);
            Ok(LogReceipt { next })
        })
    }

    fn presence<'a>(&'a self, _: &'a PresenceBody) -> BoxFuture<'a, Result<(), ControllerError>> {
        Box::pin(async { Ok(()) })
    }

    fn addresses(&self) -> String {
        "10.0.0.1:17070".to_owned()
    }
}

/// A charm, as the bodies of its hooks and actions.
#[derive(Clone, Debug, Default)]
pub(crate) struct CharmText {
    files: BTreeMap<String, (String, u32)>,
    hooks: BTreeMap<String, String>,
}

pub(crate) const METADATA: &str = "name: wiki\nsummary: s\ndescription: d\n\
    requires: {db: {interface: db}}\nprovides: {web: {interface: http}}\npeers: {ring: {interface: ring}}\n\
    storage: {data: {type: filesystem, multiple: {range: 0-}}}\n\
    resources: {blob: {type: file, filename: blob.bin}}\nextra-bindings: {side: null}\n";
pub(crate) const CONFIG: &str = "options:\n  name: {type: string, default: n}\n  size: {type: int}\n  \
    ratio: {type: float, default: 1.5}\n  on: {type: boolean, default: true}\n";
pub(crate) const ACTIONS: &str = "go:\n  params:\n    count: {type: integer, default: 3}\n    who: {type: string}\n\
    beside:\n  parallel: true\nmissing: {}\n";

/// The hooks that this charm answers: all that tests see.
const HOOKS: &[&str] = &[
    "install",
    "start",
    "config-changed",
    "upgrade-charm",
    "leader-elected",
    "leader-settings-changed",
    "update-status",
    "stop",
    "remove",
    "db-relation-created",
    "db-relation-joined",
    "db-relation-changed",
    "db-relation-departed",
    "db-relation-broken",
    "ring-relation-created",
    "ring-relation-joined",
    "ring-relation-changed",
    "ring-relation-departed",
    "ring-relation-broken",
    "data-storage-attached",
    "data-storage-detaching",
];

impl CharmText {
    pub(crate) fn new() -> CharmText {
        let mut charm = CharmText::default();
        charm.file("metadata.yaml", METADATA, 0o644);
        charm.file("config.yaml", CONFIG, 0o644);
        charm.file("actions.yaml", ACTIONS, 0o644);
        charm
    }

    pub(crate) fn file(&mut self, path: &str, text: &str, mode: u32) -> &mut CharmText {
        self.files.insert(path.to_owned(), (text.to_owned(), mode));
        self
    }

    /// What the hook does, in bash with `set -e`, after it has been traced.
    pub(crate) fn hook(&mut self, name: &str, body: &str) -> &mut CharmText {
        self.hooks.insert(name.to_owned(), body.to_owned());
        self
    }

    pub(crate) fn action(&mut self, name: &str, body: &str) -> &mut CharmText {
        let text = format!("#!/bin/bash\nset -e\n{body}\n");
        self.file(&format!("actions/{name}"), &text, 0o755)
    }

    fn pack(&self, out: &Path) -> (Digest, Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        let mut files = self.files.clone();
        for name in HOOKS {
            let body = self.hooks.get(*name).map_or("", String::as_str);
            let text = format!(
                "#!/bin/bash\nset -e\nout={}\necho \"$(basename $0)${{JUJU_REMOTE_UNIT:+ $JUJU_REMOTE_UNIT}}${{JUJU_STORAGE_ID:+ $JUJU_STORAGE_ID}}\" >> $out/trace\n{body}\n",
                out.display()
            );
            files.entry(format!("hooks/{name}")).or_insert((text, 0o755));
        }
        for (path, (text, mode)) in &files {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(*mode)).unwrap();
        }
        let packed = out.join("packed.charm");
        let done =
            muster_resources::archive::pack(folder.path(), &packed, &Limits::charm()).unwrap();
        (done.digest, std::fs::read(&packed).unwrap())
    }
}

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
                refuse: None,
                refuse_machine: 0,
                snapshots: 0,
                blob_reads: 0,
            }),
            changed: watch::Sender::new(0),
        };
        Host { folder, paths, fake: Arc::new(fake), settings, agent: None }
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

    /// Gives the unit a task and waits for its outcome.
    pub(crate) async fn task(&self, id: u32, kind: muster_model::record::TaskKind) -> TaskOutcome {
        let id = TaskId(id);
        self.unit(|goal| {
            goal.tasks.push(muster_model::goal::TaskGoal {
                id,
                kind,
                parallel: false,
                execution_group: String::new(),
                cancel: false,
            });
        });
        self.outcome(id).await
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
