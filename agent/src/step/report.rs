//! Telling the controller what was done, once each, in order (reliability document, R5).

use muster_model::refusal::Code;
use muster_model::report::{ReportBody, StepReport};
use muster_model::{Hook, Report, Revision};
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
        Some(Ok(_)) => taken(unit, step),
        Some(Err(ControllerError::Refused(refusal))) if refusal.code == Code::OutOfStep => {
            out_of_step(unit, step).await
        }
        Some(Err(ControllerError::Refused(refusal))) => match step {
            StepReport::Committed { .. } | StepReport::Task { .. } | StepReport::Outside { .. } => {
                tracing::info!(unit = %unit.name, %refusal, "a commit was refused");
                unit.local.refused(&refusal.message);
                unit.reboot = None;
                unit.save()
            }
            // The controller knows neither the step nor, perhaps, the unit (a backup was restored):
            // everything is kept as it is, and a person must look (R7).
            _ => Err(StepError::Refused(refusal.message)),
        },
        Some(Err(error)) => Err(StepError::Report(error)),
    }
}

/// The numbers differ. Either the report was taken before and the answer was lost; or the controller
/// knows less than the unit, which then counts on from what the controller knows.
async fn out_of_step(unit: &mut Unit, step: &StepReport) -> Result<(), StepError> {
    unit.world.poll(Revision::ZERO).await.map_err(StepError::Report)?;
    let known = unit.goal().and_then(|goal| goal.units.get(&unit.name).map(|goal| goal.seq));
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
        StepReport::Task { effects, .. } | StepReport::Outside { effects } => {
            unit.cache.committed(&unit.name, effects);
        }
        StepReport::Deployed { .. } | StepReport::Failed { .. } | StepReport::Gone => {}
    }
    let retry_at = match step {
        StepReport::Failed { attempts, .. } => {
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
    unit.save()
}
