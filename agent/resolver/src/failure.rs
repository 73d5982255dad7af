//! Row 11: a hook has failed (hook contract, section 4.14).

use std::time::Duration;

use muster_model::Timestamp;

use crate::Case;
use crate::local::Progress;
use crate::step::{Next, Reason, Step};

/// The longest wait before a failed hook runs again by itself, without the jitter.
pub const MAX_DELAY: Duration = Duration::from_secs(300);

/// The wait after the failure number `attempts` in a row (from 1): 5 s, doubled each time, at most
/// [`MAX_DELAY`]; then up to 3 % more or less, as `jitter` says, from 0 (less) to 1000 (more).
#[must_use]
pub fn retry_delay(attempts: u32, jitter: u16) -> Duration {
    let doublings = attempts.saturating_sub(1).min(16);
    let whole = Duration::from_secs(5).saturating_mul(1 << doublings).min(MAX_DELAY);
    let parts = 970 + u32::from(jitter.min(1000)) * 60 / 1000;
    whole * parts / 1000
}

/// The failed hook stays at the head of the line: it runs again, or waits for the operator; only a
/// forced upgrade changes the code under it. Tasks come before this row.
pub(crate) fn row(case: &Case<'_>) -> Option<Next> {
    let Progress::Failed { failure, retry_at } = &case.local.progress else { return None };
    if case.is_leaving() && case.goal.force {
        return None;
    }
    if let Some(resolve) = case.goal.resolve
        && resolve.seq == failure.seq
        && case
            .local
            .resolved
            .is_none_or(|(seq, count)| seq != resolve.seq || count < resolve.count)
    {
        let step = if resolve.retry { Step::Retry } else { Step::Skip };
        return Some(Next::Run(step(failure.clone())));
    }
    if case.goal.charm.forced && !crate::upgrade::is_current(case) {
        return Some(Next::Run(Step::Deploy(case.goal.charm.clone())));
    }
    match retry_at {
        // Answered, or with new code: at once, whatever the model says about retries.
        Some(Timestamp::ZERO) => Some(Next::Run(Step::Hook(failure.hook.clone()))),
        _ if !case.settings.retry_hooks => {
            Some(Next::Wait { reason: Reason::Resolve(failure.hook.clone()), until: None })
        }
        Some(at) if *at > case.now && *at <= case.now + MAX_DELAY * 2 => {
            Some(Next::Wait { reason: Reason::Retry(failure.hook.clone()), until: Some(*at) })
        }
        // Due; or so far off that the clock must have jumped.
        Some(_) | None => Some(Next::Run(Step::Hook(failure.hook.clone()))),
    }
}
