//! Storage that no unit has and that is to be destroyed: the machine's own part (reliability
//! document, R14).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use muster_console::outcome::Chain;
use muster_model::Report;
use muster_model::goal::Goal;
use muster_model::name::StorageId;
use muster_model::report::ReportBody;
use tokio_util::sync::CancellationToken;

use crate::controller::report_until_answered;
use crate::fetch::blocking;
use crate::mount;
use crate::world::World;

/// How long a storage whose data cannot be taken away is left alone.
const AGAIN: Duration = Duration::from_secs(10);

/// Destroys what the goal names, and nothing else, one after the other until `stop`. It may be done
/// twice without harm: what is gone is gone. One that cannot be destroyed holds up no other.
pub(crate) async fn serve(world: World, stop: CancellationToken) {
    let mut goals = world.goal.subscribe();
    let mut tried: BTreeMap<StorageId, Instant> = BTreeMap::new();
    while !stop.is_cancelled() {
        let goal = goals.borrow_and_update().clone();
        let next = match &goal {
            Some(goal) => {
                tried.retain(|id, _| goal.discard.contains(id));
                next(goal, &tried)
            }
            None => None,
        };
        let now = world.clock.instant();
        let wait = next.map(|(id, due)| {
            (id, due.map_or(Duration::ZERO, |due| due.saturating_duration_since(now)))
        });
        if let Some((id, Duration::ZERO)) = wait {
            let Some(()) = discard(&world, &id, &stop).await else { return };
            tried.insert(id, world.clock.instant());
            continue;
        }
        let wait = async {
            match wait {
                Some((_, wait)) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = wait => {}
            changed = goals.changed() => if changed.is_err() { return },
            () = stop.cancelled() => return,
        }
    }
}

/// What is to be destroyed next, and when at the earliest, if it was tried before; never what a unit of the same goal has. What was tried
/// comes last: also what is gone, should the controller not have kept that it was told so.
fn next(goal: &Goal, tried: &BTreeMap<StorageId, Instant>) -> Option<(StorageId, Option<Instant>)> {
    let free = goal.discard.iter().filter(|id| goal.holder(id).is_none());
    let last = free.map(|id| (tried.get(id).copied(), id)).min();
    last.map(|(last, id)| (id.clone(), last.map(|last| last + AGAIN)))
}

/// Destroys a storage and tells what came of it; none: `stop` came first.
async fn discard(world: &World, id: &StorageId, stop: &CancellationToken) -> Option<()> {
    let (paths, name) = (world.settings.paths.clone(), id.clone());
    let trouble = match blocking(move || mount::release(&paths, &name, true)).await {
        Ok(Ok(())) => String::new(),
        Ok(Err(error)) => Chain(&error).to_string(),
        Err(error) => Chain(&error).to_string(),
    };
    if trouble.is_empty() {
        tracing::info!(storage = %id, "the data of the storage is destroyed");
    } else {
        tracing::warn!(storage = %id, error = trouble, "the data of the storage cannot be destroyed");
    }
    let body = ReportBody::Discarded { machine: world.machine, storage: id.clone(), trouble };
    let report = Report { model: world.model, body };
    if let Err(error) = report_until_answered(&world.controller, &report, stop).await? {
        tracing::warn!(storage = %id, error = %Chain(&error), "the storage's end was not taken");
    }
    Some(())
}
