//! The machine's hook lock, and the locks of execution groups (hook contract, section 4.19).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

/// The locks of one machine. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Locks {
    machine: Arc<tokio::sync::Mutex<()>>,
    groups: Arc<Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>>,
}

/// Held while something runs that others must wait for.
#[derive(Debug)]
pub(crate) struct Held {
    _guard: Option<OwnedMutexGuard<()>>,
}

impl Locks {
    /// The machine's, for deploys, hooks, ordinary actions and commands.
    pub(crate) async fn machine(&self) -> Held {
        Held { _guard: Some(Arc::clone(&self.machine).lock_owned().await) }
    }

    /// None, for actions that say that they may run beside anything.
    pub(crate) fn none(&self) -> Held {
        Held { _guard: None }
    }

    /// That of an execution group.
    pub(crate) async fn group(&self, name: &str) -> Held {
        let lock = {
            let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(groups.entry(name.to_owned()).or_default())
        };
        Held { _guard: Some(lock.lock_owned().await) }
    }
}
