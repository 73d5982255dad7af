//! What time alone brings about: silence and what follows from it, and what has outlived its use.

use std::collections::BTreeSet;
use std::time::{Duration, UNIX_EPOCH};

use muster_model::Estate;
use muster_model::record::{CharmRecord, Resource};
use muster_model::upkeep;
use muster_resources::{BlobStore, Digest};
use tokio_util::sync::CancellationToken;

use crate::config::Times;
use crate::heard::Hearing;
use crate::ledger::Ledger;
use crate::log::Logs;
use crate::{Chain, clock};

/// Looks, until `shutdown`, for machines that have fallen silent, and opens the matters that their
/// silence leaves: leads to be given to others, removals by force to be finished without them.
pub(crate) async fn run(
    ledger: Ledger,
    hearing: Hearing,
    every: Duration,
    shutdown: CancellationToken,
) {
    let mut beat = tokio::time::interval(every);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = beat.tick() => {}
            () = shutdown.cancelled() => return,
        }
        let estate = ledger.estate();
        hearing.listen(&estate);
        let heard = std::sync::Arc::clone(&hearing.watch().borrow());
        let matters = upkeep::lapsed(&estate, &heard);
        if !matters.is_empty()
            && let Err(error) = ledger.look(matters)
        {
            tracing::warn!(%error, "silence is looked at later");
        }
    }
}

/// Forgets, until `shutdown`, what has outlived its use: records through the ledger, bytes that no
/// record names, logs of models that are no more.
pub(crate) async fn tidy(
    ledger: Ledger,
    blobs: BlobStore,
    logs: Logs,
    times: Times,
    shutdown: CancellationToken,
) {
    let mut beat = tokio::time::interval(times.tidying);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = beat.tick() => {}
            () = shutdown.cancelled() => return,
        }
        if let Err(error) = ledger.prune() {
            tracing::warn!(%error, "old records are pruned later");
        }
        let (estate, blobs, logs) = (ledger.estate(), blobs.clone(), logs.clone());
        let tidied = tokio::task::spawn_blocking(move || {
            let now = UNIX_EPOCH + Duration::from_millis(clock::now().0.unsigned_abs());
            match blobs.collect(&named(&estate), now, times.unnamed) {
                Ok(done) if done.removed.is_empty() && done.abandoned.is_empty() => {}
                Ok(done) => tracing::info!(
                    removed = done.removed.len(),
                    abandoned = done.abandoned.len(),
                    bytes = done.bytes,
                    "bytes that nothing names are gone"
                ),
                Err(error) => tracing::warn!(error = %Chain(&error), "bytes are collected later"),
            }
            let models: BTreeSet<_> = estate.models().map(|model| model.id()).collect();
            if let Err(error) = logs.retain(&models) {
                tracing::warn!(error = %Chain(&error), "logs are tidied later");
            }
        });
        if let Err(error) = tidied.await {
            tracing::error!(%error, "tidying failed");
        }
    }
}

/// Every digest that a record names.
fn named(estate: &Estate) -> BTreeSet<Digest> {
    let of_model = |model: &std::sync::Arc<muster_model::Model>| {
        let charms = model.table::<CharmRecord>().values().map(|charm| charm.digest);
        let files = model.table::<Resource>().values().map(|resource| resource.digest);
        charms.chain(files).collect::<Vec<_>>()
    };
    estate.models().flat_map(of_model).collect()
}
