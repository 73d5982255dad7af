//! Row 12: what one hook queues after itself (hook contract, section 4.3, "On commit").

use muster_model::Hook;

use crate::Case;
use crate::local::{Flags, Progress};
use crate::step::{Next, Step};

/// What follows a committed hook before anything else may: nothing slips between `upgrade-charm`
/// and `config-changed`, nor between the first `config-changed` and `start`. `flags` are those from
/// before the commit.
pub(crate) fn after(hook: &Hook, flags: &Flags) -> Progress {
    match hook {
        Hook::UpgradeCharm => Progress::Queued { hook: Hook::ConfigChanged },
        Hook::ConfigChanged if !flags.started => Progress::Queued { hook: Hook::Start },
        _ => Progress::Idle,
    }
}

pub(crate) fn row(case: &Case<'_>) -> Option<Next> {
    let Progress::Queued { hook } = &case.local.progress else { return None };
    Some(Next::Run(Step::Hook(hook.clone())))
}
