//! Restarting the machine at a charm's wish (hook contract, section 4.13).

use muster_model::Report;
use muster_model::name::UnitName;
use muster_model::report::{NowReport, ReportBody};

use tokio_util::sync::CancellationToken;

use crate::world::World;

/// Restarts the machine once no other unit runs anything. The agent stops in any case; where it may
/// not restart the machine (tests), somebody else does.
pub(crate) async fn now(world: &World, unit: &UnitName, stop: &CancellationToken) {
    let report = Report {
        model: world.model,
        body: ReportBody::Now { unit: unit.clone(), now: NowReport::Rebooting },
    };
    if let Err(error) = world.controller.report(&report).await {
        // Status shows it a little later or not at all; the charm waits for the boot.
        tracing::warn!(error = %muster_console::outcome::Chain(&error), "reboot is not reported");
    }
    let held = tokio::select! {
        biased;
        () = stop.cancelled() => return,
        held = world.locks.machine() => held,
    };
    if !world.settings.may_reboot {
        return;
    }
    tracing::warn!(%unit, "the machine restarts at a charm's wish");
    let asked = tokio::process::Command::new("systemctl").arg("reboot").status().await;
    match asked {
        // Nothing more starts until the machine goes down, which ends the agent, too.
        Ok(status) if status.success() => stop.cancelled().await,
        Ok(status) => tracing::error!(%status, "the machine could not be restarted"),
        Err(error) => tracing::error!(%error, "the machine could not be restarted"),
    }
    drop(held);
}
