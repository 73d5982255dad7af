//! The one clock of this crate.
//!
//! Wall time is read once, at the start; from then on the monotonic clock says how much later it is.
//! So a jump of the wall clock neither fires a retry early nor holds it back (reliability document,
//! R11); what is printed may be off by the jump until the agent starts again.

use std::time::{Duration, Instant};

use muster_model::Timestamp;

/// A clock that starts at the wall's time and never jumps. Cheap to copy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    wall: Timestamp,
    start: Instant,
}

impl Clock {
    /// A clock that agrees with the wall's at this moment.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    pub(crate) fn start() -> Clock {
        let wall = jiff::Timestamp::now().as_millisecond();
        Clock { wall: Timestamp(wall), start: Instant::now() }
    }

    /// The present moment.
    #[must_use]
    pub(crate) fn now(&self) -> Timestamp {
        self.wall + self.start.elapsed()
    }

    /// The present moment of the monotonic clock.
    #[must_use]
    #[expect(clippy::unused_self, reason = "whoever reads a clock is handed one")]
    pub(crate) fn instant(&self) -> Instant {
        Instant::now()
    }

    /// How long it is from now until `at`; zero if that is over.
    #[must_use]
    pub(crate) fn until(&self, at: Timestamp) -> Duration {
        at.since(self.now())
    }
}
