//! Row 6: the lead, won and lost (hook contract, section 4.7).

use muster_model::Hook;

use crate::Case;
use crate::progress::Progress;
use crate::step::{Next, Reason, Step};

/// A unit that leads hears of it once; one that does not lead hears of the leader's settings once
/// for each version, and once after each start of the agent. Losing the lead runs no hook.
pub(crate) fn row(case: &Case<'_>) -> Option<Next> {
    if !case.is_idle() || !case.local.flags.installed {
        return None;
    }
    if case.local.flags.leader && (!case.goal.leader || case.is_leaving()) {
        return Some(Next::Run(Step::Resign));
    }
    if case.is_leaving() {
        return None;
    }
    if case.goal.leader {
        if case.local.flags.leader {
            return None;
        }
        if case.seen.leads {
            return Some(run(case, &Hook::LeaderElected));
        }
        // Until the first `config-changed` one of the two hooks comes first (section 4.4), and which
        // one is not known before there is a lease. Later nothing waits for that.
        let first = case.local.config.is_none();
        return first.then_some(Next::Wait { reason: Reason::Lease, until: None });
    }
    let unseen = case.seen.leader_settings != Some(case.goal.leader_settings);
    unseen.then_some(Next::Run(Step::Hook(Hook::LeaderSettingsChanged)))
}

/// Before rows 11 and 12: a hook of the leader's alone that failed, or was to run again, is dropped
/// once the lead is lost (section 4.3).
pub(crate) fn lost(case: &Case<'_>) -> Option<Next> {
    let hook = match &case.local.progress {
        Progress::Queued { hook } => hook,
        Progress::Failed { failure, .. } => &failure.hook,
        _ => return None,
    };
    let lost = !case.goal.leader || case.is_leaving();
    (lost && is_the_leaders(hook)).then(|| Next::Run(Step::PassOver(hook.clone())))
}

/// Whether nobody but the leader runs a hook: `leader-elected`, and what is asked of whoever manages
/// an application's secrets (section 4.12).
fn is_the_leaders(hook: &Hook) -> bool {
    match hook {
        Hook::LeaderElected => true,
        Hook::Secret(hook) => hook.leader,
        _ => false,
    }
}

/// Runs a hook; one of the leader's alone only while the lead is certain, which is looked at just
/// before.
pub(crate) fn run(case: &Case<'_>, hook: &Hook) -> Next {
    if is_the_leaders(hook) && !case.seen.leads {
        return Next::Wait { reason: Reason::Lease, until: None };
    }
    Next::Run(Step::Hook(hook.clone()))
}
