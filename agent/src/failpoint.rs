//! Places where a test ends the agent as if it were killed there.
//!
//! A place is named by what the journal says at that moment and whether it was just written, so
//! every transition of [`muster_resolver::Progress`] has two. No environment variable reaches this: a test hands
//! the settings a value, everyone else the empty one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Where to stop; by default nowhere. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Failpoints(Option<Arc<Armed>>);

#[derive(Debug)]
struct Armed {
    place: String,
    left: AtomicU32,
}

impl Failpoints {
    /// Stops at the `nth` passing (from 1) of `place`.
    #[must_use]
    pub fn at(place: &str, nth: u32) -> Failpoints {
        Failpoints(Some(Arc::new(Armed { place: place.to_owned(), left: AtomicU32::new(nth) })))
    }

    /// Whether the agent stops here.
    #[must_use]
    pub(crate) fn hit(&self, place: &str) -> bool {
        let Some(armed) = &self.0 else { return false };
        // Counts to zero and stays below: it stops once.
        armed.place == place && armed.left.fetch_sub(1, Ordering::Relaxed) == 1
    }
}
