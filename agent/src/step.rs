//! Doing a step: one match, one file a family.

mod charm;
mod hook;
mod leave;
mod report;
mod storage;
mod task;

use std::time::Duration;

use muster_model::report::StepReport;
use muster_resolver::Step;
use thiserror::Error;

use crate::controller::ControllerError;
use crate::fetch::FetchError;
use crate::journal::JournalError;
use crate::unit::Unit;

pub(crate) use charm::read_charm;
pub(crate) use leave::remove_folders;
pub(crate) use task::ExecRequest;
pub(crate) use task::results;

/// Why a step did not come to its end. The journal says how far it is; it is tried again.
#[derive(Debug, Error)]
pub(crate) enum StepError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("cannot fetch what the other units said")]
    Snapshot(#[source] ControllerError),
    #[error("cannot report")]
    Report(#[source] ControllerError),
    #[error("the controller refuses the report: {0}")]
    Refused(String),
    #[error("cannot prepare the hook")]
    Prepare(#[source] std::io::Error),
    #[error("cannot take the unit from the machine: {0}")]
    Leave(String),
    /// A test stops the agent here.
    #[error("stopped at a failpoint")]
    Failpoint,
    /// The agent is to end; the step goes on after the next start.
    #[error("the agent is stopping")]
    Stopping,
}

impl StepError {
    /// The shortest wait before the next try.
    pub(crate) fn wait(&self) -> Duration {
        match self {
            StepError::Refused(_) | StepError::Journal(_) => Duration::from_secs(5),
            _ => Duration::from_secs(1),
        }
    }
}

/// Carries out `step`. What it changed is journalled when this returns.
pub(crate) async fn perform(unit: &mut Unit, step: &Step) -> Result<(), StepError> {
    match step {
        Step::Deploy(charm) => charm::deploy(unit, charm).await,
        Step::Mount(id) => storage::mount(unit, id).await,
        Step::Unmount(id) => storage::unmount(unit, id).await,
        Step::Hook(hook) => hook::run(unit, step, hook).await,
        Step::PassOver(hook) => {
            let inputs = unit.inputs();
            unit.local.pass_over(hook.clone(), inputs);
            unit.save()
        }
        Step::Retry(_) => {
            let answer = unit.resolve();
            unit.local.retry(answer);
            unit.save()
        }
        Step::Skip(_) => {
            let answer = unit.resolve();
            unit.local.skip(answer);
            unit.save()
        }
        Step::Task(id) => task::run(unit, step, *id).await,
        Step::CancelTask(id) => task::cancelled(unit, *id),
        Step::Resign => {
            unit.local.flags.leader = false;
            // A follower hears of the leader's settings, also of those it wrote itself.
            unit.seen.leader_settings = None;
            unit.save()
        }
        Step::Report(report) => report::send(unit, report).await,
        Step::Leave => {
            // Its storage could not be let go of under what still runs.
            unit.world.left.end(&unit.name, unit.world.settings.grace).await;
            leave::leave(unit).await
        }
    }
}

/// Tells what such a command wrote.
///
/// # Errors
/// If that is refused, or could not be told yet.
pub(crate) async fn outside(unit: &mut Unit, report: &StepReport) -> Result<(), StepError> {
    report::send(unit, report).await
}

/// Runs a command that an operator on the machine gave by `juju-exec`.
pub(crate) async fn exec(unit: &mut Unit, request: ExecRequest) -> Result<(), StepError> {
    task::exec(unit, request).await
}
