//! Telling the controller what was done, once each, in order (reliability document, R5).

use muster_model::refusal::Code;
use muster_model::report::{ReportBody, StepReport};
use muster_model::{Hook, Report, Revision, Seq};
use muster_resolver::{Progress, retry_delay};

use super::StepError;
use crate::controller::{ControllerError, report_until_answered};
use crate::random;
use crate::unit::Unit;

pub(super) async fn send(unit: &mut Unit, step: &StepReport) -> Result<(), StepError> {
    let seq = unit.local.seq.next();
    let report = Report {
        model: unit.world.model,
        body: ReportBody::Step { unit: unit.name.clone(), seq, step: step.clone() },
    };
    match report_until_answered(&unit.world.controller, &report, &unit.stop).await {
        None => Err(StepError::Stopping),
        Some(Ok(receipt)) if receipt.seq > seq => {
            // It answers a later report, one from before this machine's disk was set back; this one
            // was not looked at.
            tracing::warn!(unit = %unit.name, known = %receipt.seq, "the unit is behind");
            unit.local.seq = receipt.seq;
            unit.save()
        }
        Some(Ok(_)) => taken(unit, step),
        Some(Err(ControllerError::Refused(refusal))) if refusal.code == Code::OutOfStep => {
            out_of_step(unit, step, refusal.expected).await
        }
        Some(Err(ControllerError::Refused(refusal))) => match step {
            StepReport::Committed { .. } | StepReport::Task { .. } | StepReport::Outside { .. } => {
                refused(unit, step, refusal.message)
            }
            // The controller knows neither the step nor, perhaps, the unit (a backup was restored):
            // everything is kept as it is, and a person must look (R7).
            _ => Err(StepError::Refused(refusal.message)),
        },
        // The same bytes will not be understood next time either.
        Some(Err(ControllerError::Broken(error)))
            if is_malformed(&*error)
                && matches!(step, StepReport::Committed { .. } | StepReport::Task { .. }) =>
        {
            refused(unit, step, muster_console::outcome::Chain(&*error).to_string())
        }
        Some(Err(error)) => Err(StepError::Report(error)),
    }
}

fn is_malformed(error: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    matches!(error.downcast_ref(), Some(muster_api::CallError::Malformed(_)))
}

/// What was done is not taken. The hook or task has failed with that; if it was the bare outcome that
/// was refused, this says so, and the next try comes a little later.
fn refused(unit: &mut Unit, step: &StepReport, reason: String) -> Result<(), StepError> {
    tracing::info!(unit = %unit.name, reason, "a commit was refused");
    unit.local.refused(&reason);
    unit.reboot = None;
    unit.save()?;
    match step {
        StepReport::Task { effects, .. } if effects.is_empty() => Err(StepError::Refused(reason)),
        // Whoever gave the command is told; see `Unit::commit_outside`.
        StepReport::Outside { .. } => Err(StepError::Refused(reason)),
        _ => Ok(()),
    }
}

/// The numbers differ. Either the report was taken before and the answer was lost; or the controller
/// knows less than the unit, which then counts on from what the controller knows.
async fn out_of_step(
    unit: &mut Unit,
    step: &StepReport,
    expected: Option<Seq>,
) -> Result<(), StepError> {
    let known = match expected {
        Some(expected) => Some(Seq(expected.0.saturating_sub(1))),
        None => {
            let poll = unit.world.poll(Revision::ZERO);
            unit.unless_stopped(poll).await?.map_err(StepError::Report)?;
            let goal = unit.world.goal.borrow().clone();
            goal.and_then(|goal| goal.units.get(&unit.name).map(|goal| goal.seq))
        }
    };
    match known {
        Some(known) if known > unit.local.seq => {
            tracing::warn!(unit = %unit.name, %known, "a report was taken before");
            taken(unit, step)?;
            unit.local.seq = unit.local.seq.max(known);
            unit.save()
        }
        Some(known) if known < unit.local.seq => {
            tracing::warn!(unit = %unit.name, %known, "the controller knows less than the unit");
            unit.local.seq = known;
            unit.save()
        }
        _ => Err(StepError::Refused("the report's number is not the next one".to_owned())),
    }
}

fn taken(unit: &mut Unit, step: &StepReport) -> Result<(), StepError> {
    match step {
        StepReport::Committed { hook, effects } => {
            unit.cache.committed(&unit.name, effects);
            match hook {
                Hook::LeaderSettingsChanged => {
                    if let Progress::Committing { inputs, .. } = &unit.local.progress {
                        unit.seen.leader_settings = Some(inputs.leader_settings);
                    }
                }
                Hook::Storage(_) | Hook::UpdateStatus => {}
                _ => {}
            }
            unit.reboot_due = unit.reboot.take().is_some();
        }
        StepReport::Task { effects, .. } => {
            unit.cache.committed(&unit.name, effects);
            unit.reboot_due = unit.reboot.take().is_some();
        }
        StepReport::Outside { effects } => unit.cache.committed(&unit.name, effects),
        StepReport::Deployed { .. }
        | StepReport::NotDeployed { .. }
        | StepReport::Failed { .. }
        | StepReport::Gone => {}
    }
    let retry_at = match step {
        StepReport::Failed { attempts, .. } | StepReport::NotDeployed { attempts, .. } => {
            Some(unit.world.clock.now() + retry_delay(*attempts, random::thousandth()))
        }
        _ => None,
    };
    unit.local.taken(retry_at);
    if let Some(goal) = unit.goal()
        && let Some(goal) = goal.units.get(&unit.name)
    {
        unit.local.prune(goal);
    }
    // A wait that has begun and a restart of the machine go on from what is on disk.
    let at_once = retry_at.is_some() || unit.reboot_due;
    if at_once { unit.save() } else { unit.save_later() }
}
