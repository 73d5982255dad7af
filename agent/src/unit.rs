//! One unit: ask what to do, do it, write it down, again.
//!
//! The task owns everything of the unit: journal, cache, socket. It is woken by a new goal, a new
//! lease, a time that has come, or a command from the machine.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use muster_charms::Charm;
use muster_model::goal::Goal;
use muster_model::name::{StorageId, TaskId, UnitName};
use muster_model::record::Resolve;
use muster_model::{Effects, Seq};
use muster_resolver::{Inputs, Local, Next, Progress, Seen, TaskProgress, next, parked, recover};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::hook::context::{About, Context, Reboot, relations};
use crate::hook::server::Server;
use crate::hook::snapshot::Cache;
use crate::hook::starting::Starters;
use crate::journal::{Journal, JournalError};
use crate::links;
use crate::lock::Held;
use crate::paths::{private_folder, remove};
use crate::random;
use crate::rest::Rest;
use crate::room;
use crate::step::{self, ExecRequest, StepError};
use crate::unit_log::UnitLog;
use crate::world::World;

/// How a unit's task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnitEnd {
    /// The unit has left the machine.
    Gone,
    /// The agent is stopping; the unit goes on after the next start.
    Stopped,
}

/// A unit and all that belongs to it.
pub(crate) struct Unit {
    pub(crate) name: UnitName,
    pub(crate) world: World,
    pub(crate) local: Local,
    pub(crate) seen: Seen,
    pub(crate) cache: Cache,
    pub(crate) charm: Option<Arc<Charm>>,
    pub(crate) server: Server,
    pub(crate) log: UnitLog,
    /// Where the charm finds storages that are ready.
    pub(crate) locations: BTreeMap<StorageId, PathBuf>,
    /// Asked for by the hook whose commit is under way.
    pub(crate) reboot: Option<Reboot>,
    /// To be done now.
    pub(crate) reboot_due: bool,
    pub(crate) stop: CancellationToken,
    /// The socket is served for as long as this lives: a hook that runs while the agent is told to
    /// stop still needs its tools (reliability document, R5b).
    _serving: DropGuard,
    journal: Journal,
    /// Whether the journal could not be written and is behind.
    unsaved: bool,
    /// Whether the journal is behind in what a crash would lead to again.
    later: bool,
    pub(crate) starters: Starters,
    goals: watch::Receiver<Option<Arc<Goal>>>,
    /// The goal that this step looks at; taken anew before each.
    goal: Option<Arc<Goal>>,
    exec: mpsc::Receiver<ExecRequest>,
}

impl Unit {
    /// Takes up the unit where its journal says, or begins one.
    pub(crate) fn open(
        name: UnitName,
        world: World,
        starters: Starters,
        exec: mpsc::Receiver<ExecRequest>,
        stop: CancellationToken,
    ) -> Result<Unit, StepError> {
        let paths = &world.settings.paths;
        let private = paths.private(&name);
        let path = private.join("journal");
        let prepare = StepError::Prepare;
        private_folder(&private).map_err(prepare)?;
        let mut goals = world.goal.subscribe();
        let goal = goals.borrow_and_update().clone();
        let known = goal.as_ref().and_then(|goal| goal.units.get(&name)).map(|goal| goal.seq);
        let (journal, local) = match Journal::open(&path)? {
            Some((journal, local)) => (journal, local),
            None => {
                let local = Local::new(known.unwrap_or(Seq::ZERO));
                (Journal::create(&path, &local)?, local)
            }
        };
        // Who has never told anything has nothing that could be fetched.
        let untold = known == Some(Seq::ZERO) && local.seq == Seq::ZERO;
        private_folder(&paths.unit(&name)).map_err(prepare)?;
        links::link(&paths.all_tools(), &paths.tools(&name)).map_err(prepare)?;
        let ending = CancellationToken::new();
        let server = Server::start(&paths.socket(&name), ending.clone()).map_err(prepare)?;
        let log = UnitLog::open(&name, paths, world.spool.clone(), world.clock);
        let charm = step::read_charm(&private);
        let seen = Seen { boot: world.boot.to_string(), ..Seen::default() };
        let mut unit = Unit {
            name,
            world,
            local,
            seen,
            cache: if untold { Cache::of_a_new_unit() } else { Cache::default() },
            charm: None,
            server,
            log,
            locations: BTreeMap::new(),
            reboot: None,
            reboot_due: false,
            stop,
            _serving: ending.drop_guard(),
            journal,
            unsaved: false,
            later: false,
            starters,
            goals,
            goal,
            exec,
        };
        if let Some(charm) = charm {
            unit.set_charm(charm);
        }
        recover(&mut unit.local);
        unit.next_tick();
        unit.save()?;
        Ok(unit)
    }

    /// Goes on until the unit has left or the agent stops.
    pub(crate) async fn run(&mut self) -> Result<UnitEnd, StepError> {
        let mut tries: u32 = 0;
        loop {
            if self.stop.is_cancelled() {
                return Ok(UnitEnd::Stopped);
            }
            self.goal = self.goals.borrow_and_update().clone();
            if let Err(error) = self.catch_up() {
                if matches!(error, StepError::Failpoint) {
                    return Err(error);
                }
                tries = tries.saturating_add(1);
                self.back_off(&error, tries).await;
                continue;
            }
            if self.reboot_due {
                self.reboot_due = false;
                crate::reboot::now(&self.world, &self.name, &self.stop).await;
                return Ok(UnitEnd::Stopped);
            }
            // What is not told yet is told first: the outcome of a command takes the same place.
            if self.may_exec()
                && let Ok(request) = self.exec.try_recv()
            {
                if let Err(error) = step::exec(self, request).await {
                    self.note(&error);
                }
                continue;
            }
            let next = self.next();
            if let Err(error) = self.catch_up_at_rest(next.as_ref()) {
                if matches!(error, StepError::Failpoint) {
                    return Err(error);
                }
                tries = tries.saturating_add(1);
                self.back_off(&error, tries).await;
                continue;
            }
            let Some(next) = next else {
                self.wait(None).await;
                continue;
            };
            match next {
                Next::Run(step) => match step::perform(self, &step).await {
                    Ok(()) => tries = 0,
                    Err(StepError::Stopping) => return Ok(UnitEnd::Stopped),
                    Err(StepError::Failpoint) => return Err(StepError::Failpoint),
                    Err(error) => {
                        tries = tries.saturating_add(1);
                        self.back_off(&error, tries).await;
                    }
                },
                Next::Wait { reason, until } => {
                    self.rest(reason.to_string());
                    self.wait(until).await;
                }
                Next::Idle { until } => {
                    self.rest(String::new());
                    self.wait(until).await;
                }
                Next::Gone => {
                    self.forget().await?;
                    return Ok(UnitEnd::Gone);
                }
            }
        }
    }

    /// Before it waits, a unit has written down all that it knows.
    fn catch_up_at_rest(&mut self, next: Option<&Next>) -> Result<(), StepError> {
        let goes_on = matches!(next, Some(Next::Run(_)));
        if self.later && !goes_on { self.save() } else { Ok(()) }
    }

    async fn back_off(&mut self, error: &StepError, tries: u32) {
        let why = self.note(error);
        self.rest(why);
        let wait = (error.wait() * (1 << tries.min(6))).min(Duration::from_secs(60));
        let at = self.world.clock.now() + wait;
        self.wait(Some(at)).await;
    }

    /// Between two steps nothing runs, whatever became of the one before: what the journal calls
    /// running has failed. And nothing goes on from what is not on disk (R12).
    fn catch_up(&mut self) -> Result<(), StepError> {
        let running = matches!(self.local.progress, Progress::Running { .. })
            || matches!(self.local.task, Some(TaskProgress::Running(_)));
        if running {
            recover(&mut self.local);
        }
        if running || self.unsaved { self.save() } else { Ok(()) }
    }

    /// Waits for `wait`, unless the agent is to stop: then nothing new begins.
    pub(crate) async fn unless_stopped<T>(
        &self,
        wait: impl Future<Output = T>,
    ) -> Result<T, StepError> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(StepError::Stopping),
            done = wait => Ok(done),
        }
    }

    /// The error is logged here, where nobody passes it on any more.
    fn note(&self, error: &StepError) -> String {
        let text = muster_console::outcome::Chain(error).to_string();
        tracing::warn!(unit = %self.name, error = text, "a step did not come to its end");
        text
    }

    fn rest(&self, waits: String) {
        if let Some(goal) = &self.goal {
            self.world.set_rest(&self.name, Rest { revision: goal.revision, waits });
        }
    }

    fn may_exec(&self) -> bool {
        !self.unsaved && self.local.task.is_none() && self.local.outstanding().is_none()
    }

    async fn wait(&mut self, until: Option<muster_model::Timestamp>) {
        let clock = self.world.clock;
        let may_exec = self.may_exec();
        let time = async {
            match until {
                Some(at) => tokio::time::sleep(clock.until(at)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = time => {}
            changed = self.goals.changed() => {
                if changed.is_err() {
                    self.stop.cancelled().await;
                }
            }
            Some(request) = self.exec.recv(), if may_exec => {
                if let Err(error) = step::exec(self, request).await {
                    self.note(&error);
                }
            }
            () = self.stop.cancelled() => {}
        }
    }

    /// What to do next, as of the goal that this step looks at. None: nothing is known of the unit,
    /// which is no reason to take anything away (R7).
    pub(crate) fn next(&mut self) -> Option<Next> {
        let goal = self.goals.borrow().clone()?;
        self.seen.addresses.clone_from(&goal.addresses);
        self.seen.full = room::lack(&self.world.settings.paths.private(&self.name));
        self.seen.leads = self.world.leads(&self.name, Duration::ZERO);
        self.goal = Some(Arc::clone(&goal));
        let wanted = goal.units.get(&self.name);
        let Some(wanted) = wanted else { return parked(&self.local) };
        let now = self.world.clock.now();
        Some(next(&self.name, &self.local, &self.seen, wanted, &goal.settings, now))
    }

    /// The goal that this step looks at.
    pub(crate) fn goal(&self) -> Option<Arc<Goal>> {
        self.goal.clone()
    }

    /// What a hook sees that starts now.
    pub(crate) fn inputs(&self) -> Inputs {
        let wanted = self.goal.as_ref().and_then(|goal| goal.units.get(&self.name));
        match wanted {
            Some(wanted) => Inputs::of(wanted, &self.seen),
            None => Inputs::default(),
        }
    }

    /// The operator's last answer.
    pub(crate) fn resolve(&self) -> Option<Resolve> {
        self.goal.as_ref()?.units.get(&self.name)?.resolve
    }

    /// Puts the next `update-status` off by the model's interval, a fifth more or less.
    pub(crate) fn next_tick(&mut self) {
        let interval = self.goal.as_ref().map_or(300_000, |goal| goal.settings.update_status_ms);
        let parts = 800 + u64::from(random::thousandth()) * 2 / 5;
        let wait = Duration::from_millis(interval.saturating_mul(parts) / 1000);
        self.seen.tick = Some(self.world.clock.now() + wait);
    }

    /// Takes over what the charm on disk says.
    pub(crate) fn set_charm(&mut self, charm: Arc<Charm>) {
        self.seen.endpoints = Some(charm.metadata.endpoints.keys().cloned().collect());
        self.charm = Some(charm);
    }

    /// Writes the journal; on disk when this returns.
    pub(crate) fn save(&mut self) -> Result<(), StepError> {
        self.unless_killed("before")?;
        self.unsaved = true;
        self.journal.write(&self.local)?;
        (self.unsaved, self.later) = (false, false);
        self.unless_killed("after")
    }

    /// Leaves it to the next write to say that a report was taken: after a crash it is sent again and
    /// known by its number, so that a sync for that alone would save nothing.
    pub(crate) fn save_later(&mut self) -> Result<(), StepError> {
        self.unless_killed("before")?;
        self.later = true;
        self.unless_killed("after")
    }

    fn unless_killed(&self, moment: &str) -> Result<(), StepError> {
        let place = place(&self.local);
        let hit = self.world.settings.failpoints.hit(&format!("{moment} {place}"));
        if hit { Err(StepError::Failpoint) } else { Ok(()) }
    }

    /// Waits for the machine's lock, unless the model lets units run side by side.
    pub(crate) async fn lock_machine(&self) -> Result<Held, StepError> {
        let parallel = self.goal.as_ref().is_some_and(|goal| goal.settings.parallel_hooks);
        if parallel {
            return Ok(self.world.locks.none());
        }
        self.unless_stopped(self.world.locks.machine()).await
    }

    /// Fetches what other members said, if anything of it is new.
    pub(crate) async fn fetch_settings(&mut self) -> Result<(), StepError> {
        let Some(goal) = self.goal.clone() else { return Ok(()) };
        let Some(wanted) = goal.units.get(&self.name) else { return Ok(()) };
        if !self.cache.lacks(&self.name, wanted) {
            return Ok(());
        }
        let request = self.cache.request();
        let call = self.world.controller.snapshot(&self.name, &request);
        let snapshot = tokio::select! {
            snapshot = call => snapshot.map_err(StepError::Snapshot)?,
            () = self.stop.cancelled() => return Err(StepError::Stopping),
        };
        self.cache.take(wanted, snapshot);
        Ok(())
    }

    /// What a run that starts now is bound to. Made before the journal says that it runs.
    pub(crate) fn context(&mut self, about: About) -> std::io::Result<Context> {
        let missing = |what: &'static str| std::io::Error::other(what);
        let goal = self.goal.clone().ok_or_else(|| missing("there is no goal"))?;
        let charm = self.charm.clone().ok_or_else(|| missing("the charm is missing from disk"))?;
        let id = format!("{}-{}-{}", self.name, about.word(), random::hexadecimal(32)?);
        let relations = match goal.units.get(&self.name) {
            Some(wanted) => {
                self.cache.set_ports(wanted, self.local.seq);
                relations(&about, &self.name, &self.local, wanted, &charm)
            }
            None => BTreeMap::new(),
        };
        Ok(Context {
            id,
            unit: self.name.clone(),
            about,
            goal,
            charm,
            relations,
            cache: self.cache.clone(),
            effects: Effects::default(),
            action: Default::default(),
            reboot: None,
            storage: self.locations.clone(),
            denied: false,
            status: None,
            log: self.log.clone(),
            world: self.world.clone(),
            kill: CancellationToken::new(),
        })
    }

    /// Ends when an operator wants the task ended.
    pub(crate) fn watch_cancel(&self, task: TaskId) -> impl Future<Output = ()> + use<> {
        let mut goals = self.goals.clone();
        let name = self.name.clone();
        async move {
            let wanted = |goal: &Option<Arc<Goal>>| {
                goal.as_ref()
                    .and_then(|goal| goal.units.get(&name))
                    .is_some_and(|goal| goal.tasks.iter().any(|t| t.id == task && t.cancel))
            };
            if goals.wait_for(wanted).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Commits what a command from the machine wrote.
    pub(crate) async fn commit_outside(&mut self, effects: Effects) -> Result<(), String> {
        let chain = |error: StepError| muster_console::outcome::Chain(&error).to_string();
        self.local.task = Some(TaskProgress::Outside { effects });
        self.save().map_err(chain)?;
        let Some(report) = self.local.outstanding() else { return Ok(()) };
        step::outside(self, &report).await.map_err(chain)
    }

    /// Deletes what is left of the unit: the folders that this task made once more if the agent was
    /// started again after they had gone, and at last its journal, which is the last that knows of it.
    async fn forget(&self) -> Result<(), StepError> {
        step::remove_folders(self).await?;
        let private = self.world.settings.paths.private(&self.name);
        remove(&private)
            .map_err(|source| JournalError::Write { path: private.clone(), source }.into())
    }
}

/// What the journal says, in a word: the name of the failpoints around it.
fn place(local: &Local) -> &'static str {
    match (&local.task, &local.progress) {
        (Some(TaskProgress::Running(_)), _) => "task-running",
        (Some(TaskProgress::Ended { .. }), _) => "task-ended",
        (Some(TaskProgress::Outside { .. }), _) => "outside",
        (None, Progress::Idle) => "idle",
        (None, Progress::Deploying { .. }) => "deploying",
        (None, Progress::Deployed { .. }) => "deployed",
        (None, Progress::Conflicting { .. }) => "conflicting",
        (None, Progress::Conflicted { .. }) => "conflicted",
        (None, Progress::Queued { .. }) => "queued",
        (None, Progress::Running { .. }) => "running",
        (None, Progress::Committing { .. }) => "committing",
        (None, Progress::Failing { .. }) => "failing",
        (None, Progress::Failed { .. }) => "failed",
        (None, Progress::Leaving) => "leaving",
        (None, Progress::Left) => "left",
        (None, Progress::Gone) => "gone",
    }
}
