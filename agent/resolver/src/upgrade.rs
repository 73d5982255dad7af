//! Putting another charm in place (hook contract, section 4.9).

use muster_model::goal::CharmGoal;

use crate::Case;
use crate::progress::Progress;
use crate::step::{Next, Reason, Step};

/// Row 4: what was interrupted goes on; what could not be written is tried again when the operator has
/// answered, or with another charm that is forced upon the unit.
///
/// A unit that has no charm yet has nothing to protect: it takes whatever charm is wanted now, tries
/// again by itself, and goes at once when it is to go.
pub(crate) fn interrupted(case: &Case<'_>) -> Option<Next> {
    let wanted = &case.goal.charm;
    let charm = match &case.local.progress {
        Progress::Deploying { charm, .. } => {
            if is_first(case) || is_forced(case, charm) {
                wanted
            } else {
                charm
            }
        }
        Progress::Conflicted { conflict, retry_at, .. } => {
            let answered = crate::failure::answer(case, conflict.since).is_some();
            if is_first(case) {
                let due = retry_at.is_none_or(|at| crate::failure::is_due(case, at));
                if !answered && !due && conflict.charm == *wanted {
                    return None;
                }
                wanted
            } else if is_forced(case, &conflict.charm) {
                wanted
            } else if answered {
                &conflict.charm
            } else {
                return None;
            }
        }
        _ => return None,
    };
    // Nothing of a unit that leaves without a charm ever ran.
    let moot = is_first(case) && case.is_leaving();
    (!moot).then(|| Next::Run(Step::Deploy(charm.clone())))
}

/// Row 4, its waiting. It comes where a failed hook waits, so that commands reach a unit whose disk
/// wants repair.
pub(crate) fn conflict(case: &Case<'_>) -> Option<Next> {
    let Progress::Conflicted { conflict, retry_at, .. } = &case.local.progress else { return None };
    if !is_first(case) {
        let reason = Reason::Conflict(conflict.reason.clone());
        return Some(Next::Wait { reason, until: None });
    }
    let reason = Reason::Deploy(conflict.reason.clone());
    (!case.is_leaving()).then_some(Next::Wait { reason, until: *retry_at })
}

fn is_first(case: &Case<'_>) -> bool {
    case.local.deployed.is_none()
}

/// Whether another charm than `charm` is forced upon the unit.
fn is_forced(case: &Case<'_>, charm: &CharmGoal) -> bool {
    case.goal.charm.forced && case.goal.charm != *charm && !case.is_leaving()
}

/// Row 16: the charm, or one of its resources, is another one.
pub(crate) fn row(case: &Case<'_>) -> Option<Next> {
    if !case.is_idle() || is_current(case) {
        return None;
    }
    Some(Next::Run(Step::Deploy(case.goal.charm.clone())))
}

/// Whether the charm on disk is the one that is wanted, in all that an upgrade is about.
pub(crate) fn is_current(case: &Case<'_>) -> bool {
    case.local.deployed.as_ref().is_some_and(|deployed| {
        deployed.url == case.goal.charm.url
            && deployed.digest == case.goal.charm.digest
            && deployed.modified == case.goal.charm.modified
    })
}
