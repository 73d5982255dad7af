//! Making machines: what the records want, the substrate is asked for.
//!
//! One task looks at each machine that changed, one at a time for each machine and a few side by
//! side. It keeps no state: what is wanted stands in `Machine`, what is so in `InstanceRecord` and
//! in the substrate's own records, so a controller that starts again goes on where the last one
//! was. The substrate is synchronous and called on threads of its own.

mod firewall;
mod host;
mod machine;
mod turns;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub(crate) use machine::short;

use muster_api::body::Preparation;
use muster_model::life::Life;
use muster_model::name::{MachineId, ModelId};
use muster_model::record::{InstanceRecord, Machine};
use muster_model::status::Instance;
use muster_model::{Estate, Revision};
use thiserror::Error;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::ledger::{Ledger, SubmitError};
use crate::substrate::{Progress, Substrate, SubstrateError};

/// The first wait after a failure; doubled each time.
const FIRST_WAIT: Duration = Duration::from_secs(2);

/// The longest wait after a failure.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Why a machine could not be made or removed.
#[derive(Debug, Error)]
pub enum ProvisionError {
    /// The substrate could not do it.
    #[error("the substrate failed")]
    Substrate(#[source] Box<SubstrateError>),
    /// The controller did not take the report.
    #[error("the report was not taken")]
    Submit(#[source] SubmitError),
    /// A thread panicked.
    #[error("a thread of the provisioner failed")]
    Thread(#[source] tokio::task::JoinError),
    /// No randomness for a join token.
    #[error("cannot make a join token")]
    Token(#[source] getrandom::Error),
    /// The host itself could not be made a machine.
    #[error("cannot {what} the agent of this host")]
    Host {
        /// What was tried.
        what: &'static str,
        /// What happened.
        #[source]
        source: std::io::Error,
    },
    /// This controller makes no machines.
    #[error("this controller makes no machines (substrate = \"none\")")]
    NoSubstrate,
}

/// What the provisioner needs to know.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What makes machines; none, if they are joined by hand.
    pub substrate: Option<Substrate>,
    /// The agent's binary on this host.
    pub agent: PathBuf,
    /// The authority that agents pin, in PEM.
    pub authority: String,
    /// Where agents inside machines reach the controller.
    pub addresses: Vec<SocketAddr>,
    /// Where the agent of this host reaches it.
    pub local_address: SocketAddr,
    /// Where the agents of this host keep their things.
    pub host_root: PathBuf,
    /// Machines made at the same time.
    pub parallel: usize,
}

/// Makes and removes machines.
#[derive(Clone, Debug)]
pub struct Provisioner {
    plan: Arc<Plan>,
    said: Arc<Mutex<Preparation>>,
    /// What is being made or removed at the moment.
    tasks: TaskTracker,
    /// Nothing more is begun.
    ending: CancellationToken,
}

type At = (ModelId, MachineId);

impl Provisioner {
    /// A provisioner that follows `plan`.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        // Whoever asks before the substrate was looked at must not take it for ready.
        let said = match plan.substrate {
            Some(_) => Preparation::Busy("preparing this host".to_owned()),
            None => Preparation::Ready,
        };
        Provisioner {
            plan: Arc::new(plan),
            said: Arc::new(Mutex::new(said)),
            tasks: TaskTracker::new(),
            ending: CancellationToken::new(),
        }
    }

    /// Whether machines can be made, for people who wait.
    #[must_use]
    pub fn says(&self) -> Preparation {
        lock(&self.said).clone()
    }

    fn say(&self, what: Preparation) {
        *lock(&self.said) = what;
    }

    /// Follows the estate until `shutdown`; then lets what has begun come to its end.
    pub async fn run(self, ledger: Ledger, shutdown: CancellationToken) {
        self.prepare().await;
        let doors = firewall::follow(self.clone(), ledger.clone(), shutdown.clone());
        let turns = turns::follow(self.clone(), ledger.clone(), shutdown.clone());
        tokio::join!(doors, turns, self.follow(ledger, shutdown));
    }

    async fn follow(&self, ledger: Ledger, shutdown: CancellationToken) {
        let mut estates = ledger.watch();
        let tasks = self.tasks.clone();
        let busy: Arc<Mutex<BTreeSet<At>>> = Arc::default();
        let waits: Arc<Mutex<BTreeMap<At, tokio::time::Instant>>> = Arc::default();
        let room = Arc::new(Semaphore::new(self.plan.parallel.max(1)));
        let again = Arc::new(tokio::sync::Notify::new());
        let mut wanted = Wanted::default();
        let makes = self.plan.substrate.is_some();
        loop {
            let estate = Arc::clone(&estates.borrow_and_update());
            wanted.look(&estate, makes);
            let now = tokio::time::Instant::now();
            let mut soonest = None;
            for at in wanted.all() {
                if self.ending.is_cancelled() {
                    break;
                }
                // Whoever asked for a retry has had its failures forgotten, and its pause with them.
                let paused = failed(&estate, at);
                let due = lock(&waits).get(&at).copied().filter(|due| paused && *due > now);
                if let Some(due) = due {
                    soonest = Some(soonest.map_or(due, |s: tokio::time::Instant| s.min(due)));
                    continue;
                }
                if !lock(&busy).insert(at) {
                    continue;
                }
                let (this, ledger, busy) = (self.clone(), ledger.clone(), Arc::clone(&busy));
                let (waits, room, again) =
                    (Arc::clone(&waits), Arc::clone(&room), Arc::clone(&again));
                tasks.spawn(async move {
                    let permit = room.acquire().await;
                    if this.ending.is_cancelled() {
                        return;
                    }
                    let failures = this.tend(&ledger, at).await;
                    drop(permit);
                    match failures {
                        None => lock(&waits).remove(&at),
                        Some(failures) => {
                            let wait = FIRST_WAIT * 2u32.saturating_pow(failures.min(8));
                            lock(&waits)
                                .insert(at, tokio::time::Instant::now() + wait.min(LONGEST_WAIT))
                        }
                    };
                    lock(&busy).remove(&at);
                    again.notify_one();
                });
            }
            let sleep = async {
                match soonest {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = estates.changed() => if changed.is_err() { break },
                () = again.notified() => {}
                () = sleep => {}
                () = self.ending.cancelled() => break,
                () = shutdown.cancelled() => break,
            }
        }
        tasks.close();
        tasks.wait().await;
    }

    /// Makes the root and the network, and brings back the machines that a reboot of the host has
    /// stopped. What fails here is tried again with the first machine, and said there.
    async fn prepare(&self) {
        let Some(substrate) = self.plan.substrate.clone() else { return };
        let this = self.clone();
        let prepared = tokio::task::spawn_blocking(move || {
            let mut tell = |progress: Progress| {
                this.say(Preparation::Busy(progress.to_string()));
            };
            // That of the usual base; others are made when they are first wanted.
            let root = substrate.ensure_root(None, &mut tell);
            // Machines that are there have theirs, which nobody changes.
            substrate.ensure_network()?;
            for (name, result) in substrate.revive()? {
                match result {
                    Ok(_) => tracing::info!(machine = name, "started again"),
                    Err(error) => {
                        tracing::warn!(machine = name, error = %crate::Chain(&error), "cannot be started");
                    }
                }
            }
            root
        });
        match prepared.await {
            Ok(Ok(_)) => self.say(Preparation::Ready),
            Ok(Err(error)) => {
                tracing::warn!(error = %crate::Chain(&error), "the substrate is not ready");
                self.say(Preparation::Failed(crate::Chain(&error).to_string()));
            }
            Err(error) => {
                tracing::error!(%error, "a thread of the provisioner failed");
                self.say(Preparation::Failed("a thread of the controller failed".to_owned()));
            }
        }
    }

    /// Removes everything that was ever made, whatever the records say, but for the data of storage on
    /// this host itself; answers where that is.
    ///
    /// # Errors
    /// What could not be removed.
    pub async fn remove_everything(&self) -> Result<Vec<String>, ProvisionError> {
        // A machine that was being made meanwhile would be left behind.
        self.ending.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        let plan = Arc::clone(&self.plan);
        let removing = move || remove_made(plan.substrate.as_ref(), &plan.host_root, &plan.agent);
        tokio::task::spawn_blocking(removing).await.map_err(ProvisionError::Thread)?
    }
}

/// Removes by their records the agents of this host below `host_root`, with the agent's own program,
/// and the machines; answers where the data of kept storage is.
pub(crate) fn remove_made(
    substrate: Option<&Substrate>,
    host_root: &Path,
    agent: &Path,
) -> Result<Vec<String>, ProvisionError> {
    let kept = host::stop_all(host_root, agent);
    // An agent of this host that does not go keeps no other machine.
    if let Some(substrate) = substrate {
        substrate.kill_all().map_err(|error| ProvisionError::Substrate(Box::new(error)))?;
    }
    kept
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Machines that something is to be done about: not made yet, or to be let go. A model is looked
/// at when its machines have changed, and not at each commit.
#[derive(Debug, Default)]
struct Wanted {
    models: BTreeMap<ModelId, (Revision, Vec<At>)>,
}

impl Wanted {
    /// Takes in what has changed. A controller that makes no machines lets them be joined by hand.
    fn look(&mut self, estate: &Estate, makes: bool) {
        self.models.retain(|id, _| estate.model(*id).is_some());
        for model in estate.models() {
            let instances = model.table::<InstanceRecord>();
            let written = instances.written().max(model.table::<Machine>().written());
            if self.models.get(&model.id()).is_some_and(|(seen, _)| *seen >= written) {
                continue;
            }
            let of_model = instances.iter().filter_map(|(id, instance)| {
                let machine = model.machine(*id)?;
                let need = needs(machine, instance);
                let ours = makes || machine.host || need == Need::Removing;
                (need != Need::Nothing && ours).then_some((model.id(), *id))
            });
            self.models.insert(model.id(), (written, of_model.collect()));
        }
    }

    fn all(&self) -> impl Iterator<Item = At> + '_ {
        self.models.values().flat_map(|(_, machines)| machines.iter().copied())
    }
}

/// Whether making a machine failed when it was last tried.
fn failed(estate: &Estate, (model, id): At) -> bool {
    let record = estate.model(model).and_then(|m| m.table::<InstanceRecord>().get(&id));
    record.is_some_and(|record| record.failures > 0)
}

/// What a machine needs of its substrate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    Nothing,
    Making,
    Removing,
}

fn needs(machine: &Machine, instance: &InstanceRecord) -> Need {
    // One that ran and broke has data that a new one would not.
    let made = matches!(instance.status.value, Instance::Running | Instance::Error);
    match machine.life {
        Life::Dead if !instance.gone => Need::Removing,
        Life::Alive if !made => Need::Making,
        Life::Alive | Life::Dying | Life::Dead => Need::Nothing,
    }
}
