//! Row 15: the charm's files, and the first hook.

use muster_model::Hook;

use crate::Case;
use crate::step::{Next, Step};

/// The files come before the storage, because storage hooks are the charm's; `install` comes after.
pub(crate) fn row(case: &Case<'_>) -> Option<Next> {
    if !case.is_idle() || case.local.flags.installed {
        return None;
    }
    if case.local.deployed.is_none() {
        return Some(Next::Run(Step::Deploy(case.goal.charm.clone())));
    }
    Some(Next::Run(Step::Hook(Hook::Install)))
}
