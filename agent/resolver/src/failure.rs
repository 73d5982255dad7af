//! Row 11: a hook has failed (hook contract, section 4.14).

use std::time::Duration;

use muster_model::record::Resolve;
use muster_model::{Seq, Timestamp};

use crate::Case;
use crate::progress::Progress;
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
    if let Some(answer) = answer(case, failure.since) {
        let step = if answer.retry { Step::Retry } else { Step::Skip };
        return Some(Next::Run(step(failure.clone())));
    }
    if case.goal.charm.forced && !crate::upgrade::is_current(case) {
        return Some(Next::Run(Step::Deploy(case.goal.charm.clone())));
    }
    match retry_at {
        // Answered, or with new code: at once, whatever the model says about retries.
        Some(Timestamp::ZERO) => Some(crate::leader::run(case, &failure.hook)),
        _ if !case.settings.retry_hooks => {
            Some(Next::Wait { reason: Reason::Resolve(failure.hook.clone()), until: None })
        }
        Some(at) if !is_due(case, *at) => {
            Some(Next::Wait { reason: Reason::Retry(failure.hook.clone()), until: Some(*at) })
        }
        Some(_) | None => Some(crate::leader::run(case, &failure.hook)),
    }
}

/// Whether it is time; or so far off that the clock must have jumped.
pub(crate) fn is_due(case: &Case<'_>, at: Timestamp) -> bool {
    at <= case.now || at > case.now + MAX_DELAY * 2
}

/// The operator's answer to what has failed since the report of that number, if it was not acted on
/// yet.
///
/// It is about all failures of the row: who answers sees one of them, and while the answer travels
/// the hook may run again by itself and fail once more. Such an answer, a `--no-retry` above all,
/// counts when that run is over. One that came before the row began is about something else.
pub(crate) fn answer(case: &Case<'_>, since: Seq) -> Option<Resolve> {
    let answer = case.goal.resolve.filter(|answer| answer.seq >= since)?;
    (case.local.resolved != Some((answer.seq, answer.count))).then_some(answer)
}
