//! Agents inside this process: the production library over TLS, watched from outside.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use muster_agent::config::Settings;
use muster_agent::controller::{Bytestream, Controller, ControllerError, Polled, Remote};
use muster_agent::paths::Paths;
use muster_agent::{RunEnd, RunError};
use muster_api::AgentClient;
use muster_api::body::{LogBatch, LogReceipt, PresenceBody};
use muster_api::client::Endpoint;
use muster_api::shell::Link;
use muster_model::goal::{OwnedSecrets, Snapshot, SnapshotRequest};
use muster_model::name::{MachineId, UnitName};
use muster_model::record::{Sealed, SecretOwner, TokenHash};
use muster_model::report::{Receipt, ReportBody, SecretWant, StepReport};
use muster_model::secret::{Content, SecretId};
use muster_model::{Report, Revision};
use muster_resources::Digest;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::installation::{Installation, wrong};
use super::{MeasureError, io_error};

/// Enrolments under way at a time: each is two handshakes. Also the threads of each kind: an agent
/// that waits for the disk keeps no other waiting, as each is a process of its own elsewhere.
const AT_ONCE: usize = 16;

/// What went between agents and their controller.
#[derive(Debug, Default)]
pub struct Traffic {
    /// Goals that came.
    pub goals: AtomicU64,
    /// Polls that ended without one.
    pub idle: AtomicU64,
    /// Reports, of whatever kind.
    pub reports: AtomicU64,
    /// Requests for settings before a run.
    pub snapshots: AtomicU64,
    /// Blobs fetched.
    pub blobs: AtomicU64,
    /// Batches of log lines.
    pub logs: AtomicU64,
    /// What runs at the moment.
    pub presence: AtomicU64,
    /// From a goal's arrival to the acknowledgement of a hook's report, of hooks begun by it.
    commits: Mutex<Vec<Duration>>,
    /// When the newest goal came, unless a hook has been reported since.
    arrived: Mutex<Option<Instant>>,
}

impl Traffic {
    /// All calls so far, by kind.
    pub fn counts(&self) -> Vec<(&'static str, u64)> {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        vec![
            ("goals", read(&self.goals)),
            ("polls without a goal", read(&self.idle)),
            ("reports", read(&self.reports)),
            ("snapshots", read(&self.snapshots)),
            ("blobs", read(&self.blobs)),
            ("log batches", read(&self.logs)),
            ("presence", read(&self.presence)),
        ]
    }

    /// Forgets when the newest goal came: the next to come begins a time.
    pub fn forget(&self) {
        *self.arrived.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Takes the times from goal to acknowledgement.
    pub fn take_commits(&self) -> Vec<Duration> {
        std::mem::take(&mut *self.commits.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A controller that is spoken to as ever, and counted.
#[derive(Debug)]
struct Watched {
    remote: Remote,
    traffic: Arc<Traffic>,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Controller for Watched {
    fn goal(&self, after: Revision) -> BoxFuture<'_, Result<Polled, ControllerError>> {
        Box::pin(async move {
            let polled = self.remote.goal(after).await?;
            let came = polled.goal.is_some();
            count(if came { &self.traffic.goals } else { &self.traffic.idle });
            if came {
                let mut arrived =
                    self.traffic.arrived.lock().unwrap_or_else(PoisonError::into_inner);
                arrived.get_or_insert_with(Instant::now);
            }
            Ok(polled)
        })
    }

    fn report<'a>(&'a self, report: &'a Report) -> BoxFuture<'a, Result<Receipt, ControllerError>> {
        count(&self.traffic.reports);
        Box::pin(async move {
            let receipt = self.remote.report(report).await?;
            let step = match &report.body {
                ReportBody::Step { step, .. } => Some(step),
                _ => None,
            };
            if matches!(step, Some(StepReport::Committed { .. })) {
                let arrived =
                    self.traffic.arrived.lock().unwrap_or_else(PoisonError::into_inner).take();
                let mut commits =
                    self.traffic.commits.lock().unwrap_or_else(PoisonError::into_inner);
                commits.extend(arrived.map(|at| at.elapsed()));
            }
            Ok(receipt)
        })
    }

    fn snapshot<'a>(
        &'a self,
        unit: &'a UnitName,
        request: &'a SnapshotRequest,
    ) -> BoxFuture<'a, Result<Snapshot, ControllerError>> {
        count(&self.traffic.snapshots);
        self.remote.snapshot(unit, request)
    }

    fn seal<'a>(
        &'a self,
        unit: &'a UnitName,
        id: &'a SecretId,
        owner: Option<&'a SecretOwner>,
        content: &'a Content,
    ) -> BoxFuture<'a, Result<Sealed, ControllerError>> {
        self.remote.seal(unit, id, owner, content)
    }

    fn read_secret<'a>(
        &'a self,
        unit: &'a UnitName,
        want: &'a SecretWant,
    ) -> BoxFuture<'a, Result<Content, ControllerError>> {
        self.remote.read_secret(unit, want)
    }

    fn owned_secrets<'a>(
        &'a self,
        unit: &'a UnitName,
    ) -> BoxFuture<'a, Result<OwnedSecrets, ControllerError>> {
        self.remote.owned_secrets(unit)
    }

    fn blob<'a>(
        &'a self,
        digest: &'a Digest,
        offset: u64,
    ) -> BoxFuture<'a, Result<Bytestream, ControllerError>> {
        count(&self.traffic.blobs);
        self.remote.blob(digest, offset)
    }

    fn logs<'a>(
        &'a self,
        batch: &'a LogBatch,
    ) -> BoxFuture<'a, Result<LogReceipt, ControllerError>> {
        count(&self.traffic.logs);
        self.remote.logs(batch)
    }

    fn presence<'a>(
        &'a self,
        body: &'a PresenceBody,
    ) -> BoxFuture<'a, Result<(), ControllerError>> {
        count(&self.traffic.presence);
        self.remote.presence(body)
    }

    fn shell(&self) -> BoxFuture<'_, Result<Option<Link>, ControllerError>> {
        self.remote.shell()
    }

    fn addresses(&self) -> String {
        self.remote.addresses()
    }
}

/// Many agents on one runtime; dropped, they end as if killed.
pub struct Agents {
    runtime: tokio::runtime::Runtime,
    running: JoinSet<Result<RunEnd, RunError>>,
    stop: CancellationToken,
    /// What went between them and the controller.
    pub traffic: Arc<Traffic>,
}

impl Agents {
    /// Enrols and starts an agent for each machine.
    pub fn start(
        installation: &Installation,
        machines: &[(MachineId, String)],
    ) -> Result<Self, MeasureError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(AT_ONCE)
            .max_blocking_threads(AT_ONCE)
            .enable_all()
            .build()
            .map_err(io_error("start a runtime"))?;
        let mut agents = Self {
            runtime,
            running: JoinSet::new(),
            stop: CancellationToken::new(),
            traffic: Arc::default(),
        };
        for some in machines.chunks(AT_ONCE) {
            let enrolled = agents.runtime.block_on(async {
                let all = some.iter().map(|(_, join)| enrol(installation, join));
                futures_util::future::join_all(all).await
            });
            for remote in enrolled {
                let (remote, identity) = remote?;
                let root = installation.agent_root(identity.1);
                let settings = settings(&root, installation);
                let watched = Watched { remote, traffic: Arc::clone(&agents.traffic) };
                let (controller, stop) = (Arc::new(watched), agents.stop.clone());
                agents.running.spawn_on(
                    async move { muster_agent::run(settings, controller, identity, stop).await },
                    agents.runtime.handle(),
                );
            }
        }
        Ok(agents)
    }

    /// Fails if an agent has ended.
    pub fn check(&mut self) -> Result<(), MeasureError> {
        match self.running.try_join_next() {
            None => Ok(()),
            Some(Ok(Ok(end))) => Err(MeasureError::Unequal(format!("an agent ended: {end:?}"))),
            Some(Ok(Err(error))) => Err(wrong(&error)),
            Some(Err(error)) => Err(wrong(&error)),
        }
    }

    /// Times from a goal's arrival to the acknowledgement of its hook's report: waits for `most` of
    /// them, or a while.
    pub fn commits(&self, most: usize, patience: Duration) -> Vec<Duration> {
        let began = Instant::now();
        let mut all = Vec::new();
        while all.len() < most && began.elapsed() < patience {
            all.extend(self.traffic.take_commits());
            // Only so that the looking takes no processor from what is looked at.
            std::thread::sleep(Duration::from_micros(300));
        }
        all
    }
}

impl Drop for Agents {
    fn drop(&mut self) {
        self.stop.cancel();
        self.running.abort_all();
    }
}

type Identity = (muster_model::name::ModelId, MachineId);

async fn enrol(
    installation: &Installation,
    join: &str,
) -> Result<(Remote, Identity), MeasureError> {
    let own = hex::encode(
        [uuid::Uuid::new_v4().as_bytes(), &uuid::Uuid::new_v4().as_bytes()[..]].concat(),
    );
    let addresses = [installation.address()];
    let authority = installation.authority();
    let endpoint = Endpoint::new(&addresses, authority, Some(join.to_owned()));
    let client = AgentClient::new(endpoint.map_err(|error| wrong(&error))?);
    let hash = TokenHash(Digest::of(own.as_bytes()));
    let enrolled = client.enrol(hash).await.map_err(|error| wrong(&error))?;
    let remote = Remote::new(&addresses, authority, own).map_err(|error| wrong(&error))?;
    Ok((remote, (enrolled.model, enrolled.machine)))
}

fn settings(root: &Path, installation: &Installation) -> Settings {
    let paths = Paths {
        juju: root.join("j"),
        muster: root.join("m"),
        logs: root.join("l"),
        programs: None,
    };
    Settings { may_reboot: false, ..Settings::new(paths, installation.programs().agent()) }
}
