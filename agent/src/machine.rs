//! The machine: goals to unit tasks, and what is told of the machine as a whole.
//!
//! | task | says or does |
//! | --- | --- |
//! | this one | starts a task for each unit of the goal, and for each that left a journal |
//! | poll | takes over newer goals |
//! | a unit | see `unit.rs` |
//! | spool | hands log lines over |
//! | presence | says what runs, if it runs for longer than a moment |
//! | facts | addresses and hardware, when they change |
//! | rest | which units have nothing to do, see `rest.rs` |
//! | done | that nothing here needs the machine any more |
//! | exec | commands from the machine itself |
//! | discard | destroys storage of no unit, as the goal says |

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use muster_api::body::PresenceBody;
use muster_model::goal::Goal;
use muster_model::name::{MachineId, ModelId, UnitName};
use muster_model::report::{FactsReport, ReportBody};
use muster_model::{Life, Report, Revision};
use muster_resources::{BlobStore, StoreError};
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::Settings;
use crate::controller::{Backoff, Controller, ControllerError, report_until_answered};
use crate::hook::cgroup::Groups;
use crate::hook::runs::Runs;
use crate::hook::starting::Starters;
use crate::rest::Rest;
use crate::spool::Spool;
use crate::step::{ExecRequest, StepError};
use crate::unit::{Unit, UnitEnd};
use crate::world::World;
use crate::{discard, exec, facts, machine_task, rest};

/// How long a run must last before it is shown.
const MOMENT: Duration = Duration::from_millis(150);
/// How often addresses are looked at.
const FACTS: Duration = Duration::from_secs(30);
/// How long a unit that could not be opened is left alone.
const AGAIN: Duration = Duration::from_secs(15);

/// Why an agent cannot run.
#[derive(Debug, Error)]
pub enum RunError {
    /// A folder of the agent cannot be used.
    #[error("cannot use `{}`", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The cache cannot be opened.
    #[error("cannot open the cache of blobs")]
    Blobs(#[source] StoreError),
    /// Another agent runs with the same folders.
    #[error("another agent uses `{}`", path.display())]
    Taken {
        /// The folder.
        path: PathBuf,
    },
}

/// How an agent ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunEnd {
    /// It was told to, and what ran has come to its end.
    Stopped,
    /// It stopped as if killed, at a failpoint.
    Failpoint,
}

/// Runs the agent of a machine until `stop`; then lets what runs come to its end.
///
/// # Errors
/// If the agent's folders cannot be used.
pub async fn run(
    settings: Settings,
    controller: Arc<dyn Controller>,
    identity: (ModelId, MachineId),
    stop: CancellationToken,
) -> Result<RunEnd, RunError> {
    let settings = Arc::new(settings);
    let paths = &settings.paths;
    let folder = |path: PathBuf| move |source| RunError::Folder { path, source };
    crate::paths::private_folder(&paths.muster).map_err(folder(paths.muster.clone()))?;
    let _lock = lock(&settings).await?;
    let runs = Runs::open(paths.runs()).map_err(folder(paths.runs()))?;
    runs.end_left(settings.grace).await.map_err(folder(paths.runs()))?;
    let blobs = BlobStore::open(paths.blobs()).map_err(RunError::Blobs)?;
    let spool = Spool::open(&paths.spool()).map_err(folder(paths.spool()))?;
    exec::install(&settings, identity.1).map_err(folder(paths.juju.clone()))?;
    let boot = settings.boot.clone().unwrap_or_else(facts::boot_id);
    let world = World::new(settings, controller, identity, &boot, blobs, spool);
    let mut machine = Machine::new(world, runs, stop);
    machine.run().await
}

/// How long the lock of an agent that ended is waited for. It is let go of with the last descriptor,
/// and a process that is being started holds a copy until it has become its program.
const LET_GO: Duration = Duration::from_secs(5);

/// One agent for each set of folders: two would journal over one another.
pub(crate) async fn lock(settings: &Settings) -> Result<std::fs::File, RunError> {
    let path = settings.paths.muster.join("lock");
    let wrong = |source| RunError::Folder { path: path.clone(), source };
    let file = std::fs::File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(wrong)?;
    let deadline = tokio::time::Instant::now() + LET_GO;
    loop {
        match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(rustix::io::Errno::WOULDBLOCK) if tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(RunError::Taken { path: settings.paths.muster.clone() });
            }
            Err(error) => return Err(wrong(error.into())),
        }
    }
}

struct Machine {
    world: World,
    stop: CancellationToken,
    starters: Starters,
    units: JoinSet<(UnitName, Result<UnitEnd, StepError>)>,
    /// Units whose task runs, each with the way to it.
    running: BTreeMap<UnitName, mpsc::Sender<ExecRequest>>,
    /// Units that have left, until no goal lists them.
    gone: BTreeSet<UnitName>,
    exec: mpsc::Receiver<exec::Asked>,
}

impl Machine {
    fn new(world: World, runs: Runs, stop: CancellationToken) -> Machine {
        let (asked, exec) = mpsc::channel(16);
        let starters = Starters::new(Groups::find(), runs, world.settings.program.clone());
        exec::serve(&world, asked, stop.clone());
        Machine {
            world,
            stop,
            starters,
            units: JoinSet::new(),
            running: BTreeMap::new(),
            gone: BTreeSet::new(),
            exec,
        }
    }

    async fn run(&mut self) -> Result<RunEnd, RunError> {
        let world = &self.world;
        let spool = world.spool.clone().send(Arc::clone(&world.controller), self.stop.clone());
        let mut helpers = JoinSet::new();
        helpers.spawn(spool);
        helpers.spawn(poll(world.clone(), self.stop.clone()));
        helpers.spawn(presence(world.clone(), self.stop.clone()));
        helpers.spawn(tell_facts(world.clone(), self.stop.clone()));
        helpers.spawn(discard::serve(world.clone(), self.stop.clone()));
        helpers.spawn(rest::tell(world.clone(), self.stop.clone()));
        helpers.spawn(tell_done(world.clone(), self.stop.clone()));
        helpers.spawn(machine_task::serve(world.clone(), self.starters.clone(), self.stop.clone()));
        let mut goals = world.goal.subscribe();
        // A goal may have come before anybody listened.
        goals.mark_changed();
        self.take_up();
        let mut end = RunEnd::Stopped;
        loop {
            tokio::select! {
                changed = goals.changed() => {
                    if changed.is_ok() {
                        goals.mark_unchanged();
                        self.spread();
                    }
                }
                Some(ended) = self.units.join_next(), if !self.units.is_empty() => {
                    if let Ok((unit, result)) = ended {
                        if matches!(result, Err(StepError::Failpoint)) {
                            end = RunEnd::Failpoint;
                            self.stop.cancel();
                            break;
                        }
                        self.ended(unit, result);
                    } else if let Err(error) = ended {
                        tracing::error!(%error, "a unit's task broke");
                        self.stop.cancel();
                        break;
                    }
                }
                Some(asked) = self.exec.recv() => exec::pass(asked, &self.running),
                () = self.stop.cancelled() => break,
            }
        }
        if end == RunEnd::Failpoint {
            // As if killed: nothing comes to its end.
            self.units.shutdown().await;
            helpers.shutdown().await;
            self.starters.close().await;
            return Ok(end);
        }
        // Nothing new begins; what runs is waited for (R5b).
        while self.units.join_next().await.is_some() {}
        while helpers.join_next().await.is_some() {}
        self.starters.close().await;
        Ok(end)
    }

    /// Starts a task for each unit of the goal that has none.
    fn spread(&mut self) {
        let Some(goal) = self.world.goal.borrow().clone() else { return };
        self.gone.retain(|unit| goal.units.contains_key(unit));
        let new: Vec<UnitName> = goal
            .units
            .keys()
            .filter(|unit| !self.running.contains_key(unit) && !self.gone.contains(unit))
            .cloned()
            .collect();
        for name in new {
            self.start(name, Duration::ZERO);
        }
    }

    /// Starts a task for each unit that left a journal here, whatever the goal says of it: what it has
    /// done is told, and who was leaving goes on. Nothing else is done for one that no goal lists (R7).
    fn take_up(&mut self) {
        let folder = self.world.settings.paths.units();
        match kept(&folder) {
            Ok(names) => names.into_iter().for_each(|name| self.start(name, Duration::ZERO)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::error!(%error, path = %folder.display(), "the units' journals are not found");
            }
        }
    }

    fn start(&mut self, name: UnitName, delay: Duration) {
        let (send, receive) = mpsc::channel(4);
        self.running.insert(name.clone(), send);
        let (world, starters) = (self.world.clone(), self.starters.clone());
        let stop = self.stop.clone();
        self.units.spawn(async move {
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                () = stop.cancelled() => return (name, Ok(UnitEnd::Stopped)),
            }
            let result = match Unit::open(name.clone(), world, starters, receive, stop) {
                Ok(mut unit) => unit.run().await,
                Err(error) => Err(error),
            };
            (name, result)
        });
    }

    fn ended(&mut self, name: UnitName, result: Result<UnitEnd, StepError>) {
        self.running.remove(&name);
        match result {
            Ok(UnitEnd::Gone) => {
                tracing::info!(unit = %name, "the unit has left");
                self.world.forget_rest(&name);
                self.gone.insert(name);
                self.spread();
            }
            Ok(UnitEnd::Stopped) => {
                if !self.stop.is_cancelled() {
                    // It waits for a restart of the machine that did not come about.
                    self.start(name, AGAIN);
                }
            }
            Err(error) => {
                let why = muster_console::outcome::Chain(&error).to_string();
                tracing::error!(unit = %name, error = why, "the unit cannot go on; it is tried again");
                let revision = self.world.goal.borrow().as_ref().map(|goal| goal.revision);
                self.world
                    .set_rest(&name, Rest { revision: revision.unwrap_or_default(), waits: why });
                self.start(name, AGAIN);
            }
        }
    }
}

/// The units that have a journal here.
fn kept(folder: &Path) -> io::Result<Vec<UnitName>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_str().and_then(UnitName::from_tag);
        names.extend(name.filter(|_| entry.path().join("journal").exists()));
    }
    Ok(names)
}

/// Says that the machine has nothing left that needs it, once that is so, until it is heard. Units that
/// are parked, because they went by force while nobody heard this machine, hold nothing up: the machine
/// itself is what is taken down.
async fn tell_done(world: World, stop: CancellationToken) {
    let mut goals = world.goal.subscribe();
    let mut backoff = Backoff::default();
    loop {
        let over = |goal: &Option<Arc<Goal>>| {
            goal.as_ref().is_some_and(|goal| {
                goal.life != Life::Alive && goal.units.is_empty() && goal.discard.is_empty()
            })
        };
        tokio::select! {
            over = goals.wait_for(over) => if over.is_err() { return },
            () = stop.cancelled() => return,
        }
        let body = ReportBody::MachineDone { machine: world.machine };
        let report = Report { model: world.model, body };
        let Some(Err(error)) = report_until_answered(&world.controller, &report, &stop).await
        else {
            return;
        };
        let chain = muster_console::outcome::Chain(&error).to_string();
        tracing::warn!(error = chain, "the machine's end is not taken; it will be told again");
        tokio::select! {
            () = tokio::time::sleep(backoff.wait()) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Polls for goals until `stop`, whatever becomes of the facts: a controller whose disk is full takes no
/// report and still hears who is there (reliability document, R12).
async fn poll(world: World, stop: CancellationToken) {
    let mut backoff = Backoff::default();
    loop {
        let after = world.goal.borrow().as_ref().map_or(Revision::ZERO, |goal| goal.revision);
        let polled = tokio::select! {
            polled = world.poll(after) => polled,
            () = stop.cancelled() => return,
        };
        let Err(error) = polled else {
            backoff = Backoff::default();
            continue;
        };
        let chain = muster_console::outcome::Chain(&error).to_string();
        match &error {
            ControllerError::Passing(_) => tracing::info!(error = chain, "no goal"),
            _ => tracing::error!(error = chain, "no goal"),
        }
        drop(error);
        tokio::select! {
            () = tokio::time::sleep(backoff.wait()) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Says what runs. Runs that are over in a moment are not worth a word.
async fn presence(world: World, stop: CancellationToken) {
    let mut executing = world.executing.subscribe();
    let mut said = BTreeMap::new();
    loop {
        tokio::select! {
            changed = executing.changed() => if changed.is_err() { return },
            () = stop.cancelled() => return,
        }
        tokio::time::sleep(MOMENT).await;
        let now = executing.borrow_and_update().clone();
        if now == said {
            continue;
        }
        let body = PresenceBody { executing: now.clone(), machine: None };
        match world.controller.presence(&body).await {
            Ok(()) => said = now,
            Err(error) => {
                let chain = muster_console::outcome::Chain(&error);
                tracing::debug!(error = %chain, "what runs is not told");
            }
        }
    }
}

/// Tells the machine's facts at the start and whenever they have changed.
async fn tell_facts(world: World, stop: CancellationToken) {
    let mut told: Option<FactsReport> = None;
    loop {
        let boot = world.boot.to_string();
        let root = world.settings.paths.muster.clone();
        let facts = tokio::task::spawn_blocking(move || facts::gather(&boot, &root)).await;
        if let Ok(facts) = facts
            && told.as_ref() != Some(&facts)
        {
            let body = ReportBody::Facts { machine: world.machine, facts: Box::new(facts.clone()) };
            let report = Report { model: world.model, body };
            match report_until_answered(&world.controller, &report, &stop).await {
                Some(Ok(_)) => told = Some(facts),
                Some(Err(error)) => {
                    let chain = muster_console::outcome::Chain(&error);
                    tracing::warn!(error = %chain, "the machine's facts were not taken");
                }
                None => return,
            }
        }
        tokio::select! {
            () = tokio::time::sleep(FACTS) => {}
            () = stop.cancelled() => return,
        }
    }
}
