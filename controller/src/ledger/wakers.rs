//! Who is told when a machine is touched.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use muster_model::Revision;
use muster_model::name::{MachineId, ModelId};
use muster_model::touches::Touched;
use tokio::sync::watch;

type Map = BTreeMap<(ModelId, MachineId), watch::Sender<Revision>>;

/// The revision at which each polled machine was touched last. A machine that nobody polls has no
/// entry and costs nothing.
#[derive(Clone, Debug, Default)]
pub struct Wakers {
    map: Arc<Mutex<Map>>,
}

impl Wakers {
    /// Follows a machine. The first value is `present`, if nobody followed it before.
    #[must_use]
    pub fn follow(
        &self,
        model: ModelId,
        machine: MachineId,
        present: Revision,
    ) -> watch::Receiver<Revision> {
        let mut map = self.map.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = map.entry((model, machine)).or_insert_with(|| watch::channel(present).0);
        sender.subscribe()
    }

    /// Lets whoever follows a machine look again, for what is in no record.
    pub fn look_again(&self, model: ModelId, machine: MachineId) {
        let map = self.map.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = map.get(&(model, machine)) {
            sender.send_modify(|_| {});
        }
    }

    /// Tells whoever follows the machines that were touched.
    pub(super) fn wake(&self, touched: &Touched, revision: Revision) {
        let mut map = self.map.lock().unwrap_or_else(PoisonError::into_inner);
        for (model, machines) in &touched.machines {
            for machine in machines {
                let key = (*model, *machine);
                let Some(sender) = map.get(&key) else { continue };
                if sender.is_closed() {
                    // Nobody polls it at the moment; whoever comes next looks for itself.
                    map.remove(&key);
                } else {
                    sender.send_replace(revision);
                }
            }
        }
    }
}
