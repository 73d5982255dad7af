//! Row 6: the lead, won and lost (hook contract, section 4.7).

use muster_model::Hook;

use crate::Case;
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
            return Some(Next::Run(Step::Hook(Hook::LeaderElected)));
        }
        // Until the first `config-changed` one of the two hooks comes first (section 4.4), and which
        // one is not known before there is a lease. Later nothing waits for that.
        let first = case.local.config.is_none();
        return first.then_some(Next::Wait { reason: Reason::Lease, until: None });
    }
    let unseen = case.seen.leader_settings != Some(case.goal.leader_settings);
    unseen.then_some(Next::Run(Step::Hook(Hook::LeaderSettingsChanged)))
}
