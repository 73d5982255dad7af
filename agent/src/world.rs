//! What every part of the agent shares: the settings, the controller, the goal and the lease.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use muster_model::Revision;
use muster_model::goal::Goal;
use muster_model::name::{MachineId, ModelId, UnitName};
use muster_resources::BlobStore;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::config::Settings;
use crate::controller::{Controller, ControllerError};
use crate::lock::Locks;
use crate::rest::Rest;
use crate::spool::Spool;

/// Shared by all tasks of one agent. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) settings: Arc<Settings>,
    pub(crate) controller: Arc<dyn Controller>,
    pub(crate) clock: Clock,
    pub(crate) model: ModelId,
    pub(crate) machine: MachineId,
    pub(crate) boot: Arc<str>,
    pub(crate) blobs: BlobStore,
    pub(crate) locks: Locks,
    pub(crate) spool: Spool,
    /// The newest goal; none before the first.
    pub(crate) goal: watch::Sender<Option<Arc<Goal>>>,
    lease: Arc<Mutex<Option<Instant>>>,
    /// What each unit runs at the moment.
    pub(crate) executing: watch::Sender<BTreeMap<UnitName, String>>,
    /// Where each unit stood when it had nothing to do last.
    pub(crate) rests: watch::Sender<BTreeMap<UnitName, Rest>>,
}

impl World {
    pub(crate) fn new(
        settings: Arc<Settings>,
        controller: Arc<dyn Controller>,
        identity: (ModelId, MachineId),
        boot: &str,
        blobs: BlobStore,
        spool: Spool,
    ) -> World {
        World {
            settings,
            controller,
            clock: Clock::start(),
            model: identity.0,
            machine: identity.1,
            boot: boot.into(),
            blobs,
            locks: Locks::default(),
            spool,
            goal: watch::Sender::new(None),
            lease: Arc::default(),
            executing: watch::Sender::new(BTreeMap::new()),
            rests: watch::Sender::new(BTreeMap::new()),
        }
    }

    /// Asks for a goal newer than `after`, and takes over what comes: never an older one, and the
    /// lease in any case.
    pub(crate) async fn poll(&self, after: Revision) -> Result<(), ControllerError> {
        let polled = self.controller.goal(after).await?;
        if let Some(until) = polled.lease {
            let mut lease = self.lease.lock().unwrap_or_else(PoisonError::into_inner);
            *lease = Some(lease.map_or(until, |lease| lease.max(until)));
        }
        if let Some(goal) = polled.goal {
            self.goal.send_if_modified(|current| {
                let newer = current.as_ref().is_none_or(|old| old.revision < goal.revision);
                if newer {
                    *current = Some(Arc::new(goal));
                }
                newer
            });
        } else if polled.lease.is_some() {
            // Whoever waits to lead looks again.
            self.goal.send_if_modified(|_| true);
        }
        Ok(())
    }

    /// A lease from this moment on, with the goal as it is now.
    pub(crate) async fn renew_lease(&self) -> Result<(), ControllerError> {
        self.poll(Revision::ZERO).await
    }

    /// Whether the unit leads and may believe so for `margin` longer.
    pub(crate) fn leads(&self, unit: &UnitName, margin: Duration) -> bool {
        let goal = self.goal.borrow().clone();
        let recorded = goal.and_then(|goal| goal.units.get(unit).map(|unit| unit.leader));
        let lease = *self.lease.lock().unwrap_or_else(PoisonError::into_inner);
        recorded == Some(true) && lease.is_some_and(|until| until >= self.clock.instant() + margin)
    }

    /// Says what a unit runs, or that it runs nothing.
    pub(crate) fn set_executing(&self, unit: &UnitName, what: Option<String>) {
        self.executing.send_if_modified(|all| match what {
            Some(what) => all.insert(unit.clone(), what.clone()) != Some(what),
            None => all.remove(unit).is_some(),
        });
    }

    /// Says that a unit has nothing to do, and what it waits for if for something.
    pub(crate) fn set_rest(&self, unit: &UnitName, rest: Rest) {
        self.rests.send_if_modified(|all| all.insert(unit.clone(), rest.clone()) != Some(rest));
    }

    /// A unit that has left says nothing any more.
    pub(crate) fn forget_rest(&self, unit: &UnitName) {
        self.rests.send_if_modified(|all| all.remove(unit).is_some());
    }
}
