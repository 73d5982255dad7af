//! No hook starts that could not be journalled, nor a charm that has no room (reliability document,
//! R12).
//!
//! It is asked last, of what a row has chosen: reports, unmounting, leaving and the operator's commands
//! go on, for those are what frees space.

use std::time::Duration;

use crate::Case;
use crate::step::{Next, Reason, Step};

/// How long until the disk is looked at again: whoever frees space need not wait longer.
const AGAIN: Duration = Duration::from_secs(10);

pub(crate) fn held(case: &Case<'_>, next: Next) -> Next {
    match (&next, &case.seen.full) {
        (Next::Run(Step::Hook(_) | Step::Deploy(_)), Some(why)) => {
            Next::Wait { reason: Reason::Full(why.clone()), until: Some(case.now + AGAIN) }
        }
        _ => next,
    }
}
