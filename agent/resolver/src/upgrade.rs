//! Putting another charm in place (hook contract, section 4.9).

use crate::Case;
use crate::local::Progress;
use crate::step::{Next, Reason, Step};

/// Row 4: an upgrade that was interrupted goes on; one that could not write its files waits for the
/// operator, or for another charm that is forced upon it.
pub(crate) fn interrupted(case: &Case<'_>) -> Option<Next> {
    let Progress::Deploying { charm, conflict, .. } = &case.local.progress else { return None };
    let Some(why) = conflict else { return Some(Next::Run(Step::Deploy(charm.clone()))) };
    if let Some(resolve) = case.goal.resolve
        && case.local.resolved.is_none_or(|(_, count)| count < resolve.count)
    {
        return Some(Next::Run(Step::Deploy(charm.clone())));
    }
    if case.goal.charm.forced && case.goal.charm != *charm {
        return Some(Next::Run(Step::Deploy(case.goal.charm.clone())));
    }
    Some(Next::Wait { reason: Reason::Conflict(why.clone()), until: None })
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
