//! Storage that no unit has and that is to be destroyed: the machine's own part (reliability
//! document, R14).

use std::collections::BTreeSet;
use std::time::Duration;

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
/// twice without harm: what is gone is gone.
pub(crate) async fn serve(world: World, stop: CancellationToken) {
    let mut goals = world.goal.subscribe();
    let mut told: BTreeSet<StorageId> = BTreeSet::new();
    while !stop.is_cancelled() {
        let next = {
            let goal = goals.borrow_and_update();
            goal.as_ref().and_then(|goal| {
                told.retain(|id| goal.discard.contains(id));
                next(goal, &told)
            })
        };
        let mut again = None;
        if let Some(id) = next {
            let Some(gone) = discard(&world, &id, &stop).await else { return };
            if gone {
                told.insert(id);
                continue;
            }
            again = Some(AGAIN);
        }
        let wait = async {
            match again {
                Some(again) => tokio::time::sleep(again).await,
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

/// What is to be destroyed next; never what a unit of the same goal has.
fn next(goal: &Goal, told: &BTreeSet<StorageId>) -> Option<StorageId> {
    let free = |id: &&StorageId| goal.holder(id).is_none();
    goal.discard.iter().filter(|id| !told.contains(*id)).find(free).cloned()
}

/// Whether it is gone and the controller knows; none: `stop` came first.
async fn discard(world: &World, id: &StorageId, stop: &CancellationToken) -> Option<bool> {
    let (paths, name) = (world.settings.paths.clone(), id.clone());
    let trouble = match blocking(move || mount::release(&paths, &name, true)).await {
        Ok(Ok(())) => String::new(),
        Ok(Err(error)) => Chain(&error).to_string(),
        Err(error) => Chain(&error).to_string(),
    };
    let gone = trouble.is_empty();
    if gone {
        tracing::info!(storage = %id, "the data of the storage is destroyed");
    } else {
        tracing::warn!(storage = %id, error = trouble, "the data of the storage cannot be destroyed");
    }
    let body = ReportBody::Discarded { machine: world.machine, storage: id.clone(), trouble };
    let report = Report { model: world.model, body };
    match report_until_answered(&world.controller, &report, stop).await? {
        Ok(_) => Some(gone),
        Err(error) => {
            tracing::warn!(storage = %id, error = %Chain(&error), "the storage's end was not taken");
            Some(false)
        }
    }
}
