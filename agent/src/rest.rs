//! What units have nothing to do for, told to the controller: what `settled` counts with.
//!
//! Each unit says where it stands now; one task tells it. What was not taken is told again, for a unit
//! at rest says so only once and nobody else would.

use std::collections::BTreeMap;

use muster_model::name::UnitName;
use muster_model::report::ReportBody;
use muster_model::{Report, Revision};
use tokio_util::sync::CancellationToken;

use crate::controller::{Backoff, report_until_answered};
use crate::world::World;

/// What a unit says when it has nothing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rest {
    /// The goal's revision, as of which it has nothing to do.
    pub(crate) revision: Revision,
    /// What it waits for; empty if for nothing.
    pub(crate) waits: String,
}

/// Tells who has nothing to do, together with whoever said so in the same moment, until `stop`.
pub(crate) async fn tell(world: World, stop: CancellationToken) {
    let mut rests = world.rests.subscribe();
    let mut told: BTreeMap<UnitName, Rest> = BTreeMap::new();
    let mut backoff = Backoff::default();
    loop {
        let now = rests.borrow_and_update().clone();
        told.retain(|unit, _| now.contains_key(unit));
        let mut by_revision: BTreeMap<Revision, BTreeMap<UnitName, Rest>> = BTreeMap::new();
        for (unit, rest) in now.into_iter().filter(|(unit, rest)| told.get(unit) != Some(rest)) {
            by_revision.entry(rest.revision).or_default().insert(unit, rest);
        }
        let mut refused = false;
        for (revision, new) in by_revision {
            let units = new.iter().map(|(unit, rest)| (unit.clone(), rest.waits.clone())).collect();
            let body = ReportBody::Rest { machine: world.machine, revision, units };
            let report = Report { model: world.model, body };
            match report_until_answered(&world.controller, &report, &stop).await {
                None => return,
                Some(Ok(_)) => told.extend(new),
                Some(Err(error)) => {
                    refused = true;
                    let chain = muster_console::outcome::Chain(&error).to_string();
                    tracing::warn!(error = chain, "rest is not told; it will be told again");
                }
            }
        }
        let again = async {
            if refused {
                tokio::time::sleep(backoff.wait()).await;
            } else {
                backoff = Backoff::default();
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            changed = rests.changed() => if changed.is_err() { return },
            () = again => {}
            () = stop.cancelled() => return,
        }
    }
}
