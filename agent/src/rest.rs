//! What units have nothing to do for, told to the controller: what `settled` counts with; and how many
//! processes their hooks have left running.
//!
//! Each unit says where it stands now; one task tells it. What was not taken is told again, for a unit
//! at rest says so only once and nobody else would.

use std::collections::BTreeMap;
use std::time::Duration;

use muster_model::name::UnitName;
use muster_model::report::ReportBody;
use muster_model::{Report, Revision};
use tokio_util::sync::CancellationToken;

use crate::controller::{Backoff, report_until_answered};
use crate::world::World;

/// How often what is left running is counted, where anything is.
const COUNTED: Duration = Duration::from_secs(30);

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
    let mut lefts = world.left.changed.subscribe();
    let mut told: BTreeMap<UnitName, (Rest, u32)> = BTreeMap::new();
    let mut backoff = Backoff::default();
    loop {
        let now = rests.borrow_and_update().clone();
        told.retain(|unit, _| now.contains_key(unit));
        lefts.mark_unchanged();
        let counts = if world.left.is_empty() { BTreeMap::new() } else { world.left.counts() };
        let mut by_revision: BTreeMap<Revision, BTreeMap<UnitName, (Rest, u32)>> = BTreeMap::new();
        for (unit, rest) in now {
            let stands = (rest, counts.get(&unit.tag()).copied().unwrap_or_default());
            if told.get(&unit) != Some(&stands) {
                by_revision.entry(stands.0.revision).or_default().insert(unit, stands);
            }
        }
        let mut refused = false;
        for (revision, new) in by_revision {
            let of =
                |(unit, (rest, _)): (&UnitName, &(Rest, u32))| (unit.clone(), rest.waits.clone());
            let units = new.iter().map(of).collect();
            let left = new.iter().filter(|(_, (_, left))| *left > 0);
            let left = left.map(|(unit, (_, left))| (unit.clone(), *left)).collect();
            let body = ReportBody::Rest { machine: world.machine, revision, units, left };
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
        let counted = async {
            if world.left.is_empty() {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(COUNTED).await;
        };
        tokio::select! {
            changed = rests.changed() => if changed.is_err() { return },
            changed = lefts.changed() => if changed.is_err() { return },
            () = counted => {}
            () = again => {}
            () = stop.cancelled() => return,
        }
    }
}
