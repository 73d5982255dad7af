//! Rows 1 and 14: the unit leaves (hook contract, section 4.17).
//!
//! ```text
//! storage-detaching… ─▶ departed… broken (each non-peer relation) ─▶ departed… (peers)
//!     ─▶ stop ─▶ remove ─▶ subordinates are gone ─▶ Leave
//! ```

use muster_model::{Hook, Life};

use crate::Case;
use crate::progress::Progress;
use crate::step::{Next, Reason, Step};

/// Row 1: nothing more to run; the rest is taking things away.
pub(crate) fn removed(case: &Case<'_>) -> Option<Next> {
    let over = case.goal.life == Life::Dead || case.local.flags.removed;
    let forced = case.is_leaving() && case.goal.force;
    if !over && !forced {
        return None;
    }
    last(case)
}

/// Row 14.
pub(crate) fn row(case: &Case<'_>) -> Option<Next> {
    if !case.is_leaving() {
        return None;
    }
    if let Some(next) = crate::relation::leaving(case) {
        return Some(next);
    }
    let flags = case.local.flags;
    if flags.started && !flags.stopped {
        return Some(Next::Run(Step::Hook(Hook::Stop)));
    }
    if flags.installed && !flags.removed {
        return Some(Next::Run(Step::Hook(Hook::Remove)));
    }
    last(case)
}

fn last(case: &Case<'_>) -> Option<Next> {
    // Something that runs has a journal entry of its own; it is never cut off here.
    if matches!(case.local.progress, Progress::Running { .. }) {
        return None;
    }
    if let Some(unit) = case.goal.subordinates.iter().next() {
        let reason = Reason::Subordinates(unit.clone());
        return Some(Next::Wait { reason, until: None });
    }
    // A mount that cannot be taken down now is tried again; nothing is left behind unseen (R14).
    let trouble = case.seen.storage.iter().find_map(|(id, seen)| match seen {
        crate::StorageSeen::Trouble(why, at) if *at > case.now => Some((id, why, at)),
        _ => None,
    });
    if let Some((id, why, at)) = trouble {
        let reason = Reason::Storage(id.clone(), why.clone());
        return Some(Next::Wait { reason, until: Some(*at) });
    }
    Some(Next::Run(Step::Leave))
}
