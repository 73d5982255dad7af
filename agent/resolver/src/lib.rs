//! The agent's one question: given what a unit has done and what is wanted, what is the one next
//! step?
//!
//! ```text
//! Local (journalled) ─┐
//! Seen (of the host) ─┼─▶ next ─▶ Step ─▶ (the agent's hands) ─▶ Local, one step further
//! UnitGoal, settings ─┤        └▶ nothing to do, and what that waits for
//! now ────────────────┘
//! ```
//!
//! [`next`] is the decision table of the hook contract (section 4.2), one line a row, in the order of
//! the rows: the first that has an answer wins. Nothing here reads a clock, a disk or the
//! environment, so the same facts give the same step, whatever happened between.
//!
//! A step changes [`Local`] only through the methods of `local.rs`, and every change is one that a
//! crash may come before or after: what [`Progress`] says is what is true.

mod fingerprint;
mod local;
mod outcome;
mod progress;
mod step;

mod restart;

mod upgrade;

mod created;

mod leader;

mod action;

mod storage;

mod failure;

mod chain;

mod leave;

mod install;

mod config;

mod relation;

mod tick;

mod room;

pub use failure::{MAX_DELAY, retry_delay};
pub use fingerprint::Fingerprint;
pub use local::{Flags, Local, RelationLocal, StorageLocal};
pub use progress::{Conflict, Failure, Inputs, Progress, TaskProgress};
pub use restart::{parked, recover};
pub use step::{Next, Reason, Seen, Step, StorageSeen};

use muster_model::goal::{ModelSettings, UnitGoal};
use muster_model::name::UnitName;
use muster_model::{Life, Timestamp};

/// Everything that a decision is made from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case<'a> {
    pub(crate) unit: &'a UnitName,
    pub(crate) local: &'a Local,
    pub(crate) seen: &'a Seen,
    pub(crate) goal: &'a UnitGoal,
    pub(crate) settings: &'a ModelSettings,
    pub(crate) now: Timestamp,
}

impl Case<'_> {
    /// Whether nothing is started, queued or failed: the contract's "idle".
    pub(crate) fn is_idle(&self) -> bool {
        matches!(self.local.progress, Progress::Idle)
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.goal.life != Life::Alive
    }
}

/// What the unit does now: the first row of section 4.2 that has an answer.
///
/// What was done but not yet told comes before all rows; it is the rest of the step before.
#[must_use]
pub fn next(
    unit: &UnitName,
    local: &Local,
    seen: &Seen,
    goal: &UnitGoal,
    settings: &ModelSettings,
    now: Timestamp,
) -> Next {
    let case = Case { unit, local, seen, goal, settings, now };
    let next = restart::unreported(&case) // 13, and the crash that came before it
        .or_else(|| leave::removed(&case)) // 1
        .or_else(|| restart::after_boot(&case)) // 3
        .or_else(|| upgrade::interrupted(&case)) // 4
        .or_else(|| storage::mounts(&case)) // the host's part of 10
        .or_else(|| storage::forced(&case)) // an operator's way out of 4, 10 and 11
        .or_else(|| created::row(&case)) // 5
        .or_else(|| leader::row(&case)) // 6
        .or_else(|| action::row(&case)) // 8, 9
        .or_else(|| storage::hooks(&case)) // 10
        .or_else(|| leader::lost(&case)) // before 11 and 12
        .or_else(|| failure::row(&case)) // 11
        .or_else(|| upgrade::conflict(&case)) // 4, its waiting, which holds no command up
        .or_else(|| chain::row(&case)) // 12
        .or_else(|| leave::row(&case)) // 14
        .or_else(|| install::row(&case)) // 15
        .or_else(|| upgrade::row(&case)) // 16
        .or_else(|| config::row(&case)) // 17
        .or_else(|| relation::row(&case)) // 18
        .or_else(|| tick::row(&case)) // 19
        .unwrap_or_else(|| tick::rest(&case));
    room::held(&case, storage::again(&case, next))
}

#[cfg(test)]
mod tests;
