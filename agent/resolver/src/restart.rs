//! Starting again: after a crash of the agent, and after a boot of the machine (hook contract,
//! sections 4.13 and 4.18).

use muster_model::report::TaskOutcome;
use muster_model::status::TaskState;
use muster_model::{Effects, Hook};

use crate::Case;
use crate::local::Local;
use crate::progress::{Progress, TaskProgress};
use crate::step::{Next, Step};

/// Reads a journal after a start: what was running was interrupted. A hook counts as failed, an
/// action is over and never runs again by itself; everything else goes on where it stood.
pub fn recover(local: &mut Local) {
    if matches!(local.progress, Progress::Running { .. }) {
        local.failed("the agent was interrupted while the hook ran");
    }
    if let Some(TaskProgress::Running(task)) = local.task {
        local.task = Some(TaskProgress::Ended {
            task,
            outcome: TaskOutcome {
                state: TaskState::Failed,
                message: "action terminated".to_owned(),
                results: serde_json::Map::new(),
            },
            effects: Effects::default(),
        });
    }
}

/// What was done and not yet told, and what had begun to go away.
pub(crate) fn unreported(case: &Case<'_>) -> Option<Next> {
    parked(case.local)
}

/// `start` comes first after a boot, if the unit was started before and nothing is under way.
/// Before the first `start` there is nothing to do: its commit remembers the boot.
pub(crate) fn after_boot(case: &Case<'_>) -> Option<Next> {
    let booted = case.local.boot.as_deref().is_some_and(|boot| boot != case.seen.boot);
    let started = case.local.flags.started && !case.local.flags.stopped;
    if !booted || !started || !case.is_idle() || case.is_leaving() {
        return None;
    }
    // The mounts come first: a workload must not find an empty directory in place of its data.
    crate::storage::mounts(case).or(Some(Next::Run(Step::Hook(Hook::Start))))
}

/// What a unit does of which the goal says nothing. That is no reason to take anything away (R7): it
/// stays as it is. But what was done is told, and who had begun to leave, which was wanted in so many
/// words, goes on leaving.
#[must_use]
pub fn parked(local: &Local) -> Option<Next> {
    if let Some(report) = local.outstanding() {
        return Some(Next::Run(Step::Report(report)));
    }
    match local.progress {
        Progress::Leaving => Some(Next::Run(Step::Leave)),
        Progress::Gone => Some(Next::Gone),
        _ => None,
    }
}
