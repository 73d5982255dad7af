//! Row 12: what one hook queues after itself (hook contract, section 4.3, "On commit").

use muster_model::Hook;

use crate::Case;
use crate::local::Flags;
use crate::progress::Progress;
use crate::step::Next;

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

/// What is queued comes next, but for `install` of a unit that leaves: it never ran, and nothing of
/// the unit does (section 4.17).
pub(crate) fn row(case: &Case<'_>) -> Option<Next> {
    let Progress::Queued { hook } = &case.local.progress else { return None };
    if *hook == Hook::Install && case.is_leaving() {
        return None;
    }
    Some(crate::leader::run(case, hook))
}
