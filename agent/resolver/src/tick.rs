//! Row 19, and what is left when no row has an answer.

use std::time::Duration;

use muster_model::{Hook, Timestamp};

use crate::progress::Progress;
use crate::step::{Next, Reason, StorageSeen};
use crate::{Case, Step};

/// The wait before the next `update-status`: the model's interval, up to 20 % more or less, as `jitter`
/// says, from 0 (less) to 1000 (more).
#[must_use]
pub fn tick_delay(interval: Duration, jitter: u16) -> Duration {
    let parts = 800 + u32::from(jitter.min(1000)) * 400 / 1000;
    interval.saturating_mul(parts) / 1000
}

/// `update-status`, when there is nothing else to do; never before the first `start`, in error, or
/// while leaving (hook contract, section 4.10).
pub(crate) fn row(case: &Case<'_>) -> Option<Next> {
    let due = case.seen.tick.is_some_and(|tick| tick <= case.now);
    let may = case.is_idle() && case.local.flags.started && !case.is_leaving();
    (due && may).then_some(Next::Run(Step::Hook(Hook::UpdateStatus)))
}

/// Nothing to do: until the tick, or until a storage in trouble is tried again.
pub(crate) fn rest(case: &Case<'_>) -> Next {
    let trouble = case.seen.storage.iter().find_map(|(id, seen)| match seen {
        // What the goal no longer lists is nothing that anybody would try again.
        StorageSeen::Trouble(why, at) if case.goal.storage.contains_key(id) => Some((id, why, *at)),
        _ => None,
    });
    if let Some((id, why, at)) = trouble {
        let reason = Reason::Storage(id.clone(), why.clone());
        return Next::Wait { reason, until: Some(earliest(at, case.seen.tick)) };
    }
    let ticks = matches!(case.local.progress, Progress::Idle) && case.local.flags.started;
    let tick = case.seen.tick.filter(|_| ticks);
    let due = crate::secret::wakes(case).filter(|_| ticks);
    Next::Idle { until: tick.into_iter().chain(due).min() }
}

fn earliest(at: Timestamp, tick: Option<Timestamp>) -> Timestamp {
    tick.map_or(at, |tick| tick.min(at))
}
