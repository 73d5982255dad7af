//! Rows 8 and 9: actions of the charm and commands of operators (hook contract, section 4.16).

use muster_model::goal::TaskGoal;
use muster_model::record::TaskKind;

use crate::Case;
use crate::progress::Progress;
use crate::step::{Next, Step};

/// Tasks run in the order in which they were asked for. A command needs no more than the charm's
/// folder; an action waits until the unit is idle, unless a hook has failed.
pub(crate) fn row(case: &Case<'_>) -> Option<Next> {
    case.local.deployed.as_ref()?;
    let task = case.goal.tasks.iter().find(|task| {
        !case.local.tasks_done.contains(&task.id) && (task.cancel || may_run(case, task))
    })?;
    let step = if task.cancel { Step::CancelTask(task.id) } else { Step::Task(task.id) };
    Some(Next::Run(step))
}

fn may_run(case: &Case<'_>, task: &TaskGoal) -> bool {
    match task.kind {
        TaskKind::Command { .. } => true,
        TaskKind::Action { .. } => match case.local.progress {
            Progress::Idle => case.local.flags.installed,
            Progress::Failed { .. } => true,
            _ => false,
        },
    }
}
