//! What hooks leave running: daemons that a charm starts with `nohup … &`, as it may (hook contract,
//! section 3.1).
//!
//! ```text
//! run ─exit─▶ noted as left to its unit ─linger─▶ counted, told with the unit's rest
//!                                                    └─ ended when the unit leaves
//! ```
//!
//! The processes stay in the group of the run that they began in, which nobody else gets: so none is
//! missed that is being forked, and no limit of another hook counts them. Only a run that ended by
//! itself, within its number of processes, leaves anything; the others are cleared away.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use muster_model::name::UnitName;
use tokio::sync::watch;

use crate::hook::cgroup::Group;
use crate::hook::process::Ended;
use crate::hook::runs::Runs;

/// What is left, by whose it is: a unit's tag, or the machine's. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Left {
    groups: Arc<Mutex<BTreeMap<String, Vec<Arc<Group>>>>>,
    /// Counts the changes, for whoever tells of them.
    pub(crate) changed: Arc<watch::Sender<u64>>,
}

impl Left {
    /// Takes something over.
    pub(crate) fn add(&self, whose: String, group: Arc<Group>) {
        self.lock().entry(whose).or_default().push(group);
        self.changed.send_modify(|count| *count += 1);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Vec<Arc<Group>>>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nothing was left that nobody has looked after since.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// How many processes are left of each; what has ended meanwhile is cleared away.
    pub(crate) fn counts(&self) -> BTreeMap<String, u32> {
        let mut groups = self.lock();
        groups.retain(|_, groups| {
            groups.retain(|group| !(group.is_empty() && group.remove().is_ok()));
            !groups.is_empty()
        });
        let count = |groups: &Vec<Arc<Group>>| {
            let count: usize = groups.iter().map(|group| group.members().len()).sum();
            u32::try_from(count).unwrap_or(u32::MAX)
        };
        groups.iter().map(|(whose, groups)| (whose.clone(), count(groups))).collect()
    }

    /// Ends what a unit's hooks have left: asked first, and killed `grace` later.
    pub(crate) async fn end(&self, unit: &UnitName, grace: Duration) {
        let groups = self.lock().remove(&unit.tag()).unwrap_or_default();
        let mut endings = tokio::task::JoinSet::new();
        for group in groups {
            endings.spawn(async move { group.clear(Duration::ZERO, grace).await });
        }
        while endings.join_next().await.is_some() {}
    }
}

/// To whom a run leaves what it leaves.
#[derive(Clone, Debug)]
pub(crate) struct Heir {
    pub(crate) runs: Runs,
    /// A unit's tag, or the machine's.
    pub(crate) tag: String,
}

impl Heir {
    /// Looks after what is there when a run is over. Nobody waits for this.
    pub(crate) async fn settle(
        self,
        group: Arc<Group>,
        ended: Ended,
        (linger, grace): (Duration, Duration),
    ) {
        if group.is_empty() && group.remove().is_ok() {
            return;
        }
        if !matches!(ended, Ended::Exit(_)) || group.was_crowded() {
            return group.clear(Duration::ZERO, grace).await;
        }
        group.unbound();
        // First of all for an agent after this one, should this one end before the wait does.
        self.runs.leave(&group, &self.tag);
        if group.wait_empty(linger).await {
            return group.clear(Duration::ZERO, grace).await;
        }
        tracing::info!(unit = self.tag, "a hook has left processes running");
        self.runs.left.add(self.tag, group);
    }
}
