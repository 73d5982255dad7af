//! The one place that reads a clock; everything else is handed the time.

use muster_model::Timestamp;

/// The wall clock, for records and deadlines that must survive a restart.
#[expect(clippy::disallowed_methods, reason = "this is the one clock of this crate")]
#[must_use]
pub(crate) fn now() -> Timestamp {
    Timestamp(jiff::Timestamp::now().as_millisecond())
}
