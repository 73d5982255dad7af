//! Row 17: the configuration, the trust or the addresses are not those last seen.

use muster_model::Hook;

use crate::Case;
use crate::fingerprint::Fingerprint;
use crate::step::{Next, Step};

/// `config-changed`, once for any number of changes, and not at all for one that was taken back
/// (hook contract, section 4.8).
pub(crate) fn row(case: &Case<'_>) -> Option<Next> {
    let current = Fingerprint::of(case.goal, &case.seen.addresses);
    let new = case.is_idle() && case.local.config != Some(current);
    new.then_some(Next::Run(Step::Hook(Hook::ConfigChanged)))
}
