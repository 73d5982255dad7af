//! Who may speak of which bytes.
//!
//! Bytes are kept once, whoever sent them, and are named by their digest. A digest is a name and
//! never a right (S7, S8): whoever names bytes has shown that it has them, by sending them, or may
//! write to a model that names them already. To everybody else they are not there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use muster_model::Estate;
use muster_model::access::access_of;
use muster_model::name::UserName;
use muster_model::record::{CharmRecord, ControllerAccess, ModelAccess, Resource, User};
use muster_model::{Model, Timestamp};
use muster_resources::Digest;

/// Claims that are remembered; beyond it the oldest is forgotten, and its bytes are sent again.
const CLAIMS: usize = 10_000;

/// Who has sent which bytes. In memory: after a restart the client is told
/// that the bytes are not here, and sends them again.
#[derive(Clone, Debug)]
pub struct Claims {
    shown: Arc<Mutex<BTreeMap<(UserName, Digest), Timestamp>>>,
    kept: Duration,
}

impl Claims {
    /// No claims yet. What a user sent is its own to name for a while.
    #[must_use]
    pub fn new(kept: Duration) -> Claims {
        Claims { shown: Arc::default(), kept }
    }

    /// A user has sent all of these bytes.
    pub(super) fn show(&self, user: &UserName, digest: Digest, now: Timestamp) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.retain(|_, at| now.since(*at) < self.kept);
        if shown.len() >= CLAIMS {
            let oldest = shown.iter().min_by_key(|(_, at)| **at).map(|(key, _)| key.clone());
            oldest.map(|key| shown.remove(&key));
        }
        shown.insert((user.clone(), digest), now);
    }

    /// Whether a user may name these bytes in a command, and so learn that they are here.
    pub(super) fn may_name(
        &self,
        estate: &Estate,
        user: &User,
        digest: &Digest,
        now: Timestamp,
    ) -> bool {
        if user.access == ControllerAccess::Superuser {
            return true;
        }
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let at = shown.get(&(user.name.clone(), *digest)).copied();
        drop(shown);
        at.is_some_and(|at| now.since(at) < self.kept)
            || written_by(estate, user).any(|model| names(model, digest))
    }
}

/// Whether a user may send bytes at all: it can name them in some model, or make one.
pub(super) fn may_send(estate: &Estate, user: &User) -> bool {
    user.access >= ControllerAccess::AddModel || written_by(estate, user).next().is_some()
}

fn written_by<'e>(estate: &'e Estate, user: &User) -> impl Iterator<Item = &'e Model> {
    estate.models().map(AsRef::as_ref).filter(move |model: &&Model| {
        model.info().and_then(|info| access_of(user, info)) >= Some(ModelAccess::Write)
    })
}

fn names(model: &Model, digest: &Digest) -> bool {
    model.table::<CharmRecord>().values().any(|charm| charm.digest == *digest)
        || model.table::<Resource>().values().any(|resource| resource.digest == *digest)
}
