//! So many of a kind at a time for each who asks, and no more (reliability document, section 5).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Who is told apart at a time; beyond it, those that have no turn are forgotten.
const KNOWN: usize = 1_000;

/// The turns of everybody. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Turns<K> {
    most: usize,
    taken: Arc<Mutex<BTreeMap<K, Arc<Semaphore>>>>,
}

impl<K: Clone + Ord> Turns<K> {
    /// Everybody may have so many turns at a time.
    #[must_use]
    pub fn new(most: usize) -> Turns<K> {
        Turns { most, taken: Arc::default() }
    }

    /// A turn, given back when it is dropped; none if `who` has as many as it may already.
    pub(super) fn turn(&self, who: &K) -> Option<OwnedSemaphorePermit> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.len() >= KNOWN {
            taken.retain(|_, turns| turns.available_permits() < self.most);
        }
        let turns = taken.entry(who.clone());
        let turns = turns.or_insert_with(|| Arc::new(Semaphore::new(self.most)));
        Arc::clone(turns).try_acquire_owned().ok()
    }
}
