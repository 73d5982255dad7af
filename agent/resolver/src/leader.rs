//! Row 6: the lead, won and lost (hook contract, section 4.7).

use muster_model::Hook;

use crate::Case;
use crate::step::{Next, Step};

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
        let new = case.seen.leads && !case.local.flags.leader;
        return new.then_some(Next::Run(Step::Hook(Hook::LeaderElected)));
    }
    let unseen = case.seen.leader_settings != Some(case.goal.leader_settings);
    unseen.then_some(Next::Run(Step::Hook(Hook::LeaderSettingsChanged)))
}
